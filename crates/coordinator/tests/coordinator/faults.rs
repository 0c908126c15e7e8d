//! What a caller gets when nodes are bad, slow or gone.

use quorate_api::ErrorCode;
use quorate_api::mpc_v1::RefusalKind;
use quorate_store::AuditResult;

use crate::support::client::transfer;
use crate::support::double::Script;
use crate::support::world::{PATIENCE, World};

/// A world with a 2-of-3 key, whose nodes p1 and p2 follow a script when they sign.
async fn with_two(script: &Script) -> (World, String) {
    let world = World::start(3).await;
    let key = world.create_key(2).await;
    for double in &world.doubles[..1] {
        double.follow(script.clone());
    }
    (world, key.key_id)
}

/// Signs so often that the scripted node was chosen at least once.
async fn sign_until_p1_was_asked(world: &World, key: &str) {
    let before = world.doubles[0].opened().len();
    for nonce in 1..100 {
        let request = world.client.sign(key, &transfer(nonce));
        let reply = world
            .coordinator()
            .sign(&world.caller(), request, PATIENCE)
            .await
            .unwrap();
        assert!(reply.is_complete);
        assert!(reply.result.signature.is_some());
        if world.doubles[0].opened().len() > before {
            return;
        }
    }
    panic!("p1 was never chosen");
}

