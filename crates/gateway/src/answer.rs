//! Answers before they get their envelope.

use axum::body::Bytes;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use quorate_api::ErrorCode;
use quorate_api::rest::ErrorBody;
use serde::Serialize;

use crate::error::ApiError;

/// What a handler says; the outermost layer puts it into the envelope.
#[derive(Debug, Clone)]
pub(crate) enum Part {
    /// JSON of `data`.
    Data(Bytes),
    /// A failure.
    Error { body: ErrorBody, is_recorded: bool },
}

/// A successful answer.
pub(crate) struct Answer<T> {
    status: StatusCode,
    data: T,
}

impl<T> Answer<T> {
    pub(crate) const fn ok(data: T) -> Self {
        let status = StatusCode::OK;
        Self { status, data }
    }

    pub(crate) const fn created(data: T) -> Self {
        let status = StatusCode::CREATED;
        Self { status, data }
    }

    /// The work goes on; the answer says where to look.
    pub(crate) const fn accepted(data: T) -> Self {
        let status = StatusCode::ACCEPTED;
        Self { status, data }
    }
}

impl<T: Serialize> IntoResponse for Answer<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.data) {
            Ok(json) => data_response(self.status, json.into()),
            Err(error) => {
                tracing::error!(%error, "an answer cannot be written as JSON");
                ApiError::new(ErrorCode::Internal, "a defect of Quorate").into_response()
            }
        }
    }
}

/// A response with this `data`.
pub(crate) fn data_response(status: StatusCode, json: Bytes) -> Response {
    let mut response = status.into_response();
    response.extensions_mut().insert(Part::Data(json));
    response
}
