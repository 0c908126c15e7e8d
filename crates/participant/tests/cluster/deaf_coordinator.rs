//! A coordinator that reads none of its answers holds nothing at a participant.

use std::time::{Duration, Instant};

use quorate_testkit::{Cluster, CoordinatorDouble, Outcome, Proposal};

use crate::support::{
    create, options, run, signed_now_or_before, start_with, transfer, transfer_digest, verified,
};

/// Counted first, then said.
fn is_dropped(cluster: &Cluster) -> anyhow::Result<bool> {
    let counted = cluster.metrics(0)?;
    Ok(counted.contains("quorate_coordinators_dropped_total 1")
        && cluster.log(0)?.contains("does not read its answers"))
}

/// Asks again and again, and never ends: what nobody reads of the stream, the other side cannot
/// close, so the coordinator cannot see that it was dropped.
///
/// Each time is a session of its own. A copy of one that still runs gets no answer, and on a busy
/// machine nearly all would be copies, so that the queue of answers never fills.
async fn ask_for_ever(deaf: &CoordinatorDouble, signing: &Proposal) {
    while deaf.open(&signing.again().unwrap()).await.is_ok() {}
    std::future::pending().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coordinator_that_reads_nothing__must_be_dropped_and_its_results_must_stay() {
    let mut options = options(2);
    options.set_limit("report_timeout_ms", 300);
    let (cluster, mut doubles) = start_with(options).await;
    let key = create(&cluster, &mut doubles, 2).await;
    let signing = transfer(&cluster, key.statement.key, 1, &[0, 1]);
    let deaf = cluster.connect(0).await.unwrap();
    deaf.open(&signing).await.unwrap();
    let outcome = run(&mut doubles, &[1], &signing).await.remove(0);
    verified(&outcome, &key.statement, &transfer_digest(1));

    tokio::select! {
        () = ask_for_ever(&deaf, &signing) => {}
        dropped = cluster.eventually("the coordinator is dropped", is_dropped) => dropped.unwrap(),
    }

    // No session waits for it: all of them end, though nobody reads, and others are served.
    let deadline = Instant::now() + Duration::from_secs(180);
    while doubles[0].heartbeat().await.unwrap().sessions_active > 0 {
        assert!(Instant::now() < deadline, "sessions wait for it");
    }
    let other = transfer(&cluster, key.statement.key, 2, &[0, 1]);
    for outcome in run(&mut doubles, &[0, 1], &other).await {
        verified(&outcome, &key.statement, &transfer_digest(2));
    }
    // What it did not read is there for whoever asks again.
    let again: Proposal = signing.again().unwrap();
    let outcome = run(&mut doubles, &[0], &again).await.remove(0);
    assert!(matches!(outcome, Outcome::Refused(_)), "{outcome:?}");
    signed_now_or_before(&outcome, &key.statement, &transfer_digest(1));
}
