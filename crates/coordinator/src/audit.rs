//! Records of the coordinator's audit index.

use std::collections::BTreeMap;

use quorate_store::{AuditEvent, AuditResult};
use quorate_types::{KeyId, NodeId, SessionId, UnixMillis};
use serde_json::{Value, json};

use crate::caller::Caller;
use crate::error::CoordinatorError;

/// Longest text of a name column.
const MAX_NAME: usize = 200;

/// Who asked for an act and for what: the same in the record before it and the one after it.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    pub(crate) event_type: &'static str,
    pub(crate) operation: &'static str,
    pub(crate) user_id: Option<String>,
    pub(crate) key_id: Option<KeyId>,
    pub(crate) request_id: Option<String>,
    pub(crate) ip_address: Option<String>,
    pub(crate) user_agent: Option<String>,
    /// The caller's own notes, for the details of every record.
    pub(crate) notes: BTreeMap<String, String>,
}

impl Subject {
    pub(crate) fn new(event_type: &'static str, operation: &'static str, caller: &Caller) -> Self {
        Self {
            event_type,
            operation,
            user_id: Some(cut(&caller.credential)),
            key_id: None,
            request_id: Some(cut(&caller.request_id)),
            ip_address: caller.ip_address.as_deref().map(cut),
            user_agent: caller.user_agent.as_deref().map(cut),
            notes: BTreeMap::new(),
        }
    }

    /// Of an act that goes on after a restart.
    pub(crate) const fn replayed(event_type: &'static str, operation: &'static str) -> Self {
        Self {
            event_type,
            operation,
            user_id: None,
            key_id: None,
            request_id: None,
            ip_address: None,
            user_agent: None,
            notes: BTreeMap::new(),
        }
    }

    pub(crate) fn event(
        &self,
        at: UnixMillis,
        result: AuditResult,
        session: Option<SessionId>,
        mut details: Value,
    ) -> AuditEvent {
        if let (Value::Object(details), false) = (&mut details, self.notes.is_empty()) {
            details.insert("metadata".to_owned(), json!(self.notes));
        }
        AuditEvent {
            timestamp: at,
            event_type: self.event_type.to_owned(),
            user_id: self.user_id.clone(),
            key_id: self.key_id,
            node_id: None,
            session_id: session,
            operation: self.operation.to_owned(),
            result,
            details,
            ip_address: self.ip_address.clone(),
            user_agent: self.user_agent.clone(),
            request_id: self.request_id.clone(),
        }
    }

    /// A refusal: code and message, no payload.
    pub(crate) fn refusal(&self, at: UnixMillis, error: &CoordinatorError) -> AuditEvent {
        let details = json!({ "code": error.code().as_str(), "message": error.to_string() });
        self.event(at, AuditResult::Denied, None, details)
    }
}

/// A finding about a node.
pub(crate) fn about_node(
    event_type: &str,
    node: &NodeId,
    key: KeyId,
    session: SessionId,
    at: UnixMillis,
    details: Value,
) -> AuditEvent {
    AuditEvent {
        timestamp: at,
        event_type: event_type.to_owned(),
        user_id: None,
        key_id: Some(key),
        node_id: Some(node.clone()),
        session_id: Some(session),
        operation: "coordinator".to_owned(),
        result: AuditResult::Failed,
        details,
        ip_address: None,
        user_agent: None,
        request_id: None,
    }
}

/// A printable, short form of a text that a caller chose.
pub(crate) fn cut(text: &str) -> String {
    let mut shown: String = text.chars().filter(|c| !c.is_control()).collect();
    while shown.len() > MAX_NAME {
        shown.pop();
    }
    if shown.is_empty() {
        shown.push('-');
    }
    shown
}
