use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Every successful answer.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Success<T> {
    /// Always true.
    pub success: bool,
    /// The answer itself.
    pub data: T,
    /// About the request.
    pub meta: Meta,
}

/// Every failure.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Failure {
    /// Always false.
    pub success: bool,
    /// What went wrong.
    pub error: ErrorBody,
    /// About the request.
    pub meta: Meta,
}

/// A documented error (`docs/errors.md`).
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ErrorBody {
    /// Stable code.
    pub code: String,
    /// For people; may change.
    pub message: String,
    /// Facts behind the error, for example the missing nodes.
    #[serde(default)]
    pub details: serde_json::Map<String, serde_json::Value>,
}

/// About the request.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Meta {
    /// Names this request in logs and audit; also in the header `X-Request-Id`.
    pub request_id: String,
    /// RFC 3339.
    pub timestamp: String,
}
