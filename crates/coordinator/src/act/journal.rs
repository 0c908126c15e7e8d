//! What an act writes, and when: intent and audit before the first message to a node, outcome
//! before the answer. Each is one transaction.

use quorate_lead::{Completed, Failure, Outcome, Setback};
use quorate_store::{
    ActKind, AuditResult, IntentChange, IntentRow, IntentState, KeyChange, KeyMaterial, KeyRow,
    SessionChange, SessionProgress, SessionProgressUpdate, SessionRow, Write,
};
use quorate_types::{Canonical as _, KeyStatus, NodeId, SessionId, SessionStatus, UnixMillis};
use serde_json::{Value, json};

use super::task::{ActTask, OpenSession};
use crate::admission::{Plan, What};
use crate::error::CoordinatorError;
use crate::request::stored_intent;

/// Most setbacks that one record names.
const MAX_NAMED: usize = 16;
/// Longest error text of a row, in characters.
const MAX_ERROR: usize = 1_000;

impl Plan {
    pub(super) fn kind(&self) -> ActKind {
        match self.what {
            What::Create { .. } => ActKind::Create,
            What::Sign { .. } => ActKind::Sign,
        }
    }

    pub(super) fn intent_row(&self, at: UnixMillis) -> IntentRow {
        IntentRow {
            intent_digest: self.digest(),
            kind: self.kind(),
            key_id: self.key_id(),
            signed_intent: stored_intent(self.verified.signed()),
            state: IntentState::Open,
            result: None,
            created_at: at,
            updated_at: at,
            expires_at: self.verified.intent().expires_at.into(),
        }
    }

    /// The row of the key to be made; none for a signature.
    pub(super) fn key_row(&self, at: UnixMillis) -> Option<KeyRow> {
        let What::Create {
            create,
            description,
            tags,
            ..
        } = &self.what
        else {
            return None;
        };
        Some(KeyRow {
            key_id: self.key_id(),
            tenant: self.tenant().clone(),
            algorithm: create.algorithm,
            curve: create.curve,
            threshold: create.threshold,
            committee: create.committee.clone(),
            chain_type: create.chain.clone(),
            protocol: create.protocol.clone(),
            address_kind: Some(create.address_kind.clone()),
            rights: create.rights.clone(),
            status: KeyStatus::Creating,
            material: None,
            description: description.clone(),
            tags: tags.clone(),
            metadata: json!({}),
            intent: stored_intent(self.verified.signed()),
            intent_digest: self.digest(),
            error_message: None,
            created_at: at,
            updated_at: at,
            deletion_date: None,
        })
    }

    pub(super) fn session_row(
        &self,
        session: SessionId,
        attempt: u32,
        nodes: &[NodeId],
        request_id: Option<&String>,
        at: UnixMillis,
    ) -> SessionRow {
        let (threshold, protocol, rounds, message_hash) = match &self.what {
            What::Create { create, .. } => (
                create.threshold,
                create.protocol.clone(),
                self.protocol.keygen_rounds,
                None,
            ),
            What::Sign { key, targets, .. } => (
                key.threshold,
                key.protocol.clone(),
                self.protocol.sign_rounds,
                targets.first().map(|target| *target.digest()),
            ),
        };
        SessionRow {
            session_id: session,
            tenant: self.tenant().clone(),
            key_id: self.key_id(),
            kind: self.kind(),
            protocol,
            status: SessionStatus::Pending,
            threshold,
            participating_nodes: nodes.to_vec(),
            current_round: 0,
            total_rounds: rounds.into(),
            attempt,
            intent_digest: self.digest(),
            request_id: request_id.cloned(),
            message_hash,
            signature: None,
            progress: None,
            result: None,
            created_at: at,
            updated_at: at,
            completed_at: None,
            duration_ms: None,
            error_message: None,
        }
    }
}

/// Ends a session for good, by the steps that its life cycle knows: one that completes has signed.
fn end_session(
    session: SessionId,
    status: SessionStatus,
    signature: Option<Vec<u8>>,
    error: Option<String>,
    at: UnixMillis,
) -> Write {
    let mut change = SessionChange::step(session, SessionStatus::Pending, status, at);
    change.through = (status == SessionStatus::Completed).then_some(SessionStatus::Signing);
    change.signature = signature;
    change.error_message = error.map(|e| e.chars().take(MAX_ERROR).collect());
    Write::ChangeSession(Box::new(change))
}

/// Records an attempt that was given up: on whom it waited, since when, and why.
pub(super) fn give_up(setback: &Setback, rounds: u8) -> Vec<Write> {
    let round = match setback.reason {
        quorate_lead::SetbackReason::NoProgress { round } => round.min(rounds),
        _ => 0,
    };
    let progress = SessionProgressUpdate {
        session_id: setback.session,
        progress: SessionProgress {
            round: round.into(),
            awaiting: setback.nodes.clone(),
            since: setback.since,
        },
        participating_nodes: None,
        at: setback.at,
    };
    let mut writes = vec![Write::Progress(progress)];
    let error = format!("{}: {}", code_of(setback), setback.reason);
    writes.push(end_session(
        setback.session,
        SessionStatus::Failed,
        None,
        Some(error),
        setback.at,
    ));
    writes
}

fn code_of(setback: &Setback) -> &'static str {
    use quorate_lead::SetbackReason::{Aborted, BadResult, LinkLost, Refused};
    match &setback.reason {
        Refused { code } => quorate_api::ErrorCode::parse(code)
            .unwrap_or(quorate_api::ErrorCode::Aborted)
            .as_str(),
        Aborted { .. } | BadResult => "ABORTED",
        LinkLost => "NODE_UNAVAILABLE",
        _ => "TIMEOUT",
    }
}

