//! The keystore of one node: its sealed shares, and the records that must survive with them.
//!
//! A share is stored as *pending* before the node says so to anybody, and becomes *active* when
//! its epoch certificate is complete. Each step is durable before its call returns; after a crash
//! between two steps, [`Keystore::open`] finds the one state or the other.
//!
//! Specification: `docs/protocols/share-files.md` §4 to §6.

mod layout;
mod opening;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use quorate_types::KeyId;
use zeroize::Zeroizing;

use crate::audit_log::AuditLog;
use crate::ban_list::BanList;
use crate::damage::{Check, Damage};
use crate::error::KeystoreError;
use crate::index::{ShareEntry, ShareIndex, ShareState};
use crate::intent_record::IntentRecord;
use crate::journal::Journal;
use crate::limits::Limits;
use crate::lock::FolderLock;
use crate::metadata::{MAX_METADATA_BYTES, ShareMetadata};
use crate::pair_states::PairStates;
use crate::seal::WrapKey;
use crate::share_files::{
    CERTIFICATE, CheckedFiles, Failed, METADATA, ReadError, SEAL, ShareFiles,
};
use crate::signer::NodeSigner;
use crate::storage::{Storage, write_atomically};
use layout::Layout;
pub use opening::{OpenReport, Recovered};

/// Locks that keys are spread over: one writer or many readers each.
const KEY_LOCKS: usize = 256;

/// The open keystore of a node. All methods may be called from many threads; they block.
pub struct Keystore {
    storage: Arc<dyn Storage>,
    layout: Layout,
    master: Arc<dyn WrapKey>,
    signer: Arc<NodeSigner>,
    limits: Limits,
    index: ShareIndex,
    journal: Journal,
    damaged: Mutex<BTreeMap<KeyId, Damage>>,
    key_locks: Vec<RwLock<()>>,
    intents: Arc<IntentRecord>,
    bans: Arc<BanList>,
    pairs: Arc<PairStates>,
    audit: Arc<AuditLog>,
    _lock: FolderLock,
}

/// An active share, opened for one use. Zeroized on drop; no `Debug`, no `Clone`.
pub struct OpenedShare {
    /// Its public metadata.
    pub metadata: ShareMetadata,
    /// What was sealed.
    pub payload: Zeroizing<Vec<u8>>,
    /// The epoch certificate.
    pub certificate: Vec<u8>,
}

/// A share whose certificate is not complete. Another type than [`OpenedShare`], so that it cannot
/// be signed with. Zeroized on drop; no `Debug`, no `Clone`.
pub struct PendingShare {
    /// Its public metadata.
    pub metadata: ShareMetadata,
    /// What was sealed.
    pub payload: Zeroizing<Vec<u8>>,
}

impl Keystore {
    /// The record of intents.
    #[must_use]
    pub const fn intents(&self) -> &Arc<IntentRecord> {
        &self.intents
    }

    /// The durable bans.
    #[must_use]
    pub const fn bans(&self) -> &Arc<BanList> {
        &self.bans
    }

    /// The states that this node shares with others.
    #[must_use]
    pub const fn pairs(&self) -> &Arc<PairStates> {
        &self.pairs
    }

    /// The audit log.
    #[must_use]
    pub const fn audit(&self) -> &Arc<AuditLog> {
        &self.audit
    }

    /// Every share that this node has or had.
    #[must_use]
    pub fn list(&self) -> Vec<ShareEntry> {
        self.index.all()
    }

    /// Shares that wait for their certificate.
    #[must_use]
    pub fn pending(&self) -> Vec<KeyId> {
        self.index.pending()
    }

    /// How many shares are in use, those that were found damaged included.
    #[must_use]
    pub fn active(&self) -> usize {
        self.index.active()
    }

    /// The first share in use behind `after` in the order of the key ids: for [`Self::check_share`]
    /// of one after the other.
    #[must_use]
    pub fn next_active(&self, after: Option<KeyId>) -> Option<KeyId> {
        self.index.next_active(after)
    }

    /// Makes every check of §4 that needs no secret on the files of a share, as before each use, so
    /// that damage is known before the share is needed. What is damaged is unusable from then on.
    ///
    /// # Errors
    /// [`KeystoreError::Damaged`] naming file, check and recovery; others.
    pub fn check_share(&self, key: KeyId) -> Result<(), KeystoreError> {
        let _guard = self.lock_of(key).read();
        let entry = self.entry(key)?;
        if !entry.state.is_stored() {
            return Ok(()); // destroyed meanwhile
        }
        let checked = self.checked(entry).map(drop);
        if let Err(KeystoreError::Damaged(damage)) = &checked {
            self.damaged.lock().insert(key, damage.clone());
        }
        checked
    }

