use axum::extract::State;
use quorate_api::rest::{SignRequest, SignResult, Success};

use super::{Authenticated, wait};
use crate::answer::Answer;
use crate::body::Body;
use crate::error::ApiError;
use crate::gateway::Gateway;
use crate::openapi::{Errors, IdempotencyHeader};

/// Makes one signature.
///
/// Waits up to `wait_ms` for it, then answers 202 with its session. The same intent always gets
/// the same signature.
#[utoipa::path(
    post, path = "/api/v1/sign", tag = "signing", params(IdempotencyHeader),
    request_body = SignRequest,
    responses(
        (status = 200, description = "The verified signature", body = Success<SignResult>),
        (status = 202, description = "Its session goes on", body = Success<SignResult>),
        Errors
    )
)]
pub(crate) async fn sign(
    State(gateway): State<Gateway>,
    Authenticated(caller): Authenticated,
    Body(request): Body<SignRequest>,
) -> Result<Answer<SignResult>, ApiError> {
    let wait = wait(request.wait_ms, &gateway.0.limits)?;
    let reply = gateway.0.coordinator.sign(&caller, request, wait).await?;
    let (session, key) = (&reply.result.session_id, &reply.result.key_id);
    tracing::info!(%session, %key, complete = reply.is_complete, "signature answered");
    Ok(if reply.is_complete {
        Answer::ok(reply.result)
    } else {
        Answer::accepted(reply.result)
    })
}
