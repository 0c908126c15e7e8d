//! What a lead is told.

use quorate_types::{NodeId, PartyIndex, SessionId};

/// Something that happened. Events of sessions that are not ours, or of nodes that are not in
/// them, change nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Begin. Before it, nothing is opened.
    Start,
    /// A node joined a session.
    Opened {
        /// Who.
        node: NodeId,
        /// What.
        session: SessionId,
    },
    /// A node says where it stands.
    Progress {
        /// Who.
        node: NodeId,
        /// In which session.
        session: SessionId,
        /// Its round, from 1.
        round: u8,
        /// Name of the round.
        round_name: String,
        /// How many rounds there are.
        rounds: u8,
        /// Whose messages it lacks.
        awaiting: Vec<PartyIndex>,
    },
    /// A node delivered the result, and the shell verified it against public keys alone.
    Completed {
        /// Who.
        node: NodeId,
        /// In which session.
        session: SessionId,
        /// Signature or key certificate.
        result: Vec<u8>,
    },
    /// A node delivered a result that does not verify: the node is faulty.
    ResultRejected {
        /// Who.
        node: NodeId,
        /// In which session.
        session: SessionId,
    },
    /// A node will not join a session.
    Refused {
        /// Who.
        node: NodeId,
        /// Which session.
        session: SessionId,
        /// Why, and what follows.
        refusal: Refusal,
    },
    /// A node's run ended without a result.
    Aborted {
        /// Who says so.
        node: NodeId,
        /// Which session.
        session: SessionId,
        /// Name of the reason.
        reason: String,
        /// Whom it blames.
        culprits: Vec<PartyIndex>,
        /// Whether the node will never again work with the culprits on their current seeds (row
        /// C12).
        ban: bool,
    },
    /// A node's link broke: its runs may be gone, even if it is back at once.
    NodeLost {
        /// Who.
        node: NodeId,
    },
    /// A node's link is up.
    NodeBack {
        /// Who.
        node: NodeId,
    },
    /// Time has passed.
    Tick,
    /// A caller who may do so wants no result any more.
    CancelRequested,
}

impl Event {
    /// Whose word about which session this is, if it is one.
    pub(crate) const fn origin(&self) -> Option<(&NodeId, SessionId)> {
        match self {
            Self::Opened { node, session }
            | Self::Progress { node, session, .. }
            | Self::Completed { node, session, .. }
            | Self::ResultRejected { node, session }
            | Self::Refused { node, session, .. }
            | Self::Aborted { node, session, .. } => Some((node, *session)),
            Self::Start
            | Self::NodeLost { .. }
            | Self::NodeBack { .. }
            | Self::Tick
            | Self::CancelRequested => None,
        }
    }
}

/// Why a node does not join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Stable code, as in the documentation of errors.
    pub code: String,
    /// For people. Log-safe.
    pub message: String,
    /// What follows.
    pub kind: RefusalKind,
}

/// What follows from a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefusalKind {
    /// The act may not be done: policy, bad or expired intent. It ends at once; no node is sought
    /// that would accept.
    Permanent,
    /// This node cannot now, another set of signers may: load, a damaged share, a banned pair.
    Retry,
    /// The node holds the result already; the shell verified it. (If it does not verify, the shell
    /// says [`Event::ResultRejected`] instead.)
    AlreadySigned(Vec<u8>),
}
