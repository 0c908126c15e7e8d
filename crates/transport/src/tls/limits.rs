//! Limits of TLS connections, with defaults. Table: `docs/protocols/mutual-tls.md` §5.

use std::time::Duration;

/// How often the files are looked at.
pub const RELOAD_INTERVAL: Duration = Duration::from_secs(2);
/// How often open connections are checked again although no file changed.
pub const RECHECK_INTERVAL: Duration = Duration::from_secs(30);
/// How long the last good revocation list counts after the time at which it promised the next one.
pub const REVOCATION_GRACE: Duration = Duration::from_secs(3_600);

/// Limits of one server or client.
#[derive(Debug, Clone)]
pub struct TlsLimits {
    /// Time for a server-side handshake. Default 5 s.
    pub handshake_timeout: Duration,
    /// Server-side handshakes at a time; the oldest makes room. Default 64.
    pub max_handshakes: usize,
    /// Connections that one server keeps open. Default 256.
    pub max_connections: usize,
    /// Time for a client to connect: TCP and TLS together. Default 5 s.
    pub connect_timeout: Duration,
    /// Time between two HTTP/2 pings of a client, idle or not. Default 5 s.
    pub keepalive_interval: Duration,
    /// Time for an HTTP/2 ping to be answered. Default 5 s.
    pub keepalive_timeout: Duration,
}

impl Default for TlsLimits {
    fn default() -> Self {
        Self {
            handshake_timeout: Duration::from_secs(5),
            max_handshakes: 64,
            max_connections: 256,
            connect_timeout: Duration::from_secs(5),
            keepalive_interval: Duration::from_secs(5),
            keepalive_timeout: Duration::from_secs(5),
        }
    }
}
