//! How an act ends.

use quorate_types::{NodeId, SessionId};
use thiserror::Error;

use crate::effect::Setback;

/// The end of an act; there is exactly one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// There is a verified result.
    Completed(Completed),
    /// There is none.
    Failed {
        /// Why.
        failure: Failure,
        /// What went wrong in each attempt, and on whom it waited.
        waited_on: Vec<Setback>,
    },
    /// The caller cancelled. A node may hold a result all the same.
    Cancelled,
}

/// A verified result and where it is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completed {
    /// Signature or key certificate.
    pub result: Vec<u8>,
    /// Session over which it came.
    pub session: SessionId,
    /// Number of that attempt.
    pub attempt: u32,
    /// Members of that session, in the order of their indices.
    pub signers: Vec<NodeId>,
    /// Whether a node held it before that session began; then `signers` did not make it.
    pub earlier: bool,
    /// Key generation: members that have not confirmed yet. They hold their share all the same,
    /// since all of them signed the certificate.
    pub unconfirmed: Vec<NodeId>,
    /// What went wrong before.
    pub waited_on: Vec<Setback>,
}

/// Why there is no result.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Failure {
    /// Fewer nodes than needed could be reached, or the pairs among them are banned.
    #[error(
        "{needed} nodes are needed, {available} are available; missing: {}; banned pairs: {}",
        names(missing),
        pairs(banned_pairs)
    )]
    NotEnoughNodes {
        /// Signers that one attempt takes.
        needed: u8,
        /// Members of the committee that can be reached.
        available: u8,
        /// Members of the committee that cannot, in the order of their indices.
        missing: Vec<NodeId>,
        /// Pairs that can be reached but may not work together for this key.
        banned_pairs: Vec<(NodeId, NodeId)>,
    },
    /// A node refused the act for good.
    #[error("node `{node}` refused: {message}")]
    Refused {
        /// Who.
        node: NodeId,
        /// The node's code.
        code: String,
        /// The node's words.
        message: String,
    },
    /// The time limit or the intent's expiry came first.
    #[error("no result in time, after {attempts} attempts")]
    TimedOut {
        /// Attempts made.
        attempts: u32,
    },
    /// Every allowed attempt failed.
    #[error("all {attempts} attempts failed")]
    AttemptsExhausted {
        /// Attempts made.
        attempts: u32,
    },
}

impl Failure {
    /// Stable code for APIs; a node's own code where a node refused.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::NotEnoughNodes { .. } => "NOT_ENOUGH_NODES",
            Self::Refused { code, .. } => code,
            Self::TimedOut { .. } => "TIMED_OUT",
            Self::AttemptsExhausted { .. } => "ATTEMPTS_EXHAUSTED",
        }
    }
}

fn names(nodes: &[NodeId]) -> String {
    list(nodes.iter().map(ToString::to_string))
}

fn pairs(pairs: &[(NodeId, NodeId)]) -> String {
    list(pairs.iter().map(|(a, b)| format!("{a}+{b}")))
}

fn list(items: impl Iterator<Item = String>) -> String {
    let items = items.collect::<Vec<_>>();
    if items.is_empty() {
        return "none".to_owned();
    }
    items.join(", ")
}
