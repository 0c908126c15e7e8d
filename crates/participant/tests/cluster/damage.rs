//! Damaged and exchanged share files. Rows C9 and B11: never used, named, and others go on.

use crate::support::{
    create, must_refuse, options, run, share_dir, start_with, transfer, transfer_digest, verified,
};

#[tokio::test(flavor = "multi_thread")]
async fn c9_damaged_or_exchanged_shares__must_be_refused_and_named_while_others_sign() {
    let (mut cluster, mut doubles) = start_with(options(3)).await;
    let mut keys = Vec::new();
    for _ in 0..3 {
        keys.push(create(&cluster, &mut doubles, 2).await.statement);
    }
    // Killed, it would write the newest shares again from its journal.
    cluster.stop_node(0).await.unwrap();
    // Keys 0 and 1 exchange their sealed shares; key 2 gets one bit wrong.
    let [one, two, three] =
        [0, 1, 2].map(|n| share_dir(&cluster, 0, keys[n].key).join("share.enc"));
    let (first, second) = (std::fs::read(&one).unwrap(), std::fs::read(&two).unwrap());
    assert_ne!(first, second);
    std::fs::write(&one, &second).unwrap();
    std::fs::write(&two, &first).unwrap();
    let mut flipped = std::fs::read(&three).unwrap();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    std::fs::write(&three, flipped).unwrap();
    cluster.start_node(0).unwrap();
    cluster.wait_for_links().await.unwrap();
    doubles[0] = cluster.connect(0).await.unwrap();
    for (nonce, key) in keys.iter().enumerate() {
        let nonce = u64::try_from(nonce).unwrap();
        let damaged = transfer(&cluster, key.key, nonce, &[0, 1]);
        must_refuse(&cluster, &mut doubles, &[0], &damaged, "SHARE_DAMAGED").await;
        // The error names file and check; health names the key.
        let again = run(&mut doubles, &[0], &damaged.again().unwrap()).await;
        let text = format!("{again:?}");
        assert!(
            text.contains("share.enc") && text.contains("hash of the ciphertext"),
            "{text}"
        );
        let problems = doubles[0].heartbeat().await.unwrap().key_problems;
        let named = problems
            .iter()
            .any(|problem| problem.key_id == key.key.to_string());
        assert!(named, "{problems:?}");
        // The same intent with the other two.
        let elsewhere = quorate_testkit::Proposal::new(damaged.intent, &[2, 3]).unwrap();
        for outcome in run(&mut doubles, &[1, 2], &elsewhere).await {
            verified(&outcome, key, &transfer_digest(nonce));
        }
    }
    // A new key is not affected.
    let fresh = create(&cluster, &mut doubles, 2).await.statement;
    let proposal = transfer(&cluster, fresh.key, 9, &[0, 1]);
    for outcome in run(&mut doubles, &[0, 1], &proposal).await {
        verified(&outcome, &fresh, &transfer_digest(9));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys__should_be_in_memory_soon_after_a_start() {
    let (mut cluster, mut doubles) = start_with(options(2)).await;
    let key = create(&cluster, &mut doubles, 2).await.statement;
    cluster.stop_node(0).await.unwrap();
    cluster.start_node(0).unwrap();
    cluster.wait_for_links().await.unwrap();
    doubles[0] = cluster.connect(0).await.unwrap();
    let is_checked = |cluster: &quorate_testkit::Cluster| {
        let log = cluster.log(0)?;
        Ok(log
            .lines()
            .any(|line| line.contains("all shares are checked")))
    };
    let waited = cluster.eventually("the background has come to all shares", is_checked);
    waited.await.unwrap();
    // It signs before anything of it has signed since the start, and does not look at the file.
    std::fs::remove_file(share_dir(&cluster, 0, key.key).join("share.enc")).unwrap();
    let proposal = transfer(&cluster, key.key, 0, &[0, 1]);
    for outcome in run(&mut doubles, &[0, 1], &proposal).await {
        verified(&outcome, &key, &transfer_digest(0));
    }
}
