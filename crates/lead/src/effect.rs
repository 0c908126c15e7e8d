//! What a lead wants done, and what it shows of itself.

use std::fmt;

use quorate_types::{NodeId, SessionId, SignerSet, UnixMillis};

use crate::outcome::Outcome;

/// Something for the shell to do, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Ask a node to join a session, with the whole evidence. One session has one set of members
    /// for ever.
    Open {
        /// The session; random, never used before.
        session: SessionId,
        /// Number of the attempt.
        attempt: u32,
        /// Whom to ask.
        node: NodeId,
        /// All members.
        signers: SignerSet,
    },
    /// Tell a node that a session is over. Losing this message costs nothing but the node's time.
    Cancel {
        /// The session.
        session: SessionId,
        /// Whom to tell.
        node: NodeId,
        /// Why.
        reason: CancelReason,
    },
    /// Something visible changed; for the sessions table and those who watch.
    Snapshot(Progress),
    /// Call again with [`crate::Event::Tick`] at this time, unless something happens before. Each
    /// replaces the one before.
    WakeAt(UnixMillis),
    /// The act has ended. Comes once; nothing follows.
    Finished(Outcome),
}

/// Why a session is cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CancelReason {
    /// The attempt failed or stalled; another one takes its place.
    Superseded,
    /// The result is here already.
    Done,
    /// The act was refused or its time is over.
    Failed,
    /// The caller cancelled.
    Caller,
}

impl CancelReason {
    /// Stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Superseded => "superseded",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Caller => "cancelled_by_caller",
        }
    }
}

impl fmt::Display for CancelReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a lead is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// Not started.
    New,
    /// No attempt is open: too few nodes, or a pause before the next attempt.
    Waiting,
    /// The signers are being asked to join.
    Opening,
    /// The rounds run.
    Running,
    /// The attempt was aborted; the signers' reports are being collected.
    Ending,
    /// A key certificate is held; the other nodes' confirmations are being collected.
    Settling,
    /// Over.
    Finished,
}

/// Where an act stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// What is going on.
    pub stage: Stage,
    /// Number of the current or last attempt; 0 before the first.
    pub attempt: u32,
    /// Its session.
    pub session: Option<SessionId>,
    /// Its members, in the order of their indices.
    pub signers: Vec<NodeId>,
    /// Round of the slowest member that reported; 0 before the first report.
    pub round: u8,
    /// How many rounds there are; 0 before the first report.
    pub rounds: u8,
    /// Name of the round; empty before the first report.
    pub round_name: String,
    /// On whom it waits, and since when.
    pub awaiting: Vec<Awaited>,
    /// What went wrong before.
    pub waited_on: Vec<Setback>,
}

/// A node that is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Awaited {
    /// Who.
    pub node: NodeId,
    /// Since when.
    pub since: UnixMillis,
}

/// How one attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setback {
    /// Number of the attempt.
    pub attempt: u32,
    /// Its session.
    pub session: SessionId,
    /// What happened.
    pub reason: SetbackReason,
    /// On whom it waited, or who is blamed; empty if nobody can be.
    pub nodes: Vec<NodeId>,
    /// Since when they were waited for.
    pub since: UnixMillis,
    /// When the attempt was given up.
    pub at: UnixMillis,
}

/// What ended an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SetbackReason {
    /// Nodes did not say in time that they joined.
    NotJoined,
    /// Nobody reported progress for too long.
    NoProgress {
        /// Round that it stuck in; 0 if no round was reported.
        round: u8,
    },
    /// The whole attempt took too long.
    TooLong,
    /// The link of a member broke.
    LinkLost,
    /// A member could not join.
    Refused {
        /// Its code.
        code: String,
    },
    /// A member's run was aborted.
    Aborted {
        /// Name of the reason.
        reason: String,
        /// Whether the blamed and the blaming may never work together again on these seeds.
        ban: bool,
    },
    /// Results of members do not verify.
    BadResult,
}

impl fmt::Display for SetbackReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotJoined => f.write_str("did not join in time"),
            Self::NoProgress { round } => write!(f, "no progress in round {round}"),
            Self::TooLong => f.write_str("took too long"),
            Self::LinkLost => f.write_str("link lost"),
            Self::Refused { code } => write!(f, "refused: {code}"),
            Self::Aborted { reason, ban: false } => write!(f, "aborted: {reason}"),
            Self::Aborted { reason, ban: true } => write!(f, "aborted and banned: {reason}"),
            Self::BadResult => f.write_str("delivered a result that does not verify"),
        }
    }
}
