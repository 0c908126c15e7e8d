//! What a dishonest coordinator can do with one session id: open it for different things at
//! different nodes, or again and again at one.

use quorate_testkit::{Cluster, CoordinatorDouble, Outcome, Proposal};

use crate::support::{
    assert_recorded_refusal, create, indices, options, recorded_outcome, run, shared, start_with,
    transfer, transfer_digest, verified,
};

/// Opens one session for something else at each node. All must time out; no record may say that an
/// honest node did wrong: whom somebody waited for is no fault.
async fn must_blame_nobody(
    cluster: &Cluster,
    doubles: &mut [CoordinatorDouble],
    opened: &[(usize, Proposal)],
) {
    for (position, proposal) in opened {
        doubles[*position].open(proposal).await.unwrap();
    }
    for (position, proposal) in opened {
        let outcome = doubles[*position].outcome(proposal.session).await.unwrap();
        let Outcome::Aborted(aborted) = &outcome else {
            panic!("at {position}: {outcome:?}")
        };
        assert_eq!((aborted.reason.as_str(), aborted.ban), ("timed_out", false));
        let event = recorded_outcome(cluster, *position, proposal.session).await;
        assert_eq!(event["details"]["reason"], "timed_out", "at {position}");
        assert_eq!(event["details"]["evidence"], serde_json::json!([]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_session_for_different_signatures__must_end_without_blame() {
    let (shared, mut doubles) = shared().await;
    let (cluster, key) = (&shared.cluster, &shared.key);
    // Two intents.
    let first = transfer(cluster, key.key, 300, &[0, 1]);
    let mut second = transfer(cluster, key.key, 301, &[0, 1]);
    second.session = first.session;
    must_blame_nobody(cluster, &mut doubles, &[(0, first), (1, second)]).await;
    // One intent, and another signer set for each.
    let of = |proposal: &Proposal, at: &[usize]| Proposal {
        signers: indices(at),
        ..proposal.clone()
    };
    let split = transfer(cluster, key.key, 302, &[0, 1]);
    let opened = [
        (0, of(&split, &[0, 1])),
        (1, of(&split, &[1, 2])),
        (2, of(&split, &[0, 2])),
    ];
    must_blame_nobody(cluster, &mut doubles, &opened).await;
    // Nothing stands between these nodes.
    let honest = transfer(cluster, key.key, 303, &[0, 1]);
    for outcome in run(&mut doubles, &[0, 1], &honest).await {
        verified(&outcome, key, &transfer_digest(303));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_session_for_different_keys__must_end_without_blame() {
    let mut options = options(3);
    options.set_limit("keygen_round_timeout_ms", 3_000);
    let (cluster, mut doubles) = start_with(options).await;
    let mut session = None;
    let mut opened = Vec::new();
    for position in 0..3 {
        let intent = cluster.client.create(&cluster.node_ids(), 2).unwrap();
        let mut proposal = Proposal::new(intent, &[]).unwrap();
        proposal.session = *session.get_or_insert(proposal.session);
        opened.push((position, proposal));
    }
    must_blame_nobody(&cluster, &mut doubles, &opened).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_session__must_ignore_copies_and_refuse_anything_else_under_its_id() {
    let mut options = options(3);
    // It waits for its second signer as long as this test needs.
    options.set_limit("sign_round_timeout_ms", 60_000);
    let (cluster, mut doubles) = start_with(options).await;
    let key = create(&cluster, &mut doubles, 2).await.statement;
    let proposal = transfer(&cluster, key.key, 0, &[0, 1]);
    doubles[0].open(&proposal).await.unwrap();
    doubles[0].reached_round(proposal.session, 1).await.unwrap();
    // The very same again, also as another attempt and request: nothing happens.
    let mut copy = proposal.to_wire();
    doubles[0].open_raw(copy.clone()).await.unwrap();
    (copy.attempt, copy.request_id) = (2, "another".to_owned());
    doubles[0].open_raw(copy).await.unwrap();
    let ignored = |cluster: &Cluster| {
        let metrics = cluster.metrics(0)?;
        Ok(metrics.contains("quorate_session_copies_total 2"))
    };
    cluster
        .eventually("both are ignored", ignored)
        .await
        .unwrap();
    let records = cluster.audit(0).unwrap();
    let refused = |record: &serde_json::Value| record["event"]["result"] == "refused";
    assert!(!records.iter().any(refused));
    // Another intent, and the same one for other signers.
    let mut other = transfer(&cluster, key.key, 1, &[0, 1]);
    other.session = proposal.session;
    let mut signers = proposal.clone();
    signers.signers = indices(&[0, 2]);
    for other in [other, signers] {
        let outcome = run(&mut doubles, &[0], &other).await.remove(0);
        assert_eq!(outcome.code(), "INTENT_CONFLICT");
    }
    assert_recorded_refusal(&cluster, 0, proposal.session, "INTENT_CONFLICT");
    // The session itself goes on to its end.
    doubles[1].open(&proposal).await.unwrap();
    for double in &mut doubles[..2] {
        let outcome = double.outcome(proposal.session).await.unwrap();
        verified(&outcome, &key, &transfer_digest(0));
    }
}
