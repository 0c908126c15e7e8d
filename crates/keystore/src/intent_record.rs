//! What this node signed, or may still sign: every intent that it joined.
//!
//! An intent is bound for ever to one list of digests. Each attempt has a session id that is never
//! accepted again. Once a verified signature is there, attempts are over and it is what everybody
//! gets. Expired intents are forgotten behind a durable time mark, and everything that expired
//! before the mark is refused, so that forgetting never allows what remembering forbids.
//!
//! Specification: `docs/protocols/share-files.md` §9. Rows C3, D10, D14.

mod event;

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use quorate_types::{Canonical as _, Digest32, SessionId, UnixSeconds};
use thiserror::Error;

use crate::append_log::{AppendLog, Durable, LogError, LogKind, Ticket, TornTail};
use crate::limits::Limits;
use crate::storage::Storage;
use event::Event;

pub(crate) const KIND: LogKind = LogKind::new("intents");

/// Whether an intent was known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// Bound now.
    New,
    /// Bound before, to the same digests.
    Again,
}

/// Why the record refuses. All but [`IntentError::Log`] are the caller's, or the coordinator's.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum IntentError {
    /// The intent is bound to other digests. Nothing may be signed for it but those.
    #[error("intent {intent} is bound to other digests")]
    InvalidDigests {
        /// The intent.
        intent: Digest32,
    },
    /// The intent expired before the durable time mark; whether it was signed is forgotten.
    #[error("intent {intent} expired at {expires_at}, before the time mark {mark}")]
    InvalidExpiry {
        /// The intent.
        intent: Digest32,
        /// Its expiry.
        expires_at: UnixSeconds,
        /// The mark.
        mark: UnixSeconds,
    },
    /// The intent was never bound here, or is forgotten.
    #[error("intent {intent} is not known here")]
    UnknownIntent {
        /// The intent.
        intent: Digest32,
    },
    /// The session id was used before (row C3).
    #[error("session {session} was used before")]
    InvalidSession {
        /// The session.
        session: SessionId,
    },
    /// The intent has its signature: there is nothing left to attempt, and no other takes its place.
    #[error("intent {intent} is signed already")]
    AlreadySigned {
        /// The intent.
        intent: Digest32,
        /// The first signature, which is what everybody gets.
        signature: Vec<u8>,
    },
    /// A list is empty or longer than its limit.
    #[error("intent {intent}: {count} {what}, the limit is {limit}")]
    InvalidCount {
        /// The intent.
        intent: Digest32,
        /// Of what.
        what: &'static str,
        /// How many.
        count: usize,
        /// The limit.
        limit: usize,
    },
    /// So many intents are remembered that no more are taken until some expire.
    #[error("{limit} intents are remembered; prune expired ones")]
    Overloaded {
        /// The limit.
        limit: usize,
    },
    /// The log failed: nothing is signed without a durable record (fail closed).
    #[error(transparent)]
    Log(#[from] LogError),
}

struct Intent {
    digests: Vec<Digest32>,
    expires_at: UnixSeconds,
    attempts: Vec<SessionId>,
    signature: Option<Vec<u8>>,
}

#[derive(Default)]
struct Memory {
    intents: HashMap<Digest32, Intent>,
    sessions: HashSet<SessionId>,
    mark: UnixSecondsOrZero,
    /// Events in the log, to know when rewriting it pays.
    events: usize,
}

/// A mark of 0 refuses nothing.
#[derive(Clone, Copy)]
struct UnixSecondsOrZero(UnixSeconds);

impl Default for UnixSecondsOrZero {
    fn default() -> Self {
        Self(UnixSeconds(0))
    }
}

/// The record. Share it by reference; calls on one intent are serialised.
pub struct IntentRecord {
    log: AppendLog,
    memory: Mutex<Memory>,
    limits: Limits,
}

/// Rewrite the log at the earliest when it has this many events.
const REWRITE_EVENTS: usize = 4_096;

