//! Keys of FROST over real processes: who signs, and what a byzantine signer cannot do.

use quorate_intent::{Act, CreateKey, KeyStatement, Sign};
use quorate_testkit::{Cluster, CoordinatorDouble, Outcome, Proposal};
use quorate_types::{Algorithm, ChainId, Committee, MessageType, ProtocolName, Right, Threshold};
use quorate_verify::Signature;
use sha2::{Digest as _, Sha256};

use crate::support::{indices, run, start};

/// A key of all nodes for raw messages.
pub(crate) async fn create(
    cluster: &Cluster,
    doubles: &mut [CoordinatorDouble],
    algorithm: Algorithm,
    threshold: u64,
) -> KeyStatement {
    let nodes = cluster.node_ids();
    let create = CreateKey {
        algorithm,
        curve: algorithm.curve(),
        protocol: ProtocolName::new("frost").unwrap(),
        threshold: Threshold::new(threshold, nodes.len() as u64).unwrap(),
        committee: Committee::new(nodes).unwrap(),
        chain: ChainId::new("none").unwrap(),
        address_kind: "default".to_owned(),
        rights: [Right::RawMessage].into_iter().collect(),
    };
    let intent = cluster.client.intent(Act::CreateKey(create)).unwrap();
    let proposal = Proposal::new(intent, &[]).unwrap();
    let everyone: Vec<usize> = (0..doubles.len()).collect();
    let mut statement = None;
    for outcome in run(doubles, &everyone, &proposal).await {
        let Outcome::Created(certificate) = outcome else {
            panic!("not created: {outcome:?}")
        };
        certificate.verify(&cluster.manifest).unwrap();
        assert!(certificate.statement.pair_generations.is_empty());
        let first = statement.get_or_insert(certificate.statement.clone());
        assert!(*first == certificate.statement, "one statement for all");
    }
    statement.unwrap()
}

pub(crate) fn message(
    cluster: &Cluster,
    key: &KeyStatement,
    payload: &[u8],
    at: &[usize],
) -> Proposal {
    let act = Act::Sign(Sign {
        key: key.key,
        path: "m".to_owned(),
        chain: key.chain.clone(),
        message_type: MessageType::Raw,
        payload: payload.to_vec(),
    });
    Proposal::new(cluster.client.intent(act).unwrap(), &indices(at)).unwrap()
}

/// The one signature of an outcome, verified: Ed25519 over the message, BIP340 over its SHA-256.
pub(crate) fn verified(outcome: &Outcome, key: &KeyStatement, payload: &[u8]) -> Signature {
    let Outcome::Signed(signatures) = outcome else {
        panic!("not signed: {outcome:?}")
    };
    assert_eq!(signatures.len(), 1);
    let signature = Signature::from_wire(key.algorithm, &signatures[0]).unwrap();
    let signed = match key.algorithm {
        Algorithm::EdDsa => payload.to_vec(),
        _ => Sha256::digest(payload).to_vec(),
    };
    signature.verify(&key.public_key, &signed).unwrap();
    signature
}

#[tokio::test(flavor = "multi_thread")]
async fn c8_any_two_of_three__must_sign_with_another_nonce_each_time() {
    let (cluster, mut doubles) = start(3).await;
    for algorithm in [Algorithm::EdDsa, Algorithm::Schnorr] {
        let key = create(&cluster, &mut doubles, algorithm, 2).await;
        let mut nonces = std::collections::BTreeSet::new();
        for at in [[0, 1], [0, 2], [1, 2], [0, 1]] {
            let proposal = message(&cluster, &key, b"the same message", &at);
            let outcomes = run(&mut doubles, &at, &proposal).await;
            let first = verified(&outcomes[0], &key, b"the same message");
            assert_eq!(first, verified(&outcomes[1], &key, b"the same message"));
            assert!(nonces.insert(first.as_bytes()[..32].to_vec()), "a new R");
        }
    }
}

#[cfg(feature = "danger_byzantine")]
mod byzantine {
    use super::*;
    use crate::support::{byzantine, recorded_outcome, start_with};

    const LIAR: usize = 2;
    const POINT: usize = 32;
    const SHARE: usize = 32;

