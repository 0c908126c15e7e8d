//! A client of the cluster: builds and signs intents.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use ed25519_dalek::SigningKey;
use quorate_intent::{Act, CreateKey, Intent, LiftBan, Sign, SignedIntent};
use quorate_types::{
    Algorithm, ChainId, ClusterId, Committee, Curve, Digest32, InitiatorId, KeyId, MessageType,
    NodeId, ProtocolName, Rights, Tenant, Threshold, UnixSeconds,
};

use crate::credentials::random;

/// Somebody with an initiator key. Fields are public so that tests can lie.
#[derive(Clone)]
pub struct Client {
    /// Cluster that intents are for.
    pub cluster: ClusterId,
    /// For whom.
    pub tenant: Tenant,
    /// Who.
    pub initiator: InitiatorId,
    /// The key that signs.
    pub key: SigningKey,
    /// Seconds until expiry.
    pub lifetime_seconds: u64,
}

/// Now, by the system's clock.
pub(crate) fn now() -> UnixSeconds {
    UnixSeconds(
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |t| t.as_secs()),
    )
}

impl Client {
    /// An intent around an act, signed.
    ///
    /// # Errors
    /// If there is no randomness.
    pub fn intent(&self, act: Act) -> Result<SignedIntent> {
        Ok(SignedIntent::sign(&self.unsigned(act)?, &self.key))
    }

    /// The same, not signed yet.
    ///
    /// # Errors
    /// If there is no randomness.
    pub fn unsigned(&self, act: Act) -> Result<Intent> {
        let random = random()?;
        let nonce = *random.first_chunk::<16>().context("32 bytes hold 16")?;
        let created_at = now();
        Ok(Intent {
            cluster: self.cluster.clone(),
            tenant: self.tenant.clone(),
            initiator: self.initiator.clone(),
            idempotency_key: hex::encode(nonce),
            policy_version: 0,
            created_at,
            expires_at: created_at.plus(self.lifetime_seconds),
            nonce,
            act,
        })
    }

    /// A create intent for an Ethereum key of the local test chain.
    ///
    /// # Errors
    /// If the committee cannot be.
    pub fn create(&self, nodes: &[NodeId], threshold: u64) -> Result<SignedIntent> {
        self.intent(Act::CreateKey(CreateKey {
            algorithm: Algorithm::Ecdsa,
            curve: Curve::Secp256k1,
            protocol: ProtocolName::new("dkls23")?,
            threshold: Threshold::new(threshold, nodes.len() as u64)?,
            committee: Committee::new(nodes.to_vec())?,
            chain: ChainId::new("ethereum-local")?,
            address_kind: "default".to_owned(),
            rights: Rights::default(),
        }))
    }

    /// An intent that lifts the ban of a generation of a pair.
    ///
    /// # Errors
    /// If there is no randomness.
    pub fn lift_ban(
        &self,
        one: &NodeId,
        other: &NodeId,
        generation: Digest32,
    ) -> Result<SignedIntent> {
        let (first, second) = (one.min(other).clone(), one.max(other).clone());
        self.intent(Act::LiftBan(LiftBan {
            first,
            second,
            generation,
        }))
    }

    /// A sign intent for a transaction.
    ///
    /// # Errors
    /// If there is no randomness.
    pub fn sign(&self, key: KeyId, payload: Vec<u8>) -> Result<SignedIntent> {
        self.intent(Act::Sign(Sign {
            key,
            path: "m".to_owned(),
            chain: ChainId::new("ethereum-local")?,
            message_type: MessageType::Transaction,
            payload,
        }))
    }
}

/// An unsigned EIP-1559 transfer on the local test chain (31337), by hand: `0x02 ‖ rlp([…])`.
#[must_use]
pub fn eip1559_transfer(nonce: u64, to: [u8; 20], value: u64) -> Vec<u8> {
    let mut fields = Vec::new();
    for number in [31_337, nonce, 1_000_000_000, 2_000_000_000, 21_000] {
        fields.extend(rlp_number(number));
    }
    fields.push(0x94);
    fields.extend(to);
    fields.extend(rlp_number(value));
    fields.extend([0x80, 0xc0]);
    let mut out = vec![0x02];
    match u8::try_from(fields.len()) {
        Ok(length) if length < 56 => out.push(0xc0 + length),
        Ok(length) => out.extend([0xf8, length]),
        Err(_) => {}
    }
    out.extend(fields);
    out
}

fn rlp_number(number: u64) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    let digits: Vec<u8> = bytes
        .iter()
        .copied()
        .skip_while(|byte| *byte == 0)
        .collect();
    match digits.as_slice() {
        [] => vec![0x80],
        [small] if *small < 0x80 => vec![*small],
        _ => {
            let length = u8::try_from(digits.len()).unwrap_or(8);
            [vec![0x80 + length], digits].concat()
        }
    }
}
