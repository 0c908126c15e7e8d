//! From errors to HTTP and gRPC: the only such place.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use quorate_api::ErrorCode;
use quorate_api::rest::ErrorBody;
use quorate_coordinator::CoordinatorError;
use quorate_store::StoreError;
use serde_json::{Map, Value};
use thiserror::Error;
use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::answer::Part;

/// Seconds after which a refused or unfinished request may come again.
const RETRY_AFTER_SECONDS: u32 = 1;

/// Who speaks in `google.rpc.ErrorInfo`.
const DOMAIN: &str = "quorate";
/// Facts in a gRPC status: how many, and how long each may be. They travel in headers, which
/// clients limit to 8 KiB.
const MAX_GRPC_FACTS: usize = 12;
const MAX_GRPC_FACT_CHARS: usize = 256;
/// Longest message of a gRPC status.
const MAX_GRPC_MESSAGE_CHARS: usize = 1_024;

/// A failure on its way to the caller.
#[derive(Debug, Clone, Error)]
#[error("{code}: {message}")]
pub(crate) struct ApiError {
    pub(crate) code: ErrorCode,
    pub(crate) message: String,
    pub(crate) details: Map<String, Value>,
    /// Whether the audit index has it already.
    pub(crate) is_recorded: bool,
    /// After which time the request may come again, if that helps at all.
    retry_after_seconds: u32,
}

impl ApiError {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            details: Map::new(),
            is_recorded: false,
            retry_after_seconds: RETRY_AFTER_SECONDS,
        }
    }

    /// The request may come again after this time, rounded up to seconds.
    pub(crate) fn retry_after(mut self, wait: Duration) -> Self {
        let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX);
        self.retry_after_seconds = seconds.saturating_add(u32::from(wait.subsec_nanos() > 0));
        self
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    /// What a caller of REST reads.
    pub(crate) fn body(&self) -> ErrorBody {
        ErrorBody {
            code: self.code.as_str().to_owned(),
            message: self.message.clone(),
            details: self.details.clone(),
        }
    }

    /// The details as text: strings as they are, other values as JSON.
    pub(crate) fn facts(&self) -> impl Iterator<Item = (String, String)> + '_ {
        self.details.iter().map(|(name, value)| {
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            (name.clone(), text)
        })
    }

    const fn can_be_repeated(&self) -> bool {
        matches!(
            self.code,
            ErrorCode::RateLimited | ErrorCode::InProgress | ErrorCode::Unavailable
        )
    }

    pub(crate) fn invalid(field: &str, why: &str) -> Self {
        let message = format!("`{field}`: {why}");
        Self::new(ErrorCode::InvalidArgument, message).with("field", field)
    }
}

impl From<CoordinatorError> for ApiError {
    fn from(error: CoordinatorError) -> Self {
        let code = error.code();
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            tracing::error!(%code, %cause, "cause of a failure");
            source = cause.source();
        }
        let message = match code {
            ErrorCode::Internal => {
                tracing::error!(%error, "defect");
                "a defect of Quorate; report it with the request id".to_owned()
            }
            _ => error.to_string(),
        };
        Self {
            code,
            message,
            details: error.details(),
            is_recorded: true,
            retry_after_seconds: RETRY_AFTER_SECONDS,
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the store failed");
        Self::new(ErrorCode::StoreUnavailable, "the store is not available")
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.code.http_status())
            .expect("the table of codes holds HTTP statuses");
        let mut response = status.into_response();
        if self.can_be_repeated() {
            let headers = response.headers_mut();
            headers.insert("retry-after", self.retry_after_seconds.into());
        }
        if self.code == ErrorCode::Unauthenticated {
            let scheme = axum::http::HeaderValue::from_static("Quorate-HMAC, Quorate-Ed25519");
            response.headers_mut().insert("www-authenticate", scheme);
        }
        response
            .extensions_mut()
            .insert(Part::Error(Box::new(self)));
        response
    }
}

impl From<ApiError> for Status {
    /// With `ErrorInfo` (our code), and where they fit `RetryInfo` and `BadRequest`. The error
    /// itself is kept as the source, for the layers outside.
    fn from(error: ApiError) -> Self {
        let cut = |text: &str, most| text.chars().take(most).collect::<String>();
        let facts = error.facts().take(MAX_GRPC_FACTS);
        let facts = facts.map(|(name, text)| (name, cut(&text, MAX_GRPC_FACT_CHARS)));
        let mut details = ErrorDetails::new();
        details.set_error_info(
            error.code.as_str(),
            DOMAIN,
            facts.collect::<HashMap<_, _>>(),
        );
        if error.can_be_repeated() {
            let pause = Duration::from_secs(error.retry_after_seconds.into());
            details.set_retry_info(Some(pause));
        }
        let message = cut(&error.message, MAX_GRPC_MESSAGE_CHARS);
        if let Some(field) = error.details.get("field").and_then(Value::as_str) {
            details.add_bad_request_violation(field, &message);
        }
        let mut status = Self::with_error_details(error.code.grpc_code(), message, details);
        status.set_source(Arc::new(error));
        status
    }
}

impl From<&Status> for ApiError {
    /// Ours, or what tonic says about a message that it cannot read.
    fn from(status: &Status) -> Self {
        let ours = std::error::Error::source(status).and_then(|s| s.downcast_ref::<Self>());
        if let Some(ours) = ours {
            return ours.clone();
        }
        let code = match status.code() {
            tonic::Code::Unimplemented => ErrorCode::NotImplemented,
            tonic::Code::OutOfRange | tonic::Code::ResourceExhausted => ErrorCode::PayloadTooLarge,
            _ => ErrorCode::MalformedRequest,
        };
        Self::new(code, status.message())
    }
}
