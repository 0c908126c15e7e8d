//! The one thread that writes, and its group commit.
//!
//! Whatever waits when a transaction starts goes into it, each piece of work in its own
//! savepoint: one `fsync` for many callers, and a piece that fails takes nothing else with it.
//! Callers hear of success only after the commit.

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::failure::unavailable;
use crate::error::StoreError;

/// Most pieces of work in one transaction.
pub(super) const MAX_BATCH: usize = 256;

/// Work that waits for the writer, with the callers' types erased.
pub(super) trait Work: Send {
    /// Does the work inside a savepoint; whether its changes shall stay.
    fn run(&mut self, connection: &Connection) -> bool;
    /// Tells the caller, after the transaction has ended with or without an error.
    fn answer(self: Box<Self>, lost: Option<&StoreError>);
}

struct Piece<F, T> {
    work: Option<F>,
    outcome: Option<Result<T, StoreError>>,
    caller: oneshot::Sender<Result<T, StoreError>>,
}

impl<F, T> Work for Piece<F, T>
where
    F: FnOnce(&Connection) -> Result<T, StoreError> + Send,
    T: Send,
{
    fn run(&mut self, connection: &Connection) -> bool {
        let outcome = self.work.take().map(|work| work(connection));
        let keep = matches!(outcome, Some(Ok(_)));
        self.outcome = outcome;
        keep
    }

    fn answer(self: Box<Self>, lost: Option<&StoreError>) {
        let answer = match (self.outcome, lost) {
            // A refusal stays what it is, whatever became of the transaction.
            (Some(Err(refused)), _) => Err(refused),
            (_, Some(lost)) => Err(lost.clone()),
            (Some(outcome), None) => outcome,
            (None, None) => Err(StoreError::Bug {
                what: "work was committed without being run",
            }),
        };
        // The caller may be gone; the work is done all the same.
        let _ = self.caller.send(answer);
    }
}

/// Wraps work for the queue; the receiver gets its result after the commit.
pub(super) fn piece<F, T>(work: F) -> (Box<dyn Work>, oneshot::Receiver<Result<T, StoreError>>)
where
    F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    T: Send + 'static,
{
    let (caller, answer) = oneshot::channel();
    let piece = Piece {
        work: Some(work),
        outcome: None,
        caller,
    };
    (Box::new(piece), answer)
}

/// Serves the queue until all senders are gone and it is empty.
pub(super) fn serve(mut connection: Connection, mut queue: mpsc::Receiver<Box<dyn Work>>) {
    let mut batch = Vec::with_capacity(MAX_BATCH);
    while queue.blocking_recv_many(&mut batch, MAX_BATCH) > 0 {
        let lost = commit_together(&mut connection, &mut batch).err();
        if let Some(error) = &lost {
            tracing::error!(%error, writes = batch.len(), "a batch of writes was lost");
        }
        for work in batch.drain(..) {
            work.answer(lost.as_ref());
        }
    }
}

fn commit_together(
    connection: &mut Connection,
    batch: &mut [Box<dyn Work>],
) -> Result<(), StoreError> {
    let doing = unavailable("committing");
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(unavailable("starting a transaction"))?;
    for work in batch {
        statement(&transaction, "SAVEPOINT piece")?;
        if !work.run(&transaction) {
            // A full disk or a failed read may have ended the whole transaction: then the
            // savepoint is gone too, this fails, and nobody is told that anything was written.
            statement(&transaction, "ROLLBACK TO piece")?;
        }
        statement(&transaction, "RELEASE piece")?;
    }
    transaction.commit().map_err(doing)
}

fn statement(connection: &Connection, sql: &str) -> Result<(), StoreError> {
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.execute([]))
        .map(|_| ())
        .map_err(unavailable("separating writes"))
}
