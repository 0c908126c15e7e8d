//! What the tests of this binary do again and again.

use quorate_intent::{KeyCertificate, KeyStatement};
use quorate_testkit::{Cluster, CoordinatorDouble, Options, Outcome, Proposal, eip1559_transfer};
use quorate_types::KeyId;
use quorate_verify::EcdsaSignature;

pub(crate) fn options(nodes: usize) -> Options {
    Options::new(env!("CARGO_BIN_EXE_quorate-participant"), nodes)
}

/// A cluster with connections to all its nodes.
pub(crate) async fn start(nodes: usize) -> (Cluster, Vec<CoordinatorDouble>) {
    start_with(options(nodes)).await
}

pub(crate) async fn start_with(options: Options) -> (Cluster, Vec<CoordinatorDouble>) {
    let cluster = Cluster::start(options).await.unwrap();
    let doubles = cluster.connect_all().await.unwrap();
    (cluster, doubles)
}

/// Opens a session at the given nodes and waits for its end at each.
pub(crate) async fn run(
    doubles: &mut [CoordinatorDouble],
    at: &[usize],
    proposal: &Proposal,
) -> Vec<Outcome> {
    for position in at {
        doubles[*position].open(proposal).await.unwrap();
    }
    let mut outcomes = Vec::new();
    for position in at {
        outcomes.push(doubles[*position].outcome(proposal.session).await.unwrap());
    }
    outcomes
}

/// Creates a key of all nodes, which must succeed everywhere.
pub(crate) async fn create(
    cluster: &Cluster,
    doubles: &mut [CoordinatorDouble],
    threshold: u64,
) -> KeyCertificate {
    let intent = cluster
        .client
        .create(&cluster.node_ids(), threshold)
        .unwrap();
    let proposal = Proposal::new(intent, &[]).unwrap();
    let everyone: Vec<usize> = (0..doubles.len()).collect();
    let outcomes = run(doubles, &everyone, &proposal).await;
    let mut certificate = None;
    for outcome in outcomes {
        let Outcome::Created(created) = outcome else {
            panic!("not created: {outcome:?}")
        };
        created.verify(&cluster.manifest).unwrap();
        assert!(
            certificate.get_or_insert(created.clone()) == &created,
            "one certificate for all"
        );
    }
    *certificate.unwrap()
}

/// A proposal to sign a transfer with the signers of these positions (from 0).
pub(crate) fn transfer(cluster: &Cluster, key: KeyId, nonce: u64, at: &[usize]) -> Proposal {
    let payload = eip1559_transfer(nonce, [0x11; 20], 1_000);
    Proposal::new(cluster.client.sign(key, payload).unwrap(), &indices(at)).unwrap()
}

pub(crate) fn indices(at: &[usize]) -> Vec<u32> {
    at.iter()
        .map(|position| u32::try_from(position + 1).unwrap())
        .collect()
}

/// The digest of the transfer with this nonce, by the product's own decoder.
pub(crate) fn transfer_digest(nonce: u64) -> [u8; 32] {
    let chain =
        quorate_chains::Chain::parse(&quorate_types::ChainId::new("ethereum-local").unwrap());
    let payload = eip1559_transfer(nonce, [0x11; 20], 1_000);
    *chain.unwrap().digests(&payload).unwrap()[0].as_bytes()
}

/// The one signature of an outcome, verified under the key.
pub(crate) fn verified(outcome: &Outcome, key: &KeyStatement, digest: &[u8; 32]) -> EcdsaSignature {
    let Outcome::Signed(signatures) = outcome else {
        panic!("not signed: {outcome:?}")
    };
    assert_eq!(signatures.len(), 1);
    let (bytes, id) = signatures[0].split_at(64);
    let signature = EcdsaSignature::new(bytes.try_into().unwrap(), id[0]).unwrap();
    signature.verify(&key.public_key, digest).unwrap();
    signature
}