    /// What state the share of a key is in; none if there is no share.
    #[must_use]
    pub fn state(&self, key: KeyId) -> Option<ShareState> {
        self.index.get(key).map(|entry| entry.state)
    }

    /// Shares and pair states that cannot be used, and why.
    #[must_use]
    pub fn damaged(&self) -> Vec<Damage> {
        let mut damaged: Vec<Damage> = self.damaged.lock().values().cloned().collect();
        damaged.extend(self.pairs.damaged());
        damaged
    }

    /// Seals and stores a new share as pending, durably. Only then may the node sign *prepared*.
    ///
    /// # Errors
    /// [`KeystoreError`]; nothing usable was stored then, and after [`KeystoreError::Log`] the
    /// keystore must be opened again.
    pub fn put_pending(
        &self,
        share: &ShareMetadata,
        payload: &Zeroizing<Vec<u8>>,
    ) -> Result<(), KeystoreError> {
        let key = share.key_id;
        if share.node_id != *self.signer.node() {
            return Err(KeystoreError::InvalidOwner(key));
        }
        let (what, length, limit) = ("a share", payload.len(), self.limits.payload_bytes);
        if length > limit {
            return Err(KeystoreError::InvalidSize {
                what,
                length,
                limit,
            });
        }
        let _guard = self.lock_of(key).write();
        self.usable(key)?;
        self.check_free(share)?;
        let files = ShareFiles::seal(share, payload, &*self.master, &self.signer)?;
        {
            let _writing = self.journal.writing();
            self.journal.stored(key, &files)?;
            self.write_folder(key, &files)?;
        }
        let entry = ShareEntry {
            key_id: key,
            epoch: share.epoch,
            state: ShareState::Pending,
            files: files.digests(),
        };
        self.index.put(entry, &self.signer)
    }

    /// Makes a pending share active by its complete certificate, which the caller has verified.
    /// Doing it again with the same certificate changes nothing.
    ///
    /// # Errors
    /// [`KeystoreError`]; the share is then still pending.
    pub fn activate(&self, key: KeyId, certificate: &[u8]) -> Result<(), KeystoreError> {
        let what = "a certificate";
        let (length, limit) = (certificate.len(), self.limits.certificate_bytes);
        if length > limit {
            return Err(KeystoreError::InvalidSize {
                what,
                length,
                limit,
            });
        }
        let _guard = self.lock_of(key).write();
        let entry = self.entry(key)?;
        let checked = self.checked(entry)?;
        if entry.state == ShareState::Active
            && checked.certificate().map(Vec::as_slice) == Some(certificate)
        {
            return Ok(());
        }
        expect_state(entry, ShareState::Pending)?;
        let files = checked.certify(certificate, &self.signer);
        {
            let _writing = self.journal.writing();
            self.journal.certified(key, &files)?;
            self.write_certificate(key, certificate, &files.seal)?;
        }
        let entry = ShareEntry {
            state: ShareState::Active,
            files: files.digests(),
            ..entry
        };
        self.index.put(entry, &self.signer)
    }

    /// Opens an active share, after all checks of §4. Drop it as soon as the session ends.
    ///
    /// # Errors
    /// [`KeystoreError::Damaged`] naming file, check and recovery; [`KeystoreError::InvalidState`]
    /// for a share that is not active.
    pub fn open_share(&self, key: KeyId) -> Result<OpenedShare, KeystoreError> {
        let _guard = self.lock_of(key).read();
        let entry = self.entry(key)?;
        expect_state(entry, ShareState::Active)?;
        let files = self.checked(entry)?;
        let payload = self.open_payload(key, &files)?;
        let certificate = files.certificate().cloned();
        let missing = || self.damage(key, (CERTIFICATE, Check::Present));
        Ok(OpenedShare {
            metadata: files.share().clone(),
            payload,
            certificate: certificate.ok_or_else(missing)?,
        })
    }

    /// Opens a pending share, to compare it with a certificate that arrived.
    ///
    /// # Errors
    /// As [`Self::open_share`].
    pub fn open_pending(&self, key: KeyId) -> Result<PendingShare, KeystoreError> {
        let _guard = self.lock_of(key).read();
        let entry = self.entry(key)?;
        expect_state(entry, ShareState::Pending)?;
        let files = self.checked(entry)?;
        Ok(PendingShare {
            metadata: files.share().clone(),
            payload: self.open_payload(key, &files)?,
        })
    }

