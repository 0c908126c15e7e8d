//! Mutual TLS 1.3 between coordinator and participants, for gRPC.
//!
//! Both sides show a certificate; a name in it says role and node. A server accepts only the peers
//! that its filter allows, a client only the very node that it meant to dial. Tonic's own TLS is
//! not used: it can neither check revocation nor look at the identity before a request. Files are
//! read again when they change: new certificates count for new connections, and connections of a
//! certificate that no longer counts are cut.
//!
//! Specification: `docs/protocols/mutual-tls.md`; the numbers in comments (`// Spec 2.3`) are its
//! steps.

mod client;
mod error;
mod files;
mod identity;
mod incoming;
mod limits;
mod live;
mod material;
mod open_connections;
mod revocation;
mod server;
mod verifier;

pub use client::{ClientTls, Connector, TlsClientStream};
pub use error::{ConnectError, TlsError};
pub use files::{OwnCertificate, TlsFiles};
pub use identity::{IdentityError, PeerIdentity, Role};
pub use incoming::{RefusedClient, TlsConnection, TlsIncoming};
pub use limits::{RECHECK_INTERVAL, RELOAD_INTERVAL, REVOCATION_GRACE, TlsLimits};
pub use open_connections::Guarded;
pub use server::ServerTls;

/// The only application protocol: gRPC is HTTP/2.
const ALPN_HTTP2: &[u8] = b"h2";
