//! The node's own audit log: a hash chain in a durable file.
//!
//! [`AuditLog::begin`] before an act, [`AuditLog::finish`] after it. If the first cannot be
//! written, the act does not happen. An act without its outcome (the process died) is found when
//! the log is opened, and the caller records it as unknown.
//!
//! Specification: `docs/protocols/audit-log.md`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use quorate_audit::{
    AuditEvent, AuditResult, Chain, ChainError, Facts, Head, InvalidEvent, Record, Verifier,
};
use quorate_types::{NodeId, UnixSeconds};
use thiserror::Error;

use crate::append_log::{AppendLog, Durable, LogError, LogKind, Ticket, TornTail};
use crate::damage::Check;
use crate::error::KeystoreError;
use crate::limits::Limits;
use crate::signed_head::SignedHead;
use crate::storage::Storage;

pub(crate) const KIND: LogKind = LogKind::new("audit");
pub(crate) const HEAD_TAG: &str = "quorate audit checkpoint v1";

/// Fact of an outcome: sequence number of the intent that it completes.
const INTENT_FACT: &str = "intent_sequence";

/// Why an event is not recorded. The act must then not happen.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum AuditLogError {
    /// The event breaks a limit (the caller's fault).
    #[error(transparent)]
    InvalidEvent(#[from] InvalidEvent),
    /// The log failed.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The chain in the file is broken.
    #[error(
        "the audit chain is broken: {0}; restore audit.log and keep the broken file as evidence"
    )]
    Chain(#[from] ChainError),
}

/// An act that was announced and has no outcome yet.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "an announced act needs its outcome: pass this to AuditLog::finish"]
pub struct Begun {
    sequence: u64,
    event: Arc<AuditEvent>,
}

impl Begun {
    /// Sequence number of the announcement.
    #[must_use]
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// What was announced.
    #[must_use]
    pub fn event(&self) -> &AuditEvent {
        &self.event
    }
}

struct Inner {
    chain: Chain,
    unfinished: BTreeMap<u64, Arc<AuditEvent>>,
}

impl Inner {
    /// Keeps an announcement until its outcome is there; the record's event, for the caller.
    fn note(&mut self, record: Record) -> Arc<AuditEvent> {
        let event = Arc::new(record.event);
        if event.result == AuditResult::Intent {
            self.unfinished.insert(record.sequence, Arc::clone(&event));
        } else if let Some(of) = event.details.get(INTENT_FACT).and_then(|v| v.as_u64()) {
            self.unfinished.remove(&of);
        }
        event
    }
}

/// The open log.
pub struct AuditLog {
    log: AppendLog,
    head: SignedHead,
    inner: Mutex<Inner>,
}

pub(crate) fn genesis(node: &NodeId) -> Head {
    Head::genesis(node.as_str().as_bytes())
}

impl AuditLog {
    /// Opens the log, verifies the whole chain against the last signed head, and signs a new one.
    ///
    /// # Errors
    /// [`KeystoreError`] naming the first broken record, or that the log was shortened.
    pub(crate) fn open(
        storage: Arc<dyn Storage>,
        path: &Path,
        head: SignedHead,
        node: &NodeId,
        limits: &Limits,
    ) -> Result<(Self, Option<TornTail>), KeystoreError> {
        let known = head.read()?;
        let mut verifier = Verifier::new(genesis(node), Some(known));
        let mut inner = Inner {
            chain: Chain::at(genesis(node)),
            unfinished: BTreeMap::new(),
        };
        let mut visit = |record: &[u8]| {
            let record = Record::from_line(std::str::from_utf8(record)?)?;
            verifier.check(&record)?;
            inner.note(record);
            Ok(())
        };
        let (log, torn) = AppendLog::open(storage, path, KIND, limits.queued_bytes, &mut visit)?;
        let end = verifier
            .finish()
            .map_err(|_| KeystoreError::damaged(None, path, Check::HeadReached))?;
        inner.chain = Chain::at(end);
        if end != known {
            head.write(end)?;
        }
        let inner = Mutex::new(inner);
        Ok((Self { log, head, inner }, torn))
    }

    /// Announces an act; its `result` becomes `intent`. Act only after the answer is durable.
    ///
    /// # Errors
    /// [`AuditLogError`]: the act must not happen.
    pub fn begin(&self, mut event: AuditEvent) -> Result<Durable<Begun>, AuditLogError> {
        event.result = AuditResult::Intent;
        let (sequence, event, ticket) = self.append(event)?;
        Ok(Durable::new(Begun { sequence, event }, ticket))
    }

    /// Records what came of an act: the announced event with its outcome, time and further facts.
    ///
    /// # Errors
    /// [`AuditLogError`]: the request fails; the act is reported as unknown at the next start.
    pub fn finish(
        &self,
        begun: &Begun,
        result: AuditResult,
        at: UnixSeconds,
        facts: Facts,
    ) -> Result<Durable<u64>, AuditLogError> {
        let mut event = AuditEvent::clone(&begun.event);
        event.result = result;
        event.timestamp = at;
        event.details.extend(facts);
        event = event.with(INTENT_FACT, begun.sequence);
        self.record(event)
    }

    /// Records an event that is not an act in two steps: a refusal, a ban, a start.
    /// Returns its sequence number.
    ///
    /// # Errors
    /// [`AuditLogError`].
    pub fn record(&self, event: AuditEvent) -> Result<Durable<u64>, AuditLogError> {
        let (sequence, _, ticket) = self.append(event)?;
        Ok(Durable::new(sequence, ticket))
    }

    /// Acts without outcome. After [`AuditLog::open`] these are what a crash interrupted.
    #[must_use]
    pub fn unfinished(&self) -> Vec<Begun> {
        let inner = self.inner.lock();
        let begun = |(&sequence, event): (&u64, &Arc<AuditEvent>)| Begun {
            sequence,
            event: Arc::clone(event),
        };
        inner.unfinished.iter().map(begun).collect()
    }

    /// The end of the chain, durable or on its way.
    #[must_use]
    pub fn head(&self) -> Head {
        self.inner.lock().chain.head()
    }

    /// Makes the log durable, writes its head, and signs it for peers to keep.
    /// The signature is over the bytes of [`AuditLog::checkpoint_statement`].
    ///
    /// # Errors
    /// [`KeystoreError`].
    pub fn checkpoint(&self) -> Result<(Head, [u8; 64]), KeystoreError> {
        let (head, barrier) = {
            let inner = self.inner.lock();
            (inner.chain.head(), self.log.barrier()?)
        };
        barrier.wait()?;
        self.head.write(head)?;
        Ok((head, self.head.sign(head)))
    }

    /// What a node signs in a checkpoint of its head.
    #[must_use]
    pub fn checkpoint_statement(&self, head: Head) -> Vec<u8> {
        self.head.statement(head)
    }

    /// The failure that closed the log, if one did.
    #[must_use]
    pub fn failure(&self) -> Option<LogError> {
        self.log.failure()
    }

    fn append(&self, event: AuditEvent) -> Result<(u64, Arc<AuditEvent>, Ticket), AuditLogError> {
        let mut inner = self.inner.lock();
        // The chain moves only if the log takes the record.
        let mut chain = inner.chain;
        let record = chain.append(event)?;
        let ticket = self.log.append(record.to_line().into_bytes())?;
        inner.chain = chain;
        let sequence = record.sequence;
        Ok((sequence, inner.note(record), ticket))
    }
}
