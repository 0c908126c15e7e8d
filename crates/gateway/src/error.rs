//! From errors to HTTP: the only such place.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use quorate_api::ErrorCode;
use quorate_api::rest::ErrorBody;
use quorate_coordinator::CoordinatorError;
use quorate_store::StoreError;
use serde_json::{Map, Value};

use crate::answer::Part;

/// Seconds after which a refused or unfinished request may come again.
const RETRY_AFTER_SECONDS: u32 = 1;

/// A failure on its way to the caller.
#[derive(Debug, Clone)]
pub(crate) struct ApiError {
    pub(crate) code: ErrorCode,
    pub(crate) message: String,
    pub(crate) details: Map<String, Value>,
    /// Whether the audit index has it already.
    pub(crate) is_recorded: bool,
}

impl ApiError {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            details: Map::new(),
            is_recorded: false,
        }
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
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
        if matches!(self.code, ErrorCode::RateLimited | ErrorCode::InProgress) {
            let headers = response.headers_mut();
            headers.insert("retry-after", RETRY_AFTER_SECONDS.into());
        }
        if self.code == ErrorCode::Unauthenticated {
            let scheme = axum::http::HeaderValue::from_static("Quorate-HMAC");
            response.headers_mut().insert("www-authenticate", scheme);
        }
        let body = ErrorBody {
            code: self.code.as_str().to_owned(),
            message: self.message,
            details: self.details,
        };
        let is_recorded = self.is_recorded;
        response
            .extensions_mut()
            .insert(Part::Error { body, is_recorded });
        response
    }
}
