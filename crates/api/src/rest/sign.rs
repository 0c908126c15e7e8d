use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `POST /sign`. The readable fields must agree with `intent`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignRequest {
    /// `key_…`
    pub key_id: String,
    /// The payload, hex.
    pub message: String,
    /// `raw`, `hash`, `typed_data` or `transaction`.
    pub message_type: String,
    /// The key's chain.
    pub chain_type: String,
    /// The caller's own notes; kept in the audit records of the act. Not part of the intent.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// How long to wait for the signature before answering 202; 10000 if absent, at most 60000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_ms: Option<u64>,
    /// Canonical bytes of the signed intent, hex.
    pub intent: String,
    /// Ed25519 signature over them, hex.
    pub initiator_signature: String,
}

/// A signature, or the session that will make it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SignResult {
    /// Status of the session: `Completed`, or where it stands after `wait_ms` (answer 202).
    pub status: String,
    /// Session of the attempt that signed, or of the current one.
    pub session_id: String,
    /// `key_…`
    pub key_id: String,
    /// ECDSA r‖s, Ed25519 R‖S or BIP340 R.x‖s, 64 bytes, hex. The first, where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// All signatures in the order of what they sign, where a transaction takes several; empty
    /// otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signatures: Vec<String>,
    /// 0 to 3; ECDSA only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_id: Option<u8>,
    /// ASN.1 DER, hex; ECDSA only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature_der: Option<String>,
    /// The digest that was signed, hex; for Ed25519, which signs no digest, SHA-256 of the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_hash: Option<String>,
    /// Ready to broadcast, hex; only for transactions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_transaction: Option<String>,
    /// Id that the chain will know it by; only for transactions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tx_id: Option<String>,
    /// Nodes that signed.
    pub signers: Vec<String>,
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_at: Option<String>,
}

/// `POST /verify`: with `public_key` or `key_id`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyRequest {
    /// Key known here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// Compressed public key, hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
    /// `ECDSA` if absent; taken from the key with `key_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<String>,
    /// What was signed, hex.
    pub message: String,
    /// `raw`, `hash` or `transaction`.
    pub message_type: String,
    /// Needed for transactions without `key_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain_type: Option<String>,
    /// r‖s (64 bytes), hex.
    pub signature: String,
}

/// Whether a signature is valid.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct VerifyResult {
    /// Whether it is.
    pub valid: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Compressed public key that it was checked with, hex.
    pub public_key: String,
    /// Digest that it was checked over, hex.
    pub message_hash: String,
}
