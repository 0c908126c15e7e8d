//! One signature: request to verified answer.

use std::sync::Arc;
use std::time::Duration;

use quorate_api::rest::{SignRequest, SignResult};
use quorate_chains::assemble_verified;
use quorate_intent::Sign;
use quorate_store::IntentState;
use quorate_types::{Digest32, MessageType};

use crate::act::{ActHandle, Done, Origin, Signed};
use crate::admission::{Plan, Rules, What};
use crate::audit::Subject;
use crate::caller::Caller;
use crate::coordinator::Coordinator;
use crate::error::CoordinatorError;
use crate::key_facts::KeyFacts;
use crate::request::check_notes;

/// A signature, or where its session stands.
#[derive(Debug, Clone)]
pub struct SignReply {
    /// The answer.
    pub result: SignResult,
    /// Whether the signature is there; otherwise its session goes on.
    pub is_complete: bool,
}

/// An act that runs, and what its answer needs.
struct Started {
    act: Arc<ActHandle>,
    sign: Sign,
    key: Arc<KeyFacts>,
    digest: Digest32,
}

impl Coordinator {
    /// Makes the signature that an intent asks for, or answers with the one that it has.
    ///
    /// # Errors
    /// [`CoordinatorError`]; a refusal is in the audit index.
    pub async fn sign(
        &self,
        caller: &Caller,
        request: SignRequest,
        wait: Duration,
    ) -> Result<SignReply, CoordinatorError> {
        let mut subject = Subject::new("sign", "POST /api/v1/sign", caller);
        subject.key_id = request.key_id.parse().ok();
        if let Err(error) = check_notes(&request.metadata) {
            return Err(self.refuse(&subject, error).await);
        }
        subject.notes.clone_from(&request.metadata);
        let started = match self.start_sign(caller, &request, &subject).await {
            Ok(started) => started,
            Err(error) => return Err(self.refuse(&subject, error).await),
        };
        let Some(outcome) = started.act.wait(wait).await else {
            return Ok(started.waiting());
        };
        let Done::Signed(signed) = outcome? else {
            return Err(CoordinatorError::bug("a sign intent made a key"));
        };
        metrics::counter!("mpc_signatures_total", "algorithm" => started.key.algorithm.as_str())
            .increment(1);
        Ok(SignReply {
            result: started.answer(&signed)?,
            is_complete: true,
        })
    }

    async fn start_sign(
        &self,
        caller: &Caller,
        request: &SignRequest,
        subject: &Subject,
    ) -> Result<Started, CoordinatorError> {
        let rules = &self.core.rules;
        let candidate = rules.read_sign(caller, request)?;
        let sign = candidate.sign;
        let key = self
            .core
            .keys
            .get(self.core.store.as_ref(), sign.key)
            .await?;
        let key = key.ok_or_else(|| CoordinatorError::not_found("key", sign.key))?;
        let verified = candidate.verified;
        // Before anything else that could tell whether another tenant has such a key.
        if key.tenant != verified.intent().tenant {
            return Err(CoordinatorError::not_found("key", sign.key));
        }
        if let Err(expired) = Rules::check_expiry(&verified)
            && !self.was_signed(verified.digest()).await?
        {
            return Err(expired);
        }
        let plan = rules.plan_sign(verified, Arc::clone(&key))?;
        let subject = subject.clone();
        let digest = first_digest(&plan)?;
        let act = self
            .acts
            .join_or_start(&self.core, plan, subject, Origin::Caller)?;
        caller.arrival.became_an_act();
        Ok(Started {
            act,
            sign,
            key,
            digest,
        })
    }

    /// Whether an intent has its signature, or is about to get it.
    async fn was_signed(&self, intent: Digest32) -> Result<bool, CoordinatorError> {
        if self.acts.get(&intent).is_some() {
            return Ok(true);
        }
        let row = self
            .core
            .store
            .intent(intent)
            .await
            .map_err(CoordinatorError::Store)?;
        Ok(row.is_some_and(|row| row.state == IntentState::Completed))
    }
}

impl Started {
    fn waiting(&self) -> SignReply {
        let progress = self.act.progress();
        let status = match progress.as_ref().map(|p| p.stage) {
            Some(quorate_lead::Stage::Running) => "Signing",
            _ => "Pending",
        };
        let session = progress.and_then(|p| p.session);
        let mut result = self.empty(status);
        result.session_id = session.map(|id| id.to_string()).unwrap_or_default();
        SignReply {
            result,
            is_complete: false,
        }
    }

    fn empty(&self, status: &str) -> SignResult {
        SignResult {
            status: status.to_owned(),
            session_id: String::new(),
            key_id: self.key.key_id.to_string(),
            signature: None,
            signatures: Vec::new(),
            recovery_id: None,
            signature_der: None,
            message_hash: None,
            signed_transaction: None,
            tx_id: None,
            signers: Vec::new(),
            signed_at: None,
        }
    }

    fn answer(&self, signed: &Signed) -> Result<SignResult, CoordinatorError> {
        let first = signed.signatures.first();
        let first = first.ok_or_else(|| CoordinatorError::bug("no signature"))?;
        let mut result = self.empty("Completed");
        result.session_id = signed.session.to_string();
        result.signature = Some(hex::encode(first.as_bytes()));
        result.recovery_id = first.recovery_id();
        result.signature_der = first.to_der().map(hex::encode);
        if signed.signatures.len() > 1 {
            let all = signed.signatures.iter();
            result.signatures = all.map(|s| hex::encode(s.as_bytes())).collect();
        }
        result.message_hash = Some(self.digest.to_string());
        result.signers = signed.signers.iter().map(ToString::to_string).collect();
        result.signed_at = Some(signed.signed_at.seconds().to_rfc3339());
        if self.sign.message_type == MessageType::Transaction {
            let context = self.key.context();
            let transaction = assemble_verified(&context, &self.sign.payload, &signed.signatures)?;
            if self.key.address.as_ref() != Some(&transaction.from) {
                return Err(CoordinatorError::bug(
                    "the transaction's sender is not the key",
                ));
            }
            result.signed_transaction = Some(hex::encode(&transaction.bytes));
            result.tx_id = Some(transaction.tx_id);
        }
        Ok(result)
    }
}

fn first_digest(plan: &Plan) -> Result<Digest32, CoordinatorError> {
    let digest = match &plan.what {
        What::Sign { targets, .. } => targets.first().map(|target| *target.digest()),
        What::Create { .. } => None,
    };
    digest.ok_or_else(|| CoordinatorError::bug("no digest to sign"))
}
