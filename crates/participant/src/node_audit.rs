//! The node's own audit records: the intent before the act, the outcome after it.

use quorate_audit::{AuditEvent, AuditResult};
use quorate_keystore::{AuditLog, AuditLogError, Begun, Durable, LogError};
use quorate_protocol::Abort;
use quorate_types::{KeyId, NodeId, SessionId};

use crate::clock;
use crate::refusal::Refusal;

/// What the records of one session have in common.
#[derive(Clone)]
pub(crate) struct Subject {
    pub(crate) operation: &'static str,
    pub(crate) initiator: Option<String>,
    pub(crate) key: Option<KeyId>,
    pub(crate) session: SessionId,
    pub(crate) request_id: String,
    pub(crate) facts: Vec<(&'static str, serde_json::Value)>,
}

impl Subject {
    fn event(&self, suffix: &str, result: AuditResult) -> AuditEvent {
        let event_type = format!("{}.{suffix}", self.operation);
        let mut event = AuditEvent::new(clock::now(), &event_type, self.operation, result);
        event.user_id.clone_from(&self.initiator);
        event.key_id = self.key;
        event.session_id = Some(self.session);
        event.request_id = Some(self.request_id.clone()).filter(|id| !id.is_empty());
        for (name, fact) in &self.facts {
            event = event.with(name, fact.clone());
        }
        event
    }

    /// Announces the act and waits on this thread. It may happen only after this returns (fail
    /// closed).
    pub(crate) fn begin(&self, log: &AuditLog) -> Result<Begun, Refusal> {
        self.announce(log)?.wait().map_err(not_announced)
    }

    /// Puts the announcement on its way to the disk. The act may happen only after [`announced`].
    pub(crate) fn announce(&self, log: &AuditLog) -> Result<Durable<Begun>, Refusal> {
        Ok(log.begin(self.event("joined", AuditResult::Intent))?)
    }

    /// Records that nothing was done, and waits on this thread. A log that cannot be written changes
    /// nothing about that.
    pub(crate) fn refused(&self, log: &AuditLog, refusal: &Refusal) {
        let recorded = log.record(self.refusal(refusal));
        warn_on_failure(recorded.map(|durable| durable.wait().map(drop)));
    }

    /// As [`Self::refused`], without a thread that waits.
    pub(crate) async fn record_refusal(&self, log: &AuditLog, refusal: &Refusal) {
        let recorded = match log.record(self.refusal(refusal)) {
            Ok(durable) => Ok(durable.await.map(drop)),
            Err(error) => Err(error),
        };
        warn_on_failure(recorded);
    }

    fn refusal(&self, refusal: &Refusal) -> AuditEvent {
        self.event("refused", AuditResult::Refused)
            .with("code", refusal.code.as_str())
            .with("message", shorten(&refusal.message))
    }
}

/// Waits until an announcement is durable.
pub(crate) async fn announced(announcement: Durable<Begun>) -> Result<Begun, Refusal> {
    announcement.await.map_err(not_announced)
}

fn not_announced(error: LogError) -> Refusal {
    Refusal::from(AuditLogError::Log(error))
}

/// Records the outcome of a session that was joined. It is on its way to the disk when this
/// returns, in order; nobody waits for it. If it never arrives, the announced act is reported as
/// unknown at the next start, and a log that failed lets no further act begin.
pub(crate) fn finish(
    log: &AuditLog,
    begun: &Begun,
    result: AuditResult,
    facts: Vec<(&'static str, serde_json::Value)>,
) {
    let facts = facts
        .into_iter()
        .map(|(name, fact)| (name.to_owned(), fact))
        .collect();
    if let Err(e) = log.finish(begun, result, clock::now(), facts) {
        tracing::error!(error = %e, "the outcome is not in the audit log; it is unknown there");
    }
}

/// The facts of an abort: reason, culprits by name, and what proves it.
pub(crate) fn abort_facts(
    abort: &Abort,
    name: impl Fn(quorate_types::PartyIndex) -> Option<NodeId>,
) -> Vec<(&'static str, serde_json::Value)> {
    let culprits: Vec<String> = abort
        .culprits
        .iter()
        .map(|index| name(*index).map_or_else(|| format!("party {index}"), |n| n.to_string()))
        .collect();
    let culprits = if culprits.is_empty() {
        "unattributable".into()
    } else {
        culprits.into()
    };
    let evidence: Vec<serde_json::Value> = abort
        .evidence
        .iter()
        .take(8)
        .map(|e| {
            let (statement, signature) = (hex::encode(&e.statement), hex::encode(e.signature));
            serde_json::json!({ "statement": statement, "signature": signature })
        })
        .collect();
    let mut facts = vec![
        ("reason", abort.reason.name().into()),
        ("culprits", culprits),
        ("evidence", evidence.into()),
    ];
    if let Some(reporter) = abort.reported_by {
        let reporter = name(reporter).map_or_else(String::new, |node| node.to_string());
        facts.push(("aborted_by", reporter.into()));
    }
    facts
}

fn shorten(text: &str) -> String {
    text.chars().take(400).collect()
}

fn warn_on_failure<A: std::fmt::Display, B: std::fmt::Display>(recorded: Result<Result<(), A>, B>) {
    match recorded {
        Ok(Ok(())) => {}
        Ok(Err(e)) => tracing::error!(error = %e, "the audit log failed; this node stops joining"),
        Err(e) => tracing::error!(error = %e, "the audit log failed; this node stops joining"),
    }
}
