//! Callers that nobody knows cannot keep the others out: half-sent requests, silent connections,
//! open health checks, and what stands in headers about addresses.

use std::net::SocketAddr;

use axum::body::{Body, Bytes};
use axum::extract::ConnectInfo;
use axum::http::Request;
use quorate_gateway::{ForwardedHeader, GatewayLimits, Proxies};
use tokio::task::JoinSet;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::call::{Answer, Api};
use crate::support::world::{PATIENCE, World};

const PATH: &str = "/api/v1/keys";

fn from(address: &str, mut request: Request<Body>) -> Request<Body> {
    let peer: SocketAddr = format!("{address}:4711").parse().unwrap();
    request.extensions_mut().insert(ConnectInfo(peer));
    request
}

async fn get_from(api: &Api, address: &str) -> Answer {
    api.send(from(address, api.request("GET", PATH, b""))).await
}

/// A request whose body does not end.
fn half_sent(api: &Api, address: &str) -> Request<Body> {
    let mut request = from(address, api.request("POST", "/api/v1/sign", b""));
    let never = futures::stream::pending::<Result<Bytes, std::io::Error>>();
    *request.body_mut() = Body::from_stream(never);
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn half_sent_requests__must_not_keep_callers_out() {
    let world = World::without_nodes(3).await;
    let limits = GatewayLimits {
        max_unknown_requests: 4,
        max_unknown_requests_per_address: 3,
        max_concurrent_requests: 4,
        ..GatewayLimits::default()
    };
    let api = Api::with_limits(&world, limits);
    let mut hostile = JoinSet::new();
    for address in ["10.0.0.1", "10.0.0.2"] {
        for _ in 0..5 {
            let (api, request) = (api.clone(), half_sent(&api, address));
            hostile.spawn(async move { api.send(request).await });
        }
    }
    // Six of ten have given way to the others; all that there are places for are taken.
    for _ in 0..6 {
        let given_way = tokio::time::timeout(PATIENCE, hostile.join_next()).await;
        let answer = given_way.expect("it is answered").unwrap().unwrap();
        answer.refused(429, "RATE_LIMITED");
        assert_eq!(answer.body["error"]["details"]["limit"], "unknown_requests");
    }
    for address in ["10.0.0.3", "10.0.0.1"] {
        assert_eq!(get_from(&api, address).await.status, 200, "{address}");
    }
    assert_eq!(hostile.len(), 4);
    // To give way is no failed authentication.
    assert!(world.audit("auth.failed").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn health_watchers__must_give_way_to_others() {
    let world = World::without_nodes(3).await;
    let api = Api::over(&world);
    let ask = |address: &str| {
        let mut request = tonic::Request::new(HealthCheckRequest::default());
        let peer: SocketAddr = format!("{address}:4711").parse().unwrap();
        request.extensions_mut().insert(ConnectInfo(peer));
        request
    };
    let mut client = HealthClient::new(api.router.clone());
    let mut streams = Vec::new();
    for n in 0..100 {
        let address = format!("10.0.0.{}", n % 5);
        let watched = client.watch(ask(&address)).await.unwrap().into_inner();
        streams.push(watched);
    }
    for stream in &mut streams {
        assert!(stream.message().await.unwrap().is_some());
    }
    let ended = streams.first_mut().unwrap().message();
    let ended = tokio::time::timeout(PATIENCE, ended).await.unwrap();
    assert!(ended.unwrap().is_none(), "the oldest has given way");
    let mut other = client.watch(ask("10.0.1.1")).await.unwrap().into_inner();
    assert!(other.message().await.unwrap().is_some());
}

fn behind(world: &World, trusted: &[&str], limits: GatewayLimits) -> Api {
    let trusted = trusted.iter().map(|text| text.parse().unwrap()).collect();
    let header = ForwardedHeader::XForwardedFor;
    Api::behind(world, Proxies { trusted, header }, limits).1
}

async fn get_through(api: &Api, proxy: &str, said: &str) -> Answer {
    let mut request = from(proxy, api.request("GET", PATH, b""));
    let said = said.parse().unwrap();
    request.headers_mut().insert("x-forwarded-for", said);
    api.send(request).await
}

fn one_failure() -> GatewayLimits {
    GatewayLimits {
        auth_failures_per_second: 1,
        auth_failure_burst: 1,
        max_auth_failure_records_per_second: 1_000,
        ..GatewayLimits::default()
    }
}

/// Fails until the door is closed.
async fn spend_failures(wrong: &Api, proxy: &str, said: &str) {
    for _ in 0..100 {
        if get_through(wrong, proxy, said).await.status == 429 {
            return;
        }
    }
    panic!("a hundred failures are above one in a second");
}

/// Every refusal so far was recorded as this address's.
async fn assert_all_from(world: &World, address: &str) {
    for event_type in ["auth.failed", "request.limited"] {
        let records = world.audit(event_type).await;
        assert!(!records.is_empty());
        for record in records {
            assert_eq!(record.event.ip_address.as_deref(), Some(address));
        }
    }
}

fn wrong(api: &Api, key: &str) -> Api {
    Api {
        key: key.to_owned(),
        secret: [0x12; 32],
        ..api.clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_behind_a_listed_proxy__should_have_their_own_addresses() {
    let world = World::without_nodes(3).await;
    let api = behind(&world, &["10.1.0.0/16"], one_failure());
    let wrong = wrong(&api, "nobody");
    spend_failures(&wrong, "10.1.0.1", "9.9.9.9, 198.51.100.1").await;
    let other = get_through(&api, "10.1.0.1", "198.51.100.2").await;
    assert_eq!(other.status, 200);
    // Through another proxy, and with another lie in front, it is the same address.
    get_through(&wrong, "10.1.0.2", "8.8.8.8, 198.51.100.1").await;
    assert_all_from(&world, "198.51.100.1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn header_of_anybody_else__must_not_change_an_address() {
    let world = World::without_nodes(3).await;
    let api = behind(&world, &["10.1.0.0/16"], one_failure());
    let wrong = wrong(&api, "nobody");
    spend_failures(&wrong, "203.0.113.1", "198.51.100.1").await;
    get_through(&wrong, "203.0.113.1", "198.51.100.77").await;
    let other = get_through(&api, "203.0.113.2", "203.0.113.1").await;
    assert_eq!(other.status, 200);
    assert_all_from(&world, "203.0.113.1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_of_others__must_not_close_the_door_for_a_known_neighbour() {
    let world = World::without_nodes(3).await;
    let api = Api::with_limits(&world, one_failure());
    assert_eq!(get_from(&api, "10.0.0.1").await.status, 200);
    spend_failures(&wrong(&api, "nobody"), "10.0.0.1", "x").await;
    assert_eq!(get_from(&api, "10.0.0.1").await.status, 200);
    // Who was never authentic from there is not heard, whether the credential exists or not.
    spend_failures(&wrong(&api, "k2"), "10.0.0.1", "x").await;
    // Failures in the name of the known one close the door for it alone.
    spend_failures(&wrong(&api, "k1"), "10.0.0.1", "x").await;
    assert_eq!(get_from(&api, "10.0.0.2").await.status, 200);
}
