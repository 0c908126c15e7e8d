//! `Idempotency-Key`.

use std::collections::BTreeSet;

use crate::call::Api;
use crate::support::client::transfer;
use crate::support::double::Script;
use crate::support::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn d10_same_key__must_give_the_first_answer_and_refuse_another_body() {
    let mut world = World::start(3).await;
    let api = Api::over(&world);
    let key = world.create_key(2).await.key_id;
    let (request, other) = (
        world.client.sign(&key, &transfer(1)),
        world.client.sign(&key, &transfer(2)),
    );
    let first = api.post_once("once", "/api/v1/sign", &request).await;
    let again = api.post_once("once", "/api/v1/sign", &request).await;
    assert_eq!(first.data(), again.data());
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_ne!(
        first.body["meta"]["request_id"],
        again.body["meta"]["request_id"]
    );
    let conflict = api.post_once("once", "/api/v1/sign", &other).await;
    conflict.refused(409, "IDEMPOTENCY_CONFLICT");
    assert_eq!(world.audit("request.refused").await.len(), 1);
    // Another credential has its own keys.
    api.other()
        .post_once("once", "/api/v1/sign", &other)
        .await
        .refused(403, "NOT_ALLOWED");
    drop(api);
    world.stop_coordinator().await;
    world.start_coordinator().await;
    let api = Api::over(&world);
    let restarted = api.post_once("once", "/api/v1/sign", &request).await;
    assert_eq!(first.data(), restarted.data());
    assert_eq!(restarted.headers["idempotency-replayed"], "true");
}

#[tokio::test(flavor = "multi_thread")]
async fn d10_equal_requests_at_once__must_get_one_signature() {
    let world = World::start(3).await;
    let api = Api::over(&world);
    let key = world.create_key(2).await.key_id;
    let request = world.client.sign(&key, &transfer(1));
    let mut tasks = Vec::new();
    for _ in 0..8 {
        let (api, request) = (api.clone(), request.clone());
        tasks.push(tokio::spawn(async move {
            let answer = api.post_once("once", "/api/v1/sign", &request).await;
            answer.data()["signature"].as_str().unwrap().to_owned()
        }));
    }
    let mut signatures = BTreeSet::new();
    for task in tasks {
        signatures.insert(task.await.unwrap());
    }
    assert_eq!(signatures.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_request__must_free_its_key_and_work_that_goes_on_must_keep_it() {
    let world = World::start(3).await;
    let api = Api::over(&world);
    let key = world.create_key(2).await.key_id;
    let mut bad = world.client.sign(&key, &transfer(1));
    bad.chain_type = "dogecoin".into();
    api.post_once("k", "/api/v1/sign", &bad)
        .await
        .refused(400, "INTENT_MISMATCH");
    for double in &world.doubles {
        double.follow(Script::Stall);
    }
    let mut slow = world.client.sign(&key, &transfer(2));
    slow.wait_ms = Some(0);
    let waiting = api.post_once("k", "/api/v1/sign", &slow).await;
    assert_eq!(waiting.status, 202);
    assert!(
        waiting.data()["session_id"]
            .as_str()
            .unwrap()
            .starts_with("ses_")
    );
    let other = world.client.sign(&key, &transfer(3));
    let conflict = api.post_once("k", "/api/v1/sign", &other).await;
    conflict.refused(409, "IDEMPOTENCY_CONFLICT");
    for bad_key in ["", "with space"] {
        let answer = api.post_once(bad_key, "/api/v1/sign", &other).await;
        answer.refused(400, "INVALID_ARGUMENT");
    }
}
