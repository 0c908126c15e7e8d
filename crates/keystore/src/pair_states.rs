//! The state that this node shares with each other node for DKLs23, sealed like shares. It belongs to
//! a pair of nodes and a generation, and serves all keys of the pair.
//!
//! A new generation is *stored* before this node says so to its peer, and becomes *current* when the
//! peer has it too. The one before is then *superseded*: what began with it may end with it, and it
//! is *destroyed* after that, at the latest at the next start. A signed index, chained like that of
//! shares, says which is which; when it has grown to several times what it must say, it is rewritten.
//!
//! Specification: `docs/protocols/share-files.md` §11, `docs/protocols/pair-state.md`.

mod compact;
mod record;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use quorate_types::{Digest32, NodeId, Writer};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

pub use record::PairStateStatus;

use crate::append_log::{LogError, LogKind, TornTail};
use crate::ban_list::BanList;
use crate::damage::{Check, Damage};
use crate::error::KeystoreError;
use crate::limits::Limits;
use crate::seal::{WrapError, WrapKey, open_secret, seal_secret};
use crate::signed_chain::{ChainEntry as _, SignedChain};
use crate::signer::NodeSigner;
use crate::storage::{Storage, temporary_of, write_atomically};
use record::{Pair, PairEvent, PairRecord};

pub(crate) const KIND: LogKind = PairRecord::KIND;

/// Version of what a sealed pair state is bound to.
const FORMAT_VERSION: u16 = 1;

/// Bytes of a file beside the secret and the wrapped key, rounded up.
const FILE_OVERHEAD: usize = 128;

const SUFFIX: &str = ".pair";

/// The index is rewritten when it has so many times the records that it needs.
const GROWN: u64 = 4;

/// The pair states of a node. All methods may be called from many threads; they block.
pub struct PairStates {
    storage: Arc<dyn Storage>,
    folder: PathBuf,
    master: Arc<dyn WrapKey>,
    signer: Arc<NodeSigner>,
    bans: Arc<BanList>,
    limits: Limits,
    chain: SignedChain<PairRecord>,
    pairs: Mutex<BTreeMap<NodeId, Pair>>,
    damaged: Mutex<BTreeMap<Digest32, Damage>>,
    /// One change at a time.
    writing: Mutex<()>,
}

/// What opening needs.
pub(crate) struct Parts<'a> {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) log: &'a Path,
    pub(crate) folder: PathBuf,
    pub(crate) master: Arc<dyn WrapKey>,
    pub(crate) signer: Arc<NodeSigner>,
    pub(crate) bans: Arc<BanList>,
    pub(crate) limits: &'a Limits,
}

impl PairStates {
    /// Opens the index. What is there is looked at by [`Self::inspect`].
    ///
    /// # Errors
    /// [`LogError`]: an index that is not the one this node wrote is not opened.
    pub(crate) fn open(parts: Parts<'_>) -> Result<(Self, Option<TornTail>), LogError> {
        let Parts {
            storage,
            log,
            folder,
            master,
            signer,
            bans,
            limits,
        } = parts;
        let mut pairs = BTreeMap::<NodeId, Pair>::new();
        let mut visit = |record: PairRecord| {
            let pair = pairs.entry(record.peer).or_default();
            pair.advance(record.generation, record.event);
        };
        let disk = Arc::clone(&storage);
        let (chain, torn) = SignedChain::open(disk, log, &signer, limits, &mut visit)?;
        let states = Self {
            storage,
            folder,
            master,
            signer,
            bans,
            limits: *limits,
            chain,
            pairs: Mutex::new(pairs),
            damaged: Mutex::default(),
            writing: Mutex::default(),
        };
        Ok((states, torn))
    }

