//! Checks that every participant makes too, made early for a fast and clear no.
//!
//! They protect nobody: a participant believes none of them. Order: what is readable in itself,
//! then the signed intent, then that both agree, then the state of the key.

mod create;
mod sign;

use std::sync::Arc;

use quorate_chains::SigningTarget;
use quorate_intent::{CreateKey, Manifest, SignedIntent, VerifiedIntent};
use quorate_protocol::registry::{ProtocolInfo, Registry};
use quorate_types::{ChainId, Digest32, KeyId, Tenant};

use crate::caller::Caller;
use crate::clock::now;
use crate::error::CoordinatorError;
use crate::key_facts::KeyFacts;

/// An act that may be started.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) verified: VerifiedIntent,
    pub(crate) protocol: ProtocolInfo,
    pub(crate) what: What,
}

/// What is to be done.
#[derive(Debug)]
pub(crate) enum What {
    Create {
        create: CreateKey,
        chain: quorate_chains::Chain,
        description: String,
        tags: std::collections::BTreeSet<String>,
    },
    Sign {
        key: Arc<KeyFacts>,
        targets: Vec<SigningTarget>,
    },
}

impl Plan {
    pub(crate) fn digest(&self) -> Digest32 {
        self.verified.digest()
    }

    pub(crate) fn tenant(&self) -> &Tenant {
        &self.verified.intent().tenant
    }

    /// Whether it makes signatures.
    pub(crate) const fn signs(&self) -> bool {
        matches!(self.what, What::Sign { .. })
    }

    /// The key that is made or used.
    pub(crate) fn key_id(&self) -> KeyId {
        match &self.what {
            What::Create { .. } => KeyId::of_intent(&self.verified.digest()),
            What::Sign { key, .. } => key.key_id,
        }
    }
}

/// What admission decides by.
pub(crate) struct Rules {
    pub(crate) manifest: Manifest,
    pub(crate) protocols: Registry,
    pub(crate) clock_tolerance_seconds: u64,
}

impl Rules {
    /// Checks intent and caller. `allow_expired` is for an act that was accepted before.
    pub(crate) fn verify(
        &self,
        signed: &SignedIntent,
        allow_expired: bool,
    ) -> Result<VerifiedIntent, CoordinatorError> {
        let (now, tolerance) = (now().seconds(), self.clock_tolerance_seconds);
        let verified = if allow_expired {
            signed.verify_ignoring_expiry(&self.manifest, now, tolerance)
        } else {
            signed.verify(&self.manifest, now, tolerance)
        };
        Ok(verified?)
    }

    /// Refuses an intent whose time is over.
    pub(crate) fn check_expiry(verified: &VerifiedIntent) -> Result<(), CoordinatorError> {
        let expires_at = verified.intent().expires_at;
        if now().seconds() < expires_at {
            return Ok(());
        }
        Err(quorate_intent::IntentError::Expired { expires_at }.into())
    }
}

/// The credential may use the intents of its own tenant only.
pub(crate) fn check_tenant(
    caller: &Caller,
    verified: &VerifiedIntent,
) -> Result<(), CoordinatorError> {
    if caller.tenant == verified.intent().tenant {
        return Ok(());
    }
    Err(CoordinatorError::WrongTenant)
}

/// The chain of this id.
pub(crate) fn known_chain(id: &ChainId) -> Result<quorate_chains::Chain, CoordinatorError> {
    quorate_chains::Chain::parse(id).ok_or_else(|| {
        let known = quorate_chains::Chain::ALL.map(quorate_chains::Chain::as_str);
        CoordinatorError::UnknownChain {
            chain: id.clone(),
            known: known.join(", "),
        }
    })
}
