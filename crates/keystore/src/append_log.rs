//! A durable append-only file with group commit.
//!
//! Many callers append at once; one thread writes all that waits as one batch and syncs once, so
//! the number of syncs follows the speed of the disk, not the number of callers. After a failed
//! write or sync nothing is accepted any more (fail closed): what reached the disk is unknown, and
//! only opening the log again tells.
//!
//! Specification: `docs/protocols/share-files.md` §7.

mod error;
mod frame;
mod ticket;
mod writer;

use std::error::Error as StdError;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::{Condvar, Mutex};

pub use error::{LogError, TornTail};
pub use frame::LogKind;
pub use ticket::{Durable, Ticket};

use crate::storage::Storage;
use frame::{FrameReader, MAX_BATCH_BYTES, Next};
use ticket::{Shared, State};
use writer::{Command, LogFile};

/// The open log. Appending needs no `&mut`; share it freely.
pub struct AppendLog {
    shared: Arc<Shared>,
    path: PathBuf,
    queued_bytes: usize,
    writer: Option<JoinHandle<()>>,
}

/// Why the visitor of [`AppendLog::open`] refuses a record.
pub(crate) type BadRecord = Box<dyn StdError + Send + Sync>;

impl AppendLog {
    /// Makes an empty log, durably, unless one exists.
    ///
    /// # Errors
    /// [`LogError::Failed`].
    pub fn create(storage: &dyn Storage, path: &Path, kind: LogKind) -> Result<(), LogError> {
        let exists = storage
            .exists(path)
            .map_err(|e| failed(path, "looking for the log", e))?;
        if !exists {
            LogFile::replace_with(storage, path, kind, &[])
                .map_err(|(doing, e)| failed(path, doing, e))?;
        }
        Ok(())
    }

