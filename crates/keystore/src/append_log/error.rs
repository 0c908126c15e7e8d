//! What goes wrong with a log.

use std::error::Error as StdError;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use thiserror::Error;

/// Bytes of an interrupted write that were cut off the end of a log when it was opened.
///
/// They belong to a batch that was never acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TornTail {
    /// Where the log ends now.
    pub offset: u64,
    /// How many bytes were cut.
    pub bytes: u64,
}

/// Why a log cannot be opened or written. `Unavailable`: the operator acts, unless noted.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum LogError {
    /// The log does not exist, though the keystore was created with it.
    #[error(
        "{} is missing; restore it from the newest backup of this node, and do not start without it",
        .path.display()
    )]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file is not a log of this kind.
    #[error(
        "{}: check `log header` failed: not a log of the expected kind and version; \
         restore this file from a backup",
        .path.display()
    )]
    Header {
        /// The file.
        path: PathBuf,
    },
    /// Content before the end was changed.
    #[error(
        "{}: check `log batches` failed at offset {offset}: {why}; \
         restore this file from a backup, an interrupted write does not do this",
        .path.display()
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Start of the first bad batch.
        offset: u64,
        /// What is wrong.
        why: &'static str,
    },
    /// A record is whole, but does not say what may stand in its place.
    #[error(
        "{}: check `record` failed in the batch at offset {offset}: {why}; \
         restore this file from a backup",
        .path.display()
    )]
    Record {
        /// The file.
        path: PathBuf,
        /// Start of its batch.
        offset: u64,
        /// What is wrong.
        #[source]
        why: Arc<dyn StdError + Send + Sync>,
    },
    /// The newest record of a signed chain is not signed, and with it none before it.
    #[error(
        "{}: check `record` failed at the end: {why}; restore this file from a backup",
        .path.display()
    )]
    End {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        why: Arc<dyn StdError + Send + Sync>,
    },
    /// The disk failed. A log that failed once refuses everything until it is opened again.
    #[error(
        "{}: {doing} failed ({source}); nothing more is written here: \
         free space or replace the disk, then restart the node",
        .path.display()
    )]
    Failed {
        /// The file.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// The disk's error.
        source: Arc<io::Error>,
    },
    /// Too much waits for the disk; try again later.
    #[error("{}: {queued} bytes wait for the disk already", .path.display())]
    Overloaded {
        /// The file.
        path: PathBuf,
        /// Bytes waiting.
        queued: usize,
    },
    /// The record is larger than a batch may be (the caller's fault).
    #[error("a log record of {length} bytes is over the limit of {limit}")]
    InvalidLength {
        /// Its length.
        length: usize,
        /// The limit.
        limit: usize,
    },
}
