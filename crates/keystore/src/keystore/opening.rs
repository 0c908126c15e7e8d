//! Creating a keystore, and opening one: what a crash left half-done is finished or undone, and
//! what is damaged is reported by name. `docs/protocols/share-files.md` §6.

mod journaled;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use quorate_types::{KeyId, Writer};
use serde::{Deserialize, Serialize};

use super::layout::{ARCHIVE, Layout, TEMPORARY};
use super::{KEY_LOCKS, Keystore, at, is_damage};
use crate::append_log::{AppendLog, TornTail};
use crate::audit_log::{self, AuditLog, Begun};
use crate::ban_list::{self, BanList};
use crate::damage::{Check, Damage};
use crate::error::KeystoreError;
use crate::index::{ShareEntry, ShareIndex, ShareState};
use crate::intent_record::{self, IntentRecord};
use crate::journal::{self, Journal};
use crate::limits::Limits;
use crate::lock::FolderLock;
use crate::metadata::{MAX_METADATA_BYTES, SealedMetadata};
use crate::pair_states::{self, PairStates};
use crate::seal::WrapKey;
use crate::share_files::{METADATA, ReadError, SEAL, ShareFiles};
use crate::signed_chain::ChainEntry as _;
use crate::signed_head::SignedHead;
use crate::signer::NodeSigner;
use crate::storage::{Storage, write_atomically};

/// Of what [`Keystore::create`] makes. Version 1 had no pair states, version 2 no journal.
const MARKER_VERSION: u16 = 3;
const VERSION_WITHOUT_JOURNAL: u16 = 2;
const VERSION_WITHOUT_PAIRS: u16 = 1;
const MAX_MARKER_BYTES: usize = 4_096;
/// An empty log is its header.
const EMPTY_LOG_BYTES: usize = 48;

/// Something that a crash had left half-done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Recovered {
    /// A share was stored but not yet listed; it is pending now. Nobody was told of it.
    Listed(KeyId),
    /// A certificate was stored but the share not yet listed as active; it is active now.
    Activated(KeyId),
    /// A share was listed as destroyed, and its files were still there; they are gone now.
    Destroyed(KeyId),
}

/// What [`Keystore::open`] found. Everything here belongs into the audit log.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct OpenReport {
    /// Number of active shares whose folder is there.
    pub active: usize,
    /// Shares without certificate: ask peers for it, then activate or discard them.
    pub pending: Vec<KeyId>,
    /// Shares and folders that are unusable, and why. Other shares are not affected.
    pub damaged: Vec<Damage>,
    /// Steps that a crash had interrupted.
    pub recovered: Vec<Recovered>,
    /// Logs whose last, unacknowledged write was cut off.
    pub torn: Vec<(PathBuf, TornTail)>,
    /// Acts that were announced in the audit log and have no outcome: record them as unknown.
    pub unfinished: Vec<Begun>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Marker {
    version: u16,
    node_id: String,
    verifying_key: String,
    signature: String,
}

impl Marker {
    fn of(signer: &NodeSigner, version: u16) -> Self {
        let key = signer.verifying_key();
        let mut out = Writer::new();
        out.text("quorate keystore marker v1").u16(version);
        out.value(signer.node()).fixed(key.as_bytes());
        Self {
            version,
            node_id: signer.node().to_string(),
            verifying_key: hex::encode(key.as_bytes()),
            signature: hex::encode(signer.sign(&out.finish())),
        }
    }

    fn to_json(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("text and numbers only");
        bytes.push(b'\n');
        bytes
    }
}

impl Keystore {
    /// Whether a keystore was created in `root`.
    ///
    /// # Errors
    /// [`KeystoreError::Io`].
    pub fn exists(storage: &dyn Storage, root: &Path) -> Result<bool, KeystoreError> {
        let marker = Layout::new(root).marker();
        storage
            .exists(&marker)
            .map_err(at(&marker, "looking for the keystore"))
    }

