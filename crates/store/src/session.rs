use quorate_types::{
    Digest32, KeyId, NodeId, ProtocolName, SessionId, SessionStatus, Tenant, Threshold, UnixMillis,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::flaw::{Flaw, check_length, check_name, check_time};
use crate::intent::ActKind;
use crate::key::check_error_message;
use crate::limits::{MAX_RESULT_BYTES, MAX_SIGNATURE_BYTES};

/// One attempt of one intent with one set of nodes.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionRow {
    /// The session.
    pub session_id: SessionId,
    /// Whose key it is for.
    pub tenant: Tenant,
    /// The key that it makes or uses.
    pub key_id: KeyId,
    /// Which act.
    pub kind: ActKind,
    /// Protocol whose rounds run.
    pub protocol: ProtocolName,
    /// Where it is.
    pub status: SessionStatus,
    /// How many of how many sign.
    pub threshold: Threshold,
    /// The nodes of this attempt.
    pub participating_nodes: Vec<NodeId>,
    /// Round that runs; 0 before the first.
    pub current_round: u16,
    /// Rounds of the protocol.
    pub total_rounds: u16,
    /// Number of the attempt, from 1.
    pub attempt: u32,
    /// The intent; it must be recorded before its sessions.
    pub intent_digest: Digest32,
    /// Request that opened it.
    pub request_id: Option<String>,
    /// Digest that is signed.
    pub message_hash: Option<Digest32>,
    /// The verified signature.
    pub signature: Option<Vec<u8>>,
    /// Who is awaited and since when.
    pub progress: Option<SessionProgress>,
    /// The answer.
    pub result: Option<Value>,
    /// When it was opened.
    pub created_at: UnixMillis,
    /// When it was last changed.
    pub updated_at: UnixMillis,
    /// When it reached a final state.
    pub completed_at: Option<UnixMillis>,
    /// Milliseconds from opening to the final state.
    pub duration_ms: Option<u64>,
    /// Why it failed and on whom it waited, log-safe.
    pub error_message: Option<String>,
}

/// Live progress of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionProgress {
    /// Round that runs; 0 while nodes join.
    pub round: u16,
    /// Nodes whose message is missing.
    pub awaiting: Vec<NodeId>,
    /// Since when they are awaited.
    pub since: UnixMillis,
}

/// Which sessions to list; an empty filter lists all.
#[derive(Debug, Clone, Default)]
pub struct SessionFilter {
    /// Only sessions of this tenant.
    pub tenant: Option<Tenant>,
    /// Only sessions of this key.
    pub key_id: Option<KeyId>,
    /// Only sessions in this state.
    pub status: Option<SessionStatus>,
    /// Only attempts of this intent.
    pub intent_digest: Option<Digest32>,
}

/// One step of a session: compare and set, checked by [`SessionStatus::may_become`].
///
/// A final step fills in `completed_at` and `duration_ms`.
#[derive(Debug, Clone)]
pub struct SessionChange {
    /// The session.
    pub session_id: SessionId,
    /// Where the caller believes that it is.
    pub from: SessionStatus,
    /// A status that it passes on the way, unseen: both steps must be allowed.
    pub through: Option<SessionStatus>,
    /// Where it shall go.
    pub to: SessionStatus,
    /// Time of the step.
    pub at: UnixMillis,
    /// The verified signature.
    pub signature: Option<Vec<u8>>,
    /// The answer.
    pub result: Option<Value>,
    /// Why it failed and on whom it waited, log-safe.
    pub error_message: Option<String>,
}

impl SessionChange {
    /// A step that changes nothing but the status.
    #[must_use]
    pub const fn step(
        session_id: SessionId,
        from: SessionStatus,
        to: SessionStatus,
        at: UnixMillis,
    ) -> Self {
        Self {
            session_id,
            from,
            through: None,
            to,
            at,
            signature: None,
            result: None,
            error_message: None,
        }
    }

    /// Whether the life cycle allows this change to a session that is where it starts.
    pub(crate) fn is_allowed(&self) -> bool {
        let last = self.through.unwrap_or(self.from);
        let passes = self.through.is_none_or(|next| self.from.may_become(next));
        passes && last.may_become(self.to)
    }
}

/// New progress of a session that is not final.
#[derive(Debug, Clone)]
pub struct SessionProgressUpdate {
    /// The session.
    pub session_id: SessionId,
    /// What is known now; its round becomes `current_round`.
    pub progress: SessionProgress,
    /// Nodes of the attempt, if they changed (a node was added by hand).
    pub participating_nodes: Option<Vec<NodeId>>,
    /// Time of the report.
    pub at: UnixMillis,
}

pub(crate) fn check_nodes(column: &'static str, nodes: &[NodeId]) -> Result<(), Flaw> {
    let most = usize::from(quorate_types::MAX_PARTIES);
    check_length(column, nodes.len(), most)?;
    let distinct: std::collections::BTreeSet<_> = nodes.iter().collect();
    Flaw::unless(distinct.len() == nodes.len(), column, "names a node twice")
}

pub(crate) fn check_outcome(
    signature: Option<&Vec<u8>>,
    result: Option<&Value>,
    error_message: Option<&String>,
) -> Result<(), Flaw> {
    if let Some(signature) = signature {
        Flaw::unless(!signature.is_empty(), "signature", "empty")?;
        check_length("signature", signature.len(), MAX_SIGNATURE_BYTES)?;
    }
    if let Some(result) = result {
        check_length("result", result.to_string().len(), MAX_RESULT_BYTES)?;
    }
    check_error_message(error_message)
}

impl SessionProgress {
    pub(crate) fn check(&self) -> Result<(), Flaw> {
        check_nodes("progress", &self.awaiting)?;
        check_time("progress", self.since)
    }
}

impl SessionRow {
    /// The rules that hold for every session row, written or read.
    pub(crate) fn check(&self) -> Result<(), Flaw> {
        check_nodes("participating_nodes", &self.participating_nodes)?;
        Flaw::unless(self.attempt > 0, "attempt", "0: attempts count from 1")?;
        Flaw::unless(
            self.current_round <= self.total_rounds,
            "current_round",
            "after the last round",
        )?;
        if let Some(request_id) = &self.request_id {
            check_name("request_id", request_id)?;
        }
        check_outcome(
            self.signature.as_ref(),
            self.result.as_ref(),
            self.error_message.as_ref(),
        )?;
        if let Some(progress) = &self.progress {
            progress.check()?;
        }
        let ended = self.completed_at.is_some() && self.duration_ms.is_some();
        Flaw::unless(
            ended == self.status.is_final(),
            "completed_at",
            "there exactly when the session is final",
        )?;
        check_time("created_at", self.created_at)?;
        check_time("updated_at", self.updated_at)?;
        self.completed_at
            .map_or(Ok(()), |time| check_time("completed_at", time))
    }
}
