//! After a crash the journal replays open intents into new attempts, never rounds (row C3).

use quorate_intent::{Act, SignedIntent};
use quorate_store::{
    AuditResult, IntentChange, IntentRow, IntentState, KeyChange, PageRequest, SessionChange,
    StoreError, Write, limits,
};
use quorate_types::{Canonical as _, KeyStatus, SessionStatus};
use serde_json::json;

use crate::act::Origin;
use crate::admission::Plan;
use crate::audit::Subject;
use crate::clock::now;
use crate::coordinator::Coordinator;
use crate::error::CoordinatorError;

const RESTARTED: &str = "NODE_UNAVAILABLE: the coordinator restarted";

impl Coordinator {
    /// Ends the sessions of the process before and goes on with its open intents.
    pub(crate) async fn replay(&self) -> Result<(), StoreError> {
        let store = &self.core.store;
        let released = store.release_unfinished_idempotency().await?;
        let sessions = self.end_old_sessions().await?;
        let mut intents = 0_usize;
        let mut page = PageRequest::first(limits::MAX_OPEN_ROWS);
        loop {
            let found = store.open_intents(page).await?;
            for row in found.rows {
                intents += 1;
                self.replay_one(row).await?;
            }
            let Some(next) = found.next else { break };
            page = PageRequest::first(limits::MAX_OPEN_ROWS).after(next);
        }
        tracing::info!(released, sessions, intents, "journal replayed");
        Ok(())
    }

    async fn end_old_sessions(&self) -> Result<usize, StoreError> {
        let store = &self.core.store;
        let mut ended = 0;
        loop {
            let page = PageRequest::first(limits::MAX_OPEN_ROWS);
            let open = store.open_sessions(page).await?.rows;
            if open.is_empty() {
                return Ok(ended);
            }
            ended += open.len();
            for rows in open.chunks(limits::MAX_WRITES_PER_APPLY) {
                let end = |row: &quorate_store::SessionRow| {
                    let (id, from) = (row.session_id, row.status);
                    let mut change = SessionChange::step(id, from, SessionStatus::Failed, now());
                    change.error_message = Some(RESTARTED.to_owned());
                    Write::ChangeSession(Box::new(change))
                };
                store.apply(rows.iter().map(end).collect()).await?;
            }
        }
    }

    async fn replay_one(&self, row: IntentRow) -> Result<(), StoreError> {
        let (intent, key) = (row.intent_digest, row.key_id);
        let (event, operation) = match row.kind {
            quorate_store::ActKind::Create => ("key.create", "replay"),
            _ => ("sign", "replay"),
        };
        let mut subject = Subject::replayed(event, operation);
        subject.key_id = Some(key);
        match self.plan_again(&row).await {
            Ok(plan) => {
                let started = self
                    .acts
                    .join_or_start(&self.core, plan, subject, Origin::Journal);
                if let Err(error) = started {
                    // It stays open: the client's repeated request goes on with it.
                    tracing::warn!(%intent, %error, "an open intent was not resumed");
                }
                Ok(())
            }
            Err(error) => {
                tracing::warn!(%intent, %key, %error, "an open intent cannot go on");
                self.close(&row, &subject, &error).await
            }
        }
    }

    async fn plan_again(&self, row: &IntentRow) -> Result<Plan, CoordinatorError> {
        let malformed = |_| CoordinatorError::bug("a stored intent is malformed");
        let signed = SignedIntent::from_bytes(&row.signed_intent).map_err(malformed)?;
        let intent = quorate_intent::Intent::from_bytes(&signed.bytes).map_err(malformed)?;
        let rules = &self.core.rules;
        match intent.act {
            Act::Sign(sign) => {
                let key = self
                    .core
                    .keys
                    .get(self.core.store.as_ref(), sign.key)
                    .await?;
                let key = key.ok_or_else(|| CoordinatorError::not_found("key", sign.key))?;
                rules.plan_sign(rules.verify(&signed, false)?, key)
            }
            _ => rules.plan_create(&signed, false),
        }
    }

    /// Ends an intent that cannot go on. What its nodes hold is not known.
    async fn close(
        &self,
        row: &IntentRow,
        subject: &Subject,
        error: &CoordinatorError,
    ) -> Result<(), StoreError> {
        let at = now();
        let is_expired = at >= row.expires_at;
        let to = if is_expired {
            IntentState::Expired
        } else {
            IntentState::Failed
        };
        let details = json!({ "code": error.code().as_str(), "message": error.to_string() });
        let event = subject.event(at, AuditResult::Unknown, None, details);
        let mut writes = vec![
            Write::ChangeIntent(IntentChange {
                intent_digest: row.intent_digest,
                from: IntentState::Open,
                to,
                result: None,
                at,
            }),
            Write::AppendAudit(Box::new(event)),
        ];
        if row.kind == quorate_store::ActKind::Create
            && let Some(key) = self.core.store.key(row.key_id).await?
            && key.status.may_become(KeyStatus::Failed)
        {
            let mut failed = KeyChange::step(key.key_id, key.status, KeyStatus::Failed, at);
            failed.error_message = Some(format!("{}: {error}", error.code()));
            writes.push(Write::ChangeKey(Box::new(failed)));
        }
        self.core.store.apply(writes).await
    }
}
