//! Places to watch sessions: each caller has its share, and who does not read loses its own.

use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt as _;
use quorate_api::mpc_v1 as pb;
use quorate_gateway::GatewayLimits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tonic::{Code, Status};
use tower::ServiceExt as _;

use crate::call::Api;
use crate::connections::serve;
use crate::grpc::sign;
use crate::grpc_call::refused;
use crate::streams::watch;
use crate::support::client::transfer;
use crate::support::double::Script;
use crate::support::world::{PATIENCE, World};

/// A session that goes on, in a cluster that does nothing.
async fn stalled(world: &World, api: &Api) -> String {
    let key = world.create_key(2).await.key_id;
    for double in &world.doubles {
        double.follow(Script::Stall);
    }
    let request = Some(sign(&world.client.sign(&key, &transfer(1))));
    let message = pb::CreateSigningSessionRequest { request };
    let started = api.grpc().create_signing_session(message).await;
    started.unwrap().into_inner().session.unwrap().session_id
}

fn limits() -> GatewayLimits {
    GatewayLimits {
        max_watchers_per_credential: 1,
        watch_keepalive_ms: 10,
        unread_timeout_ms: 200,
        ..GatewayLimits::default()
    }
}

fn follow(api: &Api, id: &str) -> Request<Body> {
    let mut request = api.request("GET", &format!("/api/v1/sessions/{id}"), b"");
    let accept = "text/event-stream".parse().unwrap();
    request.headers_mut().insert("accept", accept);
    request
}

async fn watch_grpc(
    api: &Api,
    id: &str,
) -> Result<tonic::Streaming<pb::WatchSigningSessionResponse>, Status> {
    let answer = api.grpc().watch_signing_session(watch(id)).await;
    answer.map(tonic::Response::into_inner)
}

/// Asks for a place until there is one.
async fn wait_for_a_place(api: &Api, id: &str) {
    let deadline = Instant::now() + PATIENCE;
    while watch_grpc(api, id).await.is_err() {
        assert!(Instant::now() < deadline, "no place became free");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn credential__must_not_hold_the_places_of_others() {
    let world = World::start(3).await;
    let limits = GatewayLimits {
        unread_timeout_ms: 60_000,
        ..limits()
    };
    let api = Api::with_limits(&world, limits);
    let id = stalled(&world, &api).await;
    let open = watch_grpc(&api, &id).await.unwrap();
    let second = watch_grpc(&api, &id).await;
    let details = refused(second.map(|_| ()), Code::ResourceExhausted, "RATE_LIMITED");
    assert_eq!(details.error_info().unwrap().metadata["limit"], "1");
    // Another credential of the same tenant has its own.
    assert!(watch_grpc(&api.service(), &id).await.is_ok());
    drop(open);
    wait_for_a_place(&api, &id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unread_stream_of_grpc__must_end_and_free_its_place() {
    let world = World::start(3).await;
    let api = Api::with_limits(&world, limits());
    let id = stalled(&world, &api).await;
    let mut unread = watch_grpc(&api, &id).await.unwrap();
    wait_for_a_place(&api, &id).await;
    // Whoever reads on after all hears why it ended.
    let end = loop {
        match unread.message().await {
            Ok(event) => assert!(!event.expect("an end has a reason").last),
            Err(end) => break end,
        }
    };
    assert_eq!(end.code(), Code::DeadlineExceeded);
    assert!(end.message().contains("not read"), "{}", end.message());
}

#[tokio::test(flavor = "multi_thread")]
async fn unread_server_sent_events__must_end_and_free_their_place() {
    let world = World::start(3).await;
    let api = Api::with_limits(&world, limits());
    let id = stalled(&world, &api).await;
    let unread = api.router.clone().oneshot(follow(&api, &id)).await.unwrap();
    assert_eq!(unread.status(), 200);
    wait_for_a_place(&api, &id).await;
    let text = unread.into_body().collect().await.unwrap().to_bytes();
    let text = String::from_utf8(text.to_vec()).unwrap();
    let (_, end) = text.split_once("event: error\ndata: ").unwrap();
    assert!(end.contains("TIMEOUT") && end.contains("not read"), "{end}");
}

#[tokio::test(flavor = "multi_thread")]
async fn connection_that_takes_nothing__must_be_closed() {
    let world = World::start(3).await;
    let limits = GatewayLimits {
        max_connections: 1,
        watch_keepalive_ms: 1,
        ..limits()
    };
    let (gateway, api) = Api::gateway(&world, limits);
    let id = stalled(&world, &api).await;
    let served = serve(gateway).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut unread = socket.connect(served.address).await.unwrap();
    let (head, _) = follow(&api, &id).into_parts();
    let mut sent = format!("GET {} HTTP/1.1\r\nHost: x\r\n", head.uri);
    for (name, value) in &head.headers {
        sent += &format!("{name}: {}\r\n", value.to_str().unwrap());
    }
    sent += "\r\n";
    unread.write_all(sent.as_bytes()).await.unwrap();
    unread.read_u8().await.unwrap();
    // It is a known caller's, so it gives way to nobody; the other one waits for its end.
    let asked = b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assert!(served.answer(asked).await.contains("200 OK"));
    drop(unread);
    served.stop().await;
}
