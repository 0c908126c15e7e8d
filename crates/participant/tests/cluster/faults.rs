//! Limits, cancellation, and processes that disappear.

use quorate_testkit::{Cluster, Outcome, Proposal};

use crate::support::{
    create, must_refuse, options, recorded_outcome, run, signed_now_or_before, start_with,
    transfer, transfer_digest, verified,
};

#[tokio::test(flavor = "multi_thread")]
async fn faults_around_a_session__should_end_it_clearly_and_leave_nothing() {
    let mut options = options(3);
    // A lost peer must be seen by its link, not by this time-out.
    options.set_limit("sign_round_timeout_ms", 60_000);
    options.set_limit("max_sessions", 2);
    let (mut cluster, mut doubles) = start_with(options).await;
    let key = create(&cluster, &mut doubles, 2).await.statement;

    // Session limit: two wait at p1 for a peer that was not asked; a third is one too many.
    let waiting: Vec<Proposal> = (0..2)
        .map(|nonce| transfer(&cluster, key.key, nonce, &[0, 1]))
        .collect();
    for proposal in &waiting {
        doubles[0].open(proposal).await.unwrap();
        doubles[0].reached_round(proposal.session, 1).await.unwrap();
    }
    let third = transfer(&cluster, key.key, 2, &[0, 2]);
    must_refuse(&cluster, &mut doubles, &[0], &third, "RATE_LIMITED").await;
    // Cancelled sessions end, make room, and are recorded.
    for proposal in &waiting {
        doubles[0].cancel(proposal.session).await.unwrap();
        let outcome = doubles[0].outcome(proposal.session).await.unwrap();
        let Outcome::Aborted(aborted) = &outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!((aborted.reason.as_str(), aborted.ban), ("cancelled", false));
        let event = recorded_outcome(&cluster, 0, proposal.session).await;
        assert_eq!(event["details"]["culprits"], "unattributable");
    }
    for outcome in run(&mut doubles, &[0, 2], &third.again().unwrap()).await {
        verified(&outcome, &key, &transfer_digest(2));
    }

    // The coordinator disappears in the middle: the session goes on, and the next one is answered
    // with its signature.
    let orphan = transfer(&cluster, key.key, 3, &[0, 1]);
    doubles[0].open(&orphan).await.unwrap();
    doubles[0].reached_round(orphan.session, 1).await.unwrap();
    doubles[0] = cluster.connect(0).await.unwrap();
    doubles[1].open(&orphan).await.unwrap();
    for position in [0, 1] {
        let event = recorded_outcome(&cluster, position, orphan.session).await;
        assert_eq!(event["result"], "succeeded");
        let again = run(&mut doubles, &[position], &orphan.again().unwrap()).await;
        assert!(matches!(again[0], Outcome::Refused(_)), "{again:?}");
        signed_now_or_before(&again[0], &key, &transfer_digest(3));
    }

    // A signer dies in the middle: the other aborts at once and names it.
    let broken = transfer(&cluster, key.key, 4, &[0, 2]);
    doubles[0].open(&broken).await.unwrap();
    doubles[0].reached_round(broken.session, 1).await.unwrap();
    cluster.kill_node(2).unwrap();
    let outcome = doubles[0].outcome(broken.session).await.unwrap();
    let Outcome::Aborted(aborted) = &outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(
        (aborted.reason.as_str(), aborted.culprits.as_slice()),
        ("timed_out", [3].as_slice())
    );
    let event = recorded_outcome(&cluster, 0, broken.session).await;
    assert_eq!(event["details"]["culprits"], serde_json::json!(["p3"]));
    // The same intent, with others: signed.
    let retry = Proposal::new(broken.intent.clone(), &[1, 2]).unwrap();
    for outcome in run(&mut doubles, &[0, 1], &retry).await {
        verified(&outcome, &key, &transfer_digest(4));
    }
    assert_one_below_the_threshold_is_refused(&cluster, &mut doubles, &key).await;
}

/// With p3 dead and p2 killed too, p1 alone makes no signature and names who is missing.
async fn assert_one_below_the_threshold_is_refused(
    cluster: &Cluster,
    doubles: &mut [quorate_testkit::CoordinatorDouble],
    key: &quorate_intent::KeyStatement,
) {
    let lonely = transfer(cluster, key.key, 5, &[0, 2]);
    let outcome = run(doubles, &[0], &lonely).await.remove(0);
    let Outcome::Aborted(aborted) = &outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(aborted.culprits, [3], "who is missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn committees_of_other_sizes__should_sign_with_exactly_t() {
    let (cluster, mut doubles) = start_with(options(5)).await;
    // 3 of 5, any: a sample that has every node and both ends.
    let key = create(&cluster, &mut doubles, 3).await.statement;
    for (nonce, at) in [[0, 1, 2], [2, 3, 4], [0, 2, 4], [1, 3, 4]]
        .iter()
        .enumerate()
    {
        let nonce = u64::try_from(nonce).unwrap();
        let proposal = transfer(&cluster, key.key, nonce, at);
        for outcome in run(&mut doubles, at, &proposal).await {
            verified(&outcome, &key, &transfer_digest(nonce));
        }
    }
    let too_few = transfer(&cluster, key.key, 9, &[0, 1]);
    must_refuse(
        &cluster,
        &mut doubles,
        &[0, 1],
        &too_few,
        "INVALID_ARGUMENT",
    )
    .await;
    let too_many = transfer(&cluster, key.key, 9, &[0, 1, 2, 3]);
    must_refuse(
        &cluster,
        &mut doubles,
        &[0, 1, 2, 3],
        &too_many,
        "INVALID_ARGUMENT",
    )
    .await;
    // 3 of 3 and 2 of 2, on some nodes of the cluster.
    for (at, nonce) in [(vec![0, 2, 4], 20), (vec![1, 3], 21)] {
        let nodes: Vec<_> = at.iter().map(|p| cluster.node_ids()[*p].clone()).collect();
        let threshold = u64::try_from(at.len()).unwrap();
        let intent = cluster.client.create(&nodes, threshold).unwrap();
        let creation = Proposal::new(intent, &[]).unwrap();
        let outcome = run(&mut doubles, &at, &creation).await.remove(0);
        let Outcome::Created(certificate) = outcome else {
            panic!("{outcome:?}")
        };
        let everyone: Vec<usize> = (0..at.len()).collect();
        let proposal = transfer(&cluster, certificate.statement.key, nonce, &everyone);
        for outcome in run(&mut doubles, &at, &proposal).await {
            verified(&outcome, &certificate.statement, &transfer_digest(nonce));
        }
    }
}
