//! What the tests of this binary do again and again.

use std::sync::{Arc, Weak};

use quorate_api::mpc_v1::RefusalKind;
use quorate_intent::{KeyCertificate, KeyStatement};
use quorate_testkit::{Cluster, CoordinatorDouble, Options, Outcome, Proposal, eip1559_transfer};
use quorate_types::{KeyId, SessionId};
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
    let chain = quorate_types::ChainId::new("ethereum-local").unwrap();
    let key = quorate_chains::KeyContext {
        chain: quorate_chains::Chain::parse(&chain).unwrap(),
        algorithm: quorate_types::Algorithm::Ecdsa,
        rights: &quorate_types::Rights::default(),
        address_kind: quorate_chains::DEFAULT_ADDRESS_KIND,
        public_key: &[],
    };
    let payload = eip1559_transfer(nonce, [0x11; 20], 1_000);
    let transaction = quorate_types::MessageType::Transaction;
    let effect = quorate_chains::effect_of(&key, transaction, &payload).unwrap();
    *effect.targets[0].digest().as_bytes()
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

/// A cluster whose participants do what the test's scripts say.
#[cfg(feature = "danger_byzantine")]
pub(crate) fn byzantine(nodes: usize) -> Options {
    Options::new(env!("CARGO_BIN_EXE_quorate-participant-byzantine"), nodes)
}

/// The signatures of an outcome, signed now or before; verified under the key.
pub(crate) fn signed_now_or_before(
    outcome: &Outcome,
    key: &KeyStatement,
    digest: &[u8; 32],
) -> EcdsaSignature {
    match outcome {
        Outcome::Refused(refused) => {
            assert_eq!(refused.kind(), RefusalKind::AlreadySigned, "{refused:?}");
            verified(&Outcome::Signed(refused.signatures.clone()), key, digest)
        }
        outcome => verified(outcome, key, digest),
    }
}

/// Opens a session at these nodes; each must refuse with this code, say nothing more, and record it.
pub(crate) async fn must_refuse(
    cluster: &Cluster,
    doubles: &mut [CoordinatorDouble],
    at: &[usize],
    proposal: &Proposal,
    code: &str,
) {
    let outcomes = run(doubles, at, proposal).await;
    for (outcome, position) in outcomes.iter().zip(at) {
        assert_eq!(outcome.code(), code, "at {position}: {outcome:?}");
        assert_recorded_refusal(cluster, *position, proposal.session, code);
    }
}

/// The audit log of the node says that it refused this session, and why.
pub(crate) fn assert_recorded_refusal(
    cluster: &Cluster,
    position: usize,
    session: SessionId,
    code: &str,
) {
    let records = cluster.audit(position).unwrap();
    let found = records.iter().any(|record| {
        let event = &record["event"];
        event["session_id"] == session.to_string()
            && event["result"] == "refused"
            && event["details"]["code"] == code
    });
    assert!(found, "no record of {code} for {session} at {position}");
}

/// The outcome of a session in a node's audit log, once it is there.
pub(crate) async fn recorded_outcome(
    cluster: &Cluster,
    position: usize,
    session: SessionId,
) -> serde_json::Value {
    let find = |cluster: &Cluster| -> anyhow::Result<Option<serde_json::Value>> {
        let mut records = cluster.audit(position)?.into_iter();
        Ok(records.find(|record| {
            let event = &record["event"];
            event["session_id"] == session.to_string()
                && ["succeeded", "failed", "unknown"]
                    .contains(&event["result"].as_str().unwrap_or(""))
        }))
    };
    let what = format!("outcome of {session} at {position}");
    cluster
        .eventually(&what, |cluster| Ok(find(cluster)?.is_some()))
        .await
        .unwrap();
    find(cluster).unwrap().unwrap()["event"].clone()
}

/// The folder of a key's share at a node.
pub(crate) fn share_dir(cluster: &Cluster, position: usize, key: KeyId) -> std::path::PathBuf {
    let shares = cluster.data_dir(position).unwrap().join("key-shares");
    shares.join(key.to_string())
}

/// Keys with any share folder at a node, active or pending.
#[cfg(feature = "danger_byzantine")]
pub(crate) fn stored_keys(cluster: &Cluster, position: usize) -> Vec<String> {
    let shares = cluster.data_dir(position).unwrap().join("key-shares");
    let folders = std::fs::read_dir(shares).unwrap();
    let names = folders.map(|folder| folder.unwrap().file_name().into_string().unwrap());
    let mut keys: Vec<String> = names
        .filter(|name| name != "archive" && name != "temp")
        .collect();
    keys.sort();
    keys
}

/// One cluster with a 2-of-3 key for all tests that leave it as it was.
pub(crate) struct Shared {
    pub(crate) cluster: Cluster,
    pub(crate) key: KeyStatement,
}

static SHARED: tokio::sync::Mutex<Weak<Shared>> = tokio::sync::Mutex::const_new(Weak::new());

/// The shared cluster and connections of this test's own. It ends with the last test that uses it.
pub(crate) async fn shared() -> (Arc<Shared>, Vec<CoordinatorDouble>) {
    let mut slot = SHARED.lock().await;
    let shared = match slot.upgrade() {
        Some(shared) => shared,
        None => {
            let (cluster, mut doubles) = start(3).await;
            let key = create(&cluster, &mut doubles, 2).await.statement;
            let shared = Arc::new(Shared { cluster, key });
            *slot = Arc::downgrade(&shared);
            shared
        }
    };
    let doubles = shared.cluster.connect_all().await.unwrap();
    (shared, doubles)
}
