//! The threads that read, each with its own connection: a slow list delays no write.

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::mpsc;

/// One query, with the caller's types erased.
pub(super) type Query = Box<dyn FnOnce(&Connection) + Send>;
/// Queue that all readers take from.
pub(super) type Queries = Arc<Mutex<mpsc::Receiver<Query>>>;

/// Serves the queue until all senders are gone and it is empty.
pub(super) fn serve(connection: &Connection, queue: &Queries) {
    loop {
        // Idle readers wait for the lock, one of them for the queue; it is free while one reads.
        let next = queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .blocking_recv();
        let Some(query) = next else { return };
        query(connection);
    }
}