    /// Opens an existing log, shows every record to `visit`, cuts a torn tail.
    ///
    /// `queued_bytes`: the most that may wait for the disk before appends are refused.
    ///
    /// # Errors
    /// [`LogError`] if the log is missing or corrupt, or if `visit` refuses a record.
    pub fn open(
        storage: Arc<dyn Storage>,
        path: &Path,
        kind: LogKind,
        queued_bytes: usize,
        visit: &mut dyn FnMut(&[u8]) -> Result<(), BadRecord>,
    ) -> Result<(Self, Option<TornTail>), LogError> {
        let input = storage.open_read(path).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => LogError::Missing {
                path: path.to_owned(),
            },
            _ => failed(path, "opening the log", e),
        })?;
        let reader = FrameReader::open(BufReader::with_capacity(1 << 16, input), kind)
            .map_err(|e| failed(path, "reading the log", e))?;
        let mut reader = reader.ok_or_else(|| LogError::Header {
            path: path.to_owned(),
        })?;
        let torn = replay(&mut reader, path, visit)?;
        let mut file = storage
            .open_append(path)
            .map_err(|e| failed(path, "opening the log to append", e))?;
        if torn.is_some() {
            file.truncate(reader.offset())
                .map_err(|e| failed(path, "cutting a torn tail", e))?;
        }
        let file = LogFile {
            storage,
            path: path.to_owned(),
            kind,
            salt: reader.salt(),
            file,
            next: reader.sequence(),
        };
        Ok((Self::start(file, queued_bytes)?, torn))
    }

    fn start(file: LogFile, queued_bytes: usize) -> Result<Self, LogError> {
        let shared = Arc::new(Shared {
            state: Mutex::new(State::default()),
            work: Condvar::new(),
        });
        let path = file.path.clone();
        // Of which log, as Linux tells the CPU time of threads: `quorate bench` adds it up by name.
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let writer = std::thread::Builder::new()
            .name(format!("log-{name}"))
            .spawn({
                let shared = Arc::clone(&shared);
                move || writer::run(file, &shared)
            });
        let writer = writer.map_err(|e| failed(&path, "starting the writer thread", e))?;
        Ok(Self {
            shared,
            path,
            queued_bytes,
            writer: Some(writer),
        })
    }

    /// Appends one record; it is durable when the ticket completes. Order is that of the calls.
    ///
    /// # Errors
    /// [`LogError::Failed`] if the log failed before, [`LogError::Overloaded`],
    /// [`LogError::InvalidLength`].
    pub fn append(&self, record: Vec<u8>) -> Result<Ticket, LogError> {
        let (length, limit) = (record.len(), MAX_BATCH_BYTES - 4);
        if length > limit {
            return Err(LogError::InvalidLength { length, limit });
        }
        self.submit(Command::Append(record))
    }

    /// Replaces the whole content by `records` (compaction): a crash leaves the old or the new.
    ///
    /// `records` must cover all that was appended before this call and is still wanted.
    ///
    /// # Errors
    /// As [`Self::append`].
    pub fn replace(&self, records: Vec<Vec<u8>>) -> Result<Ticket, LogError> {
        let limit = MAX_BATCH_BYTES - 4;
        if let Some(length) = records.iter().map(Vec::len).find(|length| *length > limit) {
            return Err(LogError::InvalidLength { length, limit });
        }
        self.submit(Command::Replace(records))
    }

    /// A ticket for all that was appended before this call.
    ///
    /// # Errors
    /// [`LogError::Failed`] if the log failed before.
    pub fn barrier(&self) -> Result<Ticket, LogError> {
        let mut state = self.shared.state.lock();
        if let Some(failure) = &state.failed {
            return Err(failure.clone());
        }
        let position = state.accepted;
        Ok(Ticket::new(&self.shared, &mut state, position))
    }

    /// The failure that closed the log, if one did. Readiness checks ask this.
    #[must_use]
    pub fn failure(&self) -> Option<LogError> {
        self.shared.state.lock().failed.clone()
    }

    /// Where the log is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn submit(&self, command: Command) -> Result<Ticket, LogError> {
        let mut state = self.shared.state.lock();
        if let Some(failure) = &state.failed {
            return Err(failure.clone());
        }
        let queued = state.queued_bytes;
        // A compaction is let in whatever it weighs: it makes room.
        let weight = command.length();
        let appends = matches!(command, Command::Append(_));
        if appends && queued + weight > self.queued_bytes {
            let path = self.path.clone();
            return Err(LogError::Overloaded { path, queued });
        }
        state.queued_bytes += weight;
        state.queue.push(command);
        state.accepted += 1;
        let position = state.accepted;
        let ticket = Ticket::new(&self.shared, &mut state, position);
        drop(state);
        self.shared.work.notify_one();
        Ok(ticket)
    }
}

impl Drop for AppendLog {
    fn drop(&mut self) {
        self.shared.state.lock().closing = true;
        self.shared.work.notify_one();
        if let Some(writer) = self.writer.take() {
            // A panic there was reported by the panic hook; there is nobody to return it to.
            let _ = writer.join();
        }
    }
}

fn failed(path: &Path, doing: &'static str, source: io::Error) -> LogError {
    LogError::Failed {
        path: path.to_owned(),
        doing,
        source: Arc::new(source),
    }
}

fn replay<R: io::Read>(
    reader: &mut FrameReader<R>,
    path: &Path,
    visit: &mut dyn FnMut(&[u8]) -> Result<(), BadRecord>,
) -> Result<Option<TornTail>, LogError> {
    loop {
        let offset = reader.offset();
        let next = reader
            .next()
            .map_err(|e| failed(path, "reading the log", e))?;
        match next {
            Next::End => return Ok(None),
            Next::Torn(tail) => return Ok(Some(tail)),
            Next::Corrupt(why) => {
                let path = path.to_owned();
                return Err(LogError::Corrupt { path, offset, why });
            }
            Next::Batch(records) => {
                for record in records {
                    visit(&record).map_err(|why| LogError::Record {
                        path: path.to_owned(),
                        offset,
                        why: why.into(),
                    })?;
                }
            }
        }
    }
}