    /// Makes an empty keystore in `root`, durably. A crash leaves either none or a whole one.
    ///
    /// # Errors
    /// [`KeystoreError::InvalidCreation`] if one exists, or if something in `root` could be what
    /// is left of one; others.
    pub fn create(
        storage: &Arc<dyn Storage>,
        root: &Path,
        signer: &Arc<NodeSigner>,
    ) -> Result<(), KeystoreError> {
        let layout = Layout::new(root);
        let disk = &**storage;
        for folder in [
            root,
            layout.shares(),
            &layout.archive(),
            &layout.temporaries(),
            &layout.pairs(),
        ] {
            disk.create_folder(folder)
                .map_err(at(folder, "making a folder"))?;
        }
        let _lock = FolderLock::take(&layout.lock())?;
        refuse_remains(disk, &layout)?;
        let logs = [
            (layout.index(), ShareEntry::KIND),
            (layout.journal(), journal::KIND),
            (layout.pairs_index(), pair_states::KIND),
            (layout.intents(), intent_record::KIND),
            (layout.bans(), ban_list::KIND),
            (layout.audit(), audit_log::KIND),
        ];
        for (path, kind) in &logs {
            AppendLog::create(disk, path, *kind)?;
        }
        let node = signer.node();
        heads(storage, &layout, signer)
            .0
            .write(ban_list::genesis(node))?;
        heads(storage, &layout, signer)
            .1
            .write(audit_log::genesis(node))?;
        for folder in [layout.shares(), root] {
            disk.sync_folder(folder)
                .map_err(at(folder, "syncing a folder"))?;
        }
        sync_parents(disk, root)?;
        let marker = layout.marker();
        write_atomically(disk, &marker, &Marker::of(signer, MARKER_VERSION).to_json())
            .map_err(at(&marker, "writing the keystore marker"))
    }

    /// Opens a keystore: takes its lock, checks the index, finishes what a crash interrupted. Missing
    /// and foreign folders are found now; the files of a share in use are checked before each use,
    /// and by [`Keystore::check_share`], which the caller runs over all of them in the background.
    /// Damaged shares are reported and unusable; the others go on.
    ///
    /// # Errors
    /// [`KeystoreError`] if the keystore as a whole cannot be trusted: a log is missing, shortened
    /// or changed, the marker is of another node, another process has it open.
    pub fn open(
        storage: Arc<dyn Storage>,
        root: &Path,
        master: Arc<dyn WrapKey>,
        signer: Arc<NodeSigner>,
        limits: Limits,
    ) -> Result<(Self, OpenReport), KeystoreError> {
        let layout = Layout::new(root);
        check_marker_exists(&*storage, &layout)?;
        let lock = FolderLock::take(&layout.lock())?;
        check_marker(&*storage, &layout, &signer)?;
        let mut report = OpenReport::default();
        let mut note = |path: PathBuf, torn: Option<TornTail>| {
            report.torn.extend(torn.map(|tail| (path, tail)));
        };
        let disk = || Arc::clone(&storage);
        let (index, destroyed, torn) = ShareIndex::open(disk(), &layout.index(), &signer, &limits)?;
        note(layout.index(), torn);
        let (journal, journaled, torn) =
            Journal::open(disk(), &layout.journal(), layout.shares(), &limits)?;
        note(layout.journal(), torn);
        let (intents, torn) = IntentRecord::open(disk(), &layout.intents(), limits)?;
        note(layout.intents(), torn);
        let (ban_head, audit_head) = heads(&storage, &layout, &signer);
        let own = Arc::clone(&signer);
        let (bans, torn) = BanList::open(disk(), &layout.bans(), ban_head, own, &limits)?;
        note(layout.bans(), torn);
        let bans = Arc::new(bans);
        let (pairs, torn) = PairStates::open(pair_states::Parts {
            storage: disk(),
            log: &layout.pairs_index(),
            folder: layout.pairs(),
            master: Arc::clone(&master),
            signer: Arc::clone(&signer),
            bans: Arc::clone(&bans),
            limits: &limits,
        })?;
        note(layout.pairs_index(), torn);
        let path = layout.audit();
        let (audit, torn) = AuditLog::open(disk(), &path, audit_head, signer.node(), &limits)?;
        note(path, torn);
        let keystore = Self {
            storage,
            layout,
            master,
            signer,
            limits,
            index,
            journal,
            damaged: Mutex::new(BTreeMap::new()),
            key_locks: (0..KEY_LOCKS).map(|_| RwLock::new(())).collect(),
            intents: Arc::new(intents),
            bans,
            pairs: Arc::new(pairs),
            audit: Arc::new(audit),
            _lock: lock,
        };
        keystore.write_again(journaled, &destroyed, &mut report);
        keystore.inspect(&mut report)?;
        report.damaged.extend(keystore.pairs.inspect()?);
        report.unfinished = keystore.audit.unfinished();
        Ok((keystore, report))
    }

