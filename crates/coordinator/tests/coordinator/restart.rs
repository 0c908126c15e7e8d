//! Kill the coordinator at any moment and start it again.

use std::time::Duration;

use quorate_store::AuditResult;

use crate::support::client::transfer;
use crate::support::double::Script;
use crate::support::world::{PATIENCE, World};

#[tokio::test(flavor = "multi_thread")]
async fn d10_signed_intent__must_be_answered_from_the_store_after_a_restart() {
    let mut world = World::start(3).await;
    let key = world.create_key(2).await;
    let request = world.client.sign(&key.key_id, &transfer(1));
    let first = world
        .coordinator()
        .sign(&world.caller(), request.clone(), PATIENCE)
        .await
        .unwrap();
    let opened: usize = world.doubles.iter().map(|d| d.opened().len()).sum();
    world.stop_coordinator().await;
    world.start_coordinator().await;
    let again = world
        .coordinator()
        .sign(&world.caller(), request, PATIENCE)
        .await
        .unwrap();
    assert_eq!(again.result.signature, first.result.signature);
    assert_eq!(
        again.result.signed_transaction,
        first.result.signed_transaction
    );
    let now_opened: usize = world.doubles.iter().map(|d| d.opened().len()).sum();
    assert_eq!(opened, now_opened, "no node was asked again");
}

#[tokio::test(flavor = "multi_thread")]
async fn c3_open_intent__must_go_on_in_a_new_session_after_a_restart() {
    let mut world = World::start(3).await;
    let key = world.create_key(2).await;
    for double in &world.doubles {
        double.follow(Script::Silent);
    }
    let request = world.client.sign(&key.key_id, &transfer(1));
    let reply = world
        .coordinator()
        .sign(&world.caller(), request.clone(), Duration::ZERO)
        .await;
    let old = reply.unwrap().result.session_id;
    world.stop_coordinator().await;
    for double in &world.doubles {
        double.follow(Script::Honest);
    }
    world.start_coordinator().await;
    // Nobody asks again: the journal alone brings it to its end.
    let deadline = std::time::Instant::now() + PATIENCE;
    let done = loop {
        let sessions = world
            .coordinator()
            .sessions(&world.caller(), Default::default())
            .await;
        let sessions = sessions.unwrap().sessions;
        let done = sessions
            .into_iter()
            .find(|s| s.kind == "sign" && s.status == "Completed");
        if let Some(done) = done {
            break done;
        }
        assert!(
            std::time::Instant::now() < deadline,
            "the intent was not resumed"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_ne!(done.session_id, old, "rounds are never resumed");
    let before = world
        .coordinator()
        .session(&world.caller(), &old)
        .await
        .unwrap();
    assert_eq!(before.status, "Failed");
    assert!(done.attempt > before.attempt);
    let again = world
        .coordinator()
        .sign(&world.caller(), request, PATIENCE)
        .await
        .unwrap();
    assert_eq!(again.result.signature, done.signature);
    let mut sessions: Vec<_> = world.doubles.iter().flat_map(|d| d.opened()).collect();
    sessions.retain(|open| !open.signers.is_empty());
    let ids: std::collections::BTreeSet<_> = sessions.iter().map(|o| &o.session_id).collect();
    assert!(ids.len() >= 2);
}

/// Of an intent that must be taken before it expires, and outlive its coordinator.
const LIFETIME: u64 = 5;

#[tokio::test(flavor = "multi_thread")]
async fn expired_open_intent__should_be_closed_as_unknown_after_a_restart() {
    let mut world = World::start(3).await;
    let key = world.create_key(2).await;
    for double in &world.doubles {
        double.follow(Script::Silent);
    }
    world.client.lifetime_seconds = LIFETIME;
    let request = world.client.sign(&key.key_id, &transfer(1));
    let started = world
        .coordinator()
        .sign(&world.caller(), request, Duration::ZERO)
        .await;
    started.unwrap();
    world.stop_coordinator().await;
    let expired_at = quorate_coordinator::now().seconds().plus(LIFETIME);
    let deadline = std::time::Instant::now() + PATIENCE;
    while quorate_coordinator::now().seconds() < expired_at {
        assert!(std::time::Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    world.start_coordinator().await;
    let last = world.audit("sign").await.pop().unwrap().event;
    assert_eq!(last.result, AuditResult::Unknown);
    assert_eq!(last.details["code"], "INTENT_EXPIRED");
}
