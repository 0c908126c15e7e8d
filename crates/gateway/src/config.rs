//! Settings of the gateway. Every one is described in `docs/configuration.md`.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Settings of the gateway.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewayConfig {
    /// Where it listens. Plain HTTP: loopback, or behind something that ends TLS.
    pub listen: SocketAddr,
    /// A second address for the same, by custom for gRPC; none if absent.
    #[serde(default)]
    pub grpc_listen: Option<SocketAddr>,
    /// Credentials of callers: JSON, readable for its owner only.
    pub credentials_file: PathBuf,
    /// Limits.
    #[serde(default)]
    pub limits: GatewayLimits,
}

/// Limits. Every one has a default.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GatewayLimits {
    /// Longest body.
    pub max_body_bytes: usize,
    /// Most headers of a request.
    pub max_headers: usize,
    /// Longest headers of a request, names and values together.
    pub max_header_bytes: usize,
    /// Requests that are served at one time; more are refused.
    pub max_concurrent_requests: usize,
    /// Longest time for one request; above the longest `wait_ms`.
    pub request_timeout_ms: u64,
    /// How far a request's timestamp may be from now.
    pub auth_window_seconds: u64,
    /// `wait_ms` of a request that names none.
    pub default_wait_ms: u64,
    /// Longest `wait_ms`.
    pub max_wait_ms: u64,
    /// Requests of one batch.
    pub max_batch_items: usize,
    /// Requests of one batch that run at one time.
    pub batch_concurrency: usize,
    /// Streams of progress that are open at one time; more are refused.
    pub max_watchers: usize,
    /// Longest life of such a stream.
    pub max_watch_ms: u64,
    /// Pause after which such a stream repeats the state, to show that it lives.
    pub watch_keepalive_ms: u64,
    /// How long the answer to an `Idempotency-Key` is kept.
    pub idempotency_ttl_seconds: u64,
    /// Audit records of failed authentication in one second; further ones are only counted.
    pub max_auth_failure_records_per_second: u32,
}

impl Default for GatewayLimits {
    fn default() -> Self {
        Self {
            max_body_bytes: 4 * 1024 * 1024,
            max_headers: 64,
            max_header_bytes: 16 * 1024,
            max_concurrent_requests: 2_048,
            request_timeout_ms: 75_000,
            auth_window_seconds: 60,
            default_wait_ms: 10_000,
            max_wait_ms: 60_000,
            max_batch_items: 100,
            batch_concurrency: 32,
            max_watchers: 256,
            max_watch_ms: 3_600_000,
            watch_keepalive_ms: 15_000,
            idempotency_ttl_seconds: 24 * 60 * 60,
            max_auth_failure_records_per_second: 20,
        }
    }
}