    /// Signs with the two honest nodes while `p3` lies to `p1` in a session of its own; returns
    /// what `p1` recorded of that session.
    async fn attack(
        cluster: &Cluster,
        doubles: &mut [CoordinatorDouble],
        key: &KeyStatement,
        at: &[usize],
        script: &str,
    ) -> serde_json::Value {
        cluster.script(LIAR, script).unwrap();
        let attacked = message(cluster, key, script.as_bytes(), at);
        for position in at {
            doubles[*position].open(&attacked).await.unwrap();
        }
        let outcome = doubles[0].outcome(attacked.session).await.unwrap();
        assert!(
            matches!(outcome, Outcome::Aborted(_)),
            "`{script}`: {outcome:?}"
        );
        for position in &at[1..] {
            doubles[*position].outcome(attacked.session).await.unwrap();
        }
        recorded_outcome(cluster, 0, attacked.session).await["details"].clone()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn c7_c10_c14_lies_in_frost__must_end_it_and_name_the_liar_and_nobody_else() {
        let mut options = byzantine(3);
        // These lies are about two rounds; those about stocked nonces are in `stocked`.
        options.set_limit("stocked_nonces_per_set", 0);
        let (cluster, mut doubles) = start_with(options).await;
        let two = create(&cluster, &mut doubles, Algorithm::EdDsa, 2).await;
        let three = create(&cluster, &mut doubles, Algorithm::EdDsa, 3).await;
        let bip340 = create(&cluster, &mut doubles, Algorithm::Schnorr, 2).await;
        let identity = format!("01{}", "00".repeat(31));
        let generator = format!("58{}", "66".repeat(31));
        let (pair, all) = ([0, LIAR], [0, 1, LIAR]);
        type Case<'a> = (
            &'a KeyStatement,
            &'a [usize],
            String,
            &'a str,
            &'a [&'a str],
        );
        let cases: [Case<'_>; 8] = [
            (
                &two,
                &pair,
                format!("lie xor sign 2 {SHARE} all"),
                "signature_share",
                &["p3"],
            ),
            (
                &bip340,
                &pair,
                format!("lie xor sign 2 {} all", SHARE + 31),
                "signature_share",
                &["p3"],
            ),
            (
                &two,
                &pair,
                "lie xor sign 2 0 all".to_owned(),
                "commitment_list",
                &["p3"],
            ),
            (
                &two,
                &pair,
                format!("lie set sign 1 {POINT} {identity} all"),
                "malformed",
                &["p3"],
            ),
            (
                &two,
                &pair,
                format!("lie set sign 2 {SHARE} {} all", "ff".repeat(32)),
                "malformed",
                &["p3"],
            ),
            (
                &two,
                &pair,
                "lie mute sign 1".to_owned(),
                "timed_out",
                &["p3"],
            ),
            // Another commitment for one of two: the echo convicts whoever signed both.
            (
                &three,
                &all,
                format!("lie set sign 1 {POINT} {generator} p1"),
                "equivocation",
                &["p3"],
            ),
            // Something else is meant: nobody can tell who is right.
            (
                &two,
                &pair,
                "lie xor sign 1 0 all".to_owned(),
                "out_of_step",
                &[],
            ),
        ];
        for (key, at, script, reason, culprits) in cases {
            let details = attack(&cluster, &mut doubles, key, at, &script).await;
            assert_eq!(details["reason"], reason, "`{script}`");
            let named = match culprits {
                [] => serde_json::json!("unattributable"),
                _ => serde_json::json!(culprits),
            };
            assert_eq!(details["culprits"], named, "`{script}`");
            // A session of honest nodes goes on all the while, with the same key.
            if key.threshold.min_signers() == 2 {
                let honest = message(&cluster, key, b"honest", &[0, 1]);
                for outcome in run(&mut doubles, &[0, 1], &honest).await {
                    verified(&outcome, key, b"honest");
                }
            }
        }
        // Nothing of this leaks, so nobody is banned.
        cluster.script(LIAR, "").unwrap();
        let proposal = message(&cluster, &two, b"afterwards", &pair);
        for outcome in run(&mut doubles, &pair, &proposal).await {
            verified(&outcome, &two, b"afterwards");
        }
    }
}
