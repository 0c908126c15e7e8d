use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A session: one attempt of one intent with one signer set.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SessionView {
    /// `ses_…`
    pub session_id: String,
    /// `create` or `sign`.
    pub kind: String,
    /// `key_…`
    pub key_id: String,
    /// Protocol.
    pub protocol: String,
    /// `Pending`, `AwaitingApproval`, `Signing`, `Completed`, `Failed`, `Cancelled`, `Expired`.
    pub status: String,
    /// Signers needed.
    pub threshold: u64,
    /// Shares that exist.
    pub total_nodes: u64,
    /// Nodes of this attempt.
    pub participating_nodes: Vec<String>,
    /// Digest of the intent, hex.
    pub intent_digest: String,
    /// From 1: attempts of the same intent count up.
    pub attempt: u32,
    /// Rounds that the slowest node is in or has gone through, of all signatures of the session; 0 before
    /// the first.
    pub current_round: u32,
    /// Rounds in all, of all signatures; 255 where there are more.
    pub total_rounds: u32,
    /// Name of the round.
    pub round_name: String,
    /// Nodes whose messages are missing now.
    pub awaiting: Vec<String>,
    /// Since when, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub awaiting_since: Option<String>,
    /// Earlier attempts of this intent that were given up, and on whom they waited.
    pub waited_on: Vec<WaitedOn>,
    /// r‖s, hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// Digest that is signed, hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_hash: Option<String>,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<String>,
    /// From creation to the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<SessionError>,
}

/// Why a session failed.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SessionError {
    /// Stable code.
    pub code: String,
    /// For people.
    pub message: String,
}

/// An attempt that was given up.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct WaitedOn {
    /// The attempt.
    pub attempt: u32,
    /// Its session.
    pub session_id: String,
    /// Nodes that it waited for.
    pub nodes: Vec<String>,
    /// How long.
    pub waited_ms: u64,
    /// What happened.
    pub reason: String,
}

/// One page of sessions.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SessionList {
    /// The sessions, newest first.
    pub sessions: Vec<SessionView>,
    /// Pass as `cursor` for the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}