impl IntentRecord {
    /// Opens the record and loads it.
    ///
    /// # Errors
    /// [`LogError`] if the log is missing or damaged: a node that forgot what it signed must not
    /// sign.
    pub fn open(
        storage: Arc<dyn Storage>,
        path: &Path,
        limits: Limits,
    ) -> Result<(Self, Option<TornTail>), LogError> {
        let mut memory = Memory::default();
        let mut visit = |record: &[u8]| {
            memory.replay(Event::from_bytes(record)?)?;
            Ok(())
        };
        let (log, torn) = AppendLog::open(storage, path, KIND, limits.queued_bytes, &mut visit)?;
        let memory = Mutex::new(memory);
        let record = Self {
            log,
            memory,
            limits,
        };
        Ok((record, torn))
    }

    /// Binds an intent to the digests that it asks to sign. Call before joining any attempt.
    ///
    /// Await or [`Durable::wait`] the answer before acting on it, also for [`Bound::Again`]: the
    /// first call may still be on its way to the disk.
    ///
    /// # Errors
    /// [`IntentError::InvalidDigests`] if it is bound to others (or to the same in another order),
    /// [`IntentError::InvalidExpiry`], and the limits.
    pub fn bind(
        &self,
        intent: Digest32,
        digests: &[Digest32],
        expires_at: UnixSeconds,
    ) -> Result<Durable<Bound>, IntentError> {
        let (count, limit) = (digests.len(), self.limits.digests_per_intent);
        let mut memory = self.memory.lock();
        memory.check_mark(intent, expires_at)?;
        if let Some(known) = memory.intents.get(&intent) {
            if known.digests != digests {
                return Err(IntentError::InvalidDigests { intent });
            }
            return Ok(Durable::new(Bound::Again, self.log.barrier()?));
        }
        if count == 0 || count > limit {
            let what = "digests";
            return Err(IntentError::InvalidCount {
                intent,
                what,
                count,
                limit,
            });
        }
        if memory.intents.len() >= self.limits.intents {
            let limit = self.limits.intents;
            return Err(IntentError::Overloaded { limit });
        }
        let digests = digests.to_vec();
        let event = Event::Bind {
            intent,
            expires_at,
            digests,
        };
        Ok(Durable::new(Bound::New, self.write(&mut memory, event)?))
    }

    /// Starts one attempt of a bound intent. The session id is spent when this completes, whatever
    /// becomes of the attempt: after a crash a new attempt needs a new id and fresh nonces.
    ///
    /// # Errors
    /// [`IntentError::InvalidSession`] for any id that was used before, for any intent (row C3);
    /// [`IntentError::AlreadySigned`] with the signature to return, after waiting until that is
    /// durable; others.
    pub fn begin_attempt(
        &self,
        intent: Digest32,
        session: SessionId,
    ) -> Result<Durable<()>, IntentError> {
        let mut memory = self.memory.lock();
        let known = memory.known(intent)?;
        if let Some(signature) = known.signature.clone() {
            drop(memory);
            return Err(self.already_signed(intent, signature));
        }
        let (count, limit) = (known.attempts.len() + 1, self.limits.attempts_per_intent);
        if memory.sessions.contains(&session) {
            return Err(IntentError::InvalidSession { session });
        }
        if count > limit {
            let what = "attempts";
            return Err(IntentError::InvalidCount {
                intent,
                what,
                count,
                limit,
            });
        }
        let event = Event::Attempt { intent, session };
        Ok(Durable::new((), self.write(&mut memory, event)?))
    }

