//! HMAC, window, nonces.

use quorate_coordinator::now;
use quorate_gateway::GatewayLimits;

use crate::call::Api;
use crate::support::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn call__must_be_refused_alike_for_an_unknown_credential_and_a_wrong_hmac() {
    let world = World::without_nodes(3).await;
    let api = Api::over(&world);
    assert_eq!(api.get("/api/v1/keys").await.status, 200);
    let wrong = Api {
        secret: [0x12; 32],
        ..api.clone()
    };
    let unknown = Api {
        key: "k9".into(),
        ..api.clone()
    };
    let (wrong, unknown) = (
        wrong.get("/api/v1/keys").await,
        unknown.get("/api/v1/keys").await,
    );
    wrong.refused(401, "UNAUTHENTICATED");
    unknown.refused(401, "UNAUTHENTICATED");
    assert_eq!(wrong.body["error"], unknown.body["error"]);
    let records = world.audit("auth.failed").await;
    assert_eq!(records.len(), 2);
    assert_eq!(records[0].event.details["code"], "UNAUTHENTICATED");
    assert_eq!(records[0].event.operation, "GET /api/v1/keys");
}

#[tokio::test(flavor = "multi_thread")]
async fn hmac__must_cover_method_path_query_time_nonce_and_body() {
    let world = World::without_nodes(3).await;
    let api = Api::over(&world);
    let sent = || api.request("PUT", "/api/v1/keys/x?a=1", b"{}");
    let (good, _) = (api.send(sent()).await, ());
    assert_eq!(good.code(), "NOT_FOUND", "it is authentic: {}", good.body);
    let mut other_method = sent();
    *other_method.method_mut() = "POST".parse().unwrap();
    let mut other_path = sent();
    *other_path.uri_mut() = "/api/v1/keys/y?a=1".parse().unwrap();
    let mut other_query = sent();
    *other_query.uri_mut() = "/api/v1/keys/x?a=2".parse().unwrap();
    let mut other_time = sent();
    let time = (now().seconds().0 - 7).to_string().parse().unwrap();
    other_time.headers_mut().insert("x-quorate-timestamp", time);
    let mut other_nonce = sent();
    other_nonce
        .headers_mut()
        .insert("x-quorate-nonce", "a".repeat(32).parse().unwrap());
    let (parts, _) = sent().into_parts();
    let other_body = axum::http::Request::from_parts(parts, axum::body::Body::from("{} "));
    for request in [
        other_method,
        other_path,
        other_query,
        other_time,
        other_nonce,
        other_body,
    ] {
        api.send(request).await.refused(401, "UNAUTHENTICATED");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn headers__must_be_there_once_and_well_formed() {
    let world = World::without_nodes(3).await;
    let api = Api::over(&world);
    let sent = || api.request("GET", "/api/v1/keys", b"");
    for name in ["key", "timestamp", "nonce", "signature"] {
        let name: axum::http::HeaderName = format!("x-quorate-{name}").parse().unwrap();
        let mut missing = sent();
        missing.headers_mut().remove(&name);
        api.send(missing).await.refused(401, "UNAUTHENTICATED");
        let mut double = sent();
        let value = double.headers()[&name].clone();
        double.headers_mut().append(&name, value);
        api.send(double).await.refused(401, "UNAUTHENTICATED");
    }
    let now = now().seconds().0;
    for nonce in ["short", &"a".repeat(65), "with space 0123456789"] {
        let request = api.request_at("GET", "/api/v1/keys", b"", now, nonce);
        api.send(request).await.refused(401, "UNAUTHENTICATED");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn request__must_be_refused_outside_its_window() {
    let world = World::without_nodes(3).await;
    let api = Api::over(&world);
    for (number, offset) in [(1, -70_i64), (2, 70)] {
        let time = now().seconds().0.saturating_add_signed(offset);
        let nonce = format!("0123456789abcde{number}");
        let request = api.request_at("GET", "/api/v1/keys", b"", time, &nonce);
        api.send(request).await.refused(401, "REQUEST_EXPIRED");
    }
    assert_eq!(world.audit("auth.failed").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn request__must_not_be_replayed_not_even_after_a_restart() {
    let mut world = World::without_nodes(3).await;
    let time = now().seconds().0;
    let nonce = "0123456789abcdef";
    let api = Api::over(&world);
    let request = |api: &Api| api.request_at("GET", "/api/v1/keys", b"", time, nonce);
    assert_eq!(api.send(request(&api)).await.status, 200);
    api.send(request(&api))
        .await
        .refused(401, "REQUEST_REPLAYED");
    // Another credential has its own nonces.
    let other = api.other();
    assert_eq!(other.send(request(&other)).await.status, 200);
    drop((api, other));
    world.stop_coordinator().await;
    world.start_coordinator().await;
    let api = Api::over(&world);
    api.send(request(&api))
        .await
        .refused(401, "REQUEST_REPLAYED");
}

#[tokio::test(flavor = "multi_thread")]
async fn nonce__must_not_be_used_up_by_a_request_that_is_not_authentic() {
    let world = World::without_nodes(3).await;
    let api = Api::over(&world);
    let time = now().seconds().0;
    let forger = Api {
        secret: [9; 32],
        ..api.clone()
    };
    let nonce = "0123456789abcdef";
    let forged = forger.request_at("GET", "/api/v1/keys", b"", time, nonce);
    api.send(forged).await.refused(401, "UNAUTHENTICATED");
    let real = api.request_at("GET", "/api/v1/keys", b"", time, nonce);
    assert_eq!(api.send(real).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn flood_of_strangers__must_not_fill_the_audit_index() {
    let world = World::without_nodes(3).await;
    let api = Api::with_limits(
        &world,
        GatewayLimits {
            max_auth_failure_records_per_second: 1,
            ..GatewayLimits::default()
        },
    );
    let wrong = Api {
        secret: [0x12; 32],
        ..api
    };
    let started = std::time::Instant::now();
    for _ in 0..50 {
        wrong
            .get("/api/v1/keys")
            .await
            .refused(401, "UNAUTHENTICATED");
    }
    let seconds = usize::try_from(started.elapsed().as_secs()).unwrap();
    assert!(world.audit("auth.failed").await.len() <= seconds + 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrency__must_be_limited_with_a_time_to_come_again() {
    let world = World::without_nodes(3).await;
    let api = Api::with_limits(
        &world,
        GatewayLimits {
            max_concurrent_requests: 0,
            ..GatewayLimits::default()
        },
    );
    let answer = api.get("/api/v1/keys").await;
    answer.refused(429, "RATE_LIMITED");
    assert_eq!(answer.headers["retry-after"], "1");
    assert_eq!(api.get("/health/live").await.status, 200);
}
