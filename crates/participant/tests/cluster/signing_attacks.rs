//! A byzantine participant in signing: rows C10 and C12 over real processes. Node `p3` lies.

use std::path::PathBuf;

use quorate_intent::KeyStatement;
use quorate_testkit::{Cluster, CoordinatorDouble, Outcome};

use crate::support::{
    byzantine, create, must_refuse, recorded_outcome, run, start_with, transfer, transfer_digest,
    verified,
};

const LIAR: usize = 2;

/// Places in the bodies of signing messages (docs/protocols/dkls23.md §2).
mod layout {
    /// First byte of the matrix of the OT extension, round 1.
    pub(super) const MATRIX: usize = 4 * 32;
    /// An uncompressed point, round 2.
    pub(super) const NONCE_POINT: usize = 3 * 32;
    /// A scalar, round 2.
    pub(super) const PSI: usize = NONCE_POINT + 3 * 65;
}

/// Signs with victim and liar, and with the two honest nodes and another key at the same time.
/// Returns what the victim recorded.
async fn attack(
    cluster: &Cluster,
    doubles: &mut [CoordinatorDouble],
    keys: &[KeyStatement; 2],
    nonce: u64,
    script: &str,
) -> serde_json::Value {
    cluster.script(LIAR, script).unwrap();
    let attacked = transfer(cluster, keys[0].key, nonce, &[0, LIAR]);
    for position in [0, LIAR] {
        doubles[position].open(&attacked).await.unwrap();
    }
    let honest = transfer(cluster, keys[1].key, nonce, &[0, 1]);
    for outcome in run(doubles, &[0, 1], &honest).await {
        verified(&outcome, &keys[1], &transfer_digest(nonce));
    }
    let outcome = doubles[0].outcome(attacked.session).await.unwrap();
    let Outcome::Aborted(aborted) = &outcome else {
        panic!("`{script}`: {outcome:?}")
    };
    assert_eq!(aborted.culprits, [3], "`{script}`");
    let lied = doubles[LIAR].outcome(attacked.session).await.unwrap();
    // In the last round the shares cross: whoever lies there may have the signature already.
    let last = script.contains("sign 3");
    assert!(
        last || !matches!(lied, Outcome::Signed(_)),
        "`{script}`: it must gain nothing"
    );
    recorded_outcome(cluster, 0, attacked.session).await["details"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn c10_malformed_points_scalars_and_garbage_in_signing__must_end_it_and_name_the_sender() {
    let (cluster, mut doubles) = start_with(byzantine(3)).await;
    let attacked = create(&cluster, &mut doubles, 2).await.statement;
    let other = create(&cluster, &mut doubles, 2).await.statement;
    let keys = [attacked, other];
    let off_curve = format!("04{0}05{0}05", "00".repeat(31));
    let (point, scalar) = (layout::NONCE_POINT, layout::PSI);
    let attacks = [
        (
            format!("lie set sign 2 {point} {off_curve} all"),
            "malformed",
        ),
        (
            format!("lie set sign 2 {point} {} all", "00".repeat(65)),
            "malformed",
        ),
        (
            format!("lie set sign 2 {scalar} {} all", "ff".repeat(32)),
            "malformed",
        ),
        (
            format!("lie set sign 3 0 {} all", "ff".repeat(32)),
            "malformed",
        ),
        ("lie garbage sign 1".to_owned(), "malformed"),
        ("lie garbage sign 3".to_owned(), "malformed"),
        ("lie raw sign 1 19 01".to_owned(), "wrong_sender"),
        ("lie mute sign 2".to_owned(), "timed_out"),
    ];
    for (nonce, (script, reason)) in attacks.iter().enumerate() {
        let nonce = u64::try_from(nonce).unwrap();
        let details = attack(&cluster, &mut doubles, &keys, nonce, script).await;
        assert_eq!(details["reason"], *reason, "`{script}`");
        assert_eq!(details["culprits"], serde_json::json!(["p3"]), "`{script}`");
    }
    // A link message of an unknown kind is counted and dropped; a session waits in vain for it.
    let script = "link unknown-kind p1";
    let details = attack(&cluster, &mut doubles, &keys, 50, script).await;
    assert_eq!(details["reason"], "timed_out");
    let metrics = cluster.metrics(0).unwrap();
    assert!(
        metrics.contains("quorate_messages_malformed_total{peer=\"p3\"}"),
        "counted"
    );
    // Copies of one message are harmless one by one; without end they are a flood.
    let script = "lie flood sign 1 50 p1";
    let details = attack(&cluster, &mut doubles, &keys, 51, script).await;
    assert_eq!(details["reason"], "flooded");
    assert_eq!(details["culprits"], serde_json::json!(["p3"]));
    let metrics = cluster.metrics(0).unwrap();
    assert!(metrics.contains("quorate_session_floods_total{peer=\"p3\"}"));
    // None of this could leak a bit, so nobody is banned.
    cluster.script(LIAR, "").unwrap();
    let proposal = transfer(&cluster, keys[0].key, 60, &[0, LIAR]);
    for outcome in run(&mut doubles, &[0, LIAR], &proposal).await {
        verified(&outcome, &keys[0], &transfer_digest(60));
    }
}

pub(crate) async fn restart(
    cluster: &mut Cluster,
    doubles: &mut [CoordinatorDouble],
    at: &[usize],
) {
    for position in at {
        cluster.kill_node(*position).unwrap();
    }
    for position in at {
        cluster.start_node(*position).unwrap();
    }
    cluster.wait_for_links().await.unwrap();
    for position in at {
        doubles[*position] = cluster.connect(*position).await.unwrap();
    }
}

/// Both nodes of the banned pair refuse; the other pairs sign.
pub(crate) async fn assert_banned(
    cluster: &Cluster,
    doubles: &mut [CoordinatorDouble],
    key: &KeyStatement,
    nonce: u64,
) {
    let banned = transfer(cluster, key.key, nonce, &[0, LIAR]);
    must_refuse(cluster, doubles, &[0, LIAR], &banned, "PAIR_BANNED").await;
    for (offset, at) in [[0, 1], [1, LIAR]].iter().enumerate() {
        let nonce = nonce + 1 + u64::try_from(offset).unwrap();
        let proposal = transfer(cluster, key.key, nonce, at);
        for outcome in run(doubles, at, &proposal).await {
            verified(&outcome, key, &transfer_digest(nonce));
        }
    }
}

/// The notice reaches everybody, and everybody records it.
pub(crate) async fn ban_is_everywhere(cluster: &Cluster) {
    let everywhere = |cluster: &Cluster| {
        let recorded = |position| -> anyhow::Result<bool> {
            let records = cluster.audit(position)?;
            Ok(records
                .iter()
                .any(|r| r["event"]["event_type"] == "pair.banned"))
        };
        Ok(recorded(0)? && recorded(1)? && recorded(LIAR)?)
    };
    cluster
        .eventually("the ban is everywhere", everywhere)
        .await
        .unwrap();
}

fn ban_files(cluster: &Cluster, position: usize) -> [PathBuf; 2] {
    let data = cluster.data_dir(position).unwrap();
    ["bans.log", "bans.head"].map(|name| data.join(name))
}

#[tokio::test(flavor = "multi_thread")]
async fn c12_a_corrupted_ot_extension__must_ban_the_pair_at_the_first_failure_for_good() {
    let (mut cluster, mut doubles) = start_with(byzantine(3)).await;
    let attacked = create(&cluster, &mut doubles, 2).await.statement;
    let other = create(&cluster, &mut doubles, 2).await.statement;
    let keys = [attacked, other];
    let before: Vec<Vec<u8>> = ban_files(&cluster, 0)
        .map(|path| std::fs::read(path).unwrap())
        .to_vec();
    let script = format!("lie xor sign 1 {} p1", layout::MATRIX);
    let details = attack(&cluster, &mut doubles, &keys, 0, &script).await;
    assert_eq!(details["reason"], "ot_extension");
    assert_eq!(details["culprits"], serde_json::json!(["p3"]));
    cluster.script(LIAR, "").unwrap();
    ban_is_everywhere(&cluster).await;
    assert_banned(&cluster, &mut doubles, &keys[0], 10).await;
    // The state is the pair's, and so is the ban: for every key of both.
    assert_banned(&cluster, &mut doubles, &keys[1], 20).await;
    // After kill -9 of both.
    restart(&mut cluster, &mut doubles, &[0, LIAR]).await;
    assert_banned(&cluster, &mut doubles, &keys[0], 30).await;
    assert_banned(&cluster, &mut doubles, &keys[1], 35).await;
    // After the victim's ban list was restored from before the ban: it learns it again.
    cluster.kill_node(0).unwrap();
    for (path, old) in ban_files(&cluster, 0).iter().zip(&before) {
        std::fs::write(path, old).unwrap();
    }
    cluster.start_node(0).unwrap();
    cluster.wait_for_links().await.unwrap();
    doubles[0] = cluster.connect(0).await.unwrap();
    relearned(&mut doubles[0]).await;
    assert_banned(&cluster, &mut doubles, &keys[0], 40).await;
    // A list that is shorter than its signed head says is not opened: the node does not start.
    cluster.kill_node(0).unwrap();
    let [log, _] = ban_files(&cluster, 0);
    std::fs::write(&log, &before[0]).unwrap();
    cluster.start_node(0).unwrap();
    cluster.wait_for_exit(0).await.unwrap();
    let text = cluster.log(0).unwrap();
    assert!(text.contains("bans.log") && text.contains("length named by the signed head"));
}

async fn relearned(double: &mut CoordinatorDouble) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(180);
    while double.heartbeat().await.unwrap().bans.is_empty() {
        assert!(
            std::time::Instant::now() < deadline,
            "the ban was not learned again"
        );
    }
}
