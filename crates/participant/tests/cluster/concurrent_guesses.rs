//! Row C12 with many sessions at once: `p3` guesses another secret bit of `p1` in each of 1024
//! sessions that are all open before the first answer. Whatever the guesses would tell, `p1` lets
//! out one failure at most, and nothing after it.

use std::collections::BTreeSet;

use quorate_intent::KeyStatement;
use quorate_testkit::{Cluster, CoordinatorDouble, Outcome, Proposal};

use crate::signing_attacks::{assert_banned, ban_is_everywhere, restart};
use crate::support::{byzantine, create, run, start_with, transfer, transfer_digest, verified};

const VICTIM: usize = 0;
const LIAR: usize = 2;
const SESSIONS: u64 = 1_024;

/// One round message as it left the victim.
struct Sent {
    to: String,
    round: u8,
    abort: bool,
}

/// What has left the victim, in order.
fn sent(path: &std::path::Path) -> Vec<Sent> {
    let text = std::fs::read_to_string(path).unwrap();
    let line = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        Sent {
            to: words[0].to_owned(),
            round: words[2].parse().unwrap(),
            abort: words[3] == "Abort",
        }
    };
    text.lines().map(line).collect()
}

/// Opens all sessions at the victim first, so that they are in flight together, then at the liar.
/// Returns how they ended at both.
async fn attack(
    cluster: &Cluster,
    doubles: &mut [CoordinatorDouble],
    key: &KeyStatement,
) -> (Vec<Proposal>, [Vec<Outcome>; 2]) {
    let proposals: Vec<Proposal> = (0..SESSIONS)
        .map(|nonce| transfer(cluster, key.key, nonce, &[VICTIM, LIAR]))
        .collect();
    for proposal in &proposals {
        doubles[VICTIM].open(proposal).await.unwrap();
    }
    for proposal in &proposals {
        let reached = doubles[VICTIM].reached_round(proposal.session, 1);
        reached.await.unwrap();
    }
    for proposal in &proposals {
        doubles[LIAR].open(proposal).await.unwrap();
    }
    // An honest session of another pair of the same key, at the same time.
    let honest = transfer(cluster, key.key, SESSIONS, &[0, 1]);
    for outcome in run(doubles, &[0, 1], &honest).await {
        verified(&outcome, key, &transfer_digest(SESSIONS));
    }
    let mut ended = [Vec::new(), Vec::new()];
    for (position, ended) in [VICTIM, LIAR].iter().zip(&mut ended) {
        for proposal in &proposals {
            ended.push(doubles[*position].outcome(proposal.session).await.unwrap());
        }
    }
    (proposals, ended)
}

#[tokio::test(flavor = "multi_thread")]
async fn c12_c15_guesses_in_1024_sessions_at_once__must_gain_one_answer_at_most() {
    let mut options = byzantine(3);
    // What ends these sessions is the ban; nothing else may be faster on a busy machine.
    options.set_limit("sign_round_timeout_ms", 120_000);
    options.set_limit("early_ttl_ms", 120_000);
    options.set_limit("max_sessions", SESSIONS + 8);
    let (mut cluster, mut doubles) = start_with(options).await;
    let key = create(&cluster, &mut doubles, 2).await.statement;
    let record = cluster.folder().join("sent-by-victim.txt");
    let script = format!("record {}", record.display());
    cluster.script(VICTIM, &script).unwrap();
    cluster.script(LIAR, "lie guess 1").unwrap();

    let (proposals, [at_victim, at_liar]) = attack(&cluster, &mut doubles, &key).await;
    cluster.script(LIAR, "").unwrap();
    cluster.script(VICTIM, "").unwrap();

    // What the liar got over the link: all openings, answers up to the first failure, one abort,
    // and then silence in every session of the pair.
    let to_liar: Vec<Sent> = sent(&record)
        .into_iter()
        .filter(|message| message.to == "p3")
        .collect();
    let first = to_liar.iter().position(|message| message.abort);
    let first = first.expect("each guess is right with one half");
    let opened = to_liar[..first].iter().filter(|m| m.round == 1).count();
    assert_eq!(opened as u64, SESSIONS, "all were in flight");
    assert_eq!(to_liar.len(), first + 1, "nothing leaves after the failure");

    // What the coordinator hears of it, and the liar's own end.
    let bans = at_victim
        .iter()
        .filter(|outcome| matches!(outcome, Outcome::Aborted(aborted) if aborted.ban));
    assert_eq!(bans.count(), 1);
    let told = at_liar
        .iter()
        .filter(|o| matches!(o, Outcome::Aborted(aborted) if aborted.reason == "peer_aborted"));
    assert!(told.count() <= 1);
    let sessions: BTreeSet<String> = proposals.iter().map(|p| p.session.to_string()).collect();
    let ended = |cluster: &Cluster| -> anyhow::Result<Vec<serde_json::Value>> {
        let events = cluster
            .audit(VICTIM)?
            .into_iter()
            .map(|mut record| record["event"].take());
        let of_one = |event: &serde_json::Value| {
            event["result"] == "failed"
                && sessions.contains(event["session_id"].as_str().unwrap_or(""))
        };
        Ok(events.filter(of_one).collect())
    };
    let all = |cluster: &Cluster| Ok(ended(cluster)?.len() as u64 == SESSIONS);
    cluster
        .eventually("every session has an outcome", all)
        .await
        .unwrap();
    let outcomes = ended(&cluster).unwrap().into_iter();
    let failed = outcomes.filter(|event| event["details"]["reason"] == "ot_extension");
    let culprits: Vec<_> = failed
        .map(|event| event["details"]["culprits"].clone())
        .collect();
    assert_eq!(
        culprits,
        [serde_json::json!(["p3"])],
        "the others ended without a verdict"
    );

    ban_is_everywhere(&cluster).await;
    assert_banned(&cluster, &mut doubles, &key, SESSIONS + 100).await;
    restart(&mut cluster, &mut doubles, &[VICTIM, LIAR]).await;
    assert_banned(&cluster, &mut doubles, &key, SESSIONS + 110).await;
}