    /// Finishes what a crash interrupted, and checks the files that are in use: what is damaged is
    /// returned, and never used. Superseded states go, since no session of before is left.
    ///
    /// # Errors
    /// [`KeystoreError`] if the disk fails.
    pub(crate) fn inspect(&self) -> Result<Vec<Damage>, KeystoreError> {
        self.storage
            .create_folder(&self.folder)
            .map_err(self.failed("making a folder"))?;
        let all = self.list();
        for (peer, generation, status) in &all {
            if *status == PairStateStatus::Superseded {
                self.destroy(peer, *generation)?;
            }
        }
        let in_use = |status| matches!(status, PairStateStatus::Stored | PairStateStatus::Current);
        let mut expected = BTreeSet::new();
        for (peer, generation, status) in all {
            if in_use(status) {
                expected.insert(name_of(generation));
                match self.checked_file(&peer, generation) {
                    Ok(_) | Err(KeystoreError::Damaged(_)) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        let foreign = self.clean(&expected)?;
        {
            let _writing = self.writing.lock();
            self.compact_if_grown()?;
        }
        let damaged = self.damaged.lock();
        Ok(damaged.values().cloned().chain(foreign).collect())
    }

    /// Removes what a crash left of states that the index does not have, or has no more. Files that
    /// are none of ours are reported.
    fn clean(&self, expected: &BTreeSet<String>) -> Result<Vec<Damage>, KeystoreError> {
        let mut foreign = Vec::new();
        let names = self.storage.list(&self.folder);
        for name in names.map_err(self.failed("listing pair states"))? {
            let ours = name.ends_with(SUFFIX) || name.ends_with(".pair.temp");
            let path = self.folder.join(&name);
            if !ours {
                let check = Check::Listed;
                foreign.push(Damage {
                    key: None,
                    path,
                    check,
                });
            } else if !expected.contains(&name) {
                self.remove(&path)?;
            }
        }
        Ok(foreign)
    }

    /// The generation to sign with; none if there is none, or if its file is damaged.
    #[must_use]
    pub fn current(&self, peer: &NodeId) -> Option<Digest32> {
        let pairs = self.pairs.lock();
        let current = pairs.get(peer)?.current?;
        (!self.damaged.lock().contains_key(&current)).then_some(current)
    }

    /// The newest generation that is stored and not in use yet.
    #[must_use]
    pub fn stored(&self, peer: &NodeId) -> Option<Digest32> {
        let pairs = self.pairs.lock();
        let stored = pairs.get(peer)?.stored?;
        (!self.damaged.lock().contains_key(&stored)).then_some(stored)
    }

    /// What became of a generation; none if this node never had it.
    #[must_use]
    pub fn status(&self, peer: &NodeId, generation: Digest32) -> Option<PairStateStatus> {
        self.pairs.lock().get(peer)?.status(generation)
    }

    /// The digest of the owner's intent that lifted the ban of a generation.
    #[must_use]
    pub fn lifted_by(&self, peer: &NodeId, generation: Digest32) -> Option<Digest32> {
        let pairs = self.pairs.lock();
        pairs.get(peer)?.lifted.get(&generation).copied()
    }

    /// Every generation that this node has or had.
    #[must_use]
    pub fn list(&self) -> Vec<(NodeId, Digest32, PairStateStatus)> {
        let pairs = self.pairs.lock();
        let of = |(peer, pair): (&NodeId, &Pair)| {
            let of_peer = pair.generations.iter();
            let entry =
                of_peer.map(|(generation, known)| (peer.clone(), *generation, known.status));
            entry.collect::<Vec<_>>()
        };
        pairs.iter().flat_map(of).collect()
    }

    /// Generations that newer ones took the place of, and that are not destroyed yet.
    #[must_use]
    pub fn superseded(&self, peer: &NodeId) -> Vec<Digest32> {
        let pairs = self.pairs.lock();
        let generations = pairs
            .get(peer)
            .into_iter()
            .flat_map(|pair| &pair.generations);
        let superseded = |known: &record::Generation| known.status == PairStateStatus::Superseded;
        generations
            .filter(|(_, known)| superseded(known))
            .map(|(generation, _)| *generation)
            .collect()
    }

    /// Pair states that cannot be used, and why.
    #[must_use]
    pub fn damaged(&self) -> Vec<Damage> {
        self.damaged.lock().values().cloned().collect()
    }

    /// The failure that closed the index, if one did.
    #[must_use]
    pub fn failure(&self) -> Option<LogError> {
        self.chain.failure()
    }

    /// Seals and stores a new generation, durably. One that was stored before and never used is
    /// destroyed. Only after this may the peer be told.
    ///
    /// # Errors
    /// [`KeystoreError`]; nothing usable was stored then.
    pub fn store(
        &self,
        peer: &NodeId,
        generation: Digest32,
        secret: &Zeroizing<Vec<u8>>,
    ) -> Result<(), KeystoreError> {
        let (what, length, limit) = ("a pair state", secret.len(), self.limits.pair_state_bytes);
        if length > limit {
            return Err(KeystoreError::InvalidSize {
                what,
                length,
                limit,
            });
        }
        let _writing = self.writing.lock();
        if self.status(peer, generation).is_some() {
            return Err(invalid(peer, generation));
        }
        let before = self.pairs.lock().get(peer).and_then(|pair| pair.stored);
        if let Some(before) = before {
            self.destroy_locked(peer, before)?;
        }
        let refused = |error| match error {
            WrapError::Randomness => KeystoreError::Randomness,
            _ => KeystoreError::Wrap,
        };
        let binding = self.binding(peer, generation);
        let file = seal_secret(&*self.master, &binding, secret).map_err(refused)?;
        let path = self.path(generation);
        write_atomically(&*self.storage, &path, &file)
            .map_err(|e| KeystoreError::io(&path, "writing a pair state", e))?;
        self.record(peer, generation, PairEvent::Stored(hash(&file)))
    }

    /// Makes a stored generation the one to use, durably. Returns the one before. Once more changes
    /// nothing.
    ///
    /// # Errors
    /// [`KeystoreError::InvalidPairState`] unless it is stored; others.
    pub fn make_current(
        &self,
        peer: &NodeId,
        generation: Digest32,
    ) -> Result<Option<Digest32>, KeystoreError> {
        let _writing = self.writing.lock();
        let before = self.pairs.lock().get(peer).and_then(|pair| pair.current);
        match self.status(peer, generation) {
            Some(PairStateStatus::Current) => return Ok(None),
            Some(PairStateStatus::Stored) => {}
            _ => return Err(invalid(peer, generation)),
        }
        self.record(peer, generation, PairEvent::Current)?;
        Ok(before)
    }

    /// Opens a generation that is stored, current or superseded, after all checks of §11. It may be
    /// destroyed meanwhile, which is no damage.
    ///
    /// # Errors
    /// [`KeystoreError::Damaged`] naming file, check and recovery; others.
    pub fn open_state(
        &self,
        peer: &NodeId,
        generation: Digest32,
    ) -> Result<Zeroizing<Vec<u8>>, KeystoreError> {
        let opened = self.checked_file(peer, generation).and_then(|file| {
            // 11.4
            open_secret(&*self.master, &self.binding(peer, generation), &file)
                .map_err(|_| self.damage(generation, Check::PairSecret))
        });
        let is_left = |status| status != PairStateStatus::Destroyed;
        if opened.is_err() && !self.status(peer, generation).is_some_and(is_left) {
            // The index says so before the file goes.
            self.damaged.lock().remove(&generation);
            return Err(invalid(peer, generation));
        }
        opened
    }

    /// Reports that what [`Self::open_state`] gave is no state of this pair and generation: it is not
    /// used again.
    pub fn reject(&self, generation: Digest32) -> KeystoreError {
        self.damage(generation, Check::PairForm)
    }

    /// Destroys a generation that is not in use. When this returns its file is gone.
    ///
    /// # Errors
    /// [`KeystoreError::InvalidPairState`] for the current one; others. After [`KeystoreError::Io`]
    /// the destruction is finished at the next start.
    pub fn destroy(&self, peer: &NodeId, generation: Digest32) -> Result<(), KeystoreError> {
        let _writing = self.writing.lock();
        self.destroy_locked(peer, generation)
    }

    /// Notes that the owner's intent with this digest lifted the ban of a generation, durably.
    ///
    /// # Errors
    /// [`KeystoreError::Log`].
    pub fn lift(
        &self,
        peer: &NodeId,
        generation: Digest32,
        intent: Digest32,
    ) -> Result<(), KeystoreError> {
        let _writing = self.writing.lock();
        self.record(peer, generation, PairEvent::Lifted(intent))
    }

    fn destroy_locked(&self, peer: &NodeId, generation: Digest32) -> Result<(), KeystoreError> {
        match self.status(peer, generation) {
            Some(PairStateStatus::Stored | PairStateStatus::Superseded) => {
                // The index first: from here on it is never used.
                self.record(peer, generation, PairEvent::Destroyed)?;
            }
            Some(PairStateStatus::Destroyed) => {}
            Some(PairStateStatus::Current) | None => return Err(invalid(peer, generation)),
        }
        self.damaged.lock().remove(&generation);
        self.remove(&self.path(generation))
    }

    /// Checks 11.1 to 11.3: the file is the one that the index names.
    fn checked_file(&self, peer: &NodeId, generation: Digest32) -> Result<Vec<u8>, KeystoreError> {
        let known = {
            let pairs = self.pairs.lock();
            let pair = pairs.get(peer);
            pair.and_then(|pair| pair.generations.get(&generation).copied())
        };
        let usable = known.filter(|known| known.status != PairStateStatus::Destroyed);
        let known = usable.ok_or_else(|| invalid(peer, generation))?;
        let path = self.path(generation);
        let limit = self.limits.pair_state_bytes + crate::seal::MAX_WRAPPED_BYTES + FILE_OVERHEAD;
        let bytes = self.storage.read_file(&path, limit);
        let bytes = bytes.map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => self.damage(generation, Check::PairPresent),
            io::ErrorKind::FileTooLarge => self.damage(generation, Check::PairSize),
            _ => KeystoreError::io(&path, "reading a pair state", e),
        })?;
        if hash(&bytes) != known.file {
            return Err(self.damage(generation, Check::PairDigest));
        }
        Ok(bytes)
    }

    fn record(
        &self,
        peer: &NodeId,
        generation: Digest32,
        event: PairEvent,
    ) -> Result<(), KeystoreError> {
        let record = PairRecord {
            peer: peer.clone(),
            generation,
            event,
        };
        self.chain.append(&record, &self.signer)?.wait()?;
        // Not visible before it is durable.
        {
            let mut pairs = self.pairs.lock();
            let pair = pairs.entry(record.peer).or_default();
            pair.advance(generation, event);
        }
        if let Err(error) = self.compact_if_grown() {
            // The change itself is durable. A log that failed takes no further one.
            tracing::error!(%error, "the index of pair states could not be rewritten");
        }
        Ok(())
    }

    /// Rewrites the index once it has several times the records that it needs. Who calls this holds
    /// `writing`.
    fn compact_if_grown(&self) -> Result<(), LogError> {
        let length = self.chain.length();
        if length < self.limits.pair_records {
            return Ok(());
        }
        let mut pairs = self.pairs.lock().clone();
        let mut records = Vec::new();
        for (peer, pair) in &mut pairs {
            let banned = self.bans.of_pair(peer);
            pair.forget(self.limits.past_pair_states, &banned);
            records.extend(pair.records(peer));
        }
        if length < GROWN * records.len() as u64 {
            return Ok(());
        }
        self.chain.replace(&records, &self.signer)?.wait()?;
        tracing::info!(
            length,
            now = records.len(),
            "the index of pair states is rewritten"
        );
        // What is forgotten on disk is forgotten here, and not before.
        *self.pairs.lock() = pairs;
        Ok(())
    }

    fn damage(&self, generation: Digest32, check: Check) -> KeystoreError {
        let damage = Damage {
            key: None,
            path: self.path(generation),
            check,
        };
        let mut damaged = self.damaged.lock();
        KeystoreError::Damaged(damaged.entry(generation).or_insert(damage).clone())
    }

    /// What a sealed state is bound to, beside the master key.
    fn binding(&self, peer: &NodeId, generation: Digest32) -> Vec<u8> {
        let mut out = Writer::new();
        out.text("quorate pair state v1").u16(FORMAT_VERSION);
        out.value(self.signer.node()).value(peer).value(&generation);
        out.finish()
    }

    fn path(&self, generation: Digest32) -> PathBuf {
        self.folder.join(name_of(generation))
    }

    fn remove(&self, path: &Path) -> Result<(), KeystoreError> {
        for path in [path, &temporary_of(path)] {
            match self.storage.remove_file(path) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => {
                    return Err(KeystoreError::io(path, "removing a pair state", e));
                }
                _ => {}
            }
        }
        self.storage
            .sync_folder(&self.folder)
            .map_err(self.failed("syncing a folder"))
    }

    fn failed(&self, doing: &'static str) -> impl FnOnce(io::Error) -> KeystoreError + '_ {
        move |e| KeystoreError::io(&self.folder, doing, e)
    }
}

fn invalid(peer: &NodeId, generation: Digest32) -> KeystoreError {
    KeystoreError::InvalidPairState {
        peer: peer.clone(),
        generation,
    }
}

fn name_of(generation: Digest32) -> String {
    format!("{generation}{SUFFIX}")
}

fn hash(bytes: &[u8]) -> Digest32 {
    Digest32::from_array(Sha256::digest(bytes).into())
}
