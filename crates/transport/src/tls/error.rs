//! What can go wrong, by who must act.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::identity::{IdentityError, PeerIdentity};

/// TLS cannot be set up. The operator must act; the message says how.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}", .path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The key file can be read or written by others.
    #[error("key file {} is open to others (mode {mode:03o}): run `chmod 600 {}`",
            .path.display(), .path.display())]
    KeyPermissions {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A file holds no PEM section of the kind expected, or a broken one.
    #[error("{} holds no valid PEM {what}", .path.display())]
    BadPem {
        /// Which file.
        path: PathBuf,
        /// What was expected.
        what: &'static str,
    },
    /// The own certificate names no node.
    #[error("own certificate {}", .path.display())]
    OwnIdentity {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: IdentityError,
    },
    /// A node cannot be dialled by name.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// Certificate, key or CA cannot be used together.
    #[error("certificate, key or certificate authority cannot be used")]
    Unusable(#[from] rustls::Error),
    /// The certificate authority or a revocation list cannot be used.
    #[error("certificate authority or revocation list cannot be used")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
}

/// A connection to a server could not be made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// No TCP connection.
    #[error("{expected} cannot be reached")]
    Unreachable {
        /// Whom we meant to dial.
        expected: PeerIdentity,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// TCP and TLS together took too long.
    #[error("connecting to {expected} timed out")]
    TimedOut {
        /// Whom we meant to dial.
        expected: PeerIdentity,
    },
    /// One of the two sides refused the other.
    #[error("TLS handshake with {expected} failed")]
    Handshake {
        /// Whom we meant to dial.
        expected: PeerIdentity,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A valid certificate of somebody else, or of no node.
    #[error("the server at the address of {expected} is somebody else")]
    WrongServer {
        /// Whom we meant to dial.
        expected: PeerIdentity,
    },
}
