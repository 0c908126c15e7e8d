//! Rows C12, D11 and D14 over real processes: a ban ends with new pair state, new state needs an owner's
//! intent at both nodes, and that intent is good once, for the generation that it names.

use quorate_api::mpc_v1::RefusalKind;
use quorate_intent::{KeyStatement, SignedIntent};
use quorate_testkit::{Cluster, CoordinatorDouble, Outcome, Proposal};
use quorate_types::Digest32;

use crate::signing_attacks::{assert_banned, ban_is_everywhere, restart};
use crate::support::{byzantine, create, run, start_with, transfer, transfer_digest, verified};

const VICTIM: usize = 0;
const LIAR: usize = 2;
/// First byte of the matrix of the OT extension, round 1 (docs/protocols/dkls23.md §2.2).
const MATRIX: usize = 4 * 32;

/// What a node says about its pair with the other.
async fn pair(double: &mut CoordinatorDouble, peer: &str) -> quorate_api::mpc_v1::PairState {
    let health = double.heartbeat().await.unwrap();
    let mut pairs = health.pairs.into_iter();
    pairs.find(|pair| pair.peer == peer).unwrap()
}

/// Waits until both nodes say that they use one state, another than `before`.
async fn renewed(doubles: &mut [CoordinatorDouble], before: &str) -> String {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    loop {
        let one = pair(&mut doubles[VICTIM], "p3").await;
        let other = pair(&mut doubles[LIAR], "p1").await;
        let ready = one.state == "ready" && other.state == "ready";
        if ready && one.generation == other.generation && one.generation != before {
            return one.generation;
        }
        assert!(std::time::Instant::now() < deadline, "{one:?} {other:?}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// Lets `p3` spoil an OT extension with `p1`.
async fn attack(
    cluster: &Cluster,
    doubles: &mut [CoordinatorDouble],
    key: &KeyStatement,
    nonce: u64,
) {
    let script = format!("lie xor sign 1 {MATRIX} p1");
    cluster.script(LIAR, &script).unwrap();
    let attacked = transfer(cluster, key.key, nonce, &[VICTIM, LIAR]);
    let outcome = run(doubles, &[VICTIM, LIAR], &attacked).await.remove(0);
    assert!(
        matches!(&outcome, Outcome::Aborted(aborted) if aborted.ban),
        "{outcome:?}"
    );
    cluster.script(LIAR, "").unwrap();
}

/// The records that a node has of this intent: what came of it, and what lifted the ban before it.
fn recorded(
    cluster: &Cluster,
    position: usize,
    intent: &SignedIntent,
) -> Vec<(String, Option<String>)> {
    let intent = intent.digest().to_string();
    let of_it = |record: &serde_json::Value| record["event"]["details"]["intent"] == *intent;
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let records = cluster.audit(position).unwrap().into_iter();
    let parts = records.filter(of_it).map(|record| {
        let event = &record["event"];
        assert_eq!(event["operation"], "pair.lift_ban");
        let result = text(&event["result"]).unwrap();
        (result, text(&event["details"]["already_lifted_by"]))
    });
    parts.collect()
}

async fn lift_at(double: &mut CoordinatorDouble, intent: &SignedIntent) -> String {
    double.lift_ban(intent).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn c12_d11_d14_ban__must_end_by_new_state_alone_which_an_owner_allows_at_both_nodes_once() {
    let (mut cluster, mut doubles) = start_with(byzantine(3)).await;
    let key = create(&cluster, &mut doubles, 2).await.statement;
    let other = create(&cluster, &mut doubles, 2).await.statement;
    let first = pair(&mut doubles[VICTIM], "p3").await.generation;
    attack(&cluster, &mut doubles, &key, 0).await;
    ban_is_everywhere(&cluster).await;
    let banned = pair(&mut doubles[VICTIM], "p3").await;
    assert_eq!(
        (banned.state.as_str(), &banned.banned),
        ("banned", &vec![first.clone()])
    );

    let ids = cluster.node_ids();
    let (p1, p3) = (&ids[VICTIM], &ids[LIAR]);
    let generation: Digest32 = first.parse().unwrap();
    let lift = cluster.owner.lift_ban(p1, p3, generation).unwrap();
    // D11: nobody but an owner, and nothing but what the owner signed.
    let by_client = cluster.client.lift_ban(p1, p3, generation).unwrap();
    let mut changed = lift.clone();
    *changed.bytes.last_mut().unwrap() ^= 1;
    // D14: not a generation that is not banned, nor a pair that is not.
    let of_another = cluster
        .owner
        .lift_ban(p1, p3, Digest32::from_array([9; 32]));
    let healthy = pair(&mut doubles[VICTIM], "p2").await.generation;
    let of_healthy = cluster
        .owner
        .lift_ban(p1, &ids[1], healthy.parse().unwrap());
    let refused = [
        (by_client, "NOT_ALLOWED"),
        (changed, "BAD_INITIATOR_SIGNATURE"),
        (of_another.unwrap(), "NOT_BANNED"),
        (of_healthy.unwrap(), "NOT_BANNED"),
    ];
    for (intent, code) in &refused {
        assert_eq!(lift_at(&mut doubles[VICTIM], intent).await, *code);
    }
    assert_eq!(
        lift_at(&mut doubles[1], &lift).await,
        "INVALID_ARGUMENT",
        "not of the pair"
    );

    // One node is not enough: the other takes no part in new state.
    assert_eq!(lift_at(&mut doubles[VICTIM], &lift).await, "");
    assert_eq!(lift_at(&mut doubles[VICTIM], &lift).await, "", "sent again");
    let another = cluster.owner.lift_ban(p1, p3, generation).unwrap();
    let answer = lift_at(&mut doubles[VICTIM], &another).await;
    assert_eq!(answer, "", "by another intent");
    // Every act of an owner is recorded, also one that changed nothing.
    let before = Some(lift.digest().to_string());
    let (begun, done) = ("intent".to_owned(), "succeeded".to_owned());
    let lifting = [(begun, None), (done.clone(), None)];
    let sent_again = (done, before);
    let records = recorded(&cluster, VICTIM, &lift);
    assert_eq!(
        records,
        [lifting.as_slice(), std::slice::from_ref(&sent_again)].concat()
    );
    assert_eq!(recorded(&cluster, VICTIM, &another), [sent_again]);
    assert_banned(&cluster, &mut doubles, &key, 10).await;
    restart(&mut cluster, &mut doubles, &[VICTIM, LIAR]).await;
    assert_banned(&cluster, &mut doubles, &other, 20).await;
    assert_eq!(pair(&mut doubles[LIAR], "p1").await.generation, first);

    // Both: they make new state by themselves, and every key of the pair signs with it.
    assert_eq!(lift_at(&mut doubles[LIAR], &lift).await, "");
    let second = renewed(&mut doubles, &first).await;
    for (nonce, key) in [(30, &key), (31, &other)] {
        let proposal = transfer(&cluster, key.key, nonce, &[VICTIM, LIAR]);
        for outcome in run(&mut doubles, &[VICTIM, LIAR], &proposal).await {
            verified(&outcome, key, &transfer_digest(nonce));
        }
    }
    for position in [VICTIM, LIAR] {
        let health = doubles[position].heartbeat().await.unwrap();
        assert!(health.bans.is_empty(), "{:?}", health.bans);
        assert_eq!(
            lift_at(&mut doubles[position], &lift).await,
            "NOT_BANNED",
            "a replay"
        );
        let lifted = |r: &serde_json::Value| r["event"]["event_type"] == "pair.ban_lifted";
        assert!(cluster.audit(position).unwrap().iter().any(lifted));
    }

    // The next ban is of the new generation: the old permission lifts nothing.
    attack(&cluster, &mut doubles, &key, 40).await;
    assert_banned(&cluster, &mut doubles, &key, 50).await;
    for position in [VICTIM, LIAR] {
        assert_eq!(lift_at(&mut doubles[position], &lift).await, "NOT_BANNED");
    }
    assert_eq!(pair(&mut doubles[VICTIM], "p3").await.banned, [second]);
}

#[tokio::test(flavor = "multi_thread")]
async fn creation_without_pair_state__must_be_refused_naming_the_pair_until_there_is_new_state() {
    let (mut cluster, mut doubles) = start_with(byzantine(3)).await;
    let key = create(&cluster, &mut doubles, 2).await.statement;
    let first = pair(&mut doubles[VICTIM], "p3").await.generation;
    attack(&cluster, &mut doubles, &key, 0).await;
    ban_is_everywhere(&cluster).await;
    // The banned state is lost too: nothing makes new state before an owner allows it.
    cluster.kill_node(VICTIM).unwrap();
    let pairs = cluster.data_dir(VICTIM).unwrap().join("pairs");
    std::fs::remove_file(pairs.join(format!("{first}.pair"))).unwrap();
    cluster.start_node(VICTIM).unwrap();
    cluster.wait_for_links().await.unwrap();
    doubles[VICTIM] = cluster.connect(VICTIM).await.unwrap();
    let intent = cluster.client.create(&cluster.node_ids(), 2).unwrap();
    let creation = Proposal::new(intent, &[]).unwrap();
    let outcome = run(&mut doubles, &[VICTIM], &creation).await.remove(0);
    let Outcome::Refused(refused) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(
        (refused.code.as_str(), refused.kind()),
        ("PAIR_NOT_READY", RefusalKind::Retry)
    );
    assert!(
        refused.message.contains("`p1` and `p3`"),
        "{}",
        refused.message
    );
    assert!(!refused.message.contains("p2"), "{}", refused.message);
    let ids = cluster.node_ids();
    let generation = first.parse().unwrap();
    let lift = cluster
        .owner
        .lift_ban(&ids[VICTIM], &ids[LIAR], generation)
        .unwrap();
    for position in [VICTIM, LIAR] {
        assert_eq!(lift_at(&mut doubles[position], &lift).await, "");
    }
    renewed(&mut doubles, &first).await;
    let again = creation.again().unwrap();
    for outcome in run(&mut doubles, &[0, 1, 2], &again).await {
        assert!(matches!(outcome, Outcome::Created(_)), "{outcome:?}");
    }
}