#[tokio::test(flavor = "multi_thread")]
async fn c10_node_with_a_bad_signature__must_be_named_and_nothing_of_it_leaves() {
    for script in [
        Script::ForeignSignature,
        Script::HighS,
        Script::FalseAlreadySigned,
    ] {
        let (world, key) = with_two(&script).await;
        sign_until_p1_was_asked(&world, &key).await;
        let rejected = world.audit("result.rejected").await;
        // With the other two the good signature may come first; then the bad one is not looked at.
        assert!(!rejected.is_empty() || script != Script::FalseAlreadySigned);
        for record in rejected {
            assert_eq!(record.event.node_id.unwrap().as_str(), "p1", "{script:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c10_bad_signatures_of_all_nodes__must_end_in_aborted_without_a_signature() {
    let world = World::start(3).await;
    let key = world.create_key(2).await;
    for double in &world.doubles {
        double.follow(Script::ForeignSignature);
    }
    let request = world.client.sign(&key.key_id, &transfer(1));
    let error = world
        .coordinator()
        .sign(&world.caller(), request, PATIENCE)
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::Aborted);
    let rejected = world.audit("result.rejected").await;
    assert!(rejected.len() >= 2, "each culprit is named");
    let sessions = world
        .coordinator()
        .sessions(&world.caller(), Default::default())
        .await
        .unwrap();
    for session in sessions.sessions.iter().filter(|s| s.kind == "sign") {
        assert!(session.signature.is_none() && session.status != "Completed");
    }
    let last = world.audit("sign").await.pop().unwrap().event;
    assert_eq!(last.result, AuditResult::Failed);
}

#[tokio::test(flavor = "multi_thread")]
async fn stalled_attempt__should_be_replaced_by_another_signer_set() {
    for script in [Script::Silent, Script::Stall] {
        let (world, key) = with_two(&script).await;
        sign_until_p1_was_asked(&world, &key).await;
        let sessions = world
            .coordinator()
            .sessions(&world.caller(), Default::default())
            .await;
        let sessions = sessions.unwrap().sessions;
        let replaced = sessions.iter().rfind(|s| s.status == "Failed").unwrap();
        assert!(
            replaced.awaiting.contains(&"p1".to_owned()),
            "{:?}",
            replaced.awaiting
        );
        let newest = &sessions[0];
        let newest = world
            .coordinator()
            .session(&world.caller(), &newest.session_id)
            .await
            .unwrap();
        assert!(
            newest.status == "Completed" && newest.attempt >= 2,
            "{script:?}"
        );
        assert!(!newest.participating_nodes.contains(&"p1".to_owned()));
        assert_eq!(newest.waited_on[0].session_id, replaced.session_id);
        assert!(newest.waited_on[0].waited_ms > 0);
        assert!(
            world.doubles[0].cancelled() > 0,
            "the stalled node was told"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn node_that_signed_before__should_answer_with_its_signature() {
    let (world, key) = with_two(&Script::AlreadySigned).await;
    sign_until_p1_was_asked(&world, &key).await;
    assert!(world.audit("result.rejected").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn c12_ban__must_be_recorded_and_the_pair_never_asked_again_together() {
    let world = World::start(2).await;
    let key = world.create_key(2).await;
    world.doubles[0].follow(Script::Ban(2));
    let request = world.client.sign(&key.key_id, &transfer(1));
    let error = world
        .coordinator()
        .sign(&world.caller(), request, PATIENCE)
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::PairBanned);
    let banned = world.audit("pair.banned").await;
    assert_eq!(banned[0].event.node_id.as_ref().unwrap().as_str(), "p1");
    let opened = world.doubles[0].opened().len();
    // Another intent: known from the heartbeat by now, so nobody is even asked.
    world
        .wait_until("the ban is in a heartbeat", |w| {
            w.doubles[0].opened().len() == opened
        })
        .await;
    tokio::time::timeout(PATIENCE, async {
        loop {
            let before = world.doubles[0].opened().len();
            let request = world.client.sign(&key.key_id, &transfer(2));
            let error = world
                .coordinator()
                .sign(&world.caller(), request, PATIENCE)
                .await;
            assert_eq!(error.unwrap_err().code(), ErrorCode::PairBanned);
            if world.doubles[0].opened().len() == before {
                return;
            }
        }
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn b5_key_without_every_nodes_signature__must_fail_and_stay_unusable() {
    for script in [Script::UnsignedCertificate, Script::ForeignAddress] {
        let world = World::start(3).await;
        for double in &world.doubles {
            double.follow(script.clone());
        }
        let request = world.client.create(&world.nodes(), 2);
        let error = world
            .coordinator()
            .create_key(&world.caller(), request, PATIENCE)
            .await;
        assert_eq!(error.unwrap_err().code(), ErrorCode::Aborted, "{script:?}");
        let keys = world
            .coordinator()
            .keys(&world.caller(), Default::default())
            .await
            .unwrap()
            .keys;
        let key = &keys[0];
        assert_eq!((key.status.as_str(), key.address.as_str()), ("Failed", ""));
        assert!(!world.audit("result.rejected").await.is_empty());
        let sign = world.client.sign(&key.key_id, &transfer(1));
        let refused = world
            .coordinator()
            .sign(&world.caller(), sign, PATIENCE)
            .await
            .unwrap_err();
        assert_eq!(refused.code(), ErrorCode::KeyNotActive);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn node_that_dies_in_a_session__should_be_replaced() {
    let (mut world, key) = with_two(&Script::Die).await;
    for nonce in 1..100 {
        let request = world.client.sign(&key, &transfer(nonce));
        let (coordinator, caller) = (std::sync::Arc::clone(world.coordinator()), world.caller());
        let signing =
            tokio::spawn(async move { coordinator.sign(&caller, request, PATIENCE).await });
        world
            .wait_until("signed or dying", |w| {
                signing.is_finished() || w.doubles[0].is_dying()
            })
            .await;
        let is_dying = world.doubles[0].is_dying();
        if is_dying {
            world.doubles[0].kill();
        }
        let reply = signing.await.unwrap().unwrap();
        assert!(reply.is_complete);
        if is_dying {
            assert!(!reply.result.signers.contains(&"p1".to_owned()));
            world
                .wait_until("p1 is not online", |w| {
                    w.coordinator().node("p1").unwrap().status != "online"
                })
                .await;
            world.doubles[0].follow(Script::Honest);
            world.doubles[0].up();
            world
                .wait_until("p1 is back", |w| {
                    w.coordinator().cluster_health().connected == 3
                })
                .await;
            return;
        }
    }
    panic!("p1 was never chosen");
}

#[tokio::test(flavor = "multi_thread")]
async fn too_few_nodes__must_be_refused_with_the_names_of_the_missing() {
    let mut world = World::start(3).await;
    let key = world.create_key(2).await;
    world.doubles[0].kill();
    world.doubles[2].kill();
    world
        .wait_until("one is left", |w| {
            w.coordinator().cluster_health().connected == 1
        })
        .await;
    let request = world.client.sign(&key.key_id, &transfer(1));
    let error = world
        .coordinator()
        .sign(&world.caller(), request, PATIENCE)
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::NotEnoughNodes);
    assert_eq!(error.details()["missing"], serde_json::json!(["p1", "p3"]));
    let last = world.audit("sign").await.pop().unwrap().event;
    assert_eq!(last.result, AuditResult::Failed);
    assert_eq!(last.details["code"], "NOT_ENOUGH_NODES");
}

#[tokio::test(flavor = "multi_thread")]
async fn refusal__should_end_the_act_if_final_and_move_on_if_not() {
    let world = World::start(3).await;
    let key = world.create_key(2).await;
    for double in &world.doubles {
        double.follow(Script::Refuse("RAW_HASH_REFUSED", RefusalKind::Permanent));
    }
    let request = world.client.sign(&key.key_id, &transfer(1));
    let error = world
        .coordinator()
        .sign(&world.caller(), request, PATIENCE)
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::RawHashRefused);

    let (world, key) = with_two(&Script::Refuse("SHARE_DAMAGED", RefusalKind::Retry)).await;
    sign_until_p1_was_asked(&world, &key).await;
    let refused = world.audit("session.refused").await;
    assert_eq!(refused[0].event.details["code"], "SHARE_DAMAGED");
}

#[tokio::test(flavor = "multi_thread")]
async fn cancel__should_end_a_session_that_hangs() {
    let world = World::start(3).await;
    let key = world.create_key(2).await;
    for double in &world.doubles {
        double.follow(Script::Stall);
    }
    let request = world.client.sign(&key.key_id, &transfer(1));
    let wait = std::time::Duration::ZERO;
    let reply = world
        .coordinator()
        .sign(&world.caller(), request, wait)
        .await
        .unwrap();
    let session = reply.result.session_id;
    let hidden = world
        .coordinator()
        .cancel(&world.caller_of("other"), &session)
        .await;
    assert_eq!(hidden.unwrap_err().code(), ErrorCode::NotFound);
    let view = world
        .coordinator()
        .cancel(&world.caller(), &session)
        .await
        .unwrap();
    assert_eq!(view.status, "Cancelled");
    let again = world
        .coordinator()
        .cancel(&world.caller(), &session)
        .await
        .unwrap_err();
    assert_eq!(again.code(), ErrorCode::SessionEnded);
    assert_eq!(
        world.audit("session.cancel").await.len(),
        3,
        "two refusals and the act"
    );
    let last = world.audit("sign").await.pop().unwrap().event;
    assert_eq!(
        last.result,
        AuditResult::Unknown,
        "a node may hold a signature all the same"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn audit__must_be_writable_or_no_node_is_asked() {
    let world = World::start(3).await;
    let key = world.create_key(2).await;
    let asked = |w: &World| w.doubles.iter().map(|d| d.opened().len()).sum::<usize>();
    let before = asked(&world);
    // Somebody else holds the database's write lock for longer than the store waits for it.
    let blocker = rusqlite::Connection::open(world.config.store_path()).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    let request = world.client.sign(&key.key_id, &transfer(1));
    let refused = world
        .coordinator()
        .sign(&world.caller(), request.clone(), PATIENCE)
        .await;
    assert_eq!(refused.unwrap_err().code(), ErrorCode::AuditUnavailable);
    assert_eq!(asked(&world), before, "nothing happened");
    blocker.execute_batch("ROLLBACK").unwrap();
    let reply = world
        .coordinator()
        .sign(&world.caller(), request, PATIENCE)
        .await;
    assert!(reply.unwrap().is_complete);
}
