//! Issue 2, "Bad input and faults": each a documented code and status, an audit record, nothing
//! half-done.

use quorate_api::rest::SignRequest;
use quorate_store::{AuditRecord, AuditResult};
use quorate_types::MessageType;
use serde_json::{Value, json};

use crate::call::{Api, LIMIT, traces};
use crate::support::client::{Client, transfer};
use crate::support::world::World;

const NO_KEY: &str = "key_00000000000000000000000000000000";

async fn count(world: &World, event: &str) -> usize {
    world.audit(event).await.len()
}

/// Posts what must be refused, and checks status, code, one more audit record and no traces.
async fn must_refuse(world: &World, api: &Api, path: &str, body: &Value, status: u16, code: &str) {
    let kinds = ["key.create", "sign", "request.refused"];
    let mut before = 0;
    for kind in kinds {
        before += count(world, kind).await;
    }
    let traces_before = traces(world).await;
    api.post(path, body).await.refused(status, code);
    let (mut after, mut last) = (0, None);
    for kind in kinds {
        let records = world.audit(kind).await;
        after += records.len();
        let newest = records.into_iter().next_back();
        if newest.as_ref().map(|r| r.sequence) > last.as_ref().map(|r: &AuditRecord| r.sequence) {
            last = newest;
        }
    }
    assert_eq!(after, before + 1, "one more audit record");
    let event = last.unwrap().event;
    let (details, result) = (event.details, event.result.to_string());
    assert_eq!(
        (details["code"].as_str(), result.as_str()),
        (Some(code), "denied")
    );
    assert_eq!(traces(world).await, traces_before, "nothing is half-done");
}

fn as_json(body: &impl serde::Serialize) -> Value {
    serde_json::to_value(body).unwrap()
}

