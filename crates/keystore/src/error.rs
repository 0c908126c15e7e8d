//! Why the keystore refuses.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use quorate_types::{Digest32, KeyId, NodeId};
use thiserror::Error;

use crate::append_log::LogError;
use crate::audit_log::AuditLogError;
use crate::ban_list::BanError;
use crate::damage::{Check, Damage};
use crate::index::ShareState;
use crate::intent_record::IntentError;

/// Errors of the keystore. `Invalid…`: the caller's; the others: the operator's.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum KeystoreError {
    /// The node has no share of this key.
    #[error("this node has no share of key `{0}`")]
    UnknownKey(KeyId),
    /// The node has a share of this key already.
    #[error("this node already has a share of key `{0}`")]
    InvalidDuplicate(KeyId),
    /// The share is in another state than the call needs.
    #[error("the share of key `{key}` is {state}, not {wanted}")]
    InvalidState {
        /// The key.
        key: KeyId,
        /// State found.
        state: ShareState,
        /// State needed.
        wanted: ShareState,
    },
    /// The metadata name another node than the one that owns this keystore.
    #[error("the share of key `{0}` belongs to another node")]
    InvalidOwner(KeyId),
    /// There is no state of this pair and generation that this can be done with.
    #[error("no state of generation {generation} with `{peer}` that this can be done with")]
    InvalidPairState {
        /// The other node.
        peer: NodeId,
        /// The generation.
        generation: Digest32,
    },
    /// Something is larger than its limit.
    #[error("{what} has {length} bytes, more than the limit of {limit}")]
    InvalidSize {
        /// What.
        what: &'static str,
        /// Its length.
        length: usize,
        /// The limit.
        limit: usize,
    },
    /// Stored data failed a check and are not used.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// Another process has this keystore open.
    #[error("{}: another process uses this keystore; stop it first", .path.display())]
    InUse {
        /// The lock file.
        path: PathBuf,
    },
    /// There is no keystore to open.
    #[error(
        "{}: no keystore here; create one, or restore the node's backup if it had one",
        .path.display()
    )]
    NotCreated {
        /// Its marker.
        path: PathBuf,
    },
    /// There is a keystore already.
    #[error("{}: a keystore exists here already", .path.display())]
    InvalidCreation {
        /// Its marker.
        path: PathBuf,
    },
    /// The disk failed.
    #[error("{}: {doing} failed ({source}); check free space, permissions and the disk", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// The disk's error.
        source: Arc<io::Error>,
    },
    /// A log failed or is damaged.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The intent record cannot be used.
    #[error(transparent)]
    Intents(#[from] IntentError),
    /// The ban list cannot be used.
    #[error(transparent)]
    Bans(#[from] BanError),
    /// The audit log cannot be used.
    #[error(transparent)]
    Audit(#[from] AuditLogError),
    /// The master key (HSM or KMS, later) did not wrap a data key.
    #[error("the master key could not wrap a data key; check the device that holds it")]
    Wrap,
    /// The operating system gives no randomness. The process must stop.
    #[error("the operating system gives no randomness; the process must stop")]
    Randomness,
}

impl KeystoreError {
    pub(crate) fn io(path: &Path, doing: &'static str, source: io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            doing,
            source: Arc::new(source),
        }
    }

    pub(crate) fn damaged(key: Option<KeyId>, path: &Path, check: Check) -> Self {
        Self::Damaged(Damage {
            key,
            path: path.to_owned(),
            check,
        })
    }
}