    /// The metadata in the folder of a share; none if there are none that can be.
    fn read_metadata(&self, key: KeyId) -> Result<Option<Vec<u8>>, KeystoreError> {
        let path = self.layout.share(key).join(METADATA);
        match self.storage.read_file(&path, MAX_METADATA_BYTES) {
            Ok(metadata) => Ok(Some(metadata)),
            Err(e) if is_damage(&e) => Ok(None),
            Err(e) => Err(KeystoreError::io(&path, "reading metadata", e)),
        }
    }

    fn has_folder(&self, key: KeyId) -> Result<bool, KeystoreError> {
        let folder = self.layout.share(key);
        let exists = self.storage.exists(&folder);
        exists.map_err(at(&folder, "looking for a share"))
    }

    /// Compares index and folders, both ways.
    fn inspect(&self, report: &mut OpenReport) -> Result<(), KeystoreError> {
        let temporaries = self.layout.temporaries();
        self.clear(&temporaries)?;
        for folder in [temporaries, self.layout.archive()] {
            self.storage
                .create_folder(&folder)
                .map_err(at(&folder, "making a folder"))?;
        }
        let shares = self.layout.shares();
        let names = self
            .storage
            .list(shares)
            .map_err(at(shares, "listing shares"))?;
        let mut folders = BTreeSet::new();
        for name in names {
            match name.parse::<KeyId>() {
                Ok(key) => drop(folders.insert(key)),
                Err(_) if name == ARCHIVE || name == TEMPORARY => {}
                Err(_) => report.damaged.push(Damage {
                    key: None,
                    path: shares.join(name),
                    check: Check::Listed,
                }),
            }
        }
        // What could not be written again is no trace of anything else.
        let unwritten: BTreeSet<KeyId> = self.damaged.lock().keys().copied().collect();
        for key in &unwritten {
            folders.remove(key);
        }
        for entry in self.index.all() {
            if unwritten.contains(&entry.key_id) {
                continue;
            }
            let there = folders.remove(&entry.key_id);
            let outcome = match (entry.state.is_stored(), there) {
                (true, true) => self.inspect_stored(entry),
                (true, false) => Err(self.folder_damage(entry.key_id, Check::Present)),
                (false, true) => self.inspect_destroyed(entry),
                (false, false) => Ok(None),
            };
            self.note(entry.key_id, outcome, report)?;
        }
        for key in folders {
            let outcome = self.inspect_unlisted(key, None);
            self.note(key, outcome, report)?;
        }
        let damaged = self.damaged.lock();
        let in_use = |key: &&KeyId| {
            let entry = self.index.get(**key);
            entry.is_some_and(|entry| entry.state == ShareState::Active)
        };
        report.active = self.index.active() - damaged.keys().filter(in_use).count();
        report.pending = self.index.pending();
        report.pending.retain(|key| !damaged.contains_key(key));
        Ok(())
    }

