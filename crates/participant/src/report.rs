//! What a session tells the coordinator. The coordinator may be gone, or read nothing; the session
//! goes on, and waits for nobody: the place of its result is taken before it begins.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use quorate_api::mpc_v1 as wire;
use quorate_api::mpc_v1::participate_signing_response::Event;
use quorate_protocol::{Abort, Progress, Sanction};
use quorate_types::{Canonical as _, SessionId};
use quorate_verify::Signature;
use tokio::sync::mpsc;

use crate::refusal::{Refusal, RefusalKind};

/// Events on their way to one coordinator.
pub(crate) type EventSender = mpsc::Sender<wire::ParticipateSigningResponse>;

/// Room for the result of one session in the queue to its coordinator.
pub(crate) type ResultPlace = mpsc::OwnedPermit<wire::ParticipateSigningResponse>;

/// The voice of one session.
pub(crate) struct Report {
    session: SessionId,
    /// None for a run that no coordinator proposed.
    events: Option<EventSender>,
    /// Until the result is told.
    place: Mutex<Option<ResultPlace>>,
    pub(crate) bytes_sent: AtomicU64,
    pub(crate) bytes_received: AtomicU64,
    told: Mutex<Told>,
}

/// What the coordinator has heard of a session that goes on.
struct Told {
    at: Instant,
    /// That this node joined is still to be told.
    joined_waits: bool,
}

impl Report {
    pub(crate) fn new(session: SessionId, events: EventSender, place: ResultPlace) -> Self {
        Self {
            events: Some(events),
            place: Mutex::new(Some(place)),
            ..Self::silent(session)
        }
    }

    /// Of a run between participants alone: it tells nobody.
    pub(crate) fn silent(session: SessionId) -> Self {
        let (bytes_sent, bytes_received) = (AtomicU64::new(0), AtomicU64::new(0));
        Self {
            session,
            events: None,
            place: Mutex::new(None),
            bytes_sent,
            bytes_received,
            told: Mutex::new(Told {
                at: Instant::now(),
                joined_waits: false,
            }),
        }
    }

    /// Told with the first progress: most sessions are over sooner, and their result says it.
    pub(crate) fn joined(&self) {
        self.told.lock().joined_waits = true;
    }

    /// When the coordinator last heard of this session; its beginning if it never did.
    pub(crate) fn told_at(&self) -> Instant {
        self.told.lock().at
    }

    /// The session is at this step, of so many; `progress` says what it does, and whom it awaits.
    /// Progress is worth nothing late: it is dropped where the queue is full.
    pub(crate) fn progress(&self, progress: &Progress, (step, steps): (u8, u8)) {
        let joined_waits = {
            let mut told = self.told.lock();
            told.at = Instant::now();
            std::mem::take(&mut told.joined_waits)
        };
        if joined_waits {
            self.passing(Event::Joined(wire::SessionJoined {}));
        }
        self.passing(Event::Progress(wire::SessionProgress {
            round: u32::from(step),
            rounds: u32::from(steps),
            round_name: progress.name.to_owned(),
            awaiting: progress
                .awaiting
                .iter()
                .map(|index| u32::from(index.get()))
                .collect(),
        }));
    }

    pub(crate) fn signed(&self, signatures: &[Signature]) {
        self.lasting(Event::Signed(wire::SessionSigned {
            signatures: signatures.iter().map(Signature::to_wire).collect(),
            bytes_sent: self.bytes_sent.load(Ordering::Relaxed),
            bytes_received: self.bytes_received.load(Ordering::Relaxed),
        }));
    }

    pub(crate) fn key_created(&self, certificate: &quorate_intent::KeyCertificate) {
        let certificate = certificate.to_bytes();
        self.lasting(Event::KeyCreated(wire::SessionKeyCreated { certificate }));
    }

    pub(crate) fn refused(&self, refusal: &Refusal) {
        let (kind, signatures) = match &refusal.kind {
            RefusalKind::Permanent => (wire::RefusalKind::Permanent, Vec::new()),
            RefusalKind::Retry => (wire::RefusalKind::Retry, Vec::new()),
            RefusalKind::AlreadySigned(signatures) => {
                (wire::RefusalKind::AlreadySigned, signatures.clone())
            }
        };
        self.lasting(Event::Refused(wire::SessionRefused {
            kind: kind.into(),
            code: refusal.code.as_str().to_owned(),
            message: refusal.message.clone(),
            signatures,
        }));
    }

    /// The coordinator learns who is blamed, not which check failed (row C13).
    pub(crate) fn aborted(&self, abort: &Abort) {
        use quorate_protocol::Reason;
        let reason = match abort.reason {
            Reason::TimedOut | Reason::Cancelled | Reason::PeerAborted => abort.reason.name(),
            Reason::LocalState { .. } => "local_state",
            _ => "protocol_violation",
        };
        self.lasting(Event::Aborted(wire::SessionAborted {
            reason: reason.to_owned(),
            culprits: abort
                .culprits
                .iter()
                .map(|index| u32::from(index.get()))
                .collect(),
            ban: abort.sanction() == Sanction::Ban,
        }));
    }

    fn message(&self, event: Event) -> wire::ParticipateSigningResponse {
        let session_id = self.session.as_bytes().to_vec();
        wire::ParticipateSigningResponse {
            session_id,
            event: Some(event),
        }
    }

    fn passing(&self, event: Event) {
        if let Some(events) = &self.events {
            let _ = events.try_send(self.message(event));
        }
    }

    /// The result, once: it has its place in the queue. If the coordinator is gone it will ask again,
    /// and gets what is recorded.
    fn lasting(&self, event: Event) {
        match self.place.lock().take() {
            Some(place) => drop(place.send(self.message(event))),
            None => tracing::error!(session = %self.session, "a session ended twice"),
        }
    }
}
