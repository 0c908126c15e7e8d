use axum::extract::State;
use quorate_api::rest::{Success, VerifyRequest, VerifyResult};

use super::Authenticated;
use crate::answer::Answer;
use crate::body::Body;
use crate::error::ApiError;
use crate::gateway::Gateway;
use crate::openapi::{Errors, IdempotencyHeader};

/// Says whether a signature is valid.
#[utoipa::path(
    post, path = "/api/v1/verify", tag = "signing", params(IdempotencyHeader),
    request_body = VerifyRequest,
    responses((status = 200, description = "Whether it is", body = Success<VerifyResult>), Errors)
)]
pub(crate) async fn verify(
    State(gateway): State<Gateway>,
    Authenticated(caller): Authenticated,
    Body(request): Body<VerifyRequest>,
) -> Result<Answer<VerifyResult>, ApiError> {
    Ok(Answer::ok(
        gateway.0.coordinator.verify(&caller, request).await?,
    ))
}
