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

/// Name of its file.
pub(crate) const JOURNAL: &str = "journal.log";

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

/// One record, the key that it is about, and its place among all that were ever held.
struct Kept {
    place: u64,
    key: KeyId,
    record: Vec<u8>,
}

/// What the log holds beyond the last time it was emptied, in order.
#[derive(Default)]
struct Held {
    records: Vec<Kept>,
    bytes: usize,
    /// Place of the next record.
    next: u64,
}

/// How the files stand behind their records.
enum Files {
    /// This start has not written all of them again yet.
    Recovering,
    /// Those of every record are written, once nobody holds `writing`.
    Written,
    /// Some could not be written or synced, so which are there is unknown: the records stay.
    Failed(LogError),
}

struct Shared {
    /// What is synced when the journal is emptied.
    file_system: Box<dyn FileSystem>,
    folder: PathBuf,
    log: AppendLog,
    held: Mutex<Held>,
    /// Shared while files are written behind their record.
    writing: RwLock<()>,
    files: Mutex<Files>,
    /// One at a time empties the journal.
    emptying: Mutex<()>,
}

/// To be held from before a record until the files behind it are written: what is emptied away is
/// then always something whose files were there to be synced. If it ends between the two in another way than
/// by [`Self::written`], the journal is not emptied any more.
pub(crate) struct Writing<'a> {
    journal: &'a Journal,
    recorded: bool,
    /// Given back last.
    _shared: RwLockReadGuard<'a, ()>,
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
            files: Mutex::new(Files::Recovering),
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
                            // What fails is logged where it fails, and told by `failure`.
                            Ok(()) | Err(RecvTimeoutError::Timeout) => drop(shared.empty()),
                            Err(RecvTimeoutError::Disconnected) => return drop(shared.empty()),
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

    /// Begins to write a record and the files behind it.
    pub(crate) fn writing(&self) -> Writing<'_> {
        Writing {
            _shared: self.shared.writing.read(),
            journal: self,
            recorded: false,
        }
    }

    /// The files of all records that were found are written again: from now on the journal may be
    /// emptied, unless [`Self::not_written`] was called.
    pub(crate) fn written_again(&self) {
        let mut files = self.shared.files.lock();
        if matches!(*files, Files::Recovering) {
            *files = Files::Written;
        }
    }

    /// Files of a record could not be written: this process empties the journal no more, and takes no
    /// new share into it.
    pub(crate) fn not_written(&self, error: &KeystoreError) {
        let failed = match error {
            KeystoreError::Log(failed) => failed.clone(),
            KeystoreError::Io {
                path,
                doing,
                source,
            } => LogError::Failed {
                path: path.clone(),
                doing,
                source: Arc::clone(source),
            },
            other => self.shared.broken_off(io::Error::other(other.to_string())),
        };
        self.shared.fail(failed);
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
        // Not behind a sync of the files: whatever that covers is held until it is over.
        let ticket = {
            let mut held = self.shared.held.lock();
            if !held.retain(|kept| kept.key != key) {
                return Ok(());
            }
            self.shared.log.replace(held.content())?
        };
        Ok(ticket.wait()?)
    }

    /// Makes all share files durable and empties the journal.
    ///
    /// # Errors
    /// Those of the disk and of the log; the journal then still holds everything, and is not emptied by
    /// this process any more. Before [`Self::written_again`] it does nothing.
    pub(crate) fn empty(&self) -> Result<(), KeystoreError> {
        self.shared.empty()
    }

    /// Why the journal takes no more shares, if it does not.
    pub(crate) fn failure(&self) -> Option<LogError> {
        self.shared
            .log
            .failure()
            .or_else(|| match &*self.shared.files.lock() {
                Files::Failed(failed) => Some(failed.clone()),
                Files::Recovering | Files::Written => None,
            })
    }
}

