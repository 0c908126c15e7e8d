//! The audit index of the coordinator: one hash chain over all records.
//!
//! Each participant keeps its own log; this one answers queries. The chain shows that no record
//! was changed, removed or added in the middle; a cut tail shows only against an [`AuditHead`]
//! that somebody else keeps.

use std::fmt;
use std::str::FromStr;

use quorate_types::{DecodeError, Digest32, KeyId, NodeId, SessionId, UnixMillis, Writer};
use serde_json::Value;

use crate::flaw::{Flaw, NOT_AN_OBJECT, check_length, check_name, check_time};
use crate::limits::MAX_JSON_BYTES;
use crate::named::named;

const CHAIN_TAG: &[u8] = b"quorate audit index v1";

/// How an act ended, or that it is about to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuditResult {
    /// Written before the act.
    Intended,
    /// Done.
    Succeeded,
    /// Not done.
    Failed,
    /// Refused.
    Denied,
    /// The process stopped in between; nobody knows.
    Unknown,
}

impl AuditResult {
    const ALL: [Self; 5] = [
        Self::Intended,
        Self::Succeeded,
        Self::Failed,
        Self::Denied,
        Self::Unknown,
    ];

    /// Name in the database and in APIs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Intended => "intended",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Denied => "denied",
            Self::Unknown => "unknown",
        }
    }
}

named!(AuditResult, "audit result");

/// Name of a record: the first half of its chain hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AuditId([u8; 16]);

impl AuditId {
    pub(crate) fn of_hash(hash: &Digest32) -> Self {
        let head = hash.as_bytes().first_chunk::<16>();
        Self(*head.expect("a digest has 32 bytes"))
    }
}

impl fmt::Display for AuditId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "aud_{}", hex::encode(self.0))
    }
}

impl FromStr for AuditId {
    type Err = DecodeError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_prefix("aud_").unwrap_or_default();
        let lower = !digits.bytes().any(|b| b.is_ascii_uppercase());
        let mut id = [0; 16];
        match hex::decode_to_slice(digits, &mut id) {
            Ok(()) if lower => Ok(Self(id)),
            _ => Err(DecodeError::Unknown { what: "audit id" }),
        }
    }
}

/// What happened. Written before the act and again after it; if it cannot be written, the act
/// does not happen.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEvent {
    /// When.
    pub timestamp: UnixMillis,
    /// Kind of event: `key.create`, `auth.failed`.
    pub event_type: String,
    /// Who asked.
    pub user_id: Option<String>,
    /// About which key.
    pub key_id: Option<KeyId>,
    /// About which node.
    pub node_id: Option<NodeId>,
    /// In which session.
    pub session_id: Option<SessionId>,
    /// What was asked: `POST /api/v1/keys`.
    pub operation: String,
    /// How it ended.
    pub result: AuditResult,
    /// More about it, an object without secrets or payloads.
    pub details: Value,
    /// From which address.
    pub ip_address: Option<String>,
    /// With which program.
    pub user_agent: Option<String>,
    /// In which request.
    pub request_id: Option<String>,
}

/// A record in its place in the chain.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditRecord {
    /// Name.
    pub id: AuditId,
    /// Number, from 1, without gaps.
    pub sequence: u64,
    /// Hash of the record before; zeros for the first.
    pub previous_hash: Digest32,
    /// Hash over this record and `previous_hash`.
    pub hash: Digest32,
    /// What happened.
    pub event: AuditEvent,
}

/// The last record of a chain: what a checkpoint keeps elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditHead {
    /// Its number.
    pub sequence: u64,
    /// Its hash.
    pub hash: Digest32,
}

/// What a whole chain was found to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditCheck {
    /// How many records there are.
    pub records: u64,
    /// The last one; `None` if there is none.
    pub head: Option<AuditHead>,
}

/// Which records to list; an empty filter lists all.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Only about this key.
    pub key_id: Option<KeyId>,
    /// Only in this session.
    pub session_id: Option<SessionId>,
    /// Only of this kind.
    pub event_type: Option<String>,
    /// Only of this user.
    pub user_id: Option<String>,
    /// Only from this time on.
    pub from: Option<UnixMillis>,
    /// Only before this time.
    pub before: Option<UnixMillis>,
}

impl AuditEvent {
    /// The rules that hold for every record, written or read. `details` is the text that is stored.
    pub(crate) fn check(&self, details: &str) -> Result<(), Flaw> {
        check_time("timestamp", self.timestamp)?;
        check_name("event_type", &self.event_type)?;
        check_name("operation", &self.operation)?;
        Flaw::unless(self.details.is_object(), "details", NOT_AN_OBJECT)?;
        check_length("details", details.len(), MAX_JSON_BYTES)?;
        for (column, text) in [
            ("user_id", &self.user_id),
            ("ip_address", &self.ip_address),
            ("user_agent", &self.user_agent),
            ("request_id", &self.request_id),
        ] {
            if let Some(text) = text {
                check_name(column, text)?;
            }
        }
        Ok(())
    }

    /// Hash of this event at its place in the chain.
    ///
    /// `details` is the text that is stored, so that the check does not depend on how a JSON
    /// library spells an object.
    pub(crate) fn chain_hash(
        &self,
        sequence: u64,
        previous_hash: &Digest32,
        details: &str,
    ) -> Digest32 {
        let mut out = Writer::new();
        out.u64(sequence)
            .value(previous_hash)
            .u64(self.timestamp.0)
            .text(&self.event_type);
        optional(&mut out, self.user_id.as_deref());
        optional(&mut out, self.key_id.map(|id| id.to_string()).as_deref());
        optional(&mut out, self.node_id.as_ref().map(NodeId::as_str));
        optional(
            &mut out,
            self.session_id.map(|id| id.to_string()).as_deref(),
        );
        out.text(&self.operation)
            .text(self.result.as_str())
            .text(details);
        optional(&mut out, self.ip_address.as_deref());
        optional(&mut out, self.user_agent.as_deref());
        optional(&mut out, self.request_id.as_deref());
        Digest32::of(CHAIN_TAG, &[&out.finish()])
    }
}

/// The hash before the first record.
pub(crate) const fn genesis() -> Digest32 {
    Digest32::from_array([0; 32])
}

fn optional(out: &mut Writer, text: Option<&str>) {
    match text {
        Some(text) => out.u8(1).text(text),
        None => out.u8(0),
    };
}
