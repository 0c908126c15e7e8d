use axum::extract::State;
use axum::http::StatusCode;
use quorate_api::rest::{BatchSignRequest, BatchSignResult, Success};
use serde_json::Value;

use super::Authenticated;
use crate::answer::Answer;
use crate::body::{Body, malformed};
use crate::error::ApiError;
use crate::gateway::Gateway;
use crate::openapi::{Errors, IdempotencyHeader};
use crate::operations;

/// Makes many signatures.
///
/// Each request has its own result or error, in its place. Waits up to `wait_ms` for all of them
/// together; what is not there then is answered with its session.
#[utoipa::path(
    post, path = "/api/v1/sign/batch", tag = "signing", params(IdempotencyHeader),
    request_body = BatchSignRequest,
    responses(
        (status = 200, description = "Every request has ended", body = Success<BatchSignResult>),
        (status = 202, description = "Some sessions go on", body = Success<BatchSignResult>),
        Errors
    )
)]
pub(crate) async fn sign_batch(
    State(gateway): State<Gateway>,
    Authenticated(caller): Authenticated,
    Body(batch): Body<BatchSignRequest>,
) -> Result<Answer<BatchSignResult>, ApiError> {
    // Before anything is made of each: an empty one is three bytes.
    operations::check_batch_length(&gateway.0, batch.requests.len())?;
    let read = |item| serde_json::from_value(Value::Object(item)).map_err(|e| malformed(&e));
    let requests = batch.requests.into_iter().map(read).collect();
    let outcome = operations::sign_batch(&gateway.0, &caller, requests, batch.wait_ms).await?;
    Ok(Answer::of(outcome, StatusCode::OK))
}
