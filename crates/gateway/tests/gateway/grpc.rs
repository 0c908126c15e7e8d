//! gRPC: the results of REST, and REST's refusals with our codes in their details.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::Request as HttpRequest;
use prost::Message as _;
use quorate_api::mpc_v1 as pb;
use quorate_api::rest::{CreateKeyRequest, SignRequest};
use quorate_gateway::GatewayLimits;
use serde_json::json;
use tonic::codec::CompressionEncoding;
use tonic::{Code, Request};

use crate::call::{Api, LIMIT};
use crate::grpc_call::{Tamper, refused};
use crate::support::client::transfer;
use crate::support::double::Script;
use crate::support::world::World;

pub fn create(body: CreateKeyRequest) -> pb::CreateKeyRequest {
    pb::CreateKeyRequest {
        algorithm: body.algorithm,
        curve: body.curve,
        threshold: body.threshold.try_into().unwrap(),
        total_nodes: body.total_nodes.try_into().unwrap(),
        chain_type: body.chain_type,
        metadata: [("team".to_owned(), "treasury".to_owned())].into(),
        rights: body.rights,
        description: body.description.unwrap_or_default(),
        tags: body.tags,
        intent: body.intent,
        initiator_signature: body.initiator_signature,
        ..Default::default()
    }
}

