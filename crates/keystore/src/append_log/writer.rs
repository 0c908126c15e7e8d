//! The one thread that writes a log: everything that waits goes into one batch and one sync.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quorate_types::Company;

use super::error::LogError;
use super::frame::{self, LogKind, MAX_BATCH_BYTES, Salt};
use super::ticket::{Shared, State};
use crate::storage::{AppendFile, Storage, folder_of, temporary_of};

/// How long a batch waits for each record of an average one.
const PER_RECORD: Duration = Duration::from_millis(1);

/// What an appender asks the writer to do.
pub(super) enum Command {
    /// Append one record.
    Append(Vec<u8>),
    /// Replace the whole content.
    Replace(Vec<Vec<u8>>),
}

impl Command {
    pub(super) fn length(&self) -> usize {
        match self {
            Self::Append(record) => record.len(),
            Self::Replace(records) => records.iter().map(Vec::len).sum(),
        }
    }
}

type Failure = (&'static str, io::Error);

/// The open end of a log file.
pub(super) struct LogFile {
    pub(super) storage: Arc<dyn Storage>,
    pub(super) path: PathBuf,
    pub(super) kind: LogKind,
    pub(super) salt: Salt,
    pub(super) file: Box<dyn AppendFile>,
    /// Sequence number of the next record.
    pub(super) next: u64,
}

impl LogFile {
    /// Writes a new, whole log file under its name, durably.
    pub(super) fn replace_with(
        storage: &dyn Storage,
        path: &std::path::Path,
        kind: LogKind,
        records: &[Vec<u8>],
    ) -> Result<(Salt, u64), Failure> {
        let mut salt = Salt::default();
        getrandom::fill(&mut salt).map_err(|e| ("reading randomness", io::Error::other(e)))?;
        let mut bytes = frame::file_header(kind, &salt);
        let mut next = 1;
        for part in batches(records) {
            bytes.extend_from_slice(&frame::batch(&salt, next, part));
            next += part.len() as u64;
        }
        let temporary = temporary_of(path);
        storage
            .write_file(&temporary, &bytes)
            .and_then(|()| storage.rename(&temporary, path))
            .and_then(|()| storage.sync_folder(folder_of(path)))
            .map_err(|e| ("replacing the log", e))?;
        Ok((salt, next))
    }

    fn execute(&mut self, commands: Vec<Command>) -> Result<(), Failure> {
        let mut appends = Vec::new();
        for command in commands {
            match command {
                Command::Append(record) => appends.push(record),
                Command::Replace(records) => {
                    // What was appended before is part of the new content already.
                    appends.clear();
                    self.replace(&records)?;
                }
            }
        }
        self.append(&appends)
    }

    fn append(&mut self, records: &[Vec<u8>]) -> Result<(), Failure> {
        for part in batches(records) {
            let bytes = frame::batch(&self.salt, self.next, part);
            self.file.append(&bytes).map_err(|e| ("appending", e))?;
            // Each by itself: never more than one batch is unsynced, which opening relies on (§7.3).
            self.file.sync().map_err(|e| ("syncing", e))?;
            self.next += part.len() as u64;
        }
        Ok(())
    }

    fn replace(&mut self, records: &[Vec<u8>]) -> Result<(), Failure> {
        let storage = Arc::clone(&self.storage);
        let (salt, next) = Self::replace_with(&*storage, &self.path, self.kind, records)?;
        (self.salt, self.next) = (salt, next);
        self.file = storage
            .open_append(&self.path)
            .map_err(|e| ("opening the new log", e))?;
        Ok(())
    }
}

/// Parts that fit a batch each.
fn batches(records: &[Vec<u8>]) -> impl Iterator<Item = &[Vec<u8>]> {
    let mut rest = records;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |record: &&Vec<u8>| {
            bytes += 4 + record.len();
            bytes <= MAX_BATCH_BYTES
        };
        let count = rest.iter().take_while(fits).count();
        let (part, tail) = rest.split_at_checked(count)?;
        rest = tail;
        (!part.is_empty()).then_some(part)
    })
}

/// Fails what still waits if the writer ends in any way, a panic too.
struct FailTheRest<'a> {
    path: PathBuf,
    shared: &'a Shared,
}

impl Drop for FailTheRest<'_> {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        if state.failed.is_none() && state.durable < state.accepted {
            state.failed = Some(LogError::Failed {
                path: self.path.clone(),
                doing: "running the writer thread",
                source: Arc::new(io::ErrorKind::BrokenPipe.into()),
            });
        }
        self.shared.announce(state);
    }
}

/// Runs until the log is dropped and its queue is empty, or until the disk fails.
pub(super) fn run(mut file: LogFile, shared: &Shared) {
    let path = file.path.clone();
    let _fail_the_rest = FailTheRest { path, shared };
    let mut company = Company::new(PER_RECORD);
    loop {
        let mut state = shared.state.lock();
        while state.queue.is_empty() {
            if state.closing {
                return;
            }
            shared.work.wait(&mut state);
        }
        if let Some(pause) = company.pause().filter(|_| !state.closing) {
            drop(state);
            std::thread::sleep(pause);
            state = shared.state.lock();
        }
        let (commands, target) = take_work(&mut state);
        drop(state);

        let (records, started) = (commands.len(), Instant::now());
        let outcome = file.execute(commands);
        company.note(records, started.elapsed());

        let mut state = shared.state.lock();
        match outcome {
            Ok(()) => state.durable = target,
            Err((doing, source)) => {
                let (path, source) = (file.path.clone(), Arc::new(source));
                tracing::error!(path = %path.display(), doing, error = %source, "log failed");
                state.failed = Some(LogError::Failed {
                    path,
                    doing,
                    source,
                });
                state.queue.clear();
            }
        }
        let failed = state.failed.is_some();
        shared.announce(state);
        if failed {
            return;
        }
    }
}

fn take_work(state: &mut State) -> (Vec<Command>, u64) {
    state.queued_bytes = 0;
    (std::mem::take(&mut state.queue), state.accepted)
}
