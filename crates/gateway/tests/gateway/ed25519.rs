//! Requests signed with Ed25519 instead of HMAC.

use quorate_api::mpc_v1 as pb;
use quorate_coordinator::now;
use tonic::Code;

use crate::call::Api;
use crate::grpc_call::refused;
use crate::support::world::World;

const PATH: &str = "/api/v1/keys";

#[tokio::test(flavor = "multi_thread")]
async fn ed25519_credential__should_call_rest_and_grpc() {
    let world = World::without_nodes(3).await;
    let service = Api::over(&world).service();
    assert_eq!(service.get("/api/v1/keys?limit=3").await.status, 200);
    let mut client = service.grpc();
    let listed = client.list_keys(pb::ListKeysRequest::default()).await;
    assert!(listed.unwrap().into_inner().keys.is_empty());
    // It is authentic, so what is wrong is the path.
    let answer = service.put("/api/v1/keys/x", &serde_json::json!({})).await;
    assert_eq!(answer.code(), "NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_signature_wrong_kind_and_unknown_key__must_be_refused_alike() {
    let world = World::without_nodes(3).await;
    let api = Api::over(&world);
    let service = api.service();
    let mut answers = Vec::new();
    for wrong in [
        // Another key.
        Api {
            secret: [0x34; 32],
            ..service.clone()
        },
        // An HMAC with the seed, for a credential with a public key.
        Api {
            is_ed25519: false,
            ..service.clone()
        },
        // A signature with the secret, for a credential with a secret.
        Api {
            is_ed25519: true,
            ..api.clone()
        },
        Api {
            key: "nobody".into(),
            ..service.clone()
        },
    ] {
        let answer = wrong.get(PATH).await;
        answer.refused(401, "UNAUTHENTICATED");
        answers.push(answer.body["error"].clone());
        let over_grpc = wrong.grpc().list_keys(pb::ListKeysRequest::default()).await;
        refused(over_grpc, Code::Unauthenticated, "UNAUTHENTICATED");
    }
    assert!(
        answers.windows(2).all(|two| two[0] == two[1]),
        "{answers:?}"
    );
    assert_eq!(world.audit("auth.failed").await.len(), 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn ed25519__must_cover_method_path_query_time_nonce_and_body() {
    let world = World::without_nodes(3).await;
    let service = Api::over(&world).service();
    let sent = || service.request("PUT", "/api/v1/keys/x?a=1", b"{}");
    assert_eq!(service.send(sent()).await.code(), "NOT_FOUND");
    let mut method = sent();
    *method.method_mut() = "POST".parse().unwrap();
    let mut path = sent();
    *path.uri_mut() = "/api/v1/keys/y?a=1".parse().unwrap();
    let mut query = sent();
    *query.uri_mut() = "/api/v1/keys/x?a=2".parse().unwrap();
    let mut time = sent();
    let earlier = (now().seconds().0 - 7).to_string().parse().unwrap();
    time.headers_mut().insert("x-quorate-timestamp", earlier);
    let mut nonce = sent();
    let other = "a".repeat(32).parse().unwrap();
    nonce.headers_mut().insert("x-quorate-nonce", other);
    let (parts, _) = sent().into_parts();
    let body = axum::http::Request::from_parts(parts, axum::body::Body::from("{} "));
    for request in [method, path, query, time, nonce, body] {
        service.send(request).await.refused(401, "UNAUTHENTICATED");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn replayed_and_late_signatures__must_be_refused() {
    let world = World::without_nodes(3).await;
    let service = Api::over(&world).service();
    let (time, nonce) = (now().seconds().0, "0123456789abcdef");
    let sent = || service.request_at("GET", PATH, b"", time, nonce);
    assert_eq!(service.send(sent()).await.status, 200);
    service.send(sent()).await.refused(401, "REQUEST_REPLAYED");
    let late = service.request_at("GET", PATH, b"", time - 70, "0123456789abcdeg");
    service.send(late).await.refused(401, "REQUEST_EXPIRED");
}

#[tokio::test(flavor = "multi_thread")]
async fn second_form_of_a_signature__must_be_refused() {
    /// The order of the group, little-endian.
    const ORDER: &str = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";
    let world = World::without_nodes(3).await;
    let service = Api::over(&world).service();
    let mut request = service.request("GET", PATH, b"");
    let mut signature = hex::decode(&request.headers()["x-quorate-signature"]).unwrap();
    let mut carry = 0;
    for (byte, add) in signature[32..].iter_mut().zip(hex::decode(ORDER).unwrap()) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        (*byte, carry) = (sum.to_le_bytes()[0], sum >> 8);
    }
    let twin = hex::encode(signature).parse().unwrap();
    request.headers_mut().insert("x-quorate-signature", twin);
    service.send(request).await.refused(401, "UNAUTHENTICATED");
}
