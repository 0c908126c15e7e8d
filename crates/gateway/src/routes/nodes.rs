use axum::extract::State;
use quorate_api::rest::{LiftBanRequest, LiftedBan, NodeList, NodeView, Success};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Authenticated, Id};
use crate::answer::Answer;
use crate::body::Body;
use crate::error::ApiError;
use crate::gateway::Gateway;
use crate::openapi::{Errors, IdempotencyHeader};

/// How a node is.
#[derive(Serialize, ToSchema)]
pub(crate) struct NodeHealth {
    /// Name in the manifest.
    node_id: String,
    /// `online`, `degraded` or `offline`.
    status: String,
    /// Why it is not online.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
    /// RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_heartbeat: Option<String>,
    /// Round trip of the last heartbeat.
    #[serde(skip_serializing_if = "Option::is_none")]
    heartbeat_micros: Option<u64>,
    /// 0 idle to 100 full.
    load_factor: u32,
    /// Keys whose share failed a check there.
    key_problems: Vec<String>,
}

/// Lists the nodes of the manifest.
#[utoipa::path(
    get, path = "/api/v1/nodes", tag = "nodes",
    responses((status = 200, description = "All nodes", body = Success<NodeList>), Errors)
)]
pub(crate) async fn list(
    State(gateway): State<Gateway>,
    _caller: Authenticated,
) -> Result<Answer<NodeList>, ApiError> {
    Ok(Answer::ok(gateway.0.coordinator.nodes()))
}

/// One node.
#[utoipa::path(
    get, path = "/api/v1/nodes/{node_id}", tag = "nodes",
    params(("node_id" = String, Path, description = "Name in the manifest")),
    responses((status = 200, description = "The node", body = Success<NodeView>), Errors)
)]
pub(crate) async fn get(
    State(gateway): State<Gateway>,
    _caller: Authenticated,
    Id(node_id): Id,
) -> Result<Answer<NodeView>, ApiError> {
    Ok(Answer::ok(gateway.0.coordinator.node(&node_id)?))
}

/// How one node is.
#[utoipa::path(
    get, path = "/api/v1/nodes/{node_id}/health", tag = "nodes",
    params(("node_id" = String, Path, description = "Name in the manifest")),
    responses((status = 200, description = "Its health", body = Success<NodeHealth>), Errors)
)]
pub(crate) async fn health(
    State(gateway): State<Gateway>,
    _caller: Authenticated,
    Id(node_id): Id,
) -> Result<Answer<NodeHealth>, ApiError> {
    let node = gateway.0.coordinator.node(&node_id)?;
    Ok(Answer::ok(NodeHealth {
        node_id: node.node_id,
        status: node.status,
        last_error: node.last_error,
        last_heartbeat: node.last_heartbeat,
        heartbeat_micros: node.heartbeat_micros,
        load_factor: node.load_factor,
        key_problems: node.key_problems,
    }))
}

/// Carries an owner's intent that lifts the ban of this node and another.
///
/// Both nodes verify it by themselves, and then make new pair state. The same intent may be sent
/// again until both have it; once they have new state, it is refused.
#[utoipa::path(
    post, path = "/api/v1/nodes/{node_id}/lift-ban", tag = "nodes",
    params(("node_id" = String, Path, description = "One node of the pair"), IdempotencyHeader),
    request_body = LiftBanRequest,
    responses((status = 200, description = "Both lifted the ban", body = Success<LiftedBan>), Errors)
)]
pub(crate) async fn lift_ban(
    State(gateway): State<Gateway>,
    Authenticated(caller): Authenticated,
    Id(node_id): Id,
    Body(request): Body<LiftBanRequest>,
) -> Result<Answer<LiftedBan>, ApiError> {
    let coordinator = &gateway.0.coordinator;
    let lifted = coordinator.lift_ban(&caller, &node_id, request).await?;
    Ok(Answer::ok(lifted))
}
