//! The embedded database: SQLite with a write-ahead log, one writer and a few readers.
//!
//! Why `rusqlite`: `docs/adr/0003-sqlite-by-rusqlite.md`.

mod audit;
mod checked;
mod connection;
mod failure;
mod idempotency;
mod intents;
mod keys;
mod list;
mod memory;
mod migrations;
mod nodes;
mod readers;
mod sessions;
mod writer;

use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use quorate_types::{Digest32, KeyId, NodeId, SessionId, UnixMillis};
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use self::memory::{Desk, Memory};
use crate::audit::{AuditCheck, AuditEvent, AuditFilter, AuditHead, AuditRecord};
use crate::error::StoreError;
use crate::idempotency::{
    IdempotencyRequest, IdempotencyStart, NonceUse, Pruned, RequestNonce, RequestStart,
};
use crate::intent::{IntentOpening, IntentRow};
use crate::key::{KeyFilter, KeyRow};
use crate::limits::MAX_WRITES_PER_APPLY;
use crate::node::NodeRow;
use crate::page::{Page, PageRequest};
use crate::session::{SessionFilter, SessionRow};
use crate::store::{Store, StoreFuture, Write};

/// Sizes of a [`SqliteStore`].
#[derive(Debug, Clone)]
pub struct SqliteOptions {
    /// Threads that read, each with its own connection.
    pub readers: usize,
    /// Reads or writes that may wait; further callers wait before they are queued.
    pub queue: usize,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            readers: 2,
            queue: 4_096,
        }
    }
}

/// A [`Store`] in one SQLite file.
///
/// Exactly one process may have the file open; a second one is refused. Dropping it waits until
/// accepted writes are durable.
pub struct SqliteStore {
    writes: Option<mpsc::Sender<Box<dyn writer::Work>>>,
    queries: Option<mpsc::Sender<readers::Query>>,
    threads: Vec<JoinHandle<()>>,
    // Declared last: the lock is given back after the threads have ended.
    _lock: File,
}

impl SqliteStore {
    /// Opens a database, or makes it; brings it to the newest schema.
    ///
    /// Blocks for the time of a few disk writes, more if it has to migrate.
    ///
    /// # Errors
    /// An operator's error: in use, too new, foreign, unavailable.
    pub fn open(path: &Path, options: &SqliteOptions) -> Result<Self, StoreError> {
        let lock = connection::lock(path)?;
        let mut writer = connection::open_writer(path)?;
        migrations::migrate(&mut writer)?;
        let memory = Memory::new(idempotency::nonces(&writer)?);
        let (writes, waiting_writes) = mpsc::channel(options.queue.max(1));
        let (queries, waiting_queries) = mpsc::channel(options.queue.max(1));
        let mut store = Self {
            writes: Some(writes),
            queries: Some(queries),
            threads: Vec::new(),
            _lock: lock,
        };
        store.start("store-writer", move || {
            writer::serve(&writer, &memory, waiting_writes);
        })?;
        let waiting_queries: readers::Queries = Arc::new(Mutex::new(waiting_queries));
        for _ in 0..options.readers.max(1) {
            let reader = connection::open_reader(path)?;
            let queue = Arc::clone(&waiting_queries);
            store.start("store-reader", move || readers::serve(&reader, &queue))?;
        }
        Ok(store)
    }

    fn start(
        &mut self,
        name: &str,
        body: impl FnOnce() + Send + 'static,
    ) -> Result<(), StoreError> {
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(body)
            .map_err(|error| StoreError::Unavailable {
                doing: "starting a thread",
                source: Arc::new(error),
            })?;
        self.threads.push(thread);
        Ok(())
    }

    /// Queues work for the writer and waits until it is durable. The work may be run twice, the
    /// first time undone.
    fn change<T: Send + 'static>(
        &self,
        work: impl Fn(&Desk<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> StoreFuture<'_, T> {
        Box::pin(async move {
            let (piece, answer) = writer::piece(work);
            let queue = self.writes.as_ref().ok_or(StoreError::Closed)?;
            queue.send(piece).await.map_err(|_| StoreError::Closed)?;
            answer.await.map_err(|_| StoreError::Closed)?
        })
    }

    /// Queues a query for a reader and waits for its rows.
    fn query<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> StoreFuture<'_, T> {
        Box::pin(async move {
            let (caller, answer) = oneshot::channel();
            let query: readers::Query = Box::new(move |connection| {
                // The caller may be gone; there is nobody to tell.
                let _ = caller.send(read(connection));
            });
            let queue = self.queries.as_ref().ok_or(StoreError::Closed)?;
            queue.send(query).await.map_err(|_| StoreError::Closed)?;
            answer.await.map_err(|_| StoreError::Closed)?
        })
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.writes = None;
        self.queries = None;
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the store had panicked");
            }
        }
    }
}

fn check_count(writes: &[Write]) -> Result<(), StoreError> {
    if writes.len() <= MAX_WRITES_PER_APPLY {
        return Ok(());
    }
    Err(StoreError::Invalid {
        table: "*",
        column: "*",
        why: "more writes at once than allowed",
    })
}

/// Makes changes in order; the savepoint around them is undone if one fails.
fn apply_all(desk: &Desk<'_>, writes: &[Write]) -> Result<(), StoreError> {
    check_count(writes)?;
    writes.iter().try_for_each(|write| apply_one(desk, write))
}

