//! What happened: one event, with the fields that every audit interface of the product shows.

use quorate_types::{Canonical as _, KeyId, NodeId, SessionId, UnixSeconds, Writer};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::facts::{self, Facts};

/// Most bytes of one event, canonically encoded.
pub const MAX_EVENT_BYTES: usize = 64 * 1024;
/// Most bytes of one text field of an event.
pub const MAX_TEXT_BYTES: usize = 512;

/// How far an act has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum AuditResult {
    /// About to happen; written before the act, which does not happen if this cannot be written.
    Intent,
    /// Done.
    Succeeded,
    /// Tried, and did not work.
    Failed,
    /// Not tried: it is not allowed.
    Refused,
    /// The process stopped before the outcome was known.
    Unknown,
}

impl AuditResult {
    /// Name in files and APIs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Intent => "intent",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
        }
    }

    const fn code(self) -> u8 {
        match self {
            Self::Intent => 1,
            Self::Succeeded => 2,
            Self::Failed => 3,
            Self::Refused => 4,
            Self::Unknown => 5,
        }
    }
}

/// Why an event cannot be recorded.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidEvent {
    /// A text field is longer than [`MAX_TEXT_BYTES`].
    #[error("audit field `{field}` is longer than {MAX_TEXT_BYTES} bytes")]
    TextTooLong {
        /// Which field.
        field: &'static str,
    },
    /// The event is larger than [`MAX_EVENT_BYTES`].
    #[error("the audit event has {length} bytes, more than the limit of {MAX_EVENT_BYTES}")]
    TooLarge {
        /// Canonical length.
        length: usize,
    },
    /// `details` holds a number that is not an integer of 64 bits.
    #[error("audit details hold a number that is not an integer; write it as text")]
    Fraction,
    /// `details` nests deeper than [`crate::MAX_FACT_DEPTH`].
    #[error("audit details nest too deeply")]
    TooDeep,
}

/// One event. Field names are those of the product's `audit_logs` table.
///
/// # Security
/// Everything here is public to auditors: no secrets, no payloads, no key material.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditEvent {
    /// When, by the clock of the node that wrote it.
    pub timestamp: UnixSeconds,
    /// Kind of event, as listed in the documentation: `key.created`, `sign.refused`.
    pub event_type: String,
    /// Person or client that asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// Key concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<KeyId>,
    /// Node concerned: the writer itself, or the peer to blame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_id: Option<NodeId>,
    /// Session concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// What was asked: `sign`, `key.create`.
    pub operation: String,
    /// How far it has come.
    pub result: AuditResult,
    /// Further public facts.
    #[serde(default, skip_serializing_if = "Facts::is_empty")]
    pub details: Facts,
    /// Where the request came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_address: Option<String>,
    /// What the client says it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// Request that caused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

impl AuditEvent {
    /// An event with the fields that every event has; the others are empty.
    #[must_use]
    pub fn new(
        timestamp: UnixSeconds,
        event_type: &str,
        operation: &str,
        result: AuditResult,
    ) -> Self {
        Self {
            timestamp,
            event_type: event_type.to_owned(),
            user_id: None,
            key_id: None,
            node_id: None,
            session_id: None,
            operation: operation.to_owned(),
            result,
            details: Facts::new(),
            ip_address: None,
            user_agent: None,
            request_id: None,
        }
    }

    /// Adds one public fact.
    #[must_use]
    pub fn with(mut self, name: &str, fact: impl Into<serde_json::Value>) -> Self {
        self.details.insert(name.to_owned(), fact.into());
        self
    }

    /// The bytes that records hash, if the event keeps the limits.
    ///
    /// # Errors
    /// [`InvalidEvent`].
    pub fn canonical(&self) -> Result<Vec<u8>, InvalidEvent> {
        for (field, text) in self.texts() {
            if text.is_some_and(|text| text.len() > MAX_TEXT_BYTES) {
                return Err(InvalidEvent::TextTooLong { field });
            }
        }
        facts::check(&self.details)?;
        let bytes = self.write();
        match bytes.len() {
            length if length > MAX_EVENT_BYTES => Err(InvalidEvent::TooLarge { length }),
            _ => Ok(bytes),
        }
    }

    fn texts(&self) -> [(&'static str, Option<&str>); 6] {
        [
            ("event_type", Some(&self.event_type)),
            ("user_id", self.user_id.as_deref()),
            ("operation", Some(&self.operation)),
            ("ip_address", self.ip_address.as_deref()),
            ("user_agent", self.user_agent.as_deref()),
            ("request_id", self.request_id.as_deref()),
        ]
    }

    // docs/protocols/audit-log.md §2: every field, in the order of the struct.
    fn write(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.value(&self.timestamp).text(&self.event_type);
        optional(&mut out, self.user_id.as_deref(), |out, user| {
            out.text(user);
        });
        optional(&mut out, self.key_id, |out, key| key.write(out));
        optional(&mut out, self.node_id.as_ref(), |out, node| node.write(out));
        optional(&mut out, self.session_id, |out, session| session.write(out));
        out.text(&self.operation).u8(self.result.code());
        facts::write(&self.details, &mut out);
        for text in [&self.ip_address, &self.user_agent, &self.request_id] {
            optional(&mut out, text.as_deref(), |out, text| {
                out.text(text);
            });
        }
        out.finish()
    }
}

fn optional<T>(out: &mut Writer, value: Option<T>, write: impl FnOnce(&mut Writer, T)) {
    out.u8(u8::from(value.is_some()));
    if let Some(value) = value {
        write(out, value);
    }
}