fn changed(body: &Value, field: &str, value: Value) -> Value {
    let mut body = body.clone();
    body[field] = value;
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn create__must_be_refused_for_each_bad_field() {
    let world = World::without_nodes(3).await;
    let api = Api::over(&world);
    let good = as_json(&world.client.create(&world.nodes(), 2));
    for (field, value, status, code) in [
        ("algorithm", json!("RSA"), 400, "INVALID_ARGUMENT"),
        ("curve", json!("ed25519"), 400, "WRONG_CURVE"),
        ("algorithm", json!("EdDSA"), 400, "WRONG_CURVE"),
        ("threshold", json!(4), 400, "INVALID_THRESHOLD"),
        ("threshold", json!(1), 400, "INVALID_THRESHOLD"),
        ("total_nodes", json!(21), 400, "INVALID_THRESHOLD"),
        ("total_nodes", json!(4), 400, "TOO_MANY_NODES"),
        ("chain_type", json!("dogecoin"), 400, "UNKNOWN_CHAIN"),
        ("chain_type", json!("ethereum"), 400, "INTENT_MISMATCH"),
        ("threshold", json!(3), 400, "INTENT_MISMATCH"),
        ("rights", json!([]), 400, "INTENT_MISMATCH"),
        ("rights", json!(["root"]), 400, "INVALID_ARGUMENT"),
        ("protocol", json!("gg18"), 400, "UNKNOWN_PROTOCOL"),
        ("address_kind", json!("p2wpkh"), 400, "INTENT_MISMATCH"),
        ("intent", json!("0xzz"), 400, "INVALID_ARGUMENT"),
        ("intent", json!("00"), 400, "MALFORMED_INTENT"),
        ("initiator_signature", json!("00"), 400, "INVALID_ARGUMENT"),
        (
            "initiator_signature",
            json!("00".repeat(64)),
            403,
            "BAD_INITIATOR_SIGNATURE",
        ),
    ] {
        let body = changed(&good, field, value);
        must_refuse(&world, &api, "/api/v1/keys", &body, status, code).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d12_committee_outside_the_manifest__must_be_refused() {
    let world = World::without_nodes(3).await;
    let api = Api::over(&world);
    let mut nodes = world.nodes();
    nodes[2] = "c1".parse().unwrap();
    let body = as_json(&world.client.create(&nodes, 2));
    must_refuse(&world, &api, "/api/v1/keys", &body, 400, "INVALID_ARGUMENT").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn intent__must_be_refused_from_strangers_for_others_and_out_of_its_time() {
    let world = World::without_nodes(3).await;
    let api = Api::over(&world);
    let nodes = world.nodes();
    let client = || world.client.clone();
    let stranger = Client {
        initiator: "mallory".parse().unwrap(),
        ..client()
    };
    let forger = Client {
        key: Client::new("acme").key,
        ..client()
    };
    let elsewhere = Client {
        cluster: "prod".parse().unwrap(),
        ..client()
    };
    let other_tenant = Client {
        tenant: "other".parse().unwrap(),
        ..client()
    };
    let no_tenant = Client {
        tenant: "nobody".parse().unwrap(),
        ..client()
    };
    let expired = Client {
        age_seconds: 700,
        ..client()
    };
    let eternal = Client {
        lifetime_seconds: 8 * 24 * 3600,
        ..client()
    };
    for (who, status, code) in [
        (stranger, 403, "UNKNOWN_INITIATOR"),
        (forger, 403, "BAD_INITIATOR_SIGNATURE"),
        (elsewhere, 403, "NOT_ALLOWED"),
        (other_tenant, 403, "NOT_ALLOWED"),
        (no_tenant, 403, "NOT_ALLOWED"),
        (expired, 403, "INTENT_EXPIRED"),
        (eternal, 403, "INTENT_EXPIRED"),
    ] {
        let body = as_json(&who.create(&nodes, 2));
        must_refuse(&world, &api, "/api/v1/keys", &body, status, code).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn body__must_be_json_of_the_documented_form() {
    let world = World::without_nodes(3).await;
    let api = Api::over(&world);
    let good = as_json(&world.client.create(&world.nodes(), 2));
    for bad in ["", "{", "[]", "{\"a\":1}", "null", "\u{1}"] {
        let request = api.request("POST", "/api/v1/keys", bad.as_bytes());
        api.send(request).await.refused(400, "MALFORMED_REQUEST");
    }
    let double = good.to_string().replacen('{', "{\"threshold\":2,", 1);
    let request = api.request("POST", "/api/v1/keys", double.as_bytes());
    api.send(request).await.refused(400, "MALFORMED_REQUEST");
    for (field, value) in [
        ("nonsense", json!(1)),
        ("threshold", json!("2")),
        ("tags", json!(1)),
    ] {
        let body = changed(&good, field, value);
        must_refuse(
            &world,
            &api,
            "/api/v1/keys",
            &body,
            400,
            "MALFORMED_REQUEST",
        )
        .await;
    }
    let unknown = api
        .post("/api/v1/keys", &changed(&good, "nonsense", json!(1)))
        .await;
    assert_eq!(unknown.body["error"]["details"]["field"], "nonsense");
    let mut text = api.request("POST", "/api/v1/keys", good.to_string().as_bytes());
    text.headers_mut()
        .insert("content-type", "text/plain".parse().unwrap());
    api.send(text).await.refused(415, "UNSUPPORTED_MEDIA_TYPE");
}

#[tokio::test(flavor = "multi_thread")]
async fn oversized_request__must_be_refused_with_its_limit() {
    let world = World::without_nodes(3).await;
    let api = Api::over(&world);
    let body = vec![b' '; LIMIT + 1];
    let answer = api.send(api.request("POST", "/api/v1/sign", &body)).await;
    answer.refused(413, "PAYLOAD_TOO_LARGE");
    assert_eq!(answer.body["error"]["details"]["limit"], LIMIT);
    assert_eq!(count(&world, "auth.failed").await, 1);
    let mut many = api.request("GET", "/api/v1/keys", b"");
    for number in 0..70 {
        let name: axum::http::HeaderName = format!("x-{number}").parse().unwrap();
        many.headers_mut().insert(name, "1".parse().unwrap());
    }
    api.send(many).await.refused(413, "PAYLOAD_TOO_LARGE");
    let mut request = world.client.sign(NO_KEY, &transfer(1));
    request.message = "00".repeat(quorate_intent::MAX_PAYLOAD + 1);
    let body = as_json(&request);
    must_refuse(
        &world,
        &api,
        "/api/v1/sign",
        &body,
        413,
        "PAYLOAD_TOO_LARGE",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn paths__must_answer_in_the_envelope_whatever_they_are() {
    let world = World::without_nodes(3).await;
    let api = Api::over(&world);
    api.get("/api/v1/nothing").await.refused(404, "NOT_FOUND");
    api.get("/").await.refused(404, "NOT_FOUND");
    api.send(api.request("DELETE", "/api/v1/sign", b""))
        .await
        .refused(405, "METHOD_NOT_ALLOWED");
    for path in [
        "keys/key_1",
        "keys/%ff",
        "sessions/ses_1",
        "nodes/p9",
        "nodes/p9/health",
    ] {
        api.get(&format!("/api/v1/{path}"))
            .await
            .refused(404, "NOT_FOUND");
    }
    for query in [
        "limit=0",
        "limit=201",
        "limit=x",
        "cursor=zz",
        "status=Happy",
        "nonsense=1",
    ] {
        let answer = api.get(&format!("/api/v1/keys?{query}")).await;
        answer.refused(400, "INVALID_ARGUMENT");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_key__must_be_refused_and_recorded() {
    let world = World::without_nodes(3).await;
    let api = Api::over(&world);
    let body = as_json(&world.client.sign(NO_KEY, &transfer(1)));
    must_refuse(&world, &api, "/api/v1/sign", &body, 404, "NOT_FOUND").await;
    let path = format!("/api/v1/keys/{NO_KEY}");
    api.put(&path, &json!({"description": "x"}))
        .await
        .refused(404, "NOT_FOUND");
    assert_eq!(count(&world, "key.describe").await, 1);
    let path = "/api/v1/sessions/ses_00000000000000000000000000000000/cancel";
    api.post(path, &json!({})).await.refused(404, "NOT_FOUND");
    assert_eq!(count(&world, "session.cancel").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn create_without_nodes__must_name_the_missing_and_leave_a_failed_key() {
    let world = World::without_nodes(3).await;
    let api = Api::over(&world);
    let answer = api
        .post("/api/v1/keys", &world.client.create(&world.nodes(), 2))
        .await;
    answer.refused(503, "NOT_ENOUGH_NODES");
    assert_eq!(
        answer.body["error"]["details"]["missing"],
        json!(["p1", "p2", "p3"])
    );
    let results: Vec<_> = world
        .audit("key.create")
        .await
        .iter()
        .map(|r| r.event.result)
        .collect();
    assert_eq!(results, [AuditResult::Intended, AuditResult::Failed]);
    let keys = api.get("/api/v1/keys?status=Failed").await;
    assert_eq!(keys.data()["keys"].as_array().unwrap().len(), 1);
    assert_eq!(
        traces(&world).await,
        (1, 0, 0),
        "no session, no open intent"
    );
    api.get("/health/ready")
        .await
        .refused(503, "NOT_ENOUGH_NODES");
}

/// What needs a key: made with doubles, so that nothing of the store is faked.
#[tokio::test(flavor = "multi_thread")]
async fn d1_d5_sign__must_refuse_other_bytes_other_forms_and_other_keys() {
    let world = World::start(3).await;
    let api = Api::over(&world);
    let key = world.create_key(2).await.key_id;
    let good = as_json(&world.client.sign(&key, &transfer(1)));
    let other = as_json(&world.client.sign(&key, &transfer(2)));
    // D1: the readable message is not what was signed, and the other way round.
    let body = changed(&good, "message", other["message"].clone());
    must_refuse(&world, &api, "/api/v1/sign", &body, 400, "INTENT_MISMATCH").await;
    let body = changed(&good, "intent", other["intent"].clone());
    must_refuse(
        &world,
        &api,
        "/api/v1/sign",
        &body,
        403,
        "BAD_INITIATOR_SIGNATURE",
    )
    .await;
    // C9: a public key is not a field of a request.
    let body = changed(&good, "public_key", json!("02".repeat(33)));
    must_refuse(
        &world,
        &api,
        "/api/v1/sign",
        &body,
        400,
        "MALFORMED_REQUEST",
    )
    .await;
    for (field, value, code) in [
        ("message_type", json!("hash"), "INTENT_MISMATCH"),
        ("chain_type", json!("ethereum"), "INTENT_MISMATCH"),
        ("key_id", json!(NO_KEY), "INTENT_MISMATCH"),
        ("key_id", json!("mine"), "INVALID_ARGUMENT"),
        ("wait_ms", json!(60_001), "INVALID_ARGUMENT"),
    ] {
        let body = changed(&good, field, value);
        must_refuse(&world, &api, "/api/v1/sign", &body, 400, code).await;
    }
    // D5: trailing bytes, a number that is not minimal, a signed transaction's type byte alone.
    let mut trailing = transfer(1);
    trailing.push(0);
    let mut padded = transfer(1);
    padded[1] += 1;
    padded.splice(5..6, [0x81, 0x01]);
    let mut other_network = transfer(1);
    other_network[4] = 0x6a;
    for (payload, code) in [
        (trailing, "MALFORMED_TRANSACTION"),
        (padded, "MALFORMED_TRANSACTION"),
        (vec![0x02], "MALFORMED_TRANSACTION"),
        (vec![0x03, 0xc0], "UNSUPPORTED_MESSAGE"),
        (other_network, "WRONG_CHAIN"),
    ] {
        let body = as_json(&world.client.sign(&key, &payload));
        must_refuse(&world, &api, "/api/v1/sign", &body, 400, code).await;
    }
    let raw = world.client.sign_as(&key, b"hello", MessageType::Raw);
    must_refuse(
        &world,
        &api,
        "/api/v1/sign",
        &as_json(&raw),
        400,
        "UNSUPPORTED_MESSAGE",
    )
    .await;
    let hash = world.client.sign_as(&key, &[1; 31], MessageType::Hash);
    must_refuse(
        &world,
        &api,
        "/api/v1/sign",
        &as_json(&hash),
        400,
        "INVALID_ARGUMENT",
    )
    .await;
    // Another tenant does not even learn that the key exists.
    let client = Client {
        tenant: "other".parse().unwrap(),
        ..world.client.clone()
    };
    let body = as_json(&client.sign(&key, &transfer(1)));
    let answer = api.other().post("/api/v1/sign", &body).await;
    answer.refused(404, "NOT_FOUND");
    let opened: usize = world.doubles.iter().map(|d| d.opened().len()).sum();
    assert_eq!(opened, 3, "no node was asked for anything but the key");
    let request: SignRequest = serde_json::from_value(good).unwrap();
    assert_eq!(
        api.post("/api/v1/sign", &request).await.status,
        200,
        "the good one is good"
    );
}
