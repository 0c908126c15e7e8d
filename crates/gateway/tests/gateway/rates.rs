//! How often callers may call, by credential, by address, and after failures.

use std::net::SocketAddr;

use axum::extract::ConnectInfo;
use quorate_api::mpc_v1 as pb;
use quorate_gateway::GatewayLimits;
use tonic::Code;

use crate::call::{Answer, Api};
use crate::grpc_call::refused;
use crate::support::client::transfer;
use crate::support::world::World;

const PATH: &str = "/api/v1/keys";

async fn get_from(api: &Api, address: &str) -> Answer {
    let mut request = api.request("GET", PATH, b"");
    let peer: SocketAddr = format!("{address}:4711").parse().unwrap();
    request.extensions_mut().insert(ConnectInfo(peer));
    api.send(request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn credential__must_be_refused_above_its_rate_alone_and_told_when_to_come_again() {
    let world = World::without_nodes(3).await;
    let limits = GatewayLimits {
        credential_requests_per_second: 1,
        credential_burst: 2,
        max_auth_failure_records_per_second: 1_000,
        ..GatewayLimits::default()
    };
    let api = Api::with_limits(&world, limits);
    let mut limited = None;
    // A slow machine earns a further call with each second.
    for _ in 0..100 {
        let answer = api.get(PATH).await;
        if answer.status != 200 {
            limited = Some(answer);
            break;
        }
    }
    let limited = limited.expect("a hundred calls are above one in a second");
    limited.refused(429, "RATE_LIMITED");
    assert_eq!(limited.headers["retry-after"], "1");
    assert_eq!(limited.body["error"]["details"]["limit"], "credential");
    assert_eq!(api.other().get(PATH).await.status, 200);
    assert_eq!(api.service().get(PATH).await.status, 200);
    let records = world.audit("request.limited").await;
    assert_eq!(records[0].event.user_id.as_deref(), Some("k1"));
    assert_eq!(records[0].event.details["limit"], "credential");
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc_call__must_be_refused_above_the_rate_with_retry_info() {
    let world = World::without_nodes(3).await;
    let limits = GatewayLimits {
        credential_requests_per_second: 1,
        credential_burst: 1,
        ..GatewayLimits::default()
    };
    let mut client = Api::with_limits(&world, limits).grpc();
    for _ in 0..100 {
        let answer = client.list_keys(pb::ListKeysRequest::default()).await;
        if answer.is_err() {
            let details = refused(answer, Code::ResourceExhausted, "RATE_LIMITED");
            let pause = details.retry_info().unwrap().retry_delay.unwrap();
            assert_eq!(pause.as_secs(), 1);
            return;
        }
    }
    panic!("a hundred calls are above one in a second");
}

#[tokio::test(flavor = "multi_thread")]
async fn address__must_be_refused_above_its_rate_alone() {
    let world = World::without_nodes(3).await;
    let limits = GatewayLimits {
        address_requests_per_second: 1,
        address_burst: 1,
        ..GatewayLimits::default()
    };
    let api = Api::with_limits(&world, limits);
    let mut last = get_from(&api, "10.0.0.1").await;
    for _ in 0..100 {
        if last.status != 200 {
            break;
        }
        last = get_from(&api, "10.0.0.1").await;
    }
    last.refused(429, "RATE_LIMITED");
    assert_eq!(last.body["error"]["details"]["limit"], "address");
    assert_eq!(get_from(&api, "10.0.0.2").await.status, 200);
    assert_eq!(api.get("/health/live").await.status, 200);
    let records = world.audit("request.limited").await;
    assert_eq!(records[0].event.ip_address.as_deref(), Some("10.0.0.1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_address__must_be_refused_unheard_and_nobody_else() {
    let world = World::without_nodes(3).await;
    let limits = GatewayLimits {
        auth_failures_per_second: 1,
        auth_failure_burst: 3,
        ..GatewayLimits::default()
    };
    let api = Api::with_limits(&world, limits);
    let wrong = Api {
        secret: [0x12; 32],
        ..api.clone()
    };
    let mut last = get_from(&wrong, "10.0.0.1").await;
    last.refused(401, "UNAUTHENTICATED");
    for _ in 0..100 {
        if last.status != 401 {
            break;
        }
        last = get_from(&wrong, "10.0.0.1").await;
    }
    last.refused(429, "RATE_LIMITED");
    assert_eq!(last.body["error"]["details"]["limit"], "auth_failures");
    assert_eq!(get_from(&api, "10.0.0.2").await.status, 200);
}

/// A cluster where so many acts may run at one time, and a key of it.
async fn with_room_for(acts: usize) -> (World, String) {
    let mut world = World::start(3).await;
    let key = world.create_key(2).await.key_id;
    world.stop_coordinator().await;
    world.config.limits.max_open_sessions = acts;
    world.start_coordinator().await;
    (world, key)
}

#[tokio::test(flavor = "multi_thread")]
async fn overload__must_refuse_signatures_before_anything_is_written_and_nothing_else() {
    // No act may run: every request for a signature is one too many.
    let (world, key) = with_room_for(0).await;
    let api = Api::over(&world);
    let request = world.client.sign(&key, &transfer(1));
    for path in ["/api/v1/sign", "/api/v1/sessions"] {
        let refused = api.post(path, &request).await;
        refused.refused(429, "RATE_LIMITED");
        assert_eq!(refused.body["error"]["details"]["limit"], "overload");
        assert!(refused.headers.contains_key("retry-after"));
    }
    assert_eq!(api.get("/api/v1/keys").await.status, 200);
    assert!(world.audit("sign").await.is_empty());
    let records = world.audit("request.limited").await;
    assert_eq!(records[0].event.details["limit"], "overload");
}

#[tokio::test(flavor = "multi_thread")]
async fn burst__must_be_counted_before_its_nonces_are_written() {
    let (world, key) = with_room_for(2).await;
    let api = Api::over(&world);
    let requests: Vec<_> = (1..=32)
        .map(|n| world.client.sign(&key, &transfer(n)))
        .collect();
    let posts = requests
        .iter()
        .map(|request| api.post("/api/v1/sign", request));
    let answers = futures::future::join_all(posts).await;
    let (made, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|a| a.status == 200);
    assert!(!made.is_empty() && !refused.is_empty());
    for answer in refused {
        answer.refused(429, "RATE_LIMITED");
        // One that came through to the acts, and found no place there, would not say so.
        assert_eq!(answer.body["error"]["details"]["limit"], "overload");
    }
    // What is done counts no more.
    let last = world.client.sign(&key, &transfer(99));
    assert_eq!(api.post("/api/v1/sign", &last).await.status, 200);
}
