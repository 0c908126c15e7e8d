//! What goes wrong with a log.

use std::error::Error as StdError;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

use crate::journal::JOURNAL;

/// What to do about a file that cannot be used. The journal of shares holds what no backup has: an
/// older one would be taken for the newest.
fn remedy(path: &Path) -> &'static str {
    if path.file_name().is_some_and(|name| name == JOURNAL) {
        "keep this file as it is and put no other one in its place: it may hold the newest shares, \
         which no backup has; restore the whole data folder from the newest backup of this node into \
         another place, and repair the shares that it lacks from the other nodes"
    } else {
        "restore this file from a backup"
    }
}

fn remedy_for_missing(path: &Path) -> &'static str {
    if path.file_name().is_some_and(|name| name == JOURNAL) {
        "do not start without it, and put no older one in its place: restore the whole data folder \
         from the newest backup of this node, and repair the shares that it lacks from the other nodes"
    } else {
        "restore it from the newest backup of this node, and do not start without it"
    }
}

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
        "{} is missing; {}",
        .path.display(),
        remedy_for_missing(.path)
    )]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file is not a log of this kind.
    #[error(
        "{}: check `log header` failed: not a log of the expected kind and version; {}",
        .path.display(),
        remedy(.path)
    )]
    Header {
        /// The file.
        path: PathBuf,
    },
    /// Content before the end was changed.
    #[error(
        "{}: check `log batches` failed at offset {offset}: {why}; {}; \
         an interrupted write does not do this",
        .path.display(),
        remedy(.path)
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
        "{}: check `record` failed in the batch at offset {offset}: {why}; {}",
        .path.display(),
        remedy(.path)
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
