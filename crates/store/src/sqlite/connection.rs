use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags};

use super::failure::unavailable;
use crate::error::StoreError;

/// How long a statement waits for another connection.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long opening waits for another process to end.
const LOCK_WAIT: Duration = Duration::from_millis(500);
/// Pause between two tries for the lock.
const LOCK_RETRY: Duration = Duration::from_millis(5);
/// Largest value or row that SQLite may hand us.
const MAX_VALUE_BYTES: i32 = 16 * 1024 * 1024;
/// Size to which the write-ahead log is cut after a checkpoint.
const MAX_WAL_BYTES: i64 = 64 * 1024 * 1024;
/// Prepared statements kept per connection; more than there are shapes of statements.
const STATEMENTS_KEPT: usize = 128;
/// Page cache of a connection, in KiB. Not larger: every commit that split a page of an index walks
/// the writer's whole cache (`balance_nonroot` moves pages by way of the number of the lock page, far
/// behind the end, and SQLite drops what is behind the end). With 32 MiB that was a fifth of the
/// writer's time; a page that is not here comes from the kernel's cache.
const CACHE_KIB: i64 = 8 * 1024;
/// Size of the pages of a new database; one that is there keeps its own. A row that is found by a
/// random name changes a page of its own, which is written whole, twice: with half of SQLite's usual
/// size that is half as much. With a quarter, the disk's own blocks of 4 KiB take the gain back.
const PAGE_BYTES: i64 = 2_048;
/// Bytes of pages in the write-ahead log after which a checkpoint copies them to the database. A page
/// that changes often is copied once for all of its changes. Not more: callers wait meanwhile.
const CHECKPOINT_BYTES: i64 = 16 * 1024 * 1024;

/// Takes the lock that keeps a second process out; it is given back when the file is dropped.
///
/// Waits up to [`LOCK_WAIT`]: a process that is ending, or a child between fork and exec, may
/// hold it for a moment.
///
/// # Errors
/// [`StoreError::InUse`], or unavailable.
pub(super) fn lock(database: &Path) -> Result<File, StoreError> {
    let doing = "locking the database";
    let file = private_file(&suffixed(database, ".lock"), doing)?;
    let deadline = Instant::now() + LOCK_WAIT;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                std::thread::sleep(LOCK_RETRY);
            }
            Err(TryLockError::WouldBlock) => return Err(StoreError::InUse),
            Err(TryLockError::Error(error)) => return Err(io_failure(doing, error)),
        }
    }
}

/// Opens the one connection that writes; makes the file, readable for its owner only.
///
/// # Errors
/// Unavailable.
pub(super) fn open_writer(path: &Path) -> Result<Connection, StoreError> {
    let doing = unavailable("opening the database");
    private_file(path, "creating the database")?;
    let connection = open(path)?;
    connection
        .pragma_update(None, "page_size", PAGE_BYTES)
        .map_err(&doing)?;
    let mode: String = connection
        .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))
        .map_err(&doing)?;
    if !mode.eq_ignore_ascii_case("wal") {
        return Err(StoreError::ForeignDatabase {
            why: "its file system does not support a write-ahead log",
        });
    }
    // FULL syncs the log at every commit: what was acknowledged survives a power failure.
    for (name, value) in [("synchronous", "FULL"), ("foreign_keys", "ON")] {
        connection
            .pragma_update(None, name, value)
            .map_err(&doing)?;
    }
    connection
        .pragma_update(None, "journal_size_limit", MAX_WAL_BYTES)
        .map_err(&doing)?;
    let page_bytes: i64 = connection
        .pragma_query_value(None, "page_size", |row| row.get(0))
        .map_err(&doing)?;
    let pages = CHECKPOINT_BYTES / page_bytes.max(512);
    connection
        .pragma_update(None, "wal_autocheckpoint", pages)
        .map_err(&doing)?;
    Ok(connection)
}

/// Opens a connection that cannot write.
///
/// # Errors
/// Unavailable.
pub(super) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let connection = open(path)?;
    connection
        .pragma_update(None, "query_only", "ON")
        .map_err(unavailable("opening the database"))?;
    Ok(connection)
}

fn open(path: &Path) -> Result<Connection, StoreError> {
    let doing = unavailable("opening the database");
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(&doing)?;
    harden(&connection).map_err(&doing)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(&doing)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    connection
        .pragma_update(None, "cache_size", -CACHE_KIB)
        .map_err(&doing)?;
    // Journals of statements and savepoints: no files beside the database.
    connection
        .pragma_update(None, "temp_store", "MEMORY")
        .map_err(&doing)?;
    Ok(connection)
}

/// A database file is hostile input: it may not run code, nor hand out boundless values.
fn harden(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
    connection.pragma_update(None, "cell_size_check", "ON")?;
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES)?;
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    Ok(())
}

fn private_file(path: &Path, doing: &'static str) -> Result<File, StoreError> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(|error| io_failure(doing, error))
}

fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn io_failure(doing: &'static str, error: std::io::Error) -> StoreError {
    StoreError::Unavailable {
        doing,
        source: Arc::new(error),
    }
}
