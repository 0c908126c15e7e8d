//! How an act begins: what must be durable before the first node hears of it, and what an intent
//! that is known already goes on with.

use std::sync::Arc;

use quorate_lead::{Event, Outcome};
use quorate_store::{
    AuditResult, IntentChange, IntentOpening, IntentRow, IntentState, KeyChange, SessionFilter,
    Write,
};
use quorate_types::{KeyStatus, UnixMillis};
use serde_json::{Value, json};

use super::super::done::{Done, Signed};
use super::{ActTask, Origin, Todo, new_lead};
use crate::admission::What;
use crate::clock::now;
use crate::error::CoordinatorError;
use crate::error_code::unaudited;

/// How an intent that is known goes on.
enum Resumed {
    Done(Done),
    Running(Option<Outcome>),
}

impl ActTask {
    /// Records intent and audit, then opens the first attempt. `Some` if the intent was carried
    /// out before.
    pub(super) async fn begin(&mut self, origin: Origin) -> Result<Option<Done>, CoordinatorError> {
        let effects = self.step(Event::Start);
        let todo = self.sort(effects);
        let at = now();
        let mut with: Vec<_> = self
            .plan
            .key_row(at)
            .map(|row| Write::InsertKey(Box::new(row)))
            .into_iter()
            .collect();
        with.extend(self.generating(&todo, at));
        with.extend(todo.writes.iter().cloned());
        with.push(self.intended(at));
        let row = self.plan.intent_row(at);
        let opening = self
            .core
            .store
            .open_intent(row, with)
            .await
            .map_err(unaudited)?;
        let outcome = match opening {
            IntentOpening::New => {
                let todo = Todo {
                    writes: Vec::new(),
                    ..todo
                };
                self.carry_out(todo).await?
            }
            IntentOpening::Known(row) => match self.resume(*row, origin).await? {
                Resumed::Done(done) => return Ok(Some(done)),
                Resumed::Running(outcome) => outcome,
            },
        };
        match outcome {
            Some(outcome) => self.finish(outcome).await.map(Some),
            None => Ok(None),
        }
    }

    /// Goes on with an intent that is known: answers it, or makes further attempts.
    async fn resume(
        &mut self,
        row: IntentRow,
        origin: Origin,
    ) -> Result<Resumed, CoordinatorError> {
        // What was planned for a new intent never happened.
        for id in std::mem::take(&mut self.sessions).into_keys() {
            self.core.cluster.routes().remove(&id);
        }
        let mut writes = Vec::new();
        let at = now();
        match (row.state, &self.plan.what) {
            (IntentState::Completed, what) => {
                let result = row.result.unwrap_or(Value::Null);
                return Ok(Resumed::Done(match what {
                    What::Create { .. } => Done::KeyCreated,
                    What::Sign { key, targets, .. } => {
                        Done::Signed(Arc::new(Signed::from_stored(result, key, targets)?))
                    }
                }));
            }
            (IntentState::Expired, _) => {
                let expires_at = self.plan.verified.intent().expires_at;
                return Err(quorate_intent::IntentError::Expired { expires_at }.into());
            }
            (IntentState::Failed, What::Create { .. }) => {
                let why = "key creation with it has failed; build a new intent".to_owned();
                return Err(CoordinatorError::IntentConflict { why });
            }
            (IntentState::Failed, What::Sign { .. }) => {
                writes.push(Write::ChangeIntent(IntentChange {
                    intent_digest: row.intent_digest,
                    from: IntentState::Failed,
                    to: IntentState::Open,
                    result: None,
                    at,
                }));
            }
            _ => {}
        }
        if let What::Create { .. } = self.plan.what {
            let key = self.core.store.key(self.plan.key_id()).await;
            let key = key.map_err(CoordinatorError::Store)?;
            self.key_status = key.map_or(KeyStatus::Creating, |key| key.status);
        }
        let earlier = self.earlier_attempts().await?;
        self.lead = new_lead(&self.core, &self.plan, earlier);
        self.latest = None;
        let effects = self.step(Event::Start);
        let mut todo = self.sort(effects);
        writes.extend(self.generating(&todo, at));
        writes.append(&mut todo.writes);
        writes.push(self.intended(at));
        todo.writes = writes;
        tracing::info!(intent = %row.intent_digest, earlier, ?origin, "going on with a known intent");
        self.carry_out(todo).await.map(Resumed::Running)
    }

    async fn earlier_attempts(&self) -> Result<u32, CoordinatorError> {
        let filter = SessionFilter {
            intent_digest: Some(self.plan.digest()),
            ..SessionFilter::default()
        };
        let page = quorate_store::PageRequest::first(quorate_store::limits::MAX_PAGE_ROWS);
        let sessions = self.core.store.sessions(filter, page).await;
        let sessions = sessions.map_err(CoordinatorError::Store)?;
        Ok(sessions
            .rows
            .iter()
            .map(|row| row.attempt)
            .max()
            .unwrap_or(0))
    }

    fn intended(&self, at: UnixMillis) -> Write {
        let details = json!({ "intent": self.plan.digest(), "initiator": self.plan.verified.intent().initiator });
        let event = self
            .subject
            .event(at, AuditResult::Intended, self.latest, details);
        Write::AppendAudit(Box::new(event))
    }

    /// The key's first step, with the first session.
    fn generating(&mut self, todo: &Todo, at: UnixMillis) -> Option<Write> {
        let is_create = matches!(self.plan.what, What::Create { .. });
        if !is_create || todo.opens.is_empty() || self.key_status != KeyStatus::Creating {
            return None;
        }
        self.key_status = KeyStatus::Generating;
        let (from, to) = (KeyStatus::Creating, KeyStatus::Generating);
        let step = KeyChange::step(self.plan.key_id(), from, to, at);
        Some(Write::ChangeKey(Box::new(step)))
    }
}