    /// The metadata of a stored share, and its certificate if it is active, checked.
    ///
    /// # Errors
    /// As [`Self::open_share`].
    pub fn describe(&self, key: KeyId) -> Result<(ShareMetadata, Option<Vec<u8>>), KeystoreError> {
        let _guard = self.lock_of(key).read();
        let files = self.checked(self.entry(key)?)?;
        Ok((files.share().clone(), files.certificate().cloned()))
    }

    /// Destroys a pending share. When this returns its files are gone and it can never come back.
    ///
    /// # Errors
    /// [`KeystoreError`]; after [`KeystoreError::Io`] the destruction is finished at the next open.
    pub fn discard_pending(&self, key: KeyId) -> Result<(), KeystoreError> {
        self.destroy(key, ShareState::Pending, ShareState::Discarded)
    }

    /// Destroys an active share at the end of its key's life; its metadata stay in the archive.
    ///
    /// # Errors
    /// As [`Self::discard_pending`].
    pub fn archive(&self, key: KeyId) -> Result<(), KeystoreError> {
        self.destroy(key, ShareState::Active, ShareState::Archived)
    }

    /// Makes the files of all shares durable, so that the journal needs to hold none. It happens by
    /// itself too; before the end of a process it shortens the next start.
    ///
    /// # Errors
    /// [`KeystoreError`]; nothing is lost then.
    pub fn empty_journal(&self) -> Result<(), KeystoreError> {
        self.journal.empty()
    }

    /// The failure that closed one of the logs, if one did: the node is then not ready.
    #[must_use]
    pub fn failure(&self) -> Option<KeystoreError> {
        let logs = [
            self.index.failure(),
            self.journal.failure(),
            self.intents.failure(),
            self.pairs.failure(),
            self.audit.failure(),
        ];
        let bans = self.bans.failure();
        logs.into_iter()
            .chain([bans])
            .flatten()
            .next()
            .map(KeystoreError::Log)
    }

    fn destroy(
        &self,
        key: KeyId,
        wanted: ShareState,
        state: ShareState,
    ) -> Result<(), KeystoreError> {
        let _guard = self.lock_of(key).write();
        // A damaged share can be destroyed too.
        let entry = self.index.get(key).ok_or(KeystoreError::UnknownKey(key))?;
        expect_state(entry, wanted)?;
        // The index first: from here on the share is never used, whatever is left of its files.
        let entry = ShareEntry { state, ..entry };
        self.index.put(entry, &self.signer)?;
        self.remove_files(entry)?;
        self.journal.forget(key)?;
        self.damaged.lock().remove(&key);
        Ok(())
    }

