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