pub fn sign(body: &SignRequest) -> pb::SignRequest {
    pb::SignRequest {
        key_id: body.key_id.clone(),
        message: body.message.clone(),
        message_type: body.message_type.clone(),
        chain_type: body.chain_type.clone(),
        metadata: body.metadata.clone().into_iter().collect(),
        wait_ms: body.wait_ms,
        intent: body.intent.clone(),
        initiator_signature: body.initiator_signature.clone(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn key_and_signature__should_be_those_of_rest() {
    let world = World::start(3).await;
    let api = Api::over(&world);
    let mut grpc = api.grpc();
    let request = create(world.client.create(&world.nodes(), 2));
    let created = grpc.create_key(request.clone()).await.unwrap().into_inner();
    let by_rest = api.get(&format!("/api/v1/keys/{}", created.key_id)).await;
    let rest = by_rest.data();
    assert!(created.complete && created.created_at > 1_700_000_000);
    assert_eq!(rest["public_key"], created.public_key);
    assert_eq!(rest["address"], created.address);
    assert_eq!(rest["tags"], json!(["prod", "team=treasury"]));
    let key = created.key.unwrap();
    assert_eq!(rest["certificate"], key.certificate);
    assert_eq!(key.node_signatures.len(), 3);
    let get = pb::GetKeyRequest {
        key_id: created.key_id.clone(),
    };
    assert_eq!(
        grpc.get_key(get).await.unwrap().into_inner().key,
        Some(key.clone())
    );
    let list = pb::ListKeysRequest {
        tag: "team=treasury".into(),
        ..Default::default()
    };
    assert_eq!(
        grpc.list_keys(list).await.unwrap().into_inner().keys,
        std::slice::from_ref(&key)
    );

    let body = world.client.sign(&key.key_id, &transfer(1));
    let signed = grpc.sign(sign(&body)).await.unwrap().into_inner();
    let again = api.post("/api/v1/sign", &body).await;
    for (name, value) in [
        ("signature", &signed.signature),
        ("signature_der", &signed.signature_der),
        ("message_hash", &signed.message_hash),
        ("signed_transaction", &signed.signed_transaction),
        ("tx_id", &signed.tx_id),
        ("key_id", &signed.key_id),
        ("status", &signed.status),
    ] {
        assert_eq!(again.data()[name], *value, "{name}");
    }
    assert_eq!(again.data()["recovery_id"], signed.recovery_id.unwrap());
    assert!(signed.signed_at > 1_700_000_000);

    let verify = pb::VerifyRequest {
        key_id: key.key_id,
        message: body.message,
        message_type: "transaction".into(),
        signature: signed.signature.clone(),
        ..Default::default()
    };
    let verified = grpc.verify(verify).await.unwrap().into_inner();
    assert!(verified.valid && verified.message_hash == signed.message_hash);
    let get = pb::GetSigningSessionRequest {
        session_id: signed.session_id,
    };
    let session = grpc
        .get_signing_session(get)
        .await
        .unwrap()
        .into_inner()
        .session
        .unwrap();
    assert_eq!(
        (session.status.as_str(), session.signature),
        ("Completed", signed.signature)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals__must_carry_the_codes_of_rest() {
    let world = World::without_nodes(3).await;
    let api = Api::over(&world);
    let mut grpc = api.grpc();
    let good = create(world.client.create(&world.nodes(), 2));
    let wrong = pb::CreateKeyRequest {
        chain_type: "dogecoin".into(),
        ..good.clone()
    };
    refused(
        grpc.create_key(wrong).await,
        Code::InvalidArgument,
        "UNKNOWN_CHAIN",
    );
    let wrong = pb::CreateKeyRequest {
        threshold: 3,
        ..good.clone()
    };
    let details = refused(
        grpc.create_key(wrong).await,
        Code::InvalidArgument,
        "INTENT_MISMATCH",
    );
    assert_eq!(
        details.bad_request().unwrap().field_violations[0].field,
        "threshold"
    );
    let wrong = pb::CreateKeyRequest {
        wait_ms: Some(60_001),
        ..good.clone()
    };
    refused(
        grpc.create_key(wrong).await,
        Code::InvalidArgument,
        "INVALID_ARGUMENT",
    );
    let wrong = pb::CreateKeyRequest {
        metadata: [(String::new(), String::new())].into(),
        ..good
    };
    let details = refused(
        grpc.create_key(wrong).await,
        Code::InvalidArgument,
        "INVALID_ARGUMENT",
    );
    assert_eq!(
        details.bad_request().unwrap().field_violations[0].field,
        "metadata"
    );
    let none = pb::GetKeyRequest {
        key_id: "key_1".into(),
    };
    refused(grpc.get_key(none).await, Code::NotFound, "NOT_FOUND");
    let list = pb::ListKeysRequest {
        limit: Some(100_000),
        ..Default::default()
    };
    refused(
        grpc.list_keys(list).await,
        Code::InvalidArgument,
        "INVALID_ARGUMENT",
    );
    let delete = pb::DeleteKeyRequest::default();
    refused(
        grpc.delete_key(delete).await,
        Code::Unimplemented,
        "NOT_IMPLEMENTED",
    );
    let join = pb::JoinSigningSessionRequest::default();
    let answer = grpc.join_signing_session(join).await;
    refused(answer, Code::Unimplemented, "NOT_IMPLEMENTED");
    let empty = pb::BatchSignRequest::default();
    refused(
        grpc.batch_sign(empty).await,
        Code::InvalidArgument,
        "INVALID_ARGUMENT",
    );
    // What was refused is recorded, as over REST.
    assert_eq!(world.audit("key.create").await.len(), 3);
    assert!(!world.audit("request.refused").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_call__must_name_missing_nodes_in_its_details() {
    let world = World::start(3).await;
    let api = Api::over(&world);
    let key = world.create_key(2).await.key_id;
    for double in &world.doubles {
        double.follow(Script::Refuse("SHARE_DAMAGED", pb::RefusalKind::Permanent));
    }
    let request = sign(&world.client.sign(&key, &transfer(1)));
    let details = refused(
        api.grpc().sign(request).await,
        Code::FailedPrecondition,
        "SHARE_DAMAGED",
    );
    let node = &details.error_info().unwrap().metadata["node"];
    assert!(["p1", "p2", "p3"].contains(&node.as_str()), "{node}");
}

#[tokio::test(flavor = "multi_thread")]
async fn hmac__must_cover_the_method_and_the_message() {
    let world = World::without_nodes(3).await;
    let api = Api::over(&world);
    assert!(
        api.grpc()
            .list_keys(pb::ListKeysRequest::default())
            .await
            .is_ok()
    );
    let other_method: Tamper = |request| {
        *request.uri_mut() = "/mpc.v1.MPCService/GetKey".parse().unwrap();
    };
    let other_message: Tamper = |request| {
        let message = pb::ListKeysRequest {
            tag: "x".into(),
            ..Default::default()
        };
        *request.body_mut() = Body::from(framed(0, &message.encode_to_vec()));
    };
    let no_signature: Tamper = |request| {
        request.headers_mut().remove("x-quorate-signature");
    };
    let two_keys: Tamper = |request| {
        let value = "k1".parse().unwrap();
        request.headers_mut().append("x-quorate-key", value);
    };
    for tamper in [other_method, other_message, no_signature, two_keys] {
        let answer = api
            .grpc_through(Some(tamper))
            .list_keys(pb::ListKeysRequest::default())
            .await;
        refused(answer, Code::Unauthenticated, "UNAUTHENTICATED");
    }
    let wrong = Api {
        secret: [0x12; 32],
        ..api.clone()
    };
    let answer = wrong.grpc().list_keys(pb::ListKeysRequest::default()).await;
    refused(answer, Code::Unauthenticated, "UNAUTHENTICATED");
    let records = world.audit("auth.failed").await;
    assert_eq!(records.len(), 5);
    assert_eq!(
        records[4].event.operation,
        "POST /mpc.v1.MPCService/ListKeys"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn hmac__must_not_be_replayed_nor_carried_over_from_rest() {
    let world = World::without_nodes(3).await;
    let api = Api::over(&world);
    let path = "/mpc.v1.MPCService/ListKeys";
    let headers = api.grpc_headers(path, b"");
    let call = |path: &str| {
        let mut request = HttpRequest::post(path)
            .body(Body::from(framed(0, b"")))
            .unwrap();
        *request.headers_mut() = headers.clone();
        let grpc = "application/grpc".parse().unwrap();
        request.headers_mut().insert("content-type", grpc);
        request
    };
    assert_eq!(api.send(call(path)).await.headers.get("grpc-status"), None);
    let replayed = api.send(call(path)).await;
    assert_eq!(replayed.headers["grpc-status"], "16");
    assert_eq!(replayed.status, 200, "gRPC says it in its own header");
    let message = "this%20nonce%20was%20used%20before%20with%20this%20credential";
    assert_eq!(replayed.headers["grpc-message"], message);
    // A gRPC body for a REST path, and the other way round.
    let crossed = api.send(call("/api/v1/sign")).await;
    assert_eq!(crossed.headers["grpc-status"], "16");
    let crossed = api.send(api.request("POST", path, b"{}")).await;
    crossed.refused(415, "UNSUPPORTED_MEDIA_TYPE");
}

fn framed(flag: u8, message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[flag][..], &length, message].concat().into()
}

#[tokio::test(flavor = "multi_thread")]
async fn message__must_be_limited_also_when_it_is_compressed() {
    let world = World::without_nodes(3).await;
    let api = Api::over(&world);
    let big = |length| pb::SignRequest {
        message: "0".repeat(length),
        ..Default::default()
    };
    for client in [
        api.grpc(),
        api.grpc().send_compressed(CompressionEncoding::Gzip),
    ] {
        let mut client = client;
        let answer = client.sign(big(LIMIT)).await;
        let details = refused(answer, Code::ResourceExhausted, "PAYLOAD_TOO_LARGE");
        assert_eq!(
            details.error_info().unwrap().metadata["limit"],
            LIMIT.to_string()
        );
        // Just below: it is read, and refused for what it says.
        let answer = client.sign(big(LIMIT - 100)).await;
        refused(answer, Code::InvalidArgument, "INVALID_ARGUMENT");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_message__must_be_refused() {
    let world = World::without_nodes(3).await;
    let api = Api::over(&world);
    let not_protobuf: Tamper = |request| {
        *request.body_mut() = Body::from(framed(0, b"\xff\xff\xff"));
    };
    let two_frames: Tamper = |request| {
        *request.body_mut() = Body::from([framed(0, b""), framed(0, b"")].concat());
    };
    let cut_off: Tamper =
        |request| *request.body_mut() = Body::from(&b"\x00\x00\x00\x00\x09abc"[..]);
    for tamper in [two_frames, cut_off] {
        let answer = api
            .grpc_through(Some(tamper))
            .get_key(pb::GetKeyRequest::default())
            .await;
        refused(answer, Code::InvalidArgument, "MALFORMED_REQUEST");
    }
    let answer = api
        .grpc_through(Some(not_protobuf))
        .get_key(pb::GetKeyRequest::default())
        .await;
    refused(answer, Code::Unauthenticated, "UNAUTHENTICATED");
    // Authentic, but not a message.
    let path = "/mpc.v1.MPCService/GetKey";
    let mut request = HttpRequest::post(path)
        .body(Body::from(framed(0, b"\xff\xff\xff")))
        .unwrap();
    *request.headers_mut() = api.grpc_headers(path, b"\xff\xff\xff");
    let grpc = "application/grpc+proto".parse().unwrap();
    request.headers_mut().insert("content-type", grpc);
    let answer = api.send(request).await;
    assert_eq!(answer.headers["grpc-status"], "3", "{:?}", answer.headers);
}

#[tokio::test(flavor = "multi_thread")]
async fn gzip__should_be_accepted_and_offered() {
    let world = World::start(3).await;
    let api = Api::over(&world);
    let grpc = api.grpc().send_compressed(CompressionEncoding::Gzip);
    let mut grpc = grpc.accept_compressed(CompressionEncoding::Gzip);
    let request = create(world.client.create(&world.nodes(), 2));
    let created = grpc.create_key(request).await.unwrap();
    assert_eq!(created.metadata().get("grpc-encoding").unwrap(), "gzip");
    let key_id = created.into_inner().key_id;
    let plain = api
        .grpc()
        .get_key(pb::GetKeyRequest { key_id })
        .await
        .unwrap();
    assert!(plain.metadata().get("grpc-encoding").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn deadline__must_end_the_wait_and_only_the_wait() {
    let world = World::start(3).await;
    let api = Api::over(&world);
    let key = world.create_key(2).await.key_id;
    for double in &world.doubles {
        double.follow(Script::Stall);
    }
    let message = sign(&world.client.sign(&key, &transfer(1)));
    let mut request = Request::new(message.clone());
    request.set_timeout(Duration::from_millis(200));
    refused(
        api.grpc().sign(request).await,
        Code::DeadlineExceeded,
        "TIMEOUT",
    );
    for double in &world.doubles {
        double.follow(Script::Honest);
    }
    let signed = api.grpc().sign(message).await.unwrap().into_inner();
    assert_eq!(
        signed.status, "Completed",
        "the act went on, and was joined"
    );
    let malformed: Tamper = |request| {
        let value = "soon".parse().unwrap();
        request.headers_mut().insert("grpc-timeout", value);
    };
    let answer = api
        .grpc_through(Some(malformed))
        .list_keys(pb::ListKeysRequest::default())
        .await;
    refused(answer, Code::InvalidArgument, "INVALID_ARGUMENT");
}

#[tokio::test(flavor = "multi_thread")]
async fn idempotency_key__should_mean_what_it_means_in_rest() {
    let world = World::start(3).await;
    let api = Api::over(&world);
    let key = world.create_key(2).await.key_id;
    let once = |message| {
        let mut request = Request::new(message);
        request
            .metadata_mut()
            .insert("idempotency-key", "once".parse().unwrap());
        request
    };
    let message = sign(&world.client.sign(&key, &transfer(1)));
    let first = api.grpc().sign(once(message.clone())).await.unwrap();
    let again = api.grpc().sign(once(message)).await.unwrap();
    assert!(first.metadata().get("idempotency-replayed").is_none());
    assert_eq!(
        again.metadata().get("idempotency-replayed").unwrap(),
        "true"
    );
    assert_eq!(first.into_inner(), again.into_inner());
    let other = sign(&world.client.sign(&key, &transfer(2)));
    let answer = api.grpc().sign(once(other)).await;
    refused(answer, Code::AlreadyExists, "IDEMPOTENCY_CONFLICT");
    // One name for both: REST sees that it is taken.
    let body = world.client.sign(&key, &transfer(3));
    let conflict = api.post_once("once", "/api/v1/sign", &body).await;
    conflict.refused(409, "IDEMPOTENCY_CONFLICT");
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_calls__must_be_told_when_to_come_again() {
    let world = World::without_nodes(3).await;
    let limits = GatewayLimits {
        max_concurrent_requests: 0,
        ..GatewayLimits::default()
    };
    let api = Api::with_limits(&world, limits);
    let answer = api.grpc().list_keys(pb::ListKeysRequest::default()).await;
    let details = refused(answer, Code::ResourceExhausted, "RATE_LIMITED");
    assert_eq!(
        details.retry_info().unwrap().retry_delay,
        Some(Duration::from_secs(1))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_method__must_be_unimplemented() {
    let world = World::without_nodes(3).await;
    let api = Api::over(&world);
    for path in [
        "/mpc.v1.MPCService/Steal",
        "/mpc.v1.NodeService/Heartbeat",
        "/x.Y/Z",
    ] {
        let mut request = HttpRequest::post(path)
            .body(Body::from(framed(0, b"")))
            .unwrap();
        let grpc = "application/grpc".parse().unwrap();
        request.headers_mut().insert("content-type", grpc);
        let answer = api.send(request).await;
        assert_eq!(answer.headers["grpc-status"], "12", "{path}");
    }
}
