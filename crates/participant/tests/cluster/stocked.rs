//! Stocked nonces of FROST over real processes: used from the second signature on, gone with the link
//! and with the process, and lies about them.

use quorate_intent::KeyStatement;
use quorate_testkit::{Cluster, CoordinatorDouble};
use quorate_types::Algorithm;

use crate::frost::{create, message, verified};
use crate::support::{options, run, start, start_with};

/// A number that a node shows to Prometheus; 0 if it shows none yet.
fn shown(cluster: &Cluster, position: usize, name: &str, label: &str) -> anyhow::Result<f64> {
    let metrics = cluster.metrics(position)?;
    let mut lines = metrics.lines();
    let line = lines.find(|line| line.starts_with(name) && line.contains(label));
    let value = line.and_then(|line| line.rsplit_once(' '));
    Ok(value.map_or(0.0, |(_, value)| value.parse().unwrap()))
}

/// Entries at a node: its `own`, or `held` of others.
fn entries(cluster: &Cluster, position: usize, side: &str) -> anyhow::Result<f64> {
    shown(cluster, position, "quorate_stock_entries", side)
}

/// Attempts that a node led with stock (`hit`) and without (`miss`).
fn led(cluster: &Cluster, position: usize, result: &str) -> f64 {
    shown(cluster, position, "quorate_stock_signatures_total", result).unwrap()
}

async fn signs(
    cluster: &Cluster,
    doubles: &mut [CoordinatorDouble],
    key: &KeyStatement,
    at: &[usize],
    text: &[u8],
) {
    let proposal = message(cluster, key, text, at);
    for outcome in run(doubles, at, &proposal).await {
        verified(&outcome, key, text);
    }
}

