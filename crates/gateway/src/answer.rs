//! Answers before they get their envelope.

use axum::body::Bytes;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use quorate_api::ErrorCode;
use serde::Serialize;

use crate::error::ApiError;

/// What a handler says; the outermost layer puts it into the envelope.
#[derive(Debug, Clone)]
pub(crate) enum Part {
    /// JSON of `data`, and how far the work is.
    Data(Bytes, Ended),
    /// A failure.
    Error(Box<ApiError>),
}

/// How far the work of a successful answer is. It decides what an `Idempotency-Key` remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The answer is final.
    Done,
    /// Work goes on; an equal request joins it.
    GoesOn,
    /// Parts of it failed and may be tried again.
    InPart,
}

/// What a call comes to, whatever the transport.
#[derive(Debug)]
pub(crate) struct Outcome<T> {
    pub(crate) data: T,
    pub(crate) ended: Ended,
}

impl<T> Outcome<T> {
    pub(crate) const fn done(data: T) -> Self {
        let ended = Ended::Done;
        Self { data, ended }
    }
}

/// A successful answer.
pub(crate) struct Answer<T> {
    status: StatusCode,
    outcome: Outcome<T>,
}

impl<T> Answer<T> {
    pub(crate) const fn ok(data: T) -> Self {
        Self {
            status: StatusCode::OK,
            outcome: Outcome::done(data),
        }
    }

    /// `done` if nothing goes on; otherwise 202, and the answer says where to look.
    pub(crate) fn of(outcome: Outcome<T>, done: StatusCode) -> Self {
        let status = match outcome.ended {
            Ended::GoesOn => StatusCode::ACCEPTED,
            Ended::Done | Ended::InPart => done,
        };
        Self { status, outcome }
    }
}

impl<T: Serialize> IntoResponse for Answer<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.outcome.data) {
            Ok(json) => data_response(self.status, json.into(), self.outcome.ended),
            Err(error) => {
                tracing::error!(%error, "an answer cannot be written as JSON");
                ApiError::new(ErrorCode::Internal, "a defect of Quorate").into_response()
            }
        }
    }
}

/// A response with this `data`.
pub(crate) fn data_response(status: StatusCode, json: Bytes, ended: Ended) -> Response {
    let mut response = status.into_response();
    response.extensions_mut().insert(Part::Data(json, ended));
    response
}