    /// Records the signature, which the caller has verified. The first one stays: the same again is
    /// welcome, another one is refused with the first, which is what the caller must answer with.
    ///
    /// # Errors
    /// [`IntentError::AlreadySigned`] with the first signature, after waiting until that is durable;
    /// [`IntentError::UnknownIntent`] for an intent that was never bound, or is forgotten; [`IntentError::InvalidCount`] for the length;
    /// the log's.
    pub fn complete(&self, intent: Digest32, signature: &[u8]) -> Result<Durable<()>, IntentError> {
        let (count, limit) = (signature.len(), self.limits.signature_bytes);
        if count == 0 || count > limit {
            let what = "signature bytes";
            return Err(IntentError::InvalidCount {
                intent,
                what,
                count,
                limit,
            });
        }
        let mut memory = self.memory.lock();
        if let Some(first) = memory.known(intent)?.signature.clone() {
            if first == signature {
                return Ok(Durable::new((), self.log.barrier()?));
            }
            drop(memory);
            return Err(self.already_signed(intent, first));
        }
        let signature = signature.to_vec();
        let event = Event::Complete { intent, signature };
        Ok(Durable::new((), self.write(&mut memory, event)?))
    }

    /// The signature of an intent, if it has one. Blocks until it is durable: what is shown to
    /// anybody must still be known after a crash, or the intent could get a second signature.
    ///
    /// # Errors
    /// [`LogError::Failed`]: there is a signature, and whether it survives is unknown.
    pub fn signature_of(&self, intent: Digest32) -> Result<Option<Vec<u8>>, LogError> {
        let signed = self.signed(intent)?;
        let shown = |(signature, ticket): (_, Ticket)| ticket.wait().map(|()| signature);
        signed.map(shown).transpose()
    }

    /// As [`Self::signature_of`], for whoever waits elsewhere: the signature may be shown after the
    /// ticket says that it is durable.
    ///
    /// # Errors
    /// [`LogError::Failed`]: there is a signature, and whether it survives is unknown.
    pub fn signed(&self, intent: Digest32) -> Result<Option<(Vec<u8>, Ticket)>, LogError> {
        let signature = {
            let memory = self.memory.lock();
            let known = memory.intents.get(&intent);
            known.and_then(|intent| intent.signature.clone())
        };
        let Some(signature) = signature else {
            return Ok(None);
        };
        Ok(Some((signature, self.log.barrier()?)))
    }

    /// The refusal that carries the first signature, once that is durable.
    fn already_signed(&self, intent: Digest32, signature: Vec<u8>) -> IntentError {
        match self.log.barrier().and_then(Ticket::wait) {
            Ok(()) => IntentError::AlreadySigned { intent, signature },
            Err(failure) => IntentError::Log(failure),
        }
    }

    /// The digests that an intent is bound to.
    #[must_use]
    pub fn digests_of(&self, intent: Digest32) -> Option<Vec<Digest32>> {
        let memory = self.memory.lock();
        Some(memory.intents.get(&intent)?.digests.clone())
    }

    /// Number of intents that are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.memory.lock().intents.len()
    }

    /// Whether no intent is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The failure that closed the record, if one did.
    #[must_use]
    pub fn failure(&self) -> Option<LogError> {
        self.log.failure()
    }

    /// Whether an intent with this expiry is refused because of the time mark.
    #[must_use]
    pub fn is_before_mark(&self, expires_at: UnixSeconds) -> bool {
        expires_at < self.memory.lock().mark.0
    }

    /// Forgets intents that expired before `now`, behind a durable mark at `now`. The mark never
    /// moves back. Returns how many were forgotten. Their session ids are forgotten with them and
    /// could be used again; all that a session derives is bound to its intent too, and no intent
    /// that expired before the mark is bound again.
    ///
    /// # Security
    /// `now` should be the lowest of the clocks that admit intents, less their tolerance: the mark
    /// refuses every intent that expires before it.
    ///
    /// # Errors
    /// [`IntentError::Log`].
    pub fn prune(&self, now: UnixSeconds) -> Result<Durable<usize>, IntentError> {
        let mut memory = self.memory.lock();
        if now <= memory.mark.0 {
            return Ok(Durable::new(0, self.log.barrier()?));
        }
        let before = memory.intents.len();
        let ticket = self.write(&mut memory, Event::Mark { mark: now })?;
        let forgotten = before - memory.intents.len();
        let live = memory.live_events();
        if memory.events < REWRITE_EVENTS || memory.events < 2 * live {
            return Ok(Durable::new(forgotten, ticket));
        }
        let ticket = self.log.replace(memory.snapshot())?;
        memory.events = live;
        Ok(Durable::new(forgotten, ticket))
    }

    /// Queues an event and applies it, in one order for disk and memory: the lock is held.
    ///
    /// Memory may be ahead of the disk. It is so only towards refusing more, and if the disk fails
    /// everything is refused.
    fn write(&self, memory: &mut Memory, event: Event) -> Result<Ticket, LogError> {
        let ticket = self.log.append(event.to_bytes())?;
        memory
            .replay(event)
            .expect("the caller checked that the event may follow");
        Ok(ticket)
    }
}