fn apply_one(desk: &Desk<'_>, write: &Write) -> Result<(), StoreError> {
    match write {
        Write::InsertKey(row) => keys::insert(desk, row),
        Write::ChangeKey(change) => keys::change(desk, change),
        Write::DescribeKey(description) => keys::describe(desk, description),
        Write::PutNode(row) => nodes::put(desk, row),
        Write::Heartbeat(beat) => nodes::heartbeat(desk, beat),
        Write::RemoveNode(node_id) => nodes::remove(desk, node_id),
        Write::InsertSession(row) => sessions::insert(desk, row),
        Write::ChangeSession(change) => sessions::change(desk, change),
        Write::Progress(update) => sessions::progress(desk, update),
        Write::ChangeIntent(change) => intents::change(desk, change),
        Write::FinishIdempotency(key, response) => idempotency::finish(desk, key, response),
        Write::ReleaseIdempotency(key) => idempotency::release(desk, key),
        Write::AppendAudit(event) => audit::append(desk, event).map(|_| ()),
    }
}

impl Store for SqliteStore {
    fn apply(&self, writes: Vec<Write>) -> StoreFuture<'_, ()> {
        self.change(move |desk| apply_all(desk, &writes))
    }

    fn open_intent(&self, intent: IntentRow, with: Vec<Write>) -> StoreFuture<'_, IntentOpening> {
        self.change(move |desk| {
            let opening = intents::insert_new(desk, &intent)?;
            if opening == IntentOpening::New {
                apply_all(desk, &with)?;
            }
            Ok(opening)
        })
    }

    fn intent(&self, intent_digest: Digest32) -> StoreFuture<'_, Option<IntentRow>> {
        self.query(move |connection| intents::get(connection, intent_digest))
    }

    fn open_intents(&self, page: PageRequest) -> StoreFuture<'_, Page<IntentRow>> {
        self.query(move |connection| intents::open(connection, &page))
    }

    fn key(&self, key_id: KeyId) -> StoreFuture<'_, Option<KeyRow>> {
        self.query(move |connection| keys::get(connection, key_id))
    }

    fn keys(&self, filter: KeyFilter, page: PageRequest) -> StoreFuture<'_, Page<KeyRow>> {
        self.query(move |connection| keys::list(connection, filter, &page))
    }

    fn node(&self, node_id: NodeId) -> StoreFuture<'_, Option<NodeRow>> {
        self.query(move |connection| nodes::get(connection, &node_id))
    }

    fn nodes(&self) -> StoreFuture<'_, Vec<NodeRow>> {
        self.query(nodes::all)
    }

    fn session(&self, session_id: SessionId) -> StoreFuture<'_, Option<SessionRow>> {
        self.query(move |connection| sessions::get(connection, session_id))
    }

    fn sessions(
        &self,
        filter: SessionFilter,
        page: PageRequest,
    ) -> StoreFuture<'_, Page<SessionRow>> {
        self.query(move |connection| sessions::list(connection, filter, &page))
    }

    fn open_sessions(&self, page: PageRequest) -> StoreFuture<'_, Page<SessionRow>> {
        self.query(move |connection| sessions::open(connection, &page))
    }

    fn begin_idempotency(&self, request: IdempotencyRequest) -> StoreFuture<'_, IdempotencyStart> {
        self.change(move |desk| idempotency::begin(desk, &request))
    }

    fn release_unfinished_idempotency(&self) -> StoreFuture<'_, usize> {
        self.change(|desk| idempotency::release_all(desk))
    }

    fn use_nonce(
        &self,
        credential: String,
        nonce: String,
        expires_at: UnixMillis,
    ) -> StoreFuture<'_, NonceUse> {
        self.change(move |desk| idempotency::use_nonce(desk, &credential, &nonce, expires_at))
    }

    fn begin_request(
        &self,
        nonce: RequestNonce,
        idempotency: Option<IdempotencyRequest>,
    ) -> StoreFuture<'_, RequestStart> {
        self.change(move |desk| idempotency::begin_request(desk, &nonce, idempotency.as_ref()))
    }

    fn prune(&self, now: UnixMillis) -> StoreFuture<'_, Pruned> {
        self.change(move |desk| idempotency::prune(desk, now))
    }

    fn append_audit(&self, event: AuditEvent) -> StoreFuture<'_, AuditRecord> {
        self.change(move |desk| {
            let place = audit::append(desk, &event)?;
            Ok(place.record(event.clone()))
        })
    }

    fn audit(&self, filter: AuditFilter, page: PageRequest) -> StoreFuture<'_, Page<AuditRecord>> {
        self.query(move |connection| audit::list(connection, filter, &page))
    }

    fn audit_head(&self) -> StoreFuture<'_, Option<AuditHead>> {
        self.query(audit::head)
    }

    fn verify_audit_chain(&self, anchor: Option<AuditHead>) -> StoreFuture<'_, AuditCheck> {
        Box::pin(async move {
            let mut check = audit::ChainCheck::new(anchor);
            loop {
                let (advanced, more) = self
                    .query(move |connection| {
                        let more = check.advance(connection)?;
                        Ok((check, more))
                    })
                    .await?;
                if !more {
                    return advanced.finish();
                }
                check = advanced;
            }
        })
    }

    fn ping(&self) -> StoreFuture<'_, ()> {
        self.query(|connection| {
            connection
                .query_row("SELECT 1", [], |_| Ok(()))
                .map_err(failure::unavailable("answering a ping"))
        })
    }
}
