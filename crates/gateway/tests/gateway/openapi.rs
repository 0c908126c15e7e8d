//! The document against the routes and against real answers.

use quorate_api::ErrorCode;
use serde_json::{Value, json};

use crate::call::{Answer, Api};
use crate::support::client::transfer;
use crate::support::world::World;

fn document() -> Value {
    let text = quorate_gateway::openapi_document().to_json().unwrap();
    serde_json::from_str(&text).unwrap()
}

/// A small JSON Schema check: `$ref`, `type`, `properties`, `required`, `items`, `oneOf`, and no
/// property that the schema does not name.
fn check(document: &Value, schema: &Value, value: &Value, place: &str) {
    if let Some(reference) = schema["$ref"].as_str() {
        let schema = document.pointer(&reference[1..]);
        let schema = schema.unwrap_or_else(|| panic!("{reference} is not in the document"));
        return check(document, schema, value, place);
    }
    if let Some(any) = schema["oneOf"].as_array() {
        assert!(!any.is_empty());
        let fits = |schema: &&Value| schema["type"] != "null" || value.is_null();
        let schema = any.iter().rfind(fits).unwrap();
        return check(document, schema, value, place);
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(many) => many.iter().map(|t| t.as_str().unwrap()).collect(),
        _ => return,
    };
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(n) if n.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let fits = types.contains(&found) || (found == "integer" && types.contains(&"number"));
    assert!(fits, "{place} is {found}, not {types:?}");
    for item in value.as_array().into_iter().flatten() {
        check(document, &schema["items"], item, &format!("{place}[]"));
    }
    let Some(object) = value.as_object() else {
        return;
    };
    for name in schema["required"].as_array().into_iter().flatten() {
        assert!(
            object.contains_key(name.as_str().unwrap()),
            "{place}.{name} is missing"
        );
    }
    if let Some(properties) = schema["properties"].as_object() {
        for (name, value) in object {
            let schema = properties.get(name);
            let schema = schema.unwrap_or_else(|| panic!("{place}.{name} is not documented"));
            check(document, schema, value, &format!("{place}.{name}"));
        }
    }
}

fn check_answer(document: &Value, method: &str, path: &str, answer: &Answer) {
    let pointer = path.replace('~', "~0").replace('/', "~1");
    let status = answer.status;
    let place =
        format!("/paths/{pointer}/{method}/responses/{status}/content/application~1json/schema");
    let schema = document.pointer(&place);
    let schema = schema.unwrap_or_else(|| panic!("{method} {path} {status} is not documented"));
    check(document, schema, &answer.body, path);
}

#[test]
fn document__should_be_openapi_3_1_with_every_route_and_every_error() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    let expected = [
        ("/api/v1/keys", "get post"),
        ("/api/v1/keys/{key_id}", "get put"),
        ("/api/v1/nodes", "get"),
        ("/api/v1/nodes/{node_id}", "get"),
        ("/api/v1/nodes/{node_id}/health", "get"),
        ("/api/v1/nodes/{node_id}/lift-ban", "post"),
        ("/api/v1/protocols", "get"),
        ("/api/v1/sessions", "get post"),
        ("/api/v1/sessions/{session_id}", "get"),
        ("/api/v1/sessions/{session_id}/cancel", "post"),
        ("/api/v1/sign", "post"),
        ("/api/v1/sign/batch", "post"),
        ("/api/v1/verify", "post"),
        ("/health/live", "get"),
        ("/health/ready", "get"),
        ("/metrics", "get"),
        ("/openapi.json", "get"),
    ];
    let paths = document["paths"].as_object().unwrap();
    assert_eq!(paths.len(), expected.len());
    for (path, methods) in expected {
        let mut found: Vec<_> = paths[path].as_object().unwrap().keys().cloned().collect();
        found.sort();
        assert_eq!(found.join(" "), methods, "{path}");
    }
    let responses = &document["paths"]["/api/v1/sign"]["post"]["responses"];
    for code in ErrorCode::ALL {
        let response = &responses[code.http_status().to_string()];
        assert!(
            response["description"]
                .as_str()
                .unwrap()
                .contains(code.as_str()),
            "{code}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn real_answers__should_fit_the_document() {
    let world = World::start(3).await;
    let api = Api::over(&world);
    let served = api.get("/openapi.json").await.body;
    assert_eq!(served, document());
    let create = world.client.create(&world.nodes(), 2);
    let created = api.post("/api/v1/keys", &create).await;
    check_answer(&served, "post", "/api/v1/keys", &created);
    let key = created.data()["key_id"].as_str().unwrap().to_owned();
    let signed = api
        .post("/api/v1/sign", &world.client.sign(&key, &transfer(1)))
        .await;
    check_answer(&served, "post", "/api/v1/sign", &signed);
    let session = signed.data()["session_id"].as_str().unwrap().to_owned();
    let verify = json!({
        "key_id": key, "message": hex::encode(transfer(1)), "message_type": "transaction",
        "signature": signed.data()["signature"],
    });
    let verified = api.post("/api/v1/verify", &verify).await;
    check_answer(&served, "post", "/api/v1/verify", &verified);
    let put = api
        .put(&format!("/api/v1/keys/{key}"), &json!({"tags": []}))
        .await;
    check_answer(&served, "put", "/api/v1/keys/{key_id}", &put);
    for (pattern, path) in [
        ("/api/v1/keys", "/api/v1/keys".to_owned()),
        ("/api/v1/keys/{key_id}", format!("/api/v1/keys/{key}")),
        ("/api/v1/keys/{key_id}", "/api/v1/keys/none".to_owned()),
        ("/api/v1/sessions", "/api/v1/sessions".to_owned()),
        (
            "/api/v1/sessions/{session_id}",
            format!("/api/v1/sessions/{session}"),
        ),
        ("/api/v1/nodes", "/api/v1/nodes".to_owned()),
        ("/api/v1/nodes/{node_id}", "/api/v1/nodes/p1".to_owned()),
        (
            "/api/v1/nodes/{node_id}/health",
            "/api/v1/nodes/p1/health".to_owned(),
        ),
        ("/api/v1/protocols", "/api/v1/protocols".to_owned()),
        ("/health/live", "/health/live".to_owned()),
        ("/health/ready", "/health/ready".to_owned()),
    ] {
        check_answer(&served, "get", pattern, &api.get(&path).await);
    }
    let cancel = format!("/api/v1/sessions/{session}/cancel");
    let ended = api.post(&cancel, &json!({})).await;
    ended.refused(409, "SESSION_ENDED");
    check_answer(
        &served,
        "post",
        "/api/v1/sessions/{session_id}/cancel",
        &ended,
    );
}

#[test]
#[should_panic(expected = "is not documented")]
fn check__must_fail_for_a_property_that_is_not_documented() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}});
    check(&json!({}), &schema, &json!({"a": "x", "b": 1}), "value");
}