/// An event that may not follow those before it.
#[derive(Debug, Error)]
#[error("the event contradicts an earlier one: {0}")]
struct Contradiction(&'static str);

impl Memory {
    fn check_mark(&self, intent: Digest32, expires_at: UnixSeconds) -> Result<(), IntentError> {
        let mark = self.mark.0;
        if expires_at < mark {
            return Err(IntentError::InvalidExpiry {
                intent,
                expires_at,
                mark,
            });
        }
        Ok(())
    }

    fn known(&self, intent: Digest32) -> Result<&Intent, IntentError> {
        self.intents
            .get(&intent)
            .ok_or(IntentError::UnknownIntent { intent })
    }

    fn replay(&mut self, event: Event) -> Result<(), Contradiction> {
        self.events += 1;
        match event {
            Event::Bind {
                intent,
                expires_at,
                digests,
            } => {
                let bound = Intent {
                    digests,
                    expires_at,
                    attempts: Vec::new(),
                    signature: None,
                };
                match self.intents.insert(intent, bound) {
                    Some(_) => Err(Contradiction("bound twice")),
                    None => Ok(()),
                }
            }
            Event::Attempt { intent, session } => {
                let fresh = self.sessions.insert(session);
                let intent = self.intents.get_mut(&intent);
                let intent = intent.filter(|intent| fresh && intent.signature.is_none());
                intent
                    .ok_or(Contradiction(
                        "attempt of no open intent, or session used twice",
                    ))?
                    .attempts
                    .push(session);
                Ok(())
            }
            Event::Complete { intent, signature } => {
                let intent = self.intents.get_mut(&intent);
                intent
                    .filter(|intent| intent.signature.is_none())
                    .ok_or(Contradiction("signature of no open intent"))?
                    .signature = Some(signature);
                Ok(())
            }
            Event::Mark { mark } if mark < self.mark.0 => {
                Err(Contradiction("the time mark moves back"))
            }
            Event::Mark { mark } => {
                self.mark = UnixSecondsOrZero(mark);
                self.forget_expired();
                Ok(())
            }
        }
    }

    fn forget_expired(&mut self) {
        let mark = self.mark.0;
        let sessions = &mut self.sessions;
        self.intents.retain(|_, intent| {
            let live = intent.expires_at >= mark;
            if !live {
                for session in &intent.attempts {
                    sessions.remove(session);
                }
            }
            live
        });
    }

    fn live_events(&self) -> usize {
        let signed = self.intents.values().filter(|i| i.signature.is_some());
        1 + self.intents.len() + self.sessions.len() + signed.count()
    }

    /// The fewest events that lead to this memory.
    fn snapshot(&self) -> Vec<Vec<u8>> {
        let mut events = vec![Event::Mark { mark: self.mark.0 }.to_bytes()];
        for (&intent, known) in &self.intents {
            let bind = Event::Bind {
                intent,
                expires_at: known.expires_at,
                digests: known.digests.clone(),
            };
            events.push(bind.to_bytes());
            for &session in &known.attempts {
                events.push(Event::Attempt { intent, session }.to_bytes());
            }
            if let Some(signature) = known.signature.clone() {
                events.push(Event::Complete { intent, signature }.to_bytes());
            }
        }
        events
    }
}
