//! Progress of sessions as it happens, reflection, health, and all of it on one real port.

use std::time::{Duration, Instant};

use futures::StreamExt as _;
use http_body_util::BodyExt as _;
use quorate_api::mpc_v1 as pb;
use quorate_gateway::GatewayLimits;
use serde_json::Value;
use tonic::{Code, Request};
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus};
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};
use tower::ServiceExt as _;

use crate::call::Api;
use crate::grpc::sign;
use crate::grpc_call::refused;
use crate::support::client::transfer;
use crate::support::double::Script;
use crate::support::world::{PATIENCE, World};

pub async fn started(world: &World, api: &Api, n: u8) -> String {
    let key = world.create_key(2).await.key_id;
    let request = Some(sign(&world.client.sign(&key, &transfer(n))));
    let message = pb::CreateSigningSessionRequest { request };
    let started = api.grpc().create_signing_session(message).await;
    started.unwrap().into_inner().session.unwrap().session_id
}

pub fn watch(session_id: &str) -> pb::WatchSigningSessionRequest {
    pb::WatchSigningSessionRequest {
        session_id: session_id.to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn watch__should_follow_a_session_to_its_end() {
    let world = World::start(3).await;
    let api = Api::over(&world);
    let id = started(&world, &api, 1).await;
    let stream = api
        .grpc()
        .watch_signing_session(watch(&id))
        .await
        .unwrap()
        .into_inner();
    let events: Vec<_> = tokio::time::timeout(PATIENCE, stream.collect())
        .await
        .unwrap();
    let events: Vec<_> = events.into_iter().map(Result::unwrap).collect();
    let (last, before) = events.split_last().unwrap();
    assert!(last.last && before.iter().all(|event| !event.last));
    let session = last.session.clone().unwrap();
    assert_eq!(
        (session.session_id.as_str(), session.status.as_str()),
        (id.as_str(), "Completed")
    );
    assert_eq!(session.signature.len(), 128);
    // Of a session that is over there is one event.
    let stream = api
        .grpc()
        .watch_signing_session(watch(&id))
        .await
        .unwrap()
        .into_inner();
    let again: Vec<_> = stream.collect().await;
    assert_eq!(again.len(), 1);
    assert!(again[0].as_ref().unwrap().last);
}

#[tokio::test(flavor = "multi_thread")]
async fn watch__should_go_on_with_the_attempt_that_replaces_one() {
    let world = World::start(3).await;
    let api = Api::over(&world);
    let key = world.create_key(2).await.key_id;
    for double in &world.doubles {
        double.follow(Script::Stall);
    }
    let request = Some(sign(&world.client.sign(&key, &transfer(1))));
    let message = pb::CreateSigningSessionRequest { request };
    let first = api
        .grpc()
        .create_signing_session(message)
        .await
        .unwrap()
        .into_inner();
    let id = first.session.unwrap().session_id;
    let mut stream = api
        .grpc()
        .watch_signing_session(watch(&id))
        .await
        .unwrap()
        .into_inner();
    let first = stream.next().await.unwrap().unwrap();
    assert!(!first.last);
    for double in &world.doubles {
        double.follow(Script::Honest);
    }
    let rest: Vec<_> = tokio::time::timeout(PATIENCE, stream.collect())
        .await
        .unwrap();
    let last = rest.last().unwrap().as_ref().unwrap();
    let session = last.session.clone().unwrap();
    assert!(last.last && session.status == "Completed" && session.attempt > 1);
    assert_ne!(session.session_id, id);
    assert_eq!(session.waited_on[0].session_id, id);
}

#[tokio::test(flavor = "multi_thread")]
async fn watch__must_be_limited_hidden_and_end_at_its_deadline() {
    let world = World::start(3).await;
    let limits = GatewayLimits {
        max_watchers: 1,
        watch_keepalive_ms: 50,
        ..GatewayLimits::default()
    };
    let api = Api::with_limits(&world, limits);
    let key = world.create_key(2).await.key_id;
    for double in &world.doubles {
        double.follow(Script::Stall);
    }
    let request = Some(sign(&world.client.sign(&key, &transfer(1))));
    let message = pb::CreateSigningSessionRequest { request };
    let started = api
        .grpc()
        .create_signing_session(message)
        .await
        .unwrap()
        .into_inner();
    let id = started.session.unwrap().session_id;
    let hidden = api.other().grpc().watch_signing_session(watch(&id)).await;
    refused(hidden.map(|_| ()), Code::NotFound, "NOT_FOUND");
    let mut request = Request::new(watch(&id));
    request.set_timeout(Duration::from_secs(2));
    let open = api
        .grpc()
        .watch_signing_session(request)
        .await
        .unwrap()
        .into_inner();
    let second = api.grpc().watch_signing_session(watch(&id)).await;
    refused(second.map(|_| ()), Code::ResourceExhausted, "RATE_LIMITED");
    let mut events: Vec<_> = tokio::time::timeout(PATIENCE, open.collect())
        .await
        .unwrap();
    let end = events.pop().unwrap().unwrap_err();
    assert_eq!(end.code(), Code::DeadlineExceeded);
    assert!(
        events.len() > 2,
        "the state is repeated while nothing changes"
    );
    // Its place is free again.
    assert!(api.grpc().watch_signing_session(watch(&id)).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn server_sent_events__should_tell_the_same() {
    let world = World::start(3).await;
    let api = Api::over(&world);
    let id = started(&world, &api, 1).await;
    let path = format!("/api/v1/sessions/{id}");
    let follow = || {
        let mut request = api.request("GET", &path, b"");
        let accept = "text/event-stream".parse().unwrap();
        request.headers_mut().insert("accept", accept);
        request
    };
    let response = api.router.clone().oneshot(follow()).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let read = response.into_body().collect();
    let text = tokio::time::timeout(PATIENCE, read)
        .await
        .unwrap()
        .unwrap()
        .to_bytes();
    let text = String::from_utf8(text.to_vec()).unwrap();
    let (_, end) = text.split_once("event: end\ndata: ").unwrap();
    let view: Value = serde_json::from_str(end.trim()).unwrap();
    assert_eq!(view, *api.get(&path).await.data());
    assert_eq!(view["status"], "Completed");
    let mut unknown = api.request("GET", "/api/v1/sessions/none", b"");
    let accept = "text/event-stream".parse().unwrap();
    unknown.headers_mut().insert("accept", accept);
    api.send(unknown).await.refused(404, "NOT_FOUND");
}

async fn reflect<T>(
    client: &mut ServerReflectionClient<T>,
    ask: MessageRequest,
) -> ServerReflectionResponse
where
    T: tonic::client::GrpcService<tonic::body::Body> + Clone,
    T::Error: Into<axum::BoxError>,
    T::ResponseBody: axum::body::HttpBody<Data = axum::body::Bytes> + Send + 'static,
    <T::ResponseBody as axum::body::HttpBody>::Error: Into<axum::BoxError> + Send,
{
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(ask),
    };
    let requests = futures::stream::once(async { request });
    let mut answers = client
        .server_reflection_info(requests)
        .await
        .unwrap()
        .into_inner();
    answers.message().await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn reflection__should_show_the_service_and_not_that_of_the_nodes() {
    let world = World::without_nodes(3).await;
    let mut client = ServerReflectionClient::new(Api::over(&world).router);
    let list = MessageRequest::ListServices(String::new());
    let answer = reflect(&mut client, list).await.message_response;
    let Some(MessageResponse::ListServicesResponse(list)) = answer else {
        panic!("{answer:?}");
    };
    let mut names: Vec<_> = list
        .service
        .into_iter()
        .map(|service| service.name)
        .collect();
    names.sort();
    assert_eq!(names, ["grpc.health.v1.Health", "mpc.v1.MPCService"]);
    let symbol = MessageRequest::FileContainingSymbol("mpc.v1.MPCService".into());
    let answer = reflect(&mut client, symbol).await.message_response;
    assert!(
        matches!(answer, Some(MessageResponse::FileDescriptorResponse(_))),
        "{answer:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn health__should_say_whether_sessions_can_be_opened() {
    let ask = |name: &str| HealthCheckRequest {
        service: name.into(),
    };
    for (world, expected) in [
        (World::without_nodes(3).await, ServingStatus::NotServing),
        (World::start(3).await, ServingStatus::Serving),
    ] {
        let mut client = HealthClient::new(Api::over(&world).router);
        for name in ["", "mpc.v1.MPCService"] {
            let answer = client.check(ask(name)).await.unwrap().into_inner();
            assert_eq!(answer.status(), expected, "{name}");
        }
        let unknown = client.check(ask("x")).await.unwrap_err();
        assert_eq!(unknown.code(), Code::NotFound);
        let mut watched = client.watch(ask("")).await.unwrap().into_inner();
        assert_eq!(watched.message().await.unwrap().unwrap().status(), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_port__should_serve_rest_and_grpc_and_end_streams_when_it_stops() {
    let world = World::start(3).await;
    let (gateway, api) = Api::gateway(&world, GatewayLimits::default());
    let key = world.create_key(2).await.key_id;
    for double in &world.doubles {
        double.follow(Script::Stall);
    }
    let request = Some(sign(&world.client.sign(&key, &transfer(1))));
    let message = pb::CreateSigningSessionRequest { request };
    let started = api
        .grpc()
        .create_signing_session(message)
        .await
        .unwrap()
        .into_inner();
    let id = started.session.unwrap().session_id;

    let bind = || tokio::net::TcpListener::bind("127.0.0.1:0");
    let listeners = vec![bind().await.unwrap(), bind().await.unwrap()];
    let ports: Vec<_> = listeners.iter().map(|l| l.local_addr().unwrap()).collect();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(async move {
        let shutdown = async {
            let _ = stopped.await;
        };
        quorate_gateway::serve(&gateway, listeners, shutdown).await
    });
    for port in &ports {
        let live = http1_get(port, "/health/live").await;
        assert!(live.starts_with("HTTP/1.1 200"), "{live}");
    }
    let channel = tonic::transport::Endpoint::from_shared(format!("http://{}", ports[0]));
    let channel = channel.unwrap().connect().await.unwrap();
    let mut health = HealthClient::new(channel.clone());
    let answer = health
        .check(HealthCheckRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(answer.status(), ServingStatus::Serving);
    let message = watch(&id);
    let path = "/mpc.v1.MPCService/WatchSigningSession";
    let headers = api.grpc_headers(path, &prost::Message::encode_to_vec(&message));
    let mut request = Request::new(message);
    *request.metadata_mut() = tonic::metadata::MetadataMap::from_headers(headers);
    let mut client = pb::mpc_service_client::MpcServiceClient::new(channel);
    let mut stream = client
        .watch_signing_session(request)
        .await
        .unwrap()
        .into_inner();
    assert!(stream.message().await.unwrap().is_some());
    stop.send(()).unwrap();
    let started = Instant::now();
    let end = loop {
        match stream.message().await {
            Ok(Some(_)) => assert!(started.elapsed() < PATIENCE),
            end => break end,
        }
    };
    assert_eq!(end.unwrap_err().code(), Code::Unavailable);
    drop((stream, client, health));
    tokio::time::timeout(PATIENCE, serving)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}

async fn http1_get(address: &std::net::SocketAddr, path: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}
