//! Rounds that compute for long do so in the pool of threads (`docs/adr/0015-pool-for-long-computations.md`).

use quorate_testkit::Cluster;

use crate::support::{create, start};

/// Pieces of work that the pool of a node began.
fn begun(cluster: &Cluster, position: usize) -> u64 {
    let metrics = cluster.metrics(position).unwrap();
    let mut lines = metrics.lines();
    let count = lines.find_map(|line| line.strip_prefix("quorate_crypto_wait_seconds_count "));
    count.map_or(0, |count| count.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn long_rounds__should_compute_in_the_pool_and_short_ones_where_they_are() {
    let (cluster, mut doubles) = start(5).await;
    let set_ups = begun(&cluster, 0);
    assert!(
        set_ups >= 4 * 2,
        "a start and base OTs with each other node: {set_ups}"
    );
    create(&cluster, &mut doubles, 3).await;
    assert_eq!(begun(&cluster, 0), set_ups, "rounds of 3-of-5 are short");
    create(&cluster, &mut doubles, 4).await;
    let rounds = begun(&cluster, 0) - set_ups;
    assert!(rounds >= 3, "rounds of 4-of-5 are not: {rounds}");
}

#[cfg(feature = "danger_byzantine")]
#[tokio::test(flavor = "multi_thread")]
async fn a_pool_without_room__must_refuse_keys_and_lose_nothing_that_began() {
    use quorate_testkit::{Outcome, Proposal};

    use crate::support::{byzantine, must_refuse, start_with};

    let mut options = byzantine(5);
    options.set_limit("crypto_threads_max", 1);
    options.set_limit("crypto_queue_length", 1);
    let (cluster, mut doubles) = start_with(options).await;
    let creation = || {
        let intent = cluster.client.create(&cluster.node_ids(), 4).unwrap();
        Proposal::new(intent, &[]).unwrap()
    };
    // The first takes the thread, the second the place in the queue.
    let before = begun(&cluster, 0);
    cluster.script(0, "hold pool.before_round").unwrap();
    let (first, second) = (creation(), creation());
    for double in &doubles {
        double.open(&first).await.unwrap();
    }
    let holds = |cluster: &Cluster| Ok(begun(cluster, 0) > before);
    cluster.eventually("a round computes", holds).await.unwrap();
    for double in &doubles {
        double.open(&second).await.unwrap();
    }
    let waits = |cluster: &Cluster| Ok(cluster.metrics(0)?.contains("quorate_crypto_queue 1\n"));
    cluster.eventually("a round waits", waits).await.unwrap();
    let third = creation();
    must_refuse(&cluster, &mut doubles, &[0], &third, "RATE_LIMITED").await;
    cluster.script(0, "").unwrap();
    for proposal in [&first, &second] {
        for double in &mut doubles {
            let outcome = double.outcome(proposal.session).await.unwrap();
            assert!(matches!(outcome, Outcome::Created(_)), "{outcome:?}");
        }
    }
}

#[cfg(feature = "danger_byzantine")]
#[tokio::test(flavor = "multi_thread")]
async fn a_session_cancelled_while_its_round_computes__must_send_nothing_of_it() {
    use quorate_testkit::{Outcome, Proposal};
    use quorate_types::KeyId;

    use crate::support::{byzantine, must_refuse, start_with, transfer};

    let (cluster, mut doubles) = start_with(byzantine(5)).await;
    let intent = cluster.client.create(&cluster.node_ids(), 4).unwrap();
    let proposal = Proposal::new(intent, &[]).unwrap();
    let before = begun(&cluster, 0);
    let record = cluster.folder().join("sent.txt");
    let recorded = format!("record {}\n", record.display());
    let held = format!("{recorded}hold pool.before_round");
    cluster.script(0, &held).unwrap();
    for double in &doubles {
        double.open(&proposal).await.unwrap();
    }
    let holds = |cluster: &Cluster| Ok(begun(cluster, 0) > before);
    cluster.eventually("a round computes", holds).await.unwrap();
    doubles[0].cancel(proposal.session).await.unwrap();
    // Commands of a coordinator are obeyed in their order: this refusal comes behind the cancellation.
    let unknown = transfer(&cluster, KeyId::from_array([7; 16]), 1, &[0, 1]);
    must_refuse(&cluster, &mut doubles, &[0], &unknown, "NOT_FOUND").await;
    cluster.script(0, &recorded).unwrap();
    for double in &mut doubles {
        let outcome = double.outcome(proposal.session).await.unwrap();
        assert!(matches!(outcome, Outcome::Aborted(_)), "{outcome:?}");
    }
    let sent = std::fs::read_to_string(&record).unwrap();
    let of = |kind: &str| sent.lines().filter(|line| line.ends_with(kind)).count();
    assert_eq!(of(" 1 Broadcast"), 4, "commitments left before: {sent}");
    assert_eq!(of(" Abort"), 4, "{sent}");
    assert_eq!(sent.lines().count(), 8, "and nothing else: {sent}");
}