    fn note(
        &self,
        key: KeyId,
        outcome: Result<Option<Recovered>, KeystoreError>,
        report: &mut OpenReport,
    ) -> Result<(), KeystoreError> {
        match outcome {
            Ok(recovered) => report.recovered.extend(recovered),
            Err(KeystoreError::Damaged(damage)) => {
                tracing::error!(%damage, "a stored share is unusable");
                self.damaged.lock().insert(key, damage.clone());
                report.damaged.push(damage);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// A share that the index lists, and whose folder is there. Those in use are many, and nothing
    /// can be half-done about them: they are checked later.
    fn inspect_stored(&self, entry: ShareEntry) -> Result<Option<Recovered>, KeystoreError> {
        let key = entry.key_id;
        if entry.state == ShareState::Active {
            return Ok(None);
        }
        {
            let files = self.read(entry)?;
            let digests = files.digests();
            if digests.metadata == entry.files.metadata && digests.seal != entry.files.seal {
                // 6.3 A newer seal by this node, with a certificate: the activation was interrupted
                // before the index was written.
                let checked = files.check(None, &self.signer);
                let checked = checked.map_err(|failed| self.damage(key, failed))?;
                if checked.certificate().is_none() {
                    return Err(self.damage(key, (SEAL, Check::SealDigest)));
                }
                let state = ShareState::Active;
                let entry = ShareEntry {
                    state,
                    files: digests,
                    ..entry
                };
                self.index.put(entry, &self.signer)?;
                self.checked(entry)?;
                return Ok(Some(Recovered::Activated(key)));
            }
        }
        self.checked(entry).map(|_| None)
    }

    /// A share that the index says is destroyed, and whose folder is there.
    fn inspect_destroyed(&self, entry: ShareEntry) -> Result<Option<Recovered>, KeystoreError> {
        let key = entry.key_id;
        if let Ok(files) = self.read_folder(key) {
            // 6.4 The destruction was interrupted: finish it.
            if files.digests().metadata == entry.files.metadata {
                self.remove_files(entry)?;
                self.journal.forget(key)?;
                return Ok(Some(Recovered::Destroyed(key)));
            }
            let newer = SealedMetadata::parse(&files.metadata)
                .is_some_and(|metadata| metadata.share.epoch > entry.epoch);
            if newer || entry.state == ShareState::Discarded {
                return self.inspect_unlisted(key, Some(entry));
            }
        }
        Err(self.folder_damage(key, Check::Destroyed))
    }

    /// 6.2 A folder that the index does not list: a share whose storing was interrupted just before
    /// its index entry becomes pending; anything else is not ours to touch.
    fn inspect_unlisted(
        &self,
        key: KeyId,
        destroyed: Option<ShareEntry>,
    ) -> Result<Option<Recovered>, KeystoreError> {
        let check = if destroyed.is_some() {
            Check::Destroyed
        } else {
            Check::Listed
        };
        let foreign = || self.folder_damage(key, check);
        let files = self.read_folder(key).map_err(|_| foreign())?;
        let digests = files.digests();
        let checked = files.check(None, &self.signer).map_err(|_| foreign())?;
        if checked.certificate().is_some() || checked.share().key_id != key {
            return Err(foreign());
        }
        checked
            .open(&*self.master)
            .map_err(|failed| self.damage(key, failed))?;
        let entry = ShareEntry {
            key_id: key,
            epoch: checked.share().epoch,
            state: ShareState::Pending,
            files: digests,
        };
        self.index.put(entry, &self.signer)?;
        Ok(Some(Recovered::Listed(key)))
    }

    fn read_folder(&self, key: KeyId) -> Result<ShareFiles, KeystoreError> {
        let folder = self.layout.share(key);
        ShareFiles::read(&*self.storage, &folder, &self.limits).map_err(|error| match error {
            ReadError::Failed(failed) => self.damage(key, failed),
            ReadError::Io(path, e) => KeystoreError::io(&path, "reading a share", e),
        })
    }

    fn folder_damage(&self, key: KeyId, check: Check) -> KeystoreError {
        KeystoreError::damaged(Some(key), &self.layout.share(key), check)
    }
}

fn heads(
    storage: &Arc<dyn Storage>,
    layout: &Layout,
    signer: &Arc<NodeSigner>,
) -> (SignedHead, SignedHead) {
    let head =
        |path: PathBuf, tag| SignedHead::new(Arc::clone(storage), &path, Arc::clone(signer), tag);
    (
        head(layout.bans_head(), ban_list::HEAD_TAG),
        head(layout.audit_head(), audit_log::HEAD_TAG),
    )
}

/// Makes the names of `root` and of all folders above it durable: any of them may be new.
fn sync_parents(disk: &dyn Storage, root: &Path) -> Result<(), KeystoreError> {
    for folder in root.ancestors().skip(1) {
        let folder = if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        };
        match disk.sync_folder(folder) {
            // A folder that this user may not read was not made by this user now.
            Err(e) if e.kind() != io::ErrorKind::PermissionDenied => {
                return Err(KeystoreError::io(folder, "syncing a folder", e));
            }
            _ => {}
        }
    }
    Ok(())
}

/// A folder with content but no marker may be a keystore whose marker was lost: leave it alone.
fn refuse_remains(disk: &dyn Storage, layout: &Layout) -> Result<(), KeystoreError> {
    let marker = layout.marker();
    let refuse = || KeystoreError::InvalidCreation {
        path: marker.clone(),
    };
    let exists = disk
        .exists(&marker)
        .map_err(at(&marker, "looking for the keystore"))?;
    let shares = layout.shares();
    let names = disk.list(shares).map_err(at(shares, "listing shares"))?;
    if exists
        || names
            .iter()
            .any(|name| name != ARCHIVE && name != TEMPORARY)
    {
        return Err(refuse());
    }
    let pairs = layout.pairs();
    let states = disk
        .list(&pairs)
        .map_err(at(&pairs, "listing pair states"))?;
    if !states.is_empty() {
        return Err(refuse());
    }
    for log in [
        layout.index(),
        layout.journal(),
        layout.pairs_index(),
        layout.intents(),
        layout.bans(),
        layout.audit(),
    ] {
        match disk.read_file(&log, EMPTY_LOG_BYTES) {
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) if e.kind() == io::ErrorKind::FileTooLarge => return Err(refuse()),
            Err(e) => return Err(KeystoreError::io(&log, "looking at a log", e)),
        }
    }
    Ok(())
}

fn check_marker_exists(disk: &dyn Storage, layout: &Layout) -> Result<(), KeystoreError> {
    if Keystore::exists(disk, layout.root())? {
        return Ok(());
    }
    Err(KeystoreError::NotCreated {
        path: layout.marker(),
    })
}

/// The marker is that of this node. An older one is brought up to date.
fn check_marker(
    disk: &dyn Storage,
    layout: &Layout,
    signer: &NodeSigner,
) -> Result<(), KeystoreError> {
    let path = layout.marker();
    let bytes = disk
        .read_file(&path, MAX_MARKER_BYTES)
        .map_err(at(&path, "reading the keystore marker"))?;
    // Ed25519 is deterministic: the marker has one spelling.
    let is = |version| bytes == Marker::of(signer, version).to_json();
    if is(MARKER_VERSION) {
        return Ok(());
    }
    if is(VERSION_WITHOUT_PAIRS) || is(VERSION_WITHOUT_JOURNAL) {
        return add_logs(disk, layout, signer, is(VERSION_WITHOUT_PAIRS));
    }
    Err(KeystoreError::damaged(None, &path, Check::Marker))
}

/// To the newest version: the logs that the old one did not have, empty, then the marker that says
/// that they are there.
fn add_logs(
    disk: &dyn Storage,
    layout: &Layout,
    signer: &NodeSigner,
    without_pairs: bool,
) -> Result<(), KeystoreError> {
    let marker = layout.marker();
    let mut new = vec![(layout.journal(), journal::KIND)];
    if without_pairs {
        let pairs = layout.pairs();
        disk.create_folder(&pairs)
            .map_err(at(&pairs, "making a folder"))?;
        new.push((layout.pairs_index(), pair_states::KIND));
    }
    for (log, kind) in new {
        // What is there is left of an earlier try, and empty; a log with records is not thrown away.
        match disk.read_file(&log, EMPTY_LOG_BYTES) {
            Err(e) if e.kind() == io::ErrorKind::FileTooLarge => {
                return Err(KeystoreError::damaged(None, &marker, Check::Marker));
            }
            _ => {}
        }
        AppendLog::create(disk, &log, kind)?;
    }
    disk.sync_folder(layout.root())
        .map_err(at(layout.root(), "syncing a folder"))?;
    write_atomically(disk, &marker, &Marker::of(signer, MARKER_VERSION).to_json())
        .map_err(at(&marker, "writing the keystore marker"))
}
