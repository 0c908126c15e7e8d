use std::sync::Arc;

use quorate_api::rest::SignRequest;
use quorate_chains::{SigningTarget, effect_of};
use quorate_intent::{Act, MAX_PAYLOAD, Sign, VerifiedIntent};
use quorate_types::{ChainId, KeyId, KeyStatus, MessageType};

use super::{Plan, Rules, What, check_tenant};
use crate::caller::Caller;
use crate::error::CoordinatorError;
use crate::key_facts::KeyFacts;
use crate::request::{agree, bytes, invalid, parse, signed_intent};

/// The only derivation path so far: the key itself.
const KEY_ITSELF: &str = "m";

/// A request whose readable fields and intent agree; the key is not looked at yet.
pub(crate) struct SignCandidate {
    pub(crate) verified: VerifiedIntent,
    pub(crate) sign: Sign,
}

impl Rules {
    /// Checks everything that does not need the key, nor the intent's expiry: an intent that was
    /// signed in time is answered after it.
    pub(crate) fn read_sign(
        &self,
        caller: &Caller,
        request: &SignRequest,
    ) -> Result<SignCandidate, CoordinatorError> {
        let key: KeyId = parse("key_id", &request.key_id)?;
        let message_type: MessageType = parse("message_type", &request.message_type)?;
        let chain: ChainId = parse("chain_type", &request.chain_type)?;
        let payload = bytes("message", &request.message)?;
        if payload.len() > MAX_PAYLOAD {
            let (length, limit) = (payload.len(), MAX_PAYLOAD);
            return Err(quorate_chains::Refusal::TooLong { length, limit }.into());
        }
        let signed = signed_intent(&request.intent, &request.initiator_signature)?;
        let verified = self.verify(&signed, true)?;
        check_tenant(caller, &verified)?;
        let Act::Sign(sign) = verified.intent().act.clone() else {
            return Err(CoordinatorError::IntentMismatch { field: "act" });
        };
        agree("key_id", &key, &sign.key)?;
        agree("message_type", &message_type, &sign.message_type)?;
        agree("chain_type", &chain, &sign.chain)?;
        agree("message", &payload, &sign.payload)?;
        Ok(SignCandidate { verified, sign })
    }

    /// Checks a verified intent against its key.
    pub(crate) fn plan_sign(
        &self,
        verified: VerifiedIntent,
        key: Arc<KeyFacts>,
    ) -> Result<Plan, CoordinatorError> {
        let Act::Sign(sign) = verified.intent().act.clone() else {
            return Err(CoordinatorError::IntentMismatch { field: "act" });
        };
        if key.tenant != verified.intent().tenant {
            return Err(CoordinatorError::not_found("key", sign.key));
        }
        if !matches!(key.status, KeyStatus::Active | KeyStatus::Rotating) {
            let (key, status) = (key.key_id, key.status);
            return Err(CoordinatorError::KeyNotActive { key, status });
        }
        let targets = check_message(&key, &sign)?;
        let protocol = self.protocols.usable(&key.protocol, key.algorithm)?.clone();
        Ok(Plan {
            verified,
            protocol,
            what: What::Sign { key, targets },
        })
    }
}

/// The signatures that the payload stands for; a participant computes them itself (row D1).
fn check_message(key: &KeyFacts, sign: &Sign) -> Result<Vec<SigningTarget>, CoordinatorError> {
    if sign.path != KEY_ITSELF {
        return Err(invalid(
            "intent",
            "derivation is not supported yet: the path must be `m`",
        ));
    }
    if sign.chain != key.chain_id {
        let (expected, found) = (key.chain_id.clone(), sign.chain.clone());
        return Err(CoordinatorError::WrongChain { expected, found });
    }
    let message_type = parse("message_type", sign.message_type.as_str())?;
    let effect = effect_of(&key.context(), message_type, &sign.payload)?;
    Ok(effect.targets)
}
