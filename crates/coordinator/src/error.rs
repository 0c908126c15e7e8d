use std::sync::Arc;

use quorate_chains::Refusal;
use quorate_intent::IntentError;
use quorate_lead::{Failure, Setback};
use quorate_protocol::registry::ProtocolError;
use quorate_store::StoreError;
use quorate_types::{ChainId, InvalidThreshold, KeyId, KeyStatus, NodeId};
use thiserror::Error;

/// Why the coordinator did not do what was asked. Nothing is half-done when one is returned.
///
/// `Display` is log-safe: ids, field names and limits, no payloads.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum CoordinatorError {
    /// Caller: a field has a value that is not allowed.
    #[error("`{field}`: {why}")]
    InvalidArgument {
        /// Name in the request.
        field: &'static str,
        /// The rule.
        why: String,
    },
    /// Caller: `t` and `n` do not go together.
    #[error(transparent)]
    InvalidThreshold(#[from] InvalidThreshold),
    /// Caller: the cluster is smaller than `n`.
    #[error("total_nodes is {asked}, but the cluster has {nodes} nodes")]
    TooManyNodes {
        /// `n` asked for.
        asked: u64,
        /// Nodes of the manifest.
        nodes: usize,
    },
    /// Caller: nobody here knows the chain.
    #[error("unknown chain `{chain}`; known: {known}")]
    UnknownChain {
        /// Chain asked for.
        chain: ChainId,
        /// What there is.
        known: String,
    },
    /// Caller: the payload or the key does not fit the chain.
    #[error(transparent)]
    Chain(#[from] Refusal),
    /// Caller: the protocol cannot be used.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// Caller: the signed intent is not accepted.
    #[error(transparent)]
    Intent(#[from] IntentError),
    /// Caller: a readable field is not what was signed.
    #[error("`{field}` differs from the signed intent")]
    IntentMismatch {
        /// Name in the request.
        field: &'static str,
    },
    /// Caller: the credential may not act for the intent's tenant.
    #[error("the credential may not act for this tenant")]
    WrongTenant,
    /// Caller: there is none, or it is not visible for the caller.
    #[error("no such {what}: {id}")]
    NotFound {
        /// `key`, `session` or `node`.
        what: &'static str,
        /// What was asked for.
        id: String,
    },
    /// Caller: the key cannot sign now.
    #[error("key {key} is {status}")]
    KeyNotActive {
        /// The key.
        key: KeyId,
        /// Where it is in its life.
        status: KeyStatus,
    },
    /// Caller: the request is for another chain than the key.
    #[error("the key is for chain `{expected}`, the request is for `{found}`")]
    WrongChain {
        /// Chain of the key.
        expected: ChainId,
        /// Chain asked for.
        found: ChainId,
    },
    /// Caller: the intent cannot be carried out any more.
    #[error("the intent cannot be used again: {why}")]
    IntentConflict {
        /// Why.
        why: String,
    },
    /// Peer or operator: a node did not do what it was asked, and says why.
    #[error("node `{node}`: {message}")]
    NodeRefused {
        /// Which node.
        node: NodeId,
        /// Its code.
        code: String,
        /// Its words.
        message: String,
    },
    /// Operator: a node that was needed could not be asked.
    #[error("node `{node}` cannot be asked: {why}")]
    NodeUnreachable {
        /// Which node.
        node: NodeId,
        /// Why.
        why: String,
    },
    /// Operator: nodes of the committee have no pair state yet, so that no key can be made.
    #[error(
        "no pair state yet of {}; they make it by themselves once they are linked: ask again",
        pair_names(.pairs)
    )]
    PairsNotReady {
        /// The pairs.
        pairs: Vec<(NodeId, NodeId)>,
    },
    /// Caller: the act has ended.
    #[error("session {session} is {status}")]
    SessionEnded {
        /// The session.
        session: String,
        /// How it ended.
        status: String,
    },
    /// Caller: the act was cancelled.
    #[error("the act was cancelled")]
    Cancelled,
    /// Caller: too much at one time.
    #[error("{limit} acts are running, which is the limit")]
    Busy {
        /// `max_open_sessions`.
        limit: usize,
    },
    /// Peer or operator: the nodes did not bring it about.
    #[error("{}", .0.failure)]
    Failed(Arc<ActFailure>),
    /// Operator: the audit record could not be written, so nothing was done or handed out.
    #[error("the audit record cannot be written")]
    AuditUnavailable(#[source] StoreError),
    /// Operator: the store cannot be read or written.
    #[error("the store is not available")]
    Store(#[source] StoreError),
    /// Us.
    #[error("defect: {what}")]
    Bug {
        /// What was found.
        what: String,
    },
}

/// Why the nodes did not bring about a result, and what went wrong on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActFailure {
    /// Why there is no result.
    pub failure: Failure,
    /// Each attempt that was given up, and on whom it waited.
    pub waited_on: Vec<Setback>,
}

fn pair_names(pairs: &[(NodeId, NodeId)]) -> String {
    let named = pairs.iter().map(|(a, b)| format!("`{a}` and `{b}`"));
    named.collect::<Vec<_>>().join(", ")
}

impl CoordinatorError {
    pub(crate) fn bug(what: impl Into<String>) -> Self {
        Self::Bug { what: what.into() }
    }

    pub(crate) fn not_found(what: &'static str, id: impl ToString) -> Self {
        let id = id.to_string();
        Self::NotFound { what, id }
    }

    /// Of a store that was only read or described: a bad cursor is the caller's.
    pub(crate) fn of_store(error: StoreError) -> Self {
        match error {
            StoreError::InvalidCursor => Self::InvalidArgument {
                field: "cursor",
                why: "not a cursor of this list".to_owned(),
            },
            StoreError::Invalid { column, why, .. } => Self::InvalidArgument {
                field: column,
                why: why.to_owned(),
            },
            error => Self::Store(error),
        }
    }
}
