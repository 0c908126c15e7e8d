//! What can go wrong, by who must act.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::fault::LinkFault;

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
    /// A revocation list cannot be read.
    #[error("{} is not a usable revocation list: {why}", .path.display())]
    BadList {
        /// Which file.
        path: PathBuf,
        /// Why.
        why: &'static str,
    },
    /// A revocation list that none of the authorities signed.
    #[error("the revocation list {} is not signed by an authority of `ca_file`: somebody else \
             wrote it, or it belongs to another authority", .path.display())]
    ListNotSigned {
        /// Which file.
        path: PathBuf,
    },
    /// A revocation list that should have been replaced.
    #[error("the revocation list {} is overdue since {next_update}: put the authority's new list \
             there", .path.display())]
    ListOverdue {
        /// Which file.
        path: PathBuf,
        /// When the next one was promised.
        next_update: String,
    },
    /// A revocation list from the future.
    #[error("the revocation list {} counts from {this_update}: the clock of this machine or of \
             the authority is wrong", .path.display())]
    ListNotYetValid {
        /// Which file.
        path: PathBuf,
        /// From when on it counts.
        this_update: String,
    },
    /// A list older than the one in use: it could forget revoked certificates.
    #[error("{} no longer holds its authority's newest revocation list, or an older one: the one \
             in use stays", .path.display())]
    ListOlder {
        /// Which file.
        path: PathBuf,
    },
    /// Two lists of one authority: only one of them would count.
    #[error("{} and {} both hold a revocation list of one authority: leave its newest list alone \
             there", .path.display(), .other.display())]
    TwoLists {
        /// Which file.
        path: PathBuf,
        /// Where the other one is; it may be the same file.
        other: PathBuf,
    },
    /// The new certificate is for somebody else.
    #[error("the new certificate is for {found}, and this process is {was}")]
    OtherIdentity {
        /// Who this process is.
        was: PeerIdentity,
        /// Whom the certificate names.
        found: PeerIdentity,
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

impl ConnectError {
    /// What is wrong, in words for whoever repairs it.
    #[must_use]
    pub fn fault(&self) -> LinkFault {
        match self {
            Self::Unreachable { source, .. } => LinkFault::of_io(source),
            Self::TimedOut { .. } => LinkFault::TimedOut,
            Self::Handshake { source, .. } => LinkFault::of_io(source),
            Self::WrongServer { .. } => LinkFault::PeerWrongName,
        }
    }
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
