//! Answers of a cluster that works.

use serde_json::json;

use crate::call::Api;
use crate::support::client::transfer;
use crate::support::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn key_and_signature__should_go_the_whole_way_through_rest() {
    let world = World::start(3).await;
    let api = Api::over(&world);
    let created = api
        .post("/api/v1/keys", &world.client.create(&world.nodes(), 2))
        .await;
    assert_eq!(created.status, 201);
    let key = created.data()["key_id"].as_str().unwrap().to_owned();
    assert_eq!(
        api.get(&format!("/api/v1/keys/{key}")).await.data(),
        created.data()
    );
    let change = json!({"description": "cold", "tags": ["b", "a"]});
    let described = api.put(&format!("/api/v1/keys/{key}"), &change).await;
    assert_eq!(described.data()["tags"], json!(["a", "b"]));
    assert_eq!(described.data()["description"], "cold");
    let tagged = api.get("/api/v1/keys?tag=b&limit=1").await;
    assert_eq!(tagged.data()["keys"][0]["key_id"], key.as_str());
    let signed = api
        .post("/api/v1/sign", &world.client.sign(&key, &transfer(1)))
        .await;
    assert_eq!(signed.status, 200);
    let verify = json!({
        "key_id": key, "message": hex::encode(transfer(1)), "message_type": "transaction",
        "signature": signed.data()["signature"],
    });
    let verified = api.post("/api/v1/verify", &verify).await;
    assert_eq!(verified.data()["valid"], true);
    assert_eq!(
        verified.data()["message_hash"],
        signed.data()["message_hash"]
    );
    let wrong = json!({
        "public_key": created.data()["public_key"], "message": "11".repeat(32),
        "message_type": "hash", "signature": signed.data()["signature"],
    });
    let refuted = api.post("/api/v1/verify", &wrong).await;
    assert_eq!(refuted.data()["valid"], false);
    let session = signed.data()["session_id"].as_str().unwrap();
    let session = api.get(&format!("/api/v1/sessions/{session}")).await;
    assert_eq!(session.data()["status"], "Completed");
    let hidden = api.other().get(&format!("/api/v1/keys/{key}")).await;
    hidden.refused(404, "NOT_FOUND");
    let none = api.other().get("/api/v1/sessions").await;
    assert_eq!(none.data()["sessions"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_and_health__should_show_who_is_there() {
    let world = World::start(3).await;
    let api = Api::over(&world);
    let nodes = api.get("/api/v1/nodes").await;
    assert_eq!(nodes.data()["nodes"].as_array().unwrap().len(), 3);
    assert_eq!(
        nodes.data()["nodes"][0]["status"],
        "online",
        "{}",
        nodes.body
    );
    let health = api.get("/api/v1/nodes/p2/health").await;
    assert_eq!(health.data()["node_id"], "p2");
    let ready = api.get("/health/ready").await;
    assert_eq!(ready.data()["nodes_connected"], 3);
    let protocols = api.get("/api/v1/protocols").await;
    assert_eq!(protocols.data()["protocols"][0]["name"], "dkls23");
    assert_eq!(api.get("/metrics").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn request_id__should_be_the_clients_if_it_is_safe() {
    let world = World::without_nodes(2).await;
    let api = Api::over(&world);
    for (given, kept) in [("abc-1", true), ("a b", false), (&"x".repeat(65), false)] {
        let mut request = api.request("GET", "/api/v1/keys", b"");
        request
            .headers_mut()
            .insert("x-request-id", given.parse().unwrap());
        let answer = api.send(request).await;
        assert_eq!(answer.headers["x-request-id"] == given, kept);
        assert_eq!(
            answer.body["meta"]["request_id"],
            answer.headers["x-request-id"].to_str().unwrap()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn paging__should_go_through_all_keys_once() {
    let world = World::start(3).await;
    let api = Api::over(&world);
    for _ in 0..5 {
        world.create_key(2).await;
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = api.get(&format!("/api/v1/keys?limit=2{cursor}")).await;
        let keys = page.data()["keys"].as_array().unwrap().clone();
        seen.extend(keys.iter().map(|key| key["key_id"].to_string()));
        match page.data()["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen.len(), 5);
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 5);
}
