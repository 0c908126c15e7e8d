//! A coordinator that reads none of its answers holds nothing at a participant.

use std::time::Duration;

use quorate_testkit::{Cluster, Outcome, Proposal};

use crate::support::{
    create, options, run, signed_now_or_before, start_with, transfer, transfer_digest, verified,
};

/// More answers than the queue of one stream and the windows of HTTP/2 together hold, by far.
const MANY: usize = 100_000;

fn is_dropped(cluster: &Cluster) -> anyhow::Result<bool> {
    Ok(cluster.log(0)?.contains("does not read its answers"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coordinator_that_reads_nothing__must_be_dropped_and_its_results_must_stay() {
    let mut options = options(2);
    options.limits.push_str("report_timeout_ms = 300\n");
    let (cluster, mut doubles) = start_with(options).await;
    let key = create(&cluster, &mut doubles, 2).await;
    let signing = transfer(&cluster, key.statement.key, 1, &[0, 1]);
    let deaf = cluster.connect(0).await.unwrap();
    deaf.open(&signing).await.unwrap();
    let outcome = run(&mut doubles, &[1], &signing).await.remove(0);
    verified(&outcome, &key.statement, &transfer_digest(1));

    // Each is answered at once, with the signature that is there.
    let again = signing.again().unwrap();
    for n in 0..MANY {
        let asked = tokio::time::timeout(Duration::from_secs(2), deaf.open(&again));
        if !matches!(asked.await, Ok(Ok(()))) || n % 500 == 0 && is_dropped(&cluster).unwrap() {
            break;
        }
    }
    cluster
        .eventually("the coordinator is dropped", is_dropped)
        .await
        .unwrap();
    let counted = cluster.metrics(0).unwrap();
    assert!(counted.contains("quorate_coordinators_dropped_total 1"));

    // No session waits for it, and others are served.
    let other = transfer(&cluster, key.statement.key, 2, &[0, 1]);
    for outcome in run(&mut doubles, &[0, 1], &other).await {
        verified(&outcome, &key.statement, &transfer_digest(2));
    }
    let active = doubles[0].heartbeat().await.unwrap().sessions_active;
    assert!(active <= 1, "{active} sessions; ours may be ending");
    // What it did not read is there for whoever asks again.
    let again: Proposal = signing.again().unwrap();
    let outcome = run(&mut doubles, &[0], &again).await.remove(0);
    assert!(matches!(outcome, Outcome::Refused(_)), "{outcome:?}");
    signed_now_or_before(&outcome, &key.statement, &transfer_digest(1));
}