    /// Removes the files of a share that the index says is destroyed.
    fn remove_files(&self, entry: ShareEntry) -> Result<(), KeystoreError> {
        let folder = self.layout.share(entry.key_id);
        if entry.state == ShareState::Archived {
            let archived = self.layout.archived(entry.key_id, entry.epoch);
            match self
                .storage
                .read_file(&folder.join(METADATA), MAX_METADATA_BYTES)
            {
                Ok(metadata) => write_atomically(&*self.storage, &archived, &metadata)
                    .map_err(at(&archived, "archiving metadata"))?,
                // Of a damaged share there may be nothing left to keep.
                Err(e) if is_damage(&e) => {}
                Err(e) => return Err(KeystoreError::io(&folder, "reading metadata", e)),
            }
        }
        // Out of the way at once, then removed: never half a folder under the key's name.
        let leaving = self.layout.temporary(entry.key_id);
        self.clear(&leaving)?;
        match self.storage.rename(&folder, &leaving) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                return Err(KeystoreError::io(&folder, "removing a share", e));
            }
            _ => {}
        }
        self.sync(self.layout.shares())?;
        self.clear(&leaving)
    }

    fn check_free(&self, share: &ShareMetadata) -> Result<(), KeystoreError> {
        let key = share.key_id;
        match self.index.get(key) {
            Some(entry) if entry.state.is_stored() => Err(KeystoreError::InvalidDuplicate(key)),
            Some(entry) if entry.state == ShareState::Archived && share.epoch <= entry.epoch => {
                Err(KeystoreError::InvalidDuplicate(key))
            }
            _ => Ok(()),
        }
    }

    /// Writes the files of a share that is in the journal, unsynced.
    fn write_folder(&self, key: KeyId, files: &ShareFiles) -> Result<(), KeystoreError> {
        let folder = self.layout.share(key);
        self.storage
            .create_folder(&folder)
            .map_err(at(&folder, "making a folder"))?;
        files.write(&*self.storage, &folder)
    }

    /// Adds the certificate, then replaces the seal. Only the new seal names the certificate, so
    /// whoever is stopped before that leaves a pending share with a file too many, which is ignored.
    fn write_certificate(
        &self,
        key: KeyId,
        certificate: &[u8],
        seal: &[u8],
    ) -> Result<(), KeystoreError> {
        let folder = self.layout.share(key);
        let path = folder.join(CERTIFICATE);
        self.storage
            .write_unsynced(&path, certificate)
            .map_err(at(&path, "writing a certificate"))?;
        // In place: if this breaks off, the next start writes it again from the journal.
        let path = folder.join(SEAL);
        self.storage
            .write_unsynced(&path, seal)
            .map_err(at(&path, "writing a seal"))
    }

    /// The index entry of a usable, stored share.
    fn entry(&self, key: KeyId) -> Result<ShareEntry, KeystoreError> {
        self.usable(key)?;
        self.index.get(key).ok_or(KeystoreError::UnknownKey(key))
    }

    fn usable(&self, key: KeyId) -> Result<(), KeystoreError> {
        match self.damaged.lock().get(&key) {
            Some(damage) => Err(damage.clone().into()),
            None => Ok(()),
        }
    }

    fn read(&self, entry: ShareEntry) -> Result<ShareFiles, KeystoreError> {
        if !entry.state.is_stored() {
            return Err(KeystoreError::InvalidState {
                key: entry.key_id,
                state: entry.state,
                wanted: ShareState::Active,
            });
        }
        let folder = self.layout.share(entry.key_id);
        ShareFiles::read(&*self.storage, &folder, &self.limits).map_err(|error| match error {
            ReadError::Failed(failed) => self.damage(entry.key_id, failed),
            ReadError::Io(path, e) => KeystoreError::io(&path, "reading a share", e),
        })
    }

    /// Steps 4.1 to 4.9 for a share that the index lists.
    fn checked(&self, entry: ShareEntry) -> Result<CheckedFiles, KeystoreError> {
        let key = entry.key_id;
        let checked = self.read(entry)?.check(Some(entry.files), &self.signer);
        let files = checked.map_err(|failed| self.damage(key, failed))?;
        let share = files.share();
        if share.key_id != key || share.epoch != entry.epoch {
            return Err(self.damage(key, (METADATA, Check::MetadataOwner)));
        }
        if entry.state == ShareState::Active && files.certificate().is_none() {
            return Err(self.damage(key, (CERTIFICATE, Check::Present)));
        }
        Ok(files)
    }

    fn open_payload(
        &self,
        key: KeyId,
        files: &CheckedFiles,
    ) -> Result<Zeroizing<Vec<u8>>, KeystoreError> {
        files
            .open(&*self.master)
            .map_err(|failed| self.damage(key, failed))
    }

    fn damage(&self, key: KeyId, (file, check): Failed) -> KeystoreError {
        KeystoreError::damaged(Some(key), &self.layout.share(key).join(file), check)
    }

    fn lock_of(&self, key: KeyId) -> &RwLock<()> {
        let [first, ..] = key.as_bytes();
        self.key_locks
            .get(usize::from(*first))
            .expect("there is a lock for each value of a byte")
    }

    fn clear(&self, folder: &Path) -> Result<(), KeystoreError> {
        match self.storage.remove_folder(folder) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                Err(KeystoreError::io(folder, "removing a folder", e))
            }
            _ => Ok(()),
        }
    }

    fn sync(&self, folder: &Path) -> Result<(), KeystoreError> {
        self.storage
            .sync_folder(folder)
            .map_err(at(folder, "syncing a folder"))
    }
}

/// Whether an error of reading says that the file is not what it should be, not the disk.
fn is_damage(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::FileTooLarge
    )
}

fn at(path: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> KeystoreError {
    move |e| KeystoreError::io(path, doing, e)
}

fn expect_state(entry: ShareEntry, wanted: ShareState) -> Result<(), KeystoreError> {
    if entry.state == wanted {
        return Ok(());
    }
    Err(KeystoreError::InvalidState {
        key: entry.key_id,
        state: entry.state,
        wanted,
    })
}
