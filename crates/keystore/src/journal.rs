//! The journal of shares: what makes a new share, and its certificate, durable.
//!
//! A share is several files in a folder of its own; syncing each of them costs more than making the
//! key. So their contents go into one log first, whose syncs many keys share. The files are written
//! behind it, unsynced, and from time to time all of them are synced at once; only then does the
//! journal forget them. After a crash the files are written again from the journal.
//!
//! Specification: `docs/protocols/share-files.md` §6.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Mutex, RwLock, RwLockReadGuard};
use quorate_types::{Canonical as _, DecodeError, Digest32, KeyId, Reader, Writer};

use crate::append_log::{AppendLog, LogError, LogKind, TornTail};
use crate::error::KeystoreError;
use crate::limits::Limits;
use crate::metadata::{MAX_METADATA_BYTES, metadata_digest};
use crate::seal::MAX_WRAPPED_BYTES;
use crate::share_files::{CIPHERTEXT_OVERHEAD, MAX_SEAL_BYTES, ShareFiles};
use crate::storage::{FileSystem, Storage};

pub(crate) const KIND: LogKind = LogKind::new("share journal");

const STORED: u8 = 1;
const CERTIFIED: u8 = 2;

/// The journal is emptied when it holds so many bytes …
const FULL_BYTES: usize = 4 << 20;
/// … or when something has been in it for so long.
const INTERVAL: Duration = Duration::from_secs(60);

/// What the journal holds of one share.
#[derive(Default)]
pub(crate) struct Journaled {
    /// The files of the share as it was stored.
    pub(crate) stored: Option<ShareFiles>,
    /// Digest of the metadata, certificate and new seal.
    pub(crate) certified: Option<(Digest32, Vec<u8>, Vec<u8>)>,
}

/// What the journal holds of every share that is in it.
pub(crate) type Found = BTreeMap<KeyId, Journaled>;

/// One record, and the key that it is about.
struct Kept {
    key: KeyId,
    record: Vec<u8>,
}

/// What the log holds beyond the last time it was emptied, in order.
#[derive(Default)]
struct Held {
    records: Vec<Kept>,
    bytes: usize,
}

/// Whether the files could be synced so far.
#[derive(Default)]
struct Emptying {
    failed: Option<Arc<io::Error>>,
}

struct Shared {
    /// What is synced when the journal is emptied.
    file_system: Box<dyn FileSystem>,
    folder: PathBuf,
    log: AppendLog,
    held: Mutex<Held>,
    /// Shared while files are written behind their record.
    writing: RwLock<()>,
    /// One at a time empties the journal or takes a key out of it.
    emptying: Mutex<Emptying>,
}

/// The open journal.
pub(crate) struct Journal {
    shared: Arc<Shared>,
    nudge: Option<SyncSender<()>>,
    worker: Option<JoinHandle<()>>,
}

impl Journal {
    /// Opens the journal of the shares under `folder`, and what it holds of each, for the files to be
    /// written again.
    ///
    /// # Errors
    /// [`LogError`].
    pub(crate) fn open(
        storage: Arc<dyn Storage>,
        path: &Path,
        folder: &Path,
        limits: &Limits,
    ) -> Result<(Self, Found, Option<TornTail>), LogError> {
        let (mut held, mut found) = (Held::default(), Found::new());
        let mut visit = |record: &[u8]| {
            let (key, entry) = parse(record, limits)?;
            let journaled = found.entry(key).or_default();
            match entry {
                Entry::Stored(files) => {
                    *journaled = Journaled {
                        stored: Some(files),
                        certified: None,
                    };
                }
                Entry::Certified(parts) => journaled.certified = Some(parts),
            }
            held.add(key, record.to_vec());
            Ok(())
        };
        let failed = |doing, e| LogError::Failed {
            path: path.to_owned(),
            doing,
            source: Arc::new(e),
        };
        // Before the first file is written.
        let file_system = storage
            .file_system(folder)
            .map_err(|e| failed("opening the file system of the shares", e))?;
        let (log, torn) = AppendLog::open(storage, path, KIND, limits.queued_bytes, &mut visit)?;
        let shared = Arc::new(Shared {
            file_system,
            folder: folder.to_owned(),
            log,
            held: Mutex::new(held),
            writing: RwLock::new(()),
            emptying: Mutex::default(),
        });
        let (nudge, nudges) = sync_channel(1);
        let worker = std::thread::Builder::new()
            .name("quorate-journal".into())
            .spawn({
                let shared = Arc::clone(&shared);
                move || {
                    loop {
                        match nudges.recv_timeout(INTERVAL) {
                            Ok(()) | Err(RecvTimeoutError::Timeout) => shared.try_to_empty(),
                            Err(RecvTimeoutError::Disconnected) => return shared.try_to_empty(),
                        }
                    }
                }
            });
        let worker = worker.map_err(|e| failed("starting the thread of the journal", e))?;
        let journal = Self {
            shared,
            nudge: Some(nudge),
            worker: Some(worker),
        };
        Ok((journal, found, torn))
    }

