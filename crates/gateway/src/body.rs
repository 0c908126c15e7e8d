//! JSON bodies: unknown fields are refused by name.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use quorate_api::ErrorCode;
use serde::de::DeserializeOwned;

use crate::error::ApiError;

/// A request's body.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let bytes = Bytes::from_request(request, state).await;
        let bytes = bytes.map_err(|_| ApiError::new(ErrorCode::MalformedRequest, "no body"))?;
        serde_json::from_slice(&bytes)
            .map(Self)
            .map_err(|error| malformed(&error))
    }
}

pub(crate) fn malformed(error: &serde_json::Error) -> ApiError {
    let text = error.to_string();
    let known = ["unknown field `", "missing field `", "duplicate field `"];
    let start = known.iter().find_map(|start| text.split_once(start));
    let field = start
        .and_then(|(_, rest)| rest.split_once('`'))
        .map(|(field, _)| field);
    let mut answer = ApiError::new(ErrorCode::MalformedRequest, &text);
    if let Some(field) = field {
        answer = answer.with("field", field);
    }
    answer
}