impl ActTask {
    /// Everything that the end of the act writes.
    pub(super) fn closing_writes(
        &self,
        outcome: &Outcome,
        result: &Result<Value, CoordinatorError>,
        at: UnixMillis,
    ) -> Vec<Write> {
        let mut writes = match (outcome, result) {
            (Outcome::Completed(completed), Ok(_)) => self.completed_writes(completed, at),
            (Outcome::Cancelled, _) => self.ended_writes(SessionStatus::Cancelled, result, at),
            (
                Outcome::Failed {
                    failure: Failure::TimedOut { .. },
                    ..
                },
                _,
            ) => self.ended_writes(SessionStatus::Expired, result, at),
            _ => self.ended_writes(SessionStatus::Failed, result, at),
        };
        let expired = at.seconds() >= self.plan.verified.intent().expires_at;
        writes.push(Write::ChangeIntent(IntentChange {
            intent_digest: self.plan.digest(),
            from: IntentState::Open,
            to: match result {
                Ok(_) => IntentState::Completed,
                Err(_) if expired => IntentState::Expired,
                Err(_) => IntentState::Failed,
            },
            result: result.as_ref().ok().cloned(),
            at,
        }));
        let findings = self.findings.iter().cloned();
        writes.extend(findings.map(|event| Write::AppendAudit(Box::new(event))));
        let audit = self.closing_audit(outcome, result, at);
        writes.push(Write::AppendAudit(Box::new(audit)));
        writes
    }

    fn closing_audit(
        &self,
        outcome: &Outcome,
        result: &Result<Value, CoordinatorError>,
        at: UnixMillis,
    ) -> quorate_store::AuditEvent {
        // Without a result, a node may hold one all the same if a session was ever opened.
        let opened = !self.sessions.is_empty();
        let (audited, session, details) = match (outcome, result) {
            (Outcome::Completed(c), Ok(_)) => {
                let details = json!({ "signers": c.signers, "attempt": c.attempt });
                (AuditResult::Succeeded, Some(c.session), details)
            }
            (_, Err(error)) => {
                let mut details = error.details();
                if let Some(Value::Array(waited)) = details.get_mut("waited_on") {
                    waited.truncate(MAX_NAMED);
                }
                details.insert("code".to_owned(), json!(error.code().as_str()));
                details.insert("message".to_owned(), json!(error.to_string()));
                let result = match outcome {
                    Outcome::Cancelled if opened => AuditResult::Unknown,
                    Outcome::Failed {
                        failure: Failure::TimedOut { .. },
                        ..
                    } if opened => AuditResult::Unknown,
                    _ => AuditResult::Failed,
                };
                (result, self.latest, Value::Object(details))
            }
            (_, Ok(_)) => (AuditResult::Unknown, self.latest, json!({})),
        };
        self.subject.event(at, audited, session, details)
    }

    fn completed_writes(&self, completed: &Completed, at: UnixMillis) -> Vec<Write> {
        let mut writes = Vec::new();
        for session in self.open_sessions() {
            if session == completed.session {
                let signature = self.first_signature();
                let status = SessionStatus::Completed;
                writes.push(end_session(session, status, signature, None, at));
            } else {
                let why = Some("ABORTED: superseded".to_owned());
                writes.push(end_session(session, SessionStatus::Failed, None, why, at));
            }
        }
        if let Some(material) = self.material() {
            writes.push(self.activate_key(material, at));
        }
        writes
    }

    fn ended_writes(
        &self,
        status: SessionStatus,
        result: &Result<Value, CoordinatorError>,
        at: UnixMillis,
    ) -> Vec<Write> {
        let error = result.as_ref().err();
        let text = error.map(|e| format!("{}: {e}", e.code()));
        let end = |session| end_session(session, status, None, text.clone(), at);
        let mut writes: Vec<_> = self.open_sessions().map(end).collect();
        if let What::Create { .. } = self.plan.what {
            let (key, from) = (self.plan.key_id(), self.key_status);
            let mut failed = KeyChange::step(key, from, KeyStatus::Failed, at);
            failed.error_message = text.map(|t| t.chars().take(MAX_ERROR).collect());
            writes.push(Write::ChangeKey(Box::new(failed)));
        }
        writes
    }

    /// The rest of the way to an active key, written as one change.
    fn activate_key(&self, material: KeyMaterial, at: UnixMillis) -> Write {
        use KeyStatus::{Active, Creating, Distributing, Generating, Storing};
        let way = [Creating, Generating, Distributing, Storing];
        let behind = way.iter().position(|status| *status == self.key_status);
        let through = way.iter().skip(behind.map_or(0, |place| place + 1));
        let mut change = KeyChange::step(self.plan.key_id(), self.key_status, Active, at);
        change.through = through.copied().collect();
        change.material = Some(material);
        Write::ChangeKey(Box::new(change))
    }

    /// What the store keeps of a new key, from its verified certificate.
    fn material(&self) -> Option<KeyMaterial> {
        let certificate = self.certificate()?;
        let statement = &certificate.statement;
        Some(KeyMaterial {
            public_key: statement.public_key.clone(),
            chain_code: statement.chain_code,
            address: Some(statement.address.clone()).filter(|a| !a.is_empty()),
            epoch: statement.epoch,
            certificate: certificate.to_bytes(),
        })
    }

    fn open_sessions(&self) -> impl Iterator<Item = SessionId> + '_ {
        let open = |(id, session): (&SessionId, &OpenSession)| (!session.ended).then_some(*id);
        self.sessions.iter().filter_map(open)
    }
}