impl Writing<'_> {
    /// Makes a new share durable; its files may be written then.
    ///
    /// # Errors
    /// [`KeystoreError::Log`], also when the journal is not emptied any more: it would grow without end.
    pub(crate) fn stored(&mut self, key: KeyId, files: &ShareFiles) -> Result<(), KeystoreError> {
        if let Some(failed) = self.journal.failure() {
            return Err(failed.into());
        }
        let mut out = Writer::new();
        out.u8(STORED).value(&key).bytes(&files.metadata);
        out.bytes(&files.ciphertext).bytes(&files.seal);
        self.append(key, out.finish())
    }

    /// Makes the certificate and the new seal of a share durable. There is one for each share at most,
    /// so it is taken as long as the log can be written.
    ///
    /// # Errors
    /// [`KeystoreError::Log`].
    pub(crate) fn certified(
        &mut self,
        key: KeyId,
        files: &ShareFiles,
    ) -> Result<(), KeystoreError> {
        let certificate = files.certificate.as_deref().unwrap_or_default();
        let mut out = Writer::new();
        out.u8(CERTIFIED)
            .value(&key)
            .value(&metadata_digest(&files.metadata));
        out.bytes(certificate).bytes(&files.seal);
        self.append(key, out.finish())
    }

    fn append(&mut self, key: KeyId, record: Vec<u8>) -> Result<(), KeystoreError> {
        self.journal.append(key, record)?;
        self.recorded = true;
        Ok(())
    }

    /// Ends with the outcome of writing the files, which it returns.
    ///
    /// # Errors
    /// That of `outcome`.
    pub(crate) fn written(
        mut self,
        outcome: Result<(), KeystoreError>,
    ) -> Result<(), KeystoreError> {
        if let Err(error) = &outcome {
            self.journal.not_written(error);
        }
        self.recorded = false;
        outcome
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        if self.recorded {
            // The record is durable, and nobody wrote its files.
            let shared = &self.journal.shared;
            shared.fail(shared.broken_off(io::ErrorKind::Interrupted.into()));
        }
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
        let place = self.next;
        self.next += 1;
        self.records.push(Kept { place, key, record });
    }

    /// Whether that took anything out.
    fn retain(&mut self, stays: impl Fn(&Kept) -> bool) -> bool {
        let before = self.records.len();
        self.records.retain(stays);
        self.bytes = self.records.iter().map(|kept| kept.record.len()).sum();
        self.records.len() < before
    }

    fn content(&self) -> Vec<Vec<u8>> {
        self.records
            .iter()
            .map(|kept| kept.record.clone())
            .collect()
    }
}

impl Shared {
    fn broken_off(&self, source: io::Error) -> LogError {
        LogError::Failed {
            path: self.folder.clone(),
            doing: "writing a share",
            source: Arc::new(source),
        }
    }

    /// From now on the records stay, and no new share is taken. Returns the first reason for it.
    fn fail(&self, failed: LogError) -> LogError {
        let mut files = self.files.lock();
        if let Files::Failed(first) = &*files {
            return first.clone();
        }
        tracing::error!(
            error = %failed,
            "the journal of shares is not emptied any more, and takes no new share"
        );
        *files = Files::Failed(failed.clone());
        failed
    }

    fn empty(&self) -> Result<(), KeystoreError> {
        let _alone = self.emptying.lock();
        let synced = {
            // Nobody writes files now: those of every record that is held are there, or it failed.
            let _none = self.writing.write();
            match &*self.files.lock() {
                Files::Recovering => return Ok(()),
                Files::Failed(failed) => return Err(failed.clone().into()),
                Files::Written => {}
            }
            let held = self.held.lock();
            if held.records.is_empty() {
                return Ok(());
            }
            held.next
        };
        if let Err(e) = self.file_system.sync() {
            return Err(self
                .fail(LogError::Failed {
                    path: self.folder.clone(),
                    doing: "syncing all shares",
                    source: Arc::new(e),
                })
                .into());
        }
        let ticket = {
            let mut held = self.held.lock();
            held.retain(|kept| kept.place >= synced);
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
