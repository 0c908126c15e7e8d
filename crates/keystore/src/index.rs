//! The signed index: every share that this node has or had, its state, and the digests of its files.
//!
//! `docs/protocols/share-files.md` §5.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use quorate_types::{Canonical as _, DecodeError, Digest32, Epoch, KeyId, Reader, Writer};

use crate::append_log::{LogError, LogKind, TornTail};
use crate::error::KeystoreError;
use crate::limits::Limits;
use crate::share_files::FileDigests;
use crate::signed_chain::{ChainEntry, SignedChain};
use crate::signer::NodeSigner;
use crate::storage::Storage;

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

impl ChainEntry for ShareEntry {
    const KIND: LogKind = LogKind::new("share index");
    const TAG: &'static str = "quorate share index v1";
    const GENESIS: &'static [u8] = b"quorate share index genesis v1";
    const LINK: &'static [u8] = b"quorate share index link v1";

    fn write(&self, out: &mut Writer) {
        out.value(&self.key_id)
            .value(&self.epoch)
            .u8(self.state.code());
        out.value(&self.files.metadata).value(&self.files.seal);
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let key_id = KeyId::read(input)?;
        let epoch = Epoch::read(input)?;
        let state = ShareState::from_code(input.u8("state")?);
        let files = FileDigests {
            metadata: Digest32::read(input)?,
            seal: Digest32::read(input)?,
        };
        let what = "share state";
        Ok(Self {
            key_id,
            epoch,
            state: state.ok_or(DecodeError::Unknown { what })?,
            files,
        })
    }
}

/// The newest entry of every share, and which of them wait for a certificate or are in use.
#[derive(Default)]
struct Entries {
    all: BTreeMap<KeyId, ShareEntry>,
    pending: BTreeSet<KeyId>,
    active: usize,
}

impl Entries {
    fn put(&mut self, entry: ShareEntry) {
        let key = entry.key_id;
        let before = self.all.insert(key, entry).map(|before| before.state);
        self.active -= usize::from(before == Some(ShareState::Active));
        self.active += usize::from(entry.state == ShareState::Active);
        if entry.state == ShareState::Pending {
            self.pending.insert(key);
        } else {
            self.pending.remove(&key);
        }
    }
}

/// The open index.
pub(crate) struct ShareIndex {
    chain: SignedChain<ShareEntry>,
    entries: Mutex<Entries>,
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
        let mut entries = Entries::default();
        let mut visit = |entry| entries.put(entry);
        let (chain, torn) = SignedChain::open(storage, path, signer, limits, &mut visit)?;
        let entries = Mutex::new(entries);
        Ok((Self { chain, entries }, torn))
    }

    pub(crate) fn get(&self, key: KeyId) -> Option<ShareEntry> {
        self.entries.lock().all.get(&key).copied()
    }

    pub(crate) fn all(&self) -> Vec<ShareEntry> {
        self.entries.lock().all.values().copied().collect()
    }

    /// The first share in use behind `after`, in the order of the key ids.
    pub(crate) fn next_active(&self, after: Option<KeyId>) -> Option<KeyId> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let entries = self.entries.lock();
        let mut behind = entries.all.range((from, Bound::Unbounded));
        let active = behind.find(|(_, entry)| entry.state == ShareState::Active);
        active.map(|(key, _)| *key)
    }

    pub(crate) fn pending(&self) -> Vec<KeyId> {
        self.entries.lock().pending.iter().copied().collect()
    }

    pub(crate) fn active(&self) -> usize {
        self.entries.lock().active
    }

    pub(crate) fn failure(&self) -> Option<LogError> {
        self.chain.failure()
    }

    /// Writes the new state of a share; durable when this returns. The caller holds the key's lock.
    ///
    /// # Errors
    /// [`KeystoreError::Log`].
    pub(crate) fn put(&self, entry: ShareEntry, signer: &NodeSigner) -> Result<(), KeystoreError> {
        self.chain.append(&entry, signer)?.wait()?;
        // Not visible before it is durable.
        self.entries.lock().put(entry);
        Ok(())
    }
}
