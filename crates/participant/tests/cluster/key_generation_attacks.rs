//! A byzantine participant in key generation: rows B1 to B6 and C10 over real processes. Node `p3`
//! lies; `p1` and `p2` must make no key, keep nothing, name the liar, and sign with another key at
//! the same time.

use quorate_intent::KeyStatement;
use quorate_testkit::{Cluster, CoordinatorDouble, Outcome, Proposal};
use quorate_types::KeyId;

use crate::support::{
    byzantine, create, recorded_outcome, run, start_with, stored_keys, transfer, transfer_digest,
    verified,
};

const LIAR: usize = 2;
const POINT: &str = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";

/// A cluster whose liar is still honest, and a key that it made.
async fn stage() -> (Cluster, Vec<CoordinatorDouble>, KeyStatement) {
    let (cluster, mut doubles) = start_with(byzantine(3)).await;
    let key = create(&cluster, &mut doubles, 2).await.statement;
    (cluster, doubles, key)
}

/// Reasons that the honest nodes recorded, each with the liar's name or none.
async fn attack(
    cluster: &Cluster,
    doubles: &mut [CoordinatorDouble],
    honest: &KeyStatement,
    nonce: u64,
    script: &str,
) -> Vec<(String, String)> {
    cluster.script(LIAR, script).unwrap();
    let intent = cluster.client.create(&cluster.node_ids(), 2).unwrap();
    let new_key = KeyId::of_intent(&intent.digest());
    let creation = Proposal::new(intent, &[]).unwrap();
    let signing = transfer(cluster, honest.key, nonce, &[0, 1]);
    for double in doubles.iter() {
        double.open(&creation).await.unwrap();
    }
    // Invariant c: an honest session at the same time completes.
    for outcome in run(doubles, &[0, 1], &signing).await {
        verified(&outcome, honest, &transfer_digest(nonce));
    }
    let mut verdicts = Vec::new();
    for position in [0, 1] {
        let outcome = doubles[position].outcome(creation.session).await.unwrap();
        let Outcome::Aborted(aborted) = &outcome else {
            panic!("`{script}`: {outcome:?}")
        };
        assert!(
            aborted.culprits.is_empty() || aborted.culprits == [3],
            "`{script}`: {aborted:?}"
        );
        assert!(!aborted.ban, "nothing of this leaks");
        // Invariant a: nothing is left of the key, active or pending.
        let gone =
            |cluster: &Cluster| Ok(!stored_keys(cluster, position).contains(&new_key.to_string()));
        cluster.eventually(script, gone).await.unwrap();
        // Invariant b: the audit log names the liar, or says that it cannot tell.
        let event = recorded_outcome(cluster, position, creation.session).await;
        assert_eq!(event["result"], "failed");
        let culprits = &event["details"]["culprits"];
        let named = *culprits == "unattributable" || *culprits == serde_json::json!(["p3"]);
        assert!(named, "`{script}`: {culprits}");
        let reason = event["details"]["reason"].as_str().unwrap().to_owned();
        verdicts.push((reason, culprits.to_string()));
    }
    // The liar's own end of the session must be over before the next one.
    doubles[LIAR].outcome(creation.session).await.unwrap();
    verdicts
}

