//! Growing a chain, and checking one.

use thiserror::Error;

use crate::event::{AuditEvent, InvalidEvent};
use crate::record::{Head, Record};

#[cfg(test)]
mod tests;

/// What is wrong with a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ChainFault {
    /// The sequence number is not the next one: a record is missing, repeated or out of order.
    #[error("expected the record with this number, found number {found}")]
    Sequence {
        /// Number found.
        found: u64,
    },
    /// The record does not continue the one before it.
    #[error("it does not continue the record before it")]
    Previous,
    /// The record was edited: its hash is not that of its content.
    #[error("its hash is not that of its content")]
    Hash,
    /// The known head names this record, but another one stands here.
    #[error("it is not the record that the known head names")]
    Head,
    /// The chain ends before this record, which a known head proves to have existed.
    #[error("it existed, and the chain ends before it")]
    Truncated,
}

/// The first place at which a chain is not what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("audit record {sequence}: {why}")]
pub struct ChainError {
    /// Sequence number of the record that fails.
    pub sequence: u64,
    /// What is wrong with it.
    #[source]
    pub why: ChainFault,
}

/// The growing end of a chain. Holds the head only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chain {
    head: Head,
}

impl Chain {
    /// Continues at a head: [`Head::genesis`] for a new chain, or that of a verified one.
    #[must_use]
    pub const fn at(head: Head) -> Self {
        Self { head }
    }

    /// Links the next event and moves the head to it.
    ///
    /// # Errors
    /// [`InvalidEvent`] if the event breaks a limit; the chain stays as it was.
    pub fn append(&mut self, event: AuditEvent) -> Result<Record, InvalidEvent> {
        let record = Record::after(self.head, event)?;
        self.head = record.head();
        Ok(record)
    }

    /// The end of the chain.
    #[must_use]
    pub const fn head(&self) -> Head {
        self.head
    }
}

/// Checks records one by one, for logs too large for memory.
#[derive(Debug, Clone)]
pub struct Verifier {
    head: Head,
    known: Option<Head>,
}

impl Verifier {
    /// Starts after `genesis`. With `known`, the chain must contain the record that it names.
    #[must_use]
    pub const fn new(genesis: Head, known: Option<Head>) -> Self {
        Self {
            head: genesis,
            known,
        }
    }

    /// Checks the next record.
    ///
    /// # Errors
    /// [`ChainError`] naming the sequence number that stands, or should stand, here.
    pub fn check(&mut self, record: &Record) -> Result<(), ChainError> {
        let sequence = self.head.sequence + 1;
        let fail = |why| Err(ChainError { sequence, why });
        if record.sequence != sequence {
            let found = record.sequence;
            return fail(ChainFault::Sequence { found });
        }
        if record.previous != self.head.hash {
            return fail(ChainFault::Previous);
        }
        if !record.hash_is_right() {
            return fail(ChainFault::Hash);
        }
        if self
            .known
            .is_some_and(|known| known.sequence == sequence && known != record.head())
        {
            return fail(ChainFault::Head);
        }
        self.head = record.head();
        Ok(())
    }

    /// Ends the check.
    ///
    /// # Errors
    /// [`ChainError`] naming the first missing record, if the known head is beyond the end.
    pub fn finish(self) -> Result<Head, ChainError> {
        match self.known {
            Some(known) if known.sequence > self.head.sequence => Err(ChainError {
                sequence: self.head.sequence + 1,
                why: ChainFault::Truncated,
            }),
            Some(known) if known.sequence == 0 && self.head.sequence == 0 && known != self.head => {
                Err(ChainError {
                    sequence: 0,
                    why: ChainFault::Head,
                })
            }
            _ => Ok(self.head),
        }
    }
}

/// Checks a whole chain from its start. With `known`, a truncation before that head is found too.
///
/// # Errors
/// [`ChainError`] naming the first sequence number at which the chain is not what was written.
pub fn verify<'a>(
    genesis: Head,
    records: impl IntoIterator<Item = &'a Record>,
    known: Option<Head>,
) -> Result<Head, ChainError> {
    let mut verifier = Verifier::new(genesis, known);
    for record in records {
        verifier.check(record)?;
    }
    verifier.finish()
}
