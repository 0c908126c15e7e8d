//! Row C1: a process that dies at any step. No key is lost or half made, no session id serves twice,
//! no nonce appears under two digests.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use quorate_intent::{KeyCertificate, KeyStatement};
use quorate_testkit::{Cluster, CoordinatorDouble, Options, Outcome, Proposal};
use quorate_types::KeyId;
use quorate_verify::EcdsaSignature;

use crate::support::{
    assert_recorded_refusal, byzantine, create, recorded_outcome, run, signed_now_or_before,
    start_with, stored_keys, transfer, transfer_digest,
};

const DYING: usize = 2;

/// Before each message of key generation, and around each durable step of it.
const CREATION: [&str; 11] = [
    "create.after_bind",
    "send.commit",
    "send.reveal",
    "send.shares",
    "create.before_put_pending",
    "create.after_put_pending",
    "create.after_announce",
    "settle.before_release",
    "settle.after_release",
    "settle.before_activate",
    "settle.after_activate",
];

/// Before each message of signing, and around each durable step of it.
const SIGNING: [&str; 8] = [
    "sign.after_bind",
    "sign.after_attempt",
    "sign.after_audit",
    "send.extension",
    "send.product",
    "send.signature-share",
    "sign.before_complete",
    "sign.after_complete",
];

fn options() -> Options {
    let mut options = byzantine(3);
    options.set_limit("settle_interval_ms", 100);
    options
}

/// Brings the dead process back, honest.
async fn revive(cluster: &mut Cluster, doubles: &mut [CoordinatorDouble]) {
    cluster.wait_for_exit(DYING).await.unwrap();
    cluster.script(DYING, "").unwrap();
    cluster.start_node(DYING).unwrap();
    cluster.wait_for_links().await.unwrap();
    doubles[DYING] = cluster.connect(DYING).await.unwrap();
}

/// Retries the intent in new sessions until all nodes have the key.
async fn until_created(doubles: &mut [CoordinatorDouble], first: &Proposal) -> KeyCertificate {
    let deadline = Instant::now() + Duration::from_secs(300);
    loop {
        let outcomes = run(doubles, &[0, 1, 2], &first.again().unwrap()).await;
        let created = outcomes.iter().filter_map(|outcome| match outcome {
            Outcome::Created(certificate) => Some(certificate.clone()),
            _ => None,
        });
        let created: Vec<_> = created.collect();
        assert!(
            created.windows(2).all(|two| two[0] == two[1]),
            "one certificate"
        );
        if created.len() == doubles.len() {
            return *created[0].clone();
        }
        assert!(Instant::now() < deadline, "not created: {outcomes:?}");
    }
}

/// Every nonce point that was ever seen, and the digest that it signed.
#[derive(Default)]
struct Seen(HashMap<[u8; 32], [u8; 32]>);

