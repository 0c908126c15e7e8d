use axum::extract::State;
use axum::http::StatusCode;
use quorate_api::rest::{SignRequest, SignResult, Success};

use super::Authenticated;
use crate::answer::Answer;
use crate::body::Body;
use crate::error::ApiError;
use crate::gateway::Gateway;
use crate::openapi::{Errors, IdempotencyHeader};
use crate::operations;

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
    let outcome = operations::sign(&gateway.0, &caller, request).await?;
    Ok(Answer::of(outcome, StatusCode::OK))
}
