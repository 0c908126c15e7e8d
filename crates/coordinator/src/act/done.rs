//! The result of an act, and how the store keeps it.

use std::sync::Arc;

use quorate_chains::SigningTarget;
use quorate_types::{NodeId, SessionId, UnixMillis};
use quorate_verify::Signature;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::CoordinatorError;
use crate::key_facts::KeyFacts;
use crate::results::check_signatures;

/// What an act brought about.
#[derive(Debug, Clone)]
pub(crate) enum Done {
    /// A key; its row has everything.
    KeyCreated,
    /// Verified signatures.
    Signed(Arc<Signed>),
}

/// Verified signatures of one intent, one for each target.
#[derive(Debug)]
pub(crate) struct Signed {
    pub(crate) session: SessionId,
    /// Who made them; empty if they were made in an earlier session that is not known any more.
    pub(crate) signers: Vec<NodeId>,
    pub(crate) signatures: Vec<Signature>,
    pub(crate) signed_at: UnixMillis,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    session_id: SessionId,
    signers: Vec<NodeId>,
    /// As nodes send them, hex: 64 bytes, and for ECDSA the recovery id.
    signatures: Vec<String>,
    signed_at: UnixMillis,
}

impl Signed {
    pub(crate) fn to_stored(&self) -> Value {
        let text = |signature: &Signature| hex::encode(signature.to_wire());
        json!(Stored {
            session_id: self.session,
            signers: self.signers.clone(),
            signatures: self.signatures.iter().map(text).collect(),
            signed_at: self.signed_at,
        })
    }

    /// Reads a stored result and verifies it again: the store is not believed.
    pub(crate) fn from_stored(
        value: Value,
        key: &KeyFacts,
        targets: &[SigningTarget],
    ) -> Result<Self, CoordinatorError> {
        let damaged = |why: String| {
            CoordinatorError::bug(format!("the stored result of an intent is damaged: {why}"))
        };
        let stored: Stored = serde_json::from_value(value).map_err(|e| damaged(e.to_string()))?;
        let signatures: Result<Vec<_>, _> = stored.signatures.iter().map(hex::decode).collect();
        let signatures = signatures.map_err(|e| damaged(e.to_string()))?;
        let signatures =
            check_signatures(key, targets, &signatures).map_err(|e| damaged(e.to_string()))?;
        Ok(Self {
            session: stored.session_id,
            signers: stored.signers,
            signatures,
            signed_at: stored.signed_at,
        })
    }
}
