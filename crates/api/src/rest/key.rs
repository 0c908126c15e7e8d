use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `POST /keys`. The readable fields must agree with `intent`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateKeyRequest {
    /// `ECDSA`, `EdDSA` or `Schnorr`.
    pub algorithm: String,
    /// `secp256k1` or `ed25519`.
    pub curve: String,
    /// Signers needed (t of n).
    pub threshold: u64,
    /// Shares that exist (n).
    pub total_nodes: u64,
    /// Chain of the key, or `none`.
    pub chain_type: String,
    /// The caller's own notes; each is kept as a tag `name=value`. Not part of the intent.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// Protocol; the default of the algorithm if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// Kind of address; `default` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address_kind: Option<String>,
    /// `raw_hash`, `raw_message`, `import`, `export`; none by default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rights: Vec<String>,
    /// For people. Not part of the intent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// For filters. Not part of the intent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// How long to wait for the result before answering 202; 10000 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_ms: Option<u64>,
    /// Canonical bytes of the signed intent, hex.
    pub intent: String,
    /// Ed25519 signature over them, hex.
    pub initiator_signature: String,
}

/// `PUT /keys/{key_id}`: what is left out stays.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateKeyRequest {
    /// New description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// New tags, in place of the old ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
}

/// A key, as far as it is public.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct KeyView {
    /// `key_…`
    pub key_id: String,
    /// Compressed, hex; empty until the key is active.
    pub public_key: String,
    /// `ECDSA`, `EdDSA` or `Schnorr`.
    pub algorithm: String,
    /// `secp256k1` or `ed25519`.
    pub curve: String,
    /// Signers needed (t of n).
    pub threshold: u64,
    /// Shares that exist (n).
    pub total_nodes: u64,
    /// Chain of the key, or `none`.
    pub chain_type: String,
    /// Address on the chain; empty for `none` and until the key is active.
    pub address: String,
    /// Kind of address.
    pub address_kind: String,
    /// Place in the life cycle.
    pub status: String,
    /// Protocol that signs with it.
    pub protocol: String,
    /// Dangerous uses that it allows.
    pub rights: Vec<String>,
    /// For people.
    pub description: String,
    /// For filters.
    pub tags: Vec<String>,
    /// Current epoch; 0 until the key is active.
    pub epoch: u64,
    /// Who holds the shares.
    pub committee: Vec<CommitteeMember>,
    /// Signatures of all nodes over key, path, public key, chain and address.
    pub node_signatures: Vec<NodeSignature>,
    /// The signed statement itself: canonical bytes of the key certificate, hex.
    pub certificate: String,
    /// Session that made or makes the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// Why creation failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339.
    pub updated_at: String,
}

/// One holder of a share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CommitteeMember {
    /// Party index, from 1.
    pub index: u8,
    /// Node.
    pub node_id: String,
}

/// A node's signature over the key statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodeSignature {
    /// Node.
    pub node_id: String,
    /// Ed25519, hex.
    pub signature: String,
}

/// One page of keys.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct KeyList {
    /// The keys, newest first.
    pub keys: Vec<KeyView>,
    /// Pass as `cursor` for the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}
