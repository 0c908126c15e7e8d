//! Open calls: they show no keys, sessions or callers.

use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use quorate_api::ErrorCode;
use quorate_api::rest::Success;
use quorate_coordinator::now;
use quorate_types::MIN_SIGNERS;
use serde::Serialize;
use utoipa::ToSchema;

use crate::answer::Answer;
use crate::error::ApiError;
use crate::gateway::{Gateway, Inner};
use crate::openapi::{Errors, document};
use crate::process;

/// The process runs.
#[derive(Serialize, ToSchema)]
pub(crate) struct Live {
    /// Always `live`.
    status: String,
    /// Version of the binary.
    version: String,
}

/// The process can serve.
#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct Ready {
    /// Always `ready`.
    status: String,
    /// Nodes that sessions can be opened with.
    nodes_connected: usize,
    /// Nodes of the manifest.
    nodes_total: usize,
}

/// Whether the process runs.
#[utoipa::path(
    get, path = "/health/live", tag = "health",
    responses((status = 200, description = "It does", body = Success<Live>))
)]
pub(crate) async fn live() -> Answer<Live> {
    Answer::ok(Live {
        status: "live".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    })
}

/// Whether requests can be served: the store takes a write, and at least two nodes are connected,
/// the fewest that any key needs.
#[utoipa::path(
    get, path = "/health/ready", tag = "health",
    responses((status = 200, description = "They can", body = Success<Ready>), Errors)
)]
pub(crate) async fn ready(State(gateway): State<Gateway>) -> Result<Answer<Ready>, ApiError> {
    check_ready(&gateway.0).await.map(Answer::ok)
}

/// How long an answer about readiness counts. It costs a write transaction, and anybody may ask.
const READY_FOR: Duration = Duration::from_secs(1);

/// The last answer about readiness, and when it was found.
#[derive(Default)]
pub(crate) struct Readiness(tokio::sync::Mutex<Option<(Instant, Result<Ready, ApiError>)>>);

/// Whether requests can be served, for every kind of health check; looked at once a second at most,
/// by one caller for all.
pub(crate) async fn check_ready(inner: &Inner) -> Result<Ready, ApiError> {
    let mut last = inner.readiness.0.lock().await;
    if let Some((at, answer)) = last.as_ref()
        && at.elapsed() < READY_FOR
    {
        return answer.clone();
    }
    let answer = look_ready(inner).await;
    *last = Some((Instant::now(), answer.clone()));
    answer
}

async fn look_ready(inner: &Inner) -> Result<Ready, ApiError> {
    let coordinator = &inner.coordinator;
    // Pruning is a write transaction, as real work is, and harmless.
    coordinator.store().prune(now()).await?;
    let health = coordinator.cluster_health();
    if health.connected < usize::from(MIN_SIGNERS) {
        let nodes = coordinator.nodes().nodes.into_iter();
        let missing: Vec<_> = nodes
            .filter(|n| n.status != "online")
            .map(|n| n.node_id)
            .collect();
        let message = "fewer than two nodes are connected";
        return Err(ApiError::new(ErrorCode::NotEnoughNodes, message)
            .with("connected", health.connected)
            .with("missing", missing));
    }
    Ok(Ready {
        status: "ready".to_owned(),
        nodes_connected: health.connected,
        nodes_total: health.total,
    })
}

/// Metrics in the Prometheus text format.
#[utoipa::path(
    get, path = "/metrics", tag = "health",
    responses((status = 200, description = "Metrics", body = String, content_type = "text/plain"))
)]
pub(crate) async fn metrics(State(gateway): State<Gateway>) -> Response {
    process::measure();
    let text = gateway.0.metrics.render();
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}

/// This document.
#[utoipa::path(
    get, path = "/openapi.json", tag = "health",
    responses((status = 200, description = "OpenAPI 3.1", content_type = "application/json"))
)]
pub(crate) async fn openapi() -> Result<Response, ApiError> {
    let text = document().to_json().map_err(|error| {
        tracing::error!(%error, "the OpenAPI document cannot be written");
        ApiError::new(ErrorCode::Internal, "a defect of Quorate")
    })?;
    Ok(([(CONTENT_TYPE, "application/json")], text).into_response())
}
