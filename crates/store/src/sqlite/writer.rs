//! The one thread that writes, and its group commit.
//!
//! Whatever waits when a transaction starts goes into it: one `fsync` for many callers. Almost
//! always every piece succeeds. Where one does not, the transaction is undone and made again with
//! each piece in its own savepoint, so that a piece that fails takes nothing else with it. (A
//! savepoint copies every page before its first change, which costs as much as the work itself.)
//! Callers hear of success only after the commit. What the writer remembers ([`Memory`]) is undone
//! together with what it wrote.

use std::sync::Arc;
use std::time::{Duration, Instant};

use quorate_types::Company;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::failure::unavailable;
use super::memory::{Desk, Memory};
use crate::error::StoreError;

/// Most pieces of work in one transaction.
pub(super) const MAX_BATCH: usize = 1_024;

/// How long a transaction waits for each piece of an average one. Pages that several pieces change
/// are written once.
const PER_PIECE: Duration = Duration::from_micros(500);

/// Work that waits for the writer, with the callers' types erased.
pub(super) trait Work: Send {
    /// Does the work inside a transaction; whether its changes shall stay. It may be run again
    /// after its changes were undone, and only the last run counts.
    fn run(&mut self, desk: &Desk<'_>) -> bool;
    /// Tells the caller, after the transaction has ended with or without an error.
    fn answer(self: Box<Self>, lost: Option<&StoreError>);
}

struct Piece<F, T> {
    work: F,
    outcome: Option<Result<T, StoreError>>,
    caller: oneshot::Sender<Result<T, StoreError>>,
}

impl<F, T> Work for Piece<F, T>
where
    F: Fn(&Desk<'_>) -> Result<T, StoreError> + Send,
    T: Send,
{
    fn run(&mut self, desk: &Desk<'_>) -> bool {
        let outcome = (self.work)(desk);
        let keep = outcome.is_ok();
        self.outcome = Some(outcome);
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
    F: Fn(&Desk<'_>) -> Result<T, StoreError> + Send + 'static,
    T: Send + 'static,
{
    let (caller, answer) = oneshot::channel();
    let piece = Piece {
        work,
        outcome: None,
        caller,
    };
    (Box::new(piece), answer)
}

/// Serves the queue until all senders are gone and it is empty.
pub(super) fn serve(
    connection: &Connection,
    memory: &Memory,
    mut queue: mpsc::Receiver<Box<dyn Work>>,
) {
    let mut batch = Vec::with_capacity(MAX_BATCH);
    let mut company = Company::new(PER_PIECE);
    while queue.blocking_recv_many(&mut batch, MAX_BATCH) > 0 {
        if let Some(pause) = company.pause()
            && batch.len() < MAX_BATCH
        {
            std::thread::sleep(pause);
            while batch.len() < MAX_BATCH
                && let Ok(work) = queue.try_recv()
            {
                batch.push(work);
            }
        }
        let started = Instant::now();
        let lost = commit_together(connection, memory, &mut batch).err();
        company.note(batch.len(), started.elapsed());
        if let Some(error) = &lost {
            memory.undo_to(0);
            tracing::error!(%error, writes = batch.len(), "a batch of writes was lost");
        }
        for work in batch.drain(..) {
            work.answer(lost.as_ref());
        }
    }
}

fn commit_together(
    connection: &Connection,
    memory: &Memory,
    batch: &mut [Box<dyn Work>],
) -> Result<(), StoreError> {
    if commit_if_all_succeed(connection, memory, batch)? {
        return Ok(());
    }
    let transaction = begin(connection)?;
    let desk = Desk {
        connection: &transaction,
        memory,
    };
    for work in batch {
        statement(&transaction, "SAVEPOINT piece")?;
        let mark = memory.mark();
        if !work.run(&desk) {
            // A full disk or a failed read may have ended the whole transaction: then the
            // savepoint is gone too, this fails, and nobody is told that anything was written.
            statement(&transaction, "ROLLBACK TO piece")?;
            memory.undo_to(mark);
        }
        statement(&transaction, "RELEASE piece")?;
    }
    transaction.commit().map_err(unavailable("committing"))?;
    memory.keep();
    Ok(())
}

/// One transaction without savepoints. False if a piece failed: then nothing of it stays.
fn commit_if_all_succeed(
    connection: &Connection,
    memory: &Memory,
    batch: &mut [Box<dyn Work>],
) -> Result<bool, StoreError> {
    let transaction = begin(connection)?;
    let desk = Desk {
        connection: &transaction,
        memory,
    };
    for work in batch {
        let keep = work.run(&desk);
        if transaction.is_autocommit() {
            // SQLite ended the transaction under us (a full disk, a failed read): the next piece
            // would be durable by itself. Nobody is told that anything was written.
            return Err(StoreError::Unavailable {
                doing: "keeping a transaction open",
                source: Arc::new(std::io::Error::other("SQLite ended it")),
            });
        }
        if !keep {
            transaction
                .rollback()
                .map_err(unavailable("undoing a batch"))?;
            memory.undo_to(0);
            return Ok(false);
        }
    }
    transaction.commit().map_err(unavailable("committing"))?;
    memory.keep();
    Ok(true)
}

fn begin(connection: &Connection) -> Result<Transaction<'_>, StoreError> {
    // Nothing else on this thread has a transaction open.
    Transaction::new_unchecked(connection, TransactionBehavior::Immediate)
        .map_err(unavailable("starting a transaction"))
}

fn statement(connection: &Connection, sql: &str) -> Result<(), StoreError> {
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.execute([]))
        .map(|_| ())
        .map_err(unavailable("separating writes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn insert(number: i64) -> impl Fn(&Desk<'_>) -> Result<i64, StoreError> + Send {
        move |desk| {
            desk.execute("INSERT INTO numbers VALUES (?1)", [number])
                .map_err(unavailable("inserting"))?;
            Ok(number)
        }
    }

    fn numbers(path: &std::path::Path) -> Vec<i64> {
        let connection = Connection::open(path).unwrap();
        let mut statement = connection.prepare("SELECT n FROM numbers").unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }

    /// A database, and what the callers of one batch of four are told.
    fn batch_with(
        third: impl Fn(&Desk<'_>) -> Result<i64, StoreError> + Send + 'static,
    ) -> (Vec<Option<Result<i64, StoreError>>>, Vec<i64>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.db");
        let connection = Connection::open(&path).unwrap();
        connection
            .execute_batch("CREATE TABLE numbers (n INTEGER)")
            .unwrap();
        let (sender, queue) = mpsc::channel(8);
        let mut answers = Vec::new();
        let mut send = |(work, answer)| {
            assert!(sender.try_send(work).is_ok());
            answers.push(answer);
        };
        send(piece(insert(1)));
        send(piece(insert(2)));
        send(piece(third));
        send(piece(insert(4)));
        drop(sender);
        let thread = std::thread::spawn(move || serve(&connection, &Memory::default(), queue));
        let told = answers
            .into_iter()
            .map(|a| a.blocking_recv().ok())
            .collect();
        let _ = thread.join();
        (told, numbers(&path))
    }

    #[test]
    fn failing_piece__must_take_nothing_else_with_it() {
        let (told, kept) = batch_with(|desk| {
            insert(3)(desk)?;
            Err(StoreError::InvalidCursor)
        });
        assert!(matches!(told[2], Some(Err(StoreError::InvalidCursor))));
        assert!(matches!(told[3], Some(Ok(4))));
        assert_eq!(kept, [1, 2, 4]);
    }

    /// The first piece is done again after its batch was undone; so is what it made the writer
    /// remember.
    #[test]
    fn records_of_an_undone_batch__must_leave_no_gap_in_the_chain() {
        use crate::audit::{AuditEvent, AuditResult};
        use crate::sqlite::{audit, migrations};

        let append = |desk: &Desk<'_>| {
            let event = AuditEvent {
                timestamp: quorate_types::UnixMillis(1),
                event_type: "e".into(),
                user_id: None,
                key_id: None,
                node_id: None,
                session_id: None,
                operation: "o".into(),
                result: AuditResult::Denied,
                details: serde_json::json!({}),
                ip_address: None,
                user_agent: None,
                request_id: None,
            };
            audit::append(desk, &event).map(|place| place.record(event).sequence)
        };
        let mut connection = Connection::open_in_memory().unwrap();
        migrations::migrate(&mut connection).unwrap();
        let (first, _) = piece(append);
        let (second, _) = piece(move |desk| {
            append(desk)?;
            Err::<u64, _>(StoreError::InvalidCursor)
        });
        let (third, mut answer) = piece(append);
        let mut batch = vec![first, second, third];
        let memory = Memory::default();
        commit_together(&connection, &memory, &mut batch).unwrap();
        batch.pop().unwrap().answer(None);
        assert!(matches!(answer.try_recv(), Ok(Ok(2))));
        let mut check = audit::ChainCheck::new(None);
        assert!(!check.advance(&connection).unwrap());
        assert_eq!(check.finish().unwrap().head, memory.head());
    }

    #[test]
    fn lost_transaction__must_be_told_to_all_of_its_callers() {
        // As SQLite itself does when the disk is full or cannot be read.
        let (told, kept) = batch_with(|desk| {
            desk.execute_batch("ROLLBACK").unwrap();
            Ok(3)
        });
        for answer in told {
            assert!(matches!(answer, Some(Err(StoreError::Unavailable { .. }))));
        }
        assert!(kept.is_empty());
    }

    #[test]
    fn panic_in_a_piece__must_acknowledge_nothing() {
        let (told, kept) = batch_with(|_| panic!("a bug"));
        assert!(told.iter().all(Option::is_none));
        assert!(kept.is_empty());
    }
}
