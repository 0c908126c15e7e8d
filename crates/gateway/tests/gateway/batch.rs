//! Many signatures in one call: each with its own result.

use quorate_api::mpc_v1 as pb;
use quorate_api::mpc_v1::batch_sign_result::Result as Item;
use quorate_gateway::GatewayLimits;
use serde_json::{Value, json};

use crate::call::Api;
use crate::grpc::sign;
use crate::support::client::transfer;
use crate::support::double::Script;
use crate::support::world::World;

const PATH: &str = "/api/v1/sign/batch";

#[tokio::test(flavor = "multi_thread")]
async fn batch__should_give_each_request_its_own_result() {
    let world = World::start(3).await;
    let api = Api::over(&world);
    let key = world.create_key(2).await.key_id;
    let bodies: Vec<_> = (1..=3)
        .map(|n| world.client.sign(&key, &transfer(n)))
        .collect();
    let as_json = |n: usize| serde_json::to_value(&bodies[n]).unwrap();
    let mut wrong_chain = as_json(1);
    wrong_chain["chain_type"] = "dogecoin".into();
    let mut unknown_field = as_json(1);
    unknown_field["nonsense"] = 1.into();
    let requests = [
        as_json(0),
        wrong_chain,
        json!({}),
        unknown_field,
        as_json(2),
    ];
    let answer = api.post(PATH, &json!({ "requests": requests })).await;
    assert_eq!(answer.status, 200);
    let results = answer.data()["results"].as_array().unwrap();
    let codes: Vec<_> = results
        .iter()
        .map(|r| r["error"]["code"].as_str())
        .collect();
    let malformed = Some("MALFORMED_REQUEST");
    assert_eq!(
        codes,
        [None, Some("INTENT_MISMATCH"), malformed, malformed, None]
    );
    assert_eq!(results[3]["error"]["details"]["field"], "nonsense");
    assert_eq!(results[1]["success"], false);
    for (result, body) in [(0, 0), (4, 2)] {
        let alone = api.post("/api/v1/sign", &bodies[body]).await;
        assert_eq!(results[result]["success"], true);
        assert_eq!(
            results[result]["data"]["signature"],
            alone.data()["signature"]
        );
    }
    // Each act has its own request id in the audit index.
    let ids: Vec<_> = world
        .audit("sign")
        .await
        .into_iter()
        .filter_map(|r| r.event.request_id)
        .collect();
    assert!(ids.iter().any(|id| id.ends_with(".1")) && ids.iter().any(|id| id.ends_with(".5")));
}

#[tokio::test(flavor = "multi_thread")]
async fn batch__should_be_the_same_over_grpc() {
    let world = World::start(3).await;
    let api = Api::over(&world);
    let key = world.create_key(2).await.key_id;
    let good = world.client.sign(&key, &transfer(1));
    let mut bad = sign(&world.client.sign(&key, &transfer(2)));
    bad.message_type = "poem".into();
    let requests = vec![sign(&good), bad];
    let batch = pb::BatchSignRequest {
        requests,
        wait_ms: None,
    };
    let results = api
        .grpc()
        .batch_sign(batch)
        .await
        .unwrap()
        .into_inner()
        .results;
    let [Some(Item::Response(signed)), Some(Item::Error(error))] =
        [results[0].result.clone(), results[1].result.clone()]
    else {
        panic!("{results:?}");
    };
    let alone = api.post("/api/v1/sign", &good).await;
    assert_eq!(alone.data()["signature"], signed.signature);
    assert_eq!(
        (error.code.as_str(), error.details["field"].as_str()),
        ("INVALID_ARGUMENT", "message_type")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn batch__must_be_limited_in_number() {
    let world = World::without_nodes(3).await;
    let limits = GatewayLimits {
        max_batch_items: 2,
        ..GatewayLimits::default()
    };
    let api = Api::with_limits(&world, limits);
    for count in [0, 3] {
        let requests = vec![json!({}); count];
        let answer = api.post(PATH, &json!({ "requests": requests })).await;
        answer.refused(400, "INVALID_ARGUMENT");
        assert_eq!(answer.body["error"]["details"]["limit"], 2);
    }
    let two = api.post(PATH, &json!({ "requests": [{}, {}] })).await;
    assert_eq!(two.data()["results"].as_array().unwrap().len(), 2);
    for body in [json!({"requests": [1]}), json!({"requests": 1}), json!({})] {
        api.post(PATH, &body)
            .await
            .refused(400, "MALFORMED_REQUEST");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn batch__should_answer_with_sessions_when_its_time_is_over() {
    let world = World::start(3).await;
    let limits = GatewayLimits {
        batch_concurrency: 2,
        ..GatewayLimits::default()
    };
    let api = Api::with_limits(&world, limits);
    let key = world.create_key(2).await.key_id;
    for double in &world.doubles {
        double.follow(Script::Stall);
    }
    let bodies: Vec<_> = (1..=5)
        .map(|n| world.client.sign(&key, &transfer(n)))
        .collect();
    let batch = json!({ "requests": bodies, "wait_ms": 100 });
    let answer = api.post_once("batch", PATH, &batch).await;
    assert_eq!(answer.status, 202);
    for result in answer.data()["results"].as_array().unwrap() {
        assert!(
            result["data"]["session_id"]
                .as_str()
                .unwrap()
                .starts_with("ses_")
        );
        assert_eq!(result["data"]["signature"], Value::Null);
    }
    for double in &world.doubles {
        double.follow(Script::Honest);
    }
    // The same batch again joins what goes on, under the same name.
    let batch = json!({ "requests": bodies, "wait_ms": 100 });
    let world = &world;
    let mut last = answer;
    let deadline = std::time::Instant::now() + crate::support::world::PATIENCE;
    while last.status == 202 {
        assert!(
            std::time::Instant::now() < deadline,
            "{} of {}",
            last.body,
            world.nodes().len()
        );
        last = api.post_once("batch", PATH, &batch).await;
    }
    let results = last.data()["results"].as_array().unwrap();
    assert!(
        results.iter().all(|r| r["data"]["signature"].is_string()),
        "{}",
        last.body
    );
    let replayed = api.post_once("batch", PATH, &batch).await;
    assert_eq!(replayed.headers["idempotency-replayed"], "true");
}

#[tokio::test(flavor = "multi_thread")]
async fn body__should_be_read_up_to_the_documented_limit() {
    let world = World::without_nodes(3).await;
    let api = Api::with_limits(&world, GatewayLimits::default());
    let mut request = json!({"requests": [{"key_id": ""}]});
    request["requests"][0]["key_id"] = "k".repeat(3 * 1024 * 1024).into();
    let answer = api.post(PATH, &request).await;
    let error = &answer.data()["results"][0]["error"];
    assert_eq!(error["code"], "MALFORMED_REQUEST", "read, and judged");
    request["requests"][0]["key_id"] = "k".repeat(4 * 1024 * 1024).into();
    let answer = api.post(PATH, &request).await;
    answer.refused(413, "PAYLOAD_TOO_LARGE");
}
