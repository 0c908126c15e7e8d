use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{ErrorBody, SignRequest, SignResult};

/// `POST /sign/batch`. Each request is judged by itself: one that fails does not touch the others.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchSignRequest {
    /// Bodies of `POST /sign`; 1 to 100 by default.
    #[schema(value_type = Vec<AnyRequest>, min_items = 1)]
    pub requests: Vec<Map<String, Value>>,
    /// How long to wait for all of them together; 10000 if absent, at most 60000. A request's own
    /// `wait_ms` can only make it shorter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_ms: Option<u64>,
}

/// What is meant as a `SignRequest`. Another object is answered with an error in its own place.
#[derive(ToSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "describes the items of a batch")]
enum AnyRequest {
    Request(SignRequest),
    Other(Map<String, Value>),
}

/// What became of each request, in their order.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct BatchSignResult {
    /// One for each request.
    pub results: Vec<BatchItem>,
}

/// What became of one request: `data` or `error`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct BatchItem {
    /// Whether there is `data`.
    pub success: bool,
    /// The signature, or the session that will make it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<SignResult>,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorBody>,
}