impl Seen {
    fn note(&mut self, signature: &EcdsaSignature, digest: [u8; 32]) {
        let r = *signature.as_bytes().first_chunk::<32>().unwrap();
        let before = self.0.insert(r, digest);
        assert!(
            before.is_none_or(|before| before == digest),
            "one r for two digests"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c1_a_crash_anywhere_in_key_generation__must_lose_no_key_and_leave_none_half_made() {
    let mut options = options();
    // What waits for the dead one's signature waits so long in vain, at several places; whoever is
    // too slow for it tries again.
    options.set_limit("certify_timeout_ms", 1_000);
    let (mut cluster, mut doubles) = start_with(options).await;
    let mut seen = Seen::default();
    for (nonce, place) in CREATION.iter().enumerate() {
        cluster.script(DYING, &format!("die {place}")).unwrap();
        let intent = cluster.client.create(&cluster.node_ids(), 2).unwrap();
        let key = KeyId::of_intent(&intent.digest());
        let creation = Proposal::new(intent, &[]).unwrap();
        for double in &doubles {
            double.open(&creation).await.unwrap();
        }
        let mut early = Vec::new();
        for double in doubles.iter_mut().take(DYING) {
            early.push(double.outcome(creation.session).await.unwrap());
        }
        revive(&mut cluster, &mut doubles).await;
        let certificate = until_created(&mut doubles, &creation).await;
        certificate.verify(&cluster.manifest).unwrap();
        assert_eq!(certificate.statement.key, key, "{place}");
        // Whoever had a certificate before the crash had this one.
        for outcome in early {
            if let Outcome::Created(before) = outcome {
                assert_eq!(*before, certificate, "{place}");
            }
        }
        for position in [0, 1, 2] {
            assert!(
                stored_keys(&cluster, position).contains(&key.to_string()),
                "{place}"
            );
        }
        // The session id of the crashed run is spent, or the key is there.
        let outcome = run(&mut doubles, &[DYING], &creation).await.remove(0);
        assert!(
            matches!(outcome, Outcome::Created(_)),
            "{place}: {outcome:?}"
        );
        let nonce = u64::try_from(nonce).unwrap();
        let proposal = transfer(&cluster, key, nonce, &[0, DYING]);
        for outcome in run(&mut doubles, &[0, DYING], &proposal).await {
            let digest = transfer_digest(nonce);
            let signature = signed_now_or_before(&outcome, &certificate.statement, &digest);
            seen.note(&signature, digest);
        }
    }
    assert_eq!(
        stored_keys(&cluster, 0),
        stored_keys(&cluster, DYING),
        "the same keys everywhere"
    );
    assert_eq!(stored_keys(&cluster, 0).len(), CREATION.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn c1_c3_d7_a_crash_anywhere_in_signing__must_repeat_no_session_and_no_nonce() {
    let (mut cluster, mut doubles) = start_with(options()).await;
    let key = create(&cluster, &mut doubles, 2).await.statement;
    let mut seen = Seen::default();
    let mut done = Vec::new();
    for (nonce, place) in SIGNING.iter().enumerate() {
        let nonce = u64::try_from(nonce).unwrap();
        let first = crash(&mut cluster, &mut doubles, &key, nonce, place, &mut seen).await;
        done.push((nonce, first));
    }
    // After another restart of both signers everything is still remembered.
    for position in [0, DYING] {
        cluster.kill_node(position).unwrap();
        cluster.start_node(position).unwrap();
    }
    cluster.wait_for_links().await.unwrap();
    for position in [0, DYING] {
        doubles[position] = cluster.connect(position).await.unwrap();
    }
    for (nonce, first) in &done {
        // The old session id with another intent: refused. The old intent: its signature.
        let mut other = transfer(&cluster, key.key, 1_000 + nonce, &[0, DYING]);
        other.session = first.session;
        let outcome = run(&mut doubles, &[0], &other).await.remove(0);
        assert_eq!(outcome.code(), "INTENT_CONFLICT", "{outcome:?}");
        assert_recorded_refusal(&cluster, 0, first.session, "INTENT_CONFLICT");
        let outcome = run(&mut doubles, &[0], &first.again().unwrap())
            .await
            .remove(0);
        assert!(matches!(outcome, Outcome::Refused(_)), "{outcome:?}");
        let digest = transfer_digest(*nonce);
        seen.note(&signed_now_or_before(&outcome, &key, &digest), digest);
    }
}

/// One signature with a crash at `place`, and its completion in a new attempt. Returns the first.
async fn crash(
    cluster: &mut Cluster,
    doubles: &mut [CoordinatorDouble],
    key: &KeyStatement,
    nonce: u64,
    place: &str,
    seen: &mut Seen,
) -> Proposal {
    let digest = transfer_digest(nonce);
    cluster.script(DYING, &format!("die {place}")).unwrap();
    let first = transfer(cluster, key.key, nonce, &[0, DYING]);
    for position in [0, DYING] {
        doubles[position].open(&first).await.unwrap();
    }
    let survivor = doubles[0].outcome(first.session).await.unwrap();
    revive(cluster, doubles).await;
    if place != "sign.after_bind" && place != "sign.after_attempt" {
        let event = recorded_outcome(cluster, DYING, first.session).await;
        assert_eq!(event["result"], "unknown", "{place}");
    }
    if place != "sign.after_bind" {
        // Its attempt is spent, whatever came of it.
        let outcome = run(doubles, &[DYING], &first).await.remove(0);
        assert_eq!(outcome.code(), "INTENT_CONFLICT", "{place}: {outcome:?}");
    }
    if let Outcome::Signed(_) = survivor {
        seen.note(&signed_now_or_before(&survivor, key, &digest), digest);
        return first;
    }
    for outcome in run(doubles, &[0, DYING], &first.again().unwrap()).await {
        seen.note(&signed_now_or_before(&outcome, key, &digest), digest);
    }
    first
}