/// At least one honest node found this reason and named the liar.
fn assert_convicted(verdicts: &[(String, String)], reason: &str, script: &str) {
    let found = verdicts.iter().any(|(r, c)| r == reason && c == "[\"p3\"]");
    assert!(found, "`{script}`: {verdicts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn b1_b2_b3_b5_b6_c10_lies_in_key_generation__must_end_it_and_name_the_liar() {
    let (cluster, mut doubles, honest) = stage().await;
    let off_curve = format!("02{}05", "00".repeat(31));
    let identity = "00".repeat(33);
    let attacks: Vec<(String, &str)> = vec![
        // B1: t + 1, t + 5, t - 1 and no commitments.
        (format!("lie opening 3 {POINT}"), "dkg_wrong_degree"),
        (format!("lie opening 7 {POINT}"), "dkg_wrong_degree"),
        (format!("lie opening 1 {POINT}"), "dkg_wrong_degree"),
        (format!("lie opening 0 {POINT}"), "dkg_wrong_degree"),
        // B2: the index of another party, n + 1, and 0.
        ("lie raw dkg 1 19 01".to_owned(), "wrong_sender"),
        ("lie raw dkg 1 19 04".to_owned(), "wrong_sender"),
        ("lie raw dkg 1 19 00".to_owned(), "malformed"),
        // B3: a proof of nothing for chosen points, and the proof that p1 made in another run.
        (format!("lie opening 2 {POINT}"), "dkg_bad_proof"),
        ("lie copy-proof".to_owned(), "dkg_bad_proof"),
        // B5: one commitment for p1 and another for p2; then one opening.
        ("lie xor dkg 1 31 p2".to_owned(), "equivocation"),
        ("lie xor dkg 2 20 p2".to_owned(), "equivocation"),
        // B6: share + 1 (or - 1) of x, then of k, to one party.
        ("lie xor dkg 3 31 p2".to_owned(), "dkg_wrong_share"),
        ("lie xor dkg 3 63 p1".to_owned(), "dkg_wrong_share"),
        // C10: points that are none (the identity on top is a lower degree), scalars that are not reduced, bytes that mean nothing.
        (format!("lie opening 2 {off_curve}"), "dkg_invalid_point"),
        (format!("lie opening 2 {identity}"), "dkg_wrong_degree"),
        (
            format!("lie set dkg 3 0 {} p1", "ff".repeat(32)),
            "dkg_invalid_scalar",
        ),
        ("lie garbage dkg 1".to_owned(), "malformed"),
        ("lie garbage dkg 2".to_owned(), "malformed"),
    ];
    for (nonce, (script, reason)) in attacks.iter().enumerate() {
        let nonce = u64::try_from(nonce).unwrap();
        let verdicts = attack(&cluster, &mut doubles, &honest, nonce, script).await;
        assert_convicted(&verdicts, reason, script);
    }
    // Honest again, it is welcome again: none of this bans anybody.
    cluster.script(LIAR, "").unwrap();
    create(&cluster, &mut doubles, 2).await;
    for double in &mut doubles {
        let health = double.heartbeat().await.unwrap();
        assert_eq!((health.keys_active, health.bans.len()), (2, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn b4_abort_after_round_1__must_be_counted_and_the_key_id_is_fixed_before() {
    const TIMES: u64 = 100;
    let (cluster, mut doubles, honest) = stage().await;
    for nonce in 0..TIMES {
        // The liar sees all commitments and decides not to open its own.
        let verdicts = attack(&cluster, &mut doubles, &honest, nonce, "lie abort dkg 2").await;
        assert!(
            verdicts.iter().any(|(reason, _)| reason == "peer_aborted"),
            "{verdicts:?}"
        );
    }
    // Each abort is counted for whoever said it: mostly the liar, sometimes the other honest node,
    // whose own abort came first.
    for position in [0, 1] {
        let metrics = cluster.metrics(position).unwrap();
        let count = |peer: &str| -> u64 {
            let name = format!("quorate_keygen_aborts_total{{peer=\"{peer}\"}} ");
            let mut lines = metrics.lines();
            let value = lines.find_map(|line| line.strip_prefix(&name));
            value.map_or(0, |value| value.parse().unwrap())
        };
        let other = if position == 0 { "p2" } else { "p1" };
        assert_eq!(count("p3") + count(other), TIMES, "at {position}");
        assert!(count("p3") > TIMES / 2, "{} at {position}", count("p3"));
        let records = cluster.audit(position).unwrap();
        let by = |peer: &str| {
            let said = records.iter();
            let said = said.filter(|record| record["event"]["details"]["aborted_by"] == peer);
            u64::try_from(said.count()).unwrap()
        };
        assert_eq!(
            (by("p3"), by(other)),
            (count("p3"), count(other)),
            "at {position}"
        );
    }
    // The id of a key is the intent's: nothing that is revealed later has a say in it.
    cluster.script(LIAR, "").unwrap();
    let intent = cluster.client.create(&cluster.node_ids(), 2).unwrap();
    let before = KeyId::of_intent(&intent.digest());
    let creation = Proposal::new(intent, &[]).unwrap();
    for outcome in run(&mut doubles, &[0, 1, 2], &creation).await {
        let Outcome::Created(certificate) = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!(certificate.statement.key, before);
    }
}
