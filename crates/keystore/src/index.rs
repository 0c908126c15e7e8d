//! The signed index: every share that this node has or had, its state, and the digests of its files.
//!
//! A log of entries, each chained to the one before and signed by the node, so that adding a key
//! costs one record and not the whole list. `docs/protocols/share-files.md` §5.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use quorate_types::{Canonical as _, DecodeError, Digest32, Epoch, KeyId, Reader, Writer};

use crate::append_log::{AppendLog, LogError, LogKind, TornTail};
use crate::damage::Check;
use crate::error::KeystoreError;
use crate::limits::Limits;
use crate::share_files::FileDigests;
use crate::signer::NodeSigner;
use crate::storage::Storage;

pub(crate) const KIND: LogKind = LogKind::new("share index");

/// State of a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ShareState {
    /// Stored; its epoch certificate is not complete. Never used for signing.
    Pending,
    /// Certified, and in use.
    Active,
    /// Was pending, and is destroyed.
    Discarded,
    /// Was active, and is destroyed; its metadata are in the archive.
    Archived,
}

impl ShareState {
    /// Whether files of the share should exist.
    #[must_use]
    pub const fn is_stored(self) -> bool {
        matches!(self, Self::Pending | Self::Active)
    }

    const fn code(self) -> u8 {
        match self {
            Self::Pending => 1,
            Self::Active => 2,
            Self::Discarded => 3,
            Self::Archived => 4,
        }
    }

    const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Pending),
            2 => Some(Self::Active),
            3 => Some(Self::Discarded),
            4 => Some(Self::Archived),
            _ => None,
        }
    }
}

impl fmt::Display for ShareState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Discarded => "discarded",
            Self::Archived => "archived",
        })
    }
}

/// One share in the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShareEntry {
    /// The key.
    pub key_id: KeyId,
    /// Its epoch.
    pub epoch: Epoch,
    /// Its state.
    pub state: ShareState,
    pub(crate) files: FileDigests,
}

struct Inner {
    sequence: u64,
    previous: Digest32,
    entries: BTreeMap<KeyId, ShareEntry>,
}

/// The open index.
pub(crate) struct ShareIndex {
    log: AppendLog,
    inner: Mutex<Inner>,
}

impl Inner {
    fn empty(signer: &NodeSigner) -> Self {
        let node = signer.node().as_str().as_bytes();
        Self {
            sequence: 0,
            previous: Digest32::of(b"quorate share index genesis v1", &[node]),
            entries: BTreeMap::new(),
        }
    }

    /// Bytes of the next record, and the link to it.
    fn next_record(&self, entry: &ShareEntry, signer: &NodeSigner) -> (Vec<u8>, Digest32) {
        let mut out = Writer::new();
        out.text("quorate share index v1");
        out.u64(self.sequence + 1).value(&self.previous);
        out.value(&entry.key_id)
            .value(&entry.epoch)
            .u8(entry.state.code());
        out.value(&entry.files.metadata).value(&entry.files.seal);
        let mut record = out.finish();
        let signature = signer.sign(&record);
        record.extend_from_slice(&signature);
        let link = Digest32::of(b"quorate share index link v1", &[&record]);
        (record, link)
    }

    /// Checks a stored record against the one that would be written in its place.
    ///
    /// Ed25519 is deterministic and the record has one encoding, so equality covers place, link,
    /// form and signature at once.
    fn replay(&mut self, record: &[u8], signer: &NodeSigner) -> Result<(), BadEntry> {
        let entry = parse(record).map_err(|_| BadEntry)?;
        let (expected, link) = self.next_record(&entry, signer);
        if expected != record {
            return Err(BadEntry);
        }
        self.advance(entry, link);
        Ok(())
    }

    fn advance(&mut self, entry: ShareEntry, link: Digest32) {
        self.sequence += 1;
        self.previous = link;
        self.entries.insert(entry.key_id, entry);
    }
}

/// An entry that this node did not write in this place.
#[derive(Debug, thiserror::Error)]
#[error(
    "check `{}` failed: not an entry that this node signed for this place",
    Check::Index
)]
struct BadEntry;

fn parse(record: &[u8]) -> Result<ShareEntry, DecodeError> {
    let mut input = Reader::new(record);
    input.text("tag", 64)?;
    input.u64("sequence")?;
    input.take("previous", 32)?;
    let key_id = KeyId::read(&mut input)?;
    let epoch = Epoch::read(&mut input)?;
    let state = ShareState::from_code(input.u8("state")?);
    let files = FileDigests {
        metadata: Digest32::read(&mut input)?,
        seal: Digest32::read(&mut input)?,
    };
    let what = "share state";
    Ok(ShareEntry {
        key_id,
        epoch,
        state: state.ok_or(DecodeError::Unknown { what })?,
        files,
    })
}

impl ShareIndex {
    /// Opens the index and checks every entry.
    ///
    /// # Errors
    /// [`LogError`] naming the file, the offset and the check.
    pub(crate) fn open(
        storage: Arc<dyn Storage>,
        path: &Path,
        signer: &NodeSigner,
        limits: &Limits,
    ) -> Result<(Self, Option<TornTail>), LogError> {
        let mut inner = Inner::empty(signer);
        let mut visit = |record: &[u8]| Ok(inner.replay(record, signer)?);
        let (log, torn) = AppendLog::open(storage, path, KIND, limits.queued_bytes, &mut visit)?;
        let inner = Mutex::new(inner);
        Ok((Self { log, inner }, torn))
    }

    pub(crate) fn get(&self, key: KeyId) -> Option<ShareEntry> {
        self.inner.lock().entries.get(&key).copied()
    }

    pub(crate) fn all(&self) -> Vec<ShareEntry> {
        self.inner.lock().entries.values().copied().collect()
    }

    pub(crate) fn failure(&self) -> Option<LogError> {
        self.log.failure()
    }

    /// Writes the new state of a share; durable when this returns. The caller holds the key's lock.
    ///
    /// # Errors
    /// [`KeystoreError::Log`].
    pub(crate) fn put(&self, entry: ShareEntry, signer: &NodeSigner) -> Result<(), KeystoreError> {
        let ticket = {
            let mut inner = self.inner.lock();
            let (record, link) = inner.next_record(&entry, signer);
            let ticket = self.log.append(record)?;
            inner.sequence += 1;
            inner.previous = link;
            ticket
        };
        ticket.wait()?;
        // Not visible before it is durable.
        self.inner.lock().entries.insert(entry.key_id, entry);
        Ok(())
    }
}