    /// To be held from before a record until the files behind it are written: what is emptied away
    /// is then always something whose files were there to be synced.
    pub(crate) fn writing(&self) -> RwLockReadGuard<'_, ()> {
        self.shared.writing.read()
    }

    /// Makes a new share durable; its files may be written then.
    ///
    /// # Errors
    /// [`KeystoreError::Log`].
    pub(crate) fn stored(&self, key: KeyId, files: &ShareFiles) -> Result<(), KeystoreError> {
        let mut out = Writer::new();
        out.u8(STORED).value(&key).bytes(&files.metadata);
        out.bytes(&files.ciphertext).bytes(&files.seal);
        self.append(key, out.finish())
    }

    /// Makes the certificate and the new seal of a share durable.
    ///
    /// # Errors
    /// [`KeystoreError::Log`].
    pub(crate) fn certified(&self, key: KeyId, files: &ShareFiles) -> Result<(), KeystoreError> {
        let certificate = files.certificate.as_deref().unwrap_or_default();
        let mut out = Writer::new();
        out.u8(CERTIFIED)
            .value(&key)
            .value(&metadata_digest(&files.metadata));
        out.bytes(certificate).bytes(&files.seal);
        self.append(key, out.finish())
    }

    fn append(&self, key: KeyId, record: Vec<u8>) -> Result<(), KeystoreError> {
        let (ticket, is_full) = {
            let mut held = self.shared.held.lock();
            let ticket = self.shared.log.append(record.clone())?;
            held.add(key, record);
            (ticket, held.bytes >= FULL_BYTES)
        };
        ticket.wait()?;
        if let Some(nudge) = self.nudge.as_ref().filter(|_| is_full) {
            // One that waits is enough.
            let _ = nudge.try_send(());
        }
        Ok(())
    }

    /// Takes a destroyed share out of the journal, durably.
    ///
    /// # Errors
    /// [`KeystoreError::Log`].
    pub(crate) fn forget(&self, key: KeyId) -> Result<(), KeystoreError> {
        let _alone = self.shared.emptying.lock();
        let ticket = {
            let mut held = self.shared.held.lock();
            let before = held.records.len();
            held.records.retain(|kept| kept.key != key);
            if held.records.len() == before {
                return Ok(());
            }
            held.bytes = held.records.iter().map(|kept| kept.record.len()).sum();
            self.shared.log.replace(held.content())?
        };
        Ok(ticket.wait()?)
    }

    /// Makes all share files durable and empties the journal.
    ///
    /// # Errors
    /// Those of the disk and of the log; the journal then still holds everything, and is not emptied by
    /// this process any more.
    pub(crate) fn empty(&self) -> Result<(), KeystoreError> {
        self.shared.empty()
    }

    pub(crate) fn failure(&self) -> Option<LogError> {
        self.shared.log.failure()
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.nudge = None;
        if let Some(worker) = self.worker.take() {
            // A panic there was reported by the panic hook; the next start finds the journal full.
            let _ = worker.join();
        }
    }
}

impl Held {
    fn add(&mut self, key: KeyId, record: Vec<u8>) {
        self.bytes += record.len();
        self.records.push(Kept { key, record });
    }

    fn content(&self) -> Vec<Vec<u8>> {
        self.records
            .iter()
            .map(|kept| kept.record.clone())
            .collect()
    }
}

impl Shared {
    /// A journal that is not emptied only grows, and costs time at the next start.
    fn try_to_empty(&self) {
        if let Err(error) = self.empty() {
            tracing::error!(%error, "the journal of shares was not emptied");
        }
    }

    fn empty(&self) -> Result<(), KeystoreError> {
        let mut alone = self.emptying.lock();
        let failed = |e: &Arc<io::Error>| {
            let again = io::Error::new(e.kind(), Arc::clone(e));
            KeystoreError::io(&self.folder, "syncing all shares", again)
        };
        if let Some(error) = &alone.failed {
            return Err(failed(error));
        }
        // Nobody writes files now: those of every record that is taken are there.
        let taken = {
            let _none = self.writing.write();
            std::mem::take(&mut *self.held.lock())
        };
        if taken.records.is_empty() {
            return Ok(());
        }
        if let Err(e) = self.file_system.sync() {
            let mut held = self.held.lock();
            let since = std::mem::replace(&mut *held, taken);
            for kept in since.records {
                held.add(kept.key, kept.record);
            }
            let error = alone.failed.insert(Arc::new(e));
            return Err(failed(error));
        }
        let ticket = {
            let held = self.held.lock();
            self.log.replace(held.content())?
        };
        Ok(ticket.wait()?)
    }
}

enum Entry {
    Stored(ShareFiles),
    Certified((Digest32, Vec<u8>, Vec<u8>)),
}

fn parse(record: &[u8], limits: &Limits) -> Result<(KeyId, Entry), DecodeError> {
    let mut input = Reader::new(record);
    let kind = input.u8("kind")?;
    let key = KeyId::read(&mut input)?;
    let entry = match kind {
        STORED => {
            let most = limits.payload_bytes + MAX_WRAPPED_BYTES + CIPHERTEXT_OVERHEAD;
            Entry::Stored(ShareFiles {
                metadata: input.bytes("metadata", MAX_METADATA_BYTES)?.to_vec(),
                ciphertext: input.bytes("ciphertext", most)?.to_vec(),
                seal: input.bytes("seal", MAX_SEAL_BYTES)?.to_vec(),
                certificate: None,
            })
        }
        CERTIFIED => {
            let metadata = Digest32::read(&mut input)?;
            let certificate = input.bytes("certificate", limits.certificate_bytes)?;
            let seal = input.bytes("seal", MAX_SEAL_BYTES)?;
            Entry::Certified((metadata, certificate.to_vec(), seal.to_vec()))
        }
        _ => {
            let what = "kind of a journal record";
            return Err(DecodeError::Unknown { what });
        }
    };
    input.finish()?;
    Ok((key, entry))
}