/// Waits until the first node holds so many entries of others.
async fn is_stocked(cluster: &Cluster, at_least: f64) {
    let held = |cluster: &Cluster| Ok(entries(cluster, 0, "held")? >= at_least);
    cluster
        .eventually("the leader is stocked", held)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn c7_second_signature__should_use_stock_of_its_own_key_and_signers_only() {
    let (cluster, mut doubles) = start(3).await;
    for (algorithm, threshold, at) in [
        (Algorithm::EdDsa, 2, &[0, 1][..]),
        (Algorithm::Schnorr, 2, &[0, 1]),
        (Algorithm::EdDsa, 3, &[0, 1, 2]),
    ] {
        let key = create(&cluster, &mut doubles, algorithm, threshold).await;
        let (hits, misses) = (led(&cluster, 0, "hit"), led(&cluster, 0, "miss"));
        let before = entries(&cluster, 0, "held").unwrap();
        signs(&cluster, &mut doubles, &key, at, b"first").await;
        assert_eq!(led(&cluster, 0, "miss"), misses + 1.0);
        is_stocked(&cluster, before + 4.0 * (at.len() - 1) as f64).await;
        for n in 1..=4 {
            // The first four entries are there; more come while they are used.
            signs(&cluster, &mut doubles, &key, at, b"again").await;
            assert_eq!(led(&cluster, 0, "hit"), hits + f64::from(n), "{algorithm}");
        }
        assert_eq!(led(&cluster, 0, "miss"), misses + 1.0);
        // Other signers have no stock of this set.
        if threshold == 2 {
            signs(&cluster, &mut doubles, &key, &[0, 2], b"others").await;
            assert_eq!(led(&cluster, 0, "miss"), misses + 2.0);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_older_than_the_stock__should_go_without_it() {
    let (cluster, mut doubles) = start(3).await;
    let key = create(&cluster, &mut doubles, Algorithm::EdDsa, 2).await;
    // The follower begins before there is a stock, so it speaks at once; the leader begins later.
    let old = message(&cluster, &key, b"old", &[0, 1]);
    doubles[1].open(&old).await.unwrap();
    doubles[1].reached_round(old.session, 1).await.unwrap();
    signs(&cluster, &mut doubles, &key, &[0, 1], b"newer").await;
    is_stocked(&cluster, 4.0).await;
    let misses = led(&cluster, 0, "miss");
    doubles[0].open(&old).await.unwrap();
    for double in &mut doubles[..2] {
        verified(&double.outcome(old.session).await.unwrap(), &key, b"old");
    }
    assert_eq!(led(&cluster, 0, "miss"), misses + 1.0);
    signs(&cluster, &mut doubles, &key, &[0, 1], b"newest").await;
    assert_eq!(led(&cluster, 0, "hit"), 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn c1_c7_stock__must_die_with_the_link_and_with_the_process() {
    let mut options = options(3);
    // The relay between the first two can break their link while both go on.
    options.blocked = vec![(0, 1)];
    let (mut cluster, mut doubles) = start_with(options).await;
    let key = create(&cluster, &mut doubles, Algorithm::EdDsa, 2).await;
    // A stock of the link to p3, which does not break.
    signs(&cluster, &mut doubles, &key, &[0, 2], b"others").await;
    let before = [files(&cluster, 0), files(&cluster, 1)];
    let misses = led(&cluster, 0, "miss");
    signs(&cluster, &mut doubles, &key, &[0, 1], b"first").await;
    assert_eq!(led(&cluster, 0, "miss"), misses + 1.0);
    is_stocked(&cluster, 8.0).await;

    let relay = cluster.relay().unwrap();
    relay.tamper(true);
    // Of the other link, to p3, it stays.
    let gone = |cluster: &Cluster| {
        Ok(entries(cluster, 0, "held")? == 4.0 && entries(cluster, 1, "own")? == 0.0)
    };
    let what = "both ends dropped the stock of the link that broke";
    cluster.eventually(what, gone).await.unwrap();
    cluster.relay().unwrap().tamper(false);
    cluster.wait_for_links().await.unwrap();
    let misses = led(&cluster, 0, "miss");
    signs(&cluster, &mut doubles, &key, &[0, 1], b"without stock").await;
    assert_eq!(led(&cluster, 0, "miss"), misses + 1.0);
    is_stocked(&cluster, 8.0).await;
    signs(&cluster, &mut doubles, &key, &[0, 1], b"with stock again").await;
    assert_eq!(led(&cluster, 0, "hit"), 1.0);

    // A process that comes back knows nothing of what it announced before, and nobody asks for it.
    cluster.kill_node(2).unwrap();
    cluster.start_node(2).unwrap();
    cluster.wait_for_links().await.unwrap();
    doubles[2] = cluster.connect(2).await.unwrap();
    assert_eq!(entries(&cluster, 2, "own").unwrap(), 0.0);
    let (held, misses) = (
        entries(&cluster, 0, "held").unwrap(),
        led(&cluster, 0, "miss"),
    );
    signs(&cluster, &mut doubles, &key, &[0, 2], b"after a restart").await;
    assert_eq!(led(&cluster, 0, "miss"), misses + 1.0);
    is_stocked(&cluster, held + 4.0).await;
    signs(&cluster, &mut doubles, &key, &[0, 2], b"stocked once more").await;
    assert_eq!(led(&cluster, 0, "hit"), 2.0);
    // Nothing of a stock is on a disk: there is not one file more than before there were any.
    assert_eq!([files(&cluster, 0), files(&cluster, 1)], before);
}

/// Names of all files of a node's data, sorted.
fn files(cluster: &Cluster, position: usize) -> Vec<std::path::PathBuf> {
    let (mut folders, mut files) = (vec![cluster.data_dir(position).unwrap()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path)
            } else {
                files.push(path)
            }
        }
    }
    files.sort();
    files
}

#[cfg(feature = "danger_byzantine")]
mod byzantine {
    use quorate_testkit::Outcome;

    use super::*;
    use crate::support::{byzantine, recorded_outcome};

    /// Of an opening and an answer of two signers with Ed25519: `docs/protocols/frost.md` §7.
    const NUMBER: usize = 32 + 16;
    const OWN: usize = 32 + 18;
    const THEIRS: usize = OWN + 64;
    const LED: usize = THEIRS + 64;
    const ANSWERED: usize = 32;

    #[tokio::test(flavor = "multi_thread")]
    async fn session_cancelled_before_its_first_message__must_send_no_opening() {
        let (cluster, mut doubles) = start_with(byzantine(2)).await;
        let key = create(&cluster, &mut doubles, Algorithm::EdDsa, 2).await;
        signs(&cluster, &mut doubles, &key, &[0, 1], b"honest").await;
        is_stocked(&cluster, 4.0).await;
        let proposal = message(&cluster, &key, b"cancelled", &[0, 1]);
        cluster.script(0, "hold sign.after_audit").unwrap();
        for double in &mut doubles {
            double.open(&proposal).await.unwrap();
        }
        // The leader has decided, and not begun to speak; the follower waits for it.
        doubles[1].reached_round(proposal.session, 1).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        doubles[0].cancel(proposal.session).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        cluster.script(0, "").unwrap();
        for double in &mut doubles {
            let outcome = double.outcome(proposal.session).await.unwrap();
            assert!(matches!(outcome, Outcome::Aborted(_)), "{outcome:?}");
        }
        // Nothing was taken for it, on either side.
        assert_eq!(led(&cluster, 0, "hit"), 0.0);
        assert_eq!(entries(&cluster, 0, "held").unwrap(), 4.0);
        assert_eq!(entries(&cluster, 1, "own").unwrap(), 4.0);
        signs(&cluster, &mut doubles, &key, &[0, 1], b"stocked").await;
        assert_eq!(led(&cluster, 0, "hit"), 1.0);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn c7_c10_c14_lies_about_stocked_nonces__must_end_it_and_name_the_liar() {
        let (cluster, mut doubles) = start_with(byzantine(2)).await;
        let generator = format!("58{}", "66".repeat(31));
        let identity = format!("01{}", "00".repeat(31));
        // Who lies, what, what the other finds, and whom it names.
        let cases: [(usize, String, &str, &[&str]); 9] = [
            (
                0,
                format!("set sign 1 {NUMBER} 0003 all"),
                "own_commitment",
                &["p1"],
            ),
            (
                0,
                format!("set sign 1 {NUMBER} 0040 all"),
                "stocked_nonces_misplaced",
                &["p1"],
            ),
            (
                0,
                format!("xor sign 1 {THEIRS} all"),
                "own_commitment",
                &["p1"],
            ),
            (
                0,
                format!("set sign 1 {OWN} {identity} all"),
                "malformed",
                &["p1"],
            ),
            (
                0,
                format!("set sign 1 {OWN} {generator} all"),
                "signature_share",
                &["p1"],
            ),
            (
                0,
                format!("xor sign 1 {LED} all"),
                "signature_share",
                &["p1"],
            ),
            (0, "xor sign 1 32 all".to_owned(), "no_stock", &[]),
            (1, "xor sign 1 0 all".to_owned(), "commitment_list", &["p2"]),
            (
                1,
                format!("xor sign 1 {ANSWERED} all"),
                "signature_share",
                &["p2"],
            ),
        ];
        for (liar, lie, reason, culprits) in cases {
            // A key of its own: a leader whose attempt failed goes without stock for a while.
            let key = create(&cluster, &mut doubles, Algorithm::EdDsa, 2).await;
            let before = entries(&cluster, 0, "held").unwrap();
            signs(&cluster, &mut doubles, &key, &[0, 1], b"honest").await;
            is_stocked(&cluster, before + 4.0).await;
            let hits = led(&cluster, 0, "hit");
            cluster.script(liar, &format!("lie {lie}")).unwrap();
            let attacked = message(&cluster, &key, lie.as_bytes(), &[0, 1]);
            let outcomes = run(&mut doubles, &[0, 1], &attacked).await;
            assert_eq!(led(&cluster, 0, "hit"), hits + 1.0, "`{lie}`");
            let honest = 1 - liar;
            assert!(
                matches!(outcomes[honest], Outcome::Aborted(_)),
                "`{lie}`: {outcomes:?}"
            );
            let event = recorded_outcome(&cluster, honest, attacked.session).await;
            assert_eq!(event["details"]["reason"], reason, "`{lie}`");
            let named = match culprits {
                [] => serde_json::json!("unattributable"),
                _ => serde_json::json!(culprits),
            };
            assert_eq!(event["details"]["culprits"], named, "`{lie}`");
            // Afterwards it goes without stock, at once.
            cluster.script(liar, "").unwrap();
            signs(&cluster, &mut doubles, &key, &[0, 1], b"afterwards").await;
        }
    }
}
