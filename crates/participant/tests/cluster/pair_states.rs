//! What pairs of nodes share is made when they are linked, survives restarts, is made anew where it is
//! lost.

use quorate_testkit::{Cluster, CoordinatorDouble};

use crate::support::{create, options, run, start_with, transfer, transfer_digest, verified};

async fn generation(double: &mut CoordinatorDouble, peer: &str) -> String {
    let health = double.heartbeat().await.unwrap();
    let mut pairs = health.pairs.into_iter();
    pairs.find(|pair| pair.peer == peer).unwrap().generation
}

/// Waits until `p1` and `p2` use the same state, another than `before`.
async fn other_than(doubles: &mut [CoordinatorDouble], before: &str) -> String {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    loop {
        let one = generation(&mut doubles[0], "p2").await;
        let other = generation(&mut doubles[1], "p1").await;
        if one == other && !one.is_empty() && one != before {
            return one;
        }
        assert!(std::time::Instant::now() < deadline, "`{one}`, `{other}`");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

fn pair_files(cluster: &Cluster, position: usize) -> Vec<std::path::PathBuf> {
    let folder = cluster.data_dir(position).unwrap().join("pairs");
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

async fn signs(
    cluster: &Cluster,
    doubles: &mut [CoordinatorDouble],
    key: &quorate_intent::KeyStatement,
    nonce: u64,
) {
    let proposal = transfer(cluster, key.key, nonce, &[0, 1]);
    for outcome in run(doubles, &[0, 1], &proposal).await {
        verified(&outcome, key, &transfer_digest(nonce));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pair_state__should_serve_all_keys_over_restarts_and_be_made_anew_where_it_is_lost() {
    let (mut cluster, mut doubles) = start_with(options(2)).await;
    let first = generation(&mut doubles[0], "p2").await;
    assert_eq!(first, generation(&mut doubles[1], "p1").await);
    let keys = [
        create(&cluster, &mut doubles, 2).await.statement,
        create(&cluster, &mut doubles, 2).await.statement,
    ];
    assert!(
        keys[0].pair_generations.is_empty(),
        "state of pairs is of no key"
    );
    for (nonce, key) in (0..).zip(&keys) {
        signs(&cluster, &mut doubles, key, nonce).await;
    }
    assert_eq!(pair_files(&cluster, 0).len(), 1, "one state for all keys");

    // After a restart it is the same.
    cluster.kill_node(0).unwrap();
    cluster.start_node(0).unwrap();
    cluster.wait_for_links().await.unwrap();
    doubles[0] = cluster.connect(0).await.unwrap();
    assert_eq!(generation(&mut doubles[0], "p2").await, first);
    signs(&cluster, &mut doubles, &keys[0], 10).await;

    // A damaged file is named and never used; the pair makes new state, and old keys sign with it.
    cluster.kill_node(0).unwrap();
    let file = pair_files(&cluster, 0).remove(0);
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    cluster.start_node(0).unwrap();
    cluster.wait_for_links().await.unwrap();
    doubles[0] = cluster.connect(0).await.unwrap();
    let second = other_than(&mut doubles, &first).await;
    let log = cluster.log(0).unwrap();
    assert!(log.contains("digest of the pair state in the index") && log.contains(&first));
    for (nonce, key) in (20..).zip(&keys) {
        signs(&cluster, &mut doubles, key, nonce).await;
    }
    let drained = |cluster: &Cluster| {
        let names = |position| {
            let files = pair_files(cluster, position).into_iter();
            let named = files.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned());
            named.collect::<Vec<String>>()
        };
        Ok(names(0) == [second.clone()] && names(1) == [second.clone()])
    };
    cluster
        .eventually("the old state is destroyed at both", drained)
        .await
        .unwrap();
}
