//! Settings of the gateway. Every one is described in `docs/configuration.md`.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use crate::proxies::{ForwardedHeader, Network, Proxies};

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
    /// Proxies whose word about the address of a call counts; nobody's if empty.
    #[serde(default)]
    pub trusted_proxies: Vec<Network>,
    /// The header in which they say it.
    #[serde(default)]
    pub forwarded_header: ForwardedHeader,
    /// Limits.
    #[serde(default)]
    pub limits: GatewayLimits,
}

impl GatewayConfig {
    /// The proxies that are believed.
    #[must_use]
    pub fn proxies(&self) -> Proxies {
        Proxies {
            trusted: self.trusted_proxies.clone(),
            header: self.forwarded_header,
        }
    }
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
    /// Longest time for a client to send the headers of its next request.
    pub header_timeout_ms: u64,
    /// Longest time for a body to arrive.
    pub body_timeout_ms: u64,
    /// Connections that are open at one time. One more takes the place of one on which nobody has
    /// been authenticated; if there is none, it waits.
    pub max_connections: usize,
    /// Requests that run at one time over one HTTP/2 connection.
    pub max_streams_per_connection: u32,
    /// Pause between pings over HTTP/2, which find clients that are gone.
    pub http2_ping_interval_ms: u64,
    /// How long the answer to such a ping may take.
    pub http2_ping_timeout_ms: u64,
    /// How long a client may leave unread what waits for it: then its stream of progress ends, and
    /// a connection that takes nothing more is closed.
    pub unread_timeout_ms: u64,
    /// Requests of one address, lastingly. IPv6: of one network of 64 bits.
    pub address_requests_per_second: u32,
    /// Requests of one address at once.
    pub address_burst: u32,
    /// Requests with one credential, lastingly.
    pub credential_requests_per_second: u32,
    /// Requests with one credential at once.
    pub credential_burst: u32,
    /// Failed authentications of one address, lastingly; above it the address is refused unheard.
    pub auth_failures_per_second: u32,
    /// Failed authentications of one address at once.
    pub auth_failure_burst: u32,
    /// Addresses, and credentials, whose rates are remembered; others share one rate.
    pub max_rate_entries: usize,
    /// Requests that have not arrived whole and whose caller is not known. One more takes the place
    /// of the oldest one of the address that has most.
    pub max_unknown_requests: usize,
    /// Such requests of one address; one more takes the place of its oldest one.
    pub max_unknown_requests_per_address: usize,
    /// Requests of authenticated callers that are served at one time; more are refused.
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
    /// Such streams of one credential.
    pub max_watchers_per_credential: usize,
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
            header_timeout_ms: 30_000,
            body_timeout_ms: 20_000,
            max_connections: 8_192,
            max_streams_per_connection: 200,
            http2_ping_interval_ms: 20_000,
            http2_ping_timeout_ms: 20_000,
            unread_timeout_ms: 30_000,
            address_requests_per_second: 10_000,
            address_burst: 20_000,
            credential_requests_per_second: 5_000,
            credential_burst: 10_000,
            auth_failures_per_second: 100,
            auth_failure_burst: 1_000,
            max_rate_entries: 65_536,
            max_unknown_requests: 1_024,
            max_unknown_requests_per_address: 256,
            max_concurrent_requests: 2_048,
            request_timeout_ms: 75_000,
            auth_window_seconds: 60,
            default_wait_ms: 10_000,
            max_wait_ms: 60_000,
            max_batch_items: 100,
            batch_concurrency: 32,
            max_watchers: 256,
            max_watchers_per_credential: 64,
            max_watch_ms: 3_600_000,
            watch_keepalive_ms: 15_000,
            idempotency_ttl_seconds: 24 * 60 * 60,
            max_auth_failure_records_per_second: 20,
        }
    }
}

impl GatewayLimits {
    /// At least one connection, and no more than can be counted.
    pub(crate) fn connections(&self) -> usize {
        let most = Semaphore::MAX_PERMITS.min(usize::try_from(u32::MAX).unwrap_or(usize::MAX));
        self.max_connections.clamp(1, most)
    }
}
