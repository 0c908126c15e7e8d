//! `metadata.json`: the public half of a stored share, as `product.md` lists it.

use quorate_types::{
    Algorithm, Digest32, Epoch, KeyId, NodeId, PartyIndex, Tenant, Threshold, UnixSeconds, Writer,
};
use serde::{Deserialize, Serialize};

use crate::seal::IV_BYTES;

/// Version of the share format that this code writes.
pub const SHARE_FORMAT_VERSION: u16 = 1;
/// Most bytes of `metadata.json`.
pub(crate) const MAX_METADATA_BYTES: usize = 16 << 10;

const CIPHER: &str = "AES-256-GCM";
const HASH: &str = "SHA-256";
const SIGNATURE_FILE: &str = "share.sig";

/// What is publicly known about a share; all of it is authenticated with the share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShareMetadata {
    /// Whose key it is.
    pub tenant: Tenant,
    /// The key.
    pub key_id: KeyId,
    /// The node that holds the share.
    pub node_id: NodeId,
    /// The share's index in the committee.
    pub share_index: PartyIndex,
    /// How many of how many sign.
    pub threshold: Threshold,
    /// Signature scheme; it fixes the curve.
    pub algorithm: Algorithm,
    /// Which sharing of the key.
    pub epoch: Epoch,
    /// When the share was made.
    pub created_at: UnixSeconds,
}

impl ShareMetadata {
    /// The associated data of the payload (`part` "share") or of its data key (`part` "key").
    /// `docs/protocols/share-files.md` §3.
    pub(crate) fn binding(&self, part: &str) -> Vec<u8> {
        let mut out = Writer::new();
        out.text("quorate share v1")
            .text(part)
            .u16(SHARE_FORMAT_VERSION);
        out.value(&self.tenant)
            .value(&self.key_id)
            .value(&self.node_id);
        out.value(&self.share_index).value(&self.epoch);
        out.value(&self.threshold)
            .value(&self.algorithm)
            .value(&self.algorithm.curve());
        out.value(&self.created_at);
        out.finish()
    }
}

/// Metadata with what sealing added to them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SealedMetadata {
    pub(crate) share: ShareMetadata,
    pub(crate) master_key_id: String,
    pub(crate) iv: [u8; IV_BYTES],
    pub(crate) ciphertext_hash: Digest32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Json {
    version: u16,
    key_id: KeyId,
    node_id: NodeId,
    tenant: Tenant,
    share_index: u8,
    threshold: u8,
    total_shares: u8,
    algorithm: String,
    curve: String,
    epoch: u64,
    created_at: UnixSeconds,
    encrypted: bool,
    encryption: EncryptionJson,
    integrity: IntegrityJson,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EncryptionJson {
    algorithm: String,
    key_id: String,
    iv: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct IntegrityJson {
    hash_algorithm: String,
    hash: Digest32,
    /// The file with the detached signature, which covers this file too.
    signature: String,
}

impl SealedMetadata {
    /// The one spelling of the file.
    pub(crate) fn to_json(&self) -> Vec<u8> {
        let share = &self.share;
        let json = Json {
            version: SHARE_FORMAT_VERSION,
            key_id: share.key_id,
            node_id: share.node_id.clone(),
            tenant: share.tenant.clone(),
            share_index: share.share_index.get(),
            threshold: share.threshold.min_signers(),
            total_shares: share.threshold.max_signers(),
            algorithm: share.algorithm.to_string(),
            curve: share.algorithm.curve().to_string(),
            epoch: share.epoch.get(),
            created_at: share.created_at,
            encrypted: true,
            encryption: EncryptionJson {
                algorithm: CIPHER.to_owned(),
                key_id: self.master_key_id.clone(),
                iv: hex::encode(self.iv),
            },
            integrity: IntegrityJson {
                hash_algorithm: HASH.to_owned(),
                hash: self.ciphertext_hash,
                signature: SIGNATURE_FILE.to_owned(),
            },
        };
        let mut bytes = serde_json::to_vec_pretty(&json).expect("text and numbers only");
        bytes.push(b'\n');
        bytes
    }

    /// Reads the file; `None` if any field or spelling differs from what would be written.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let json: Json = serde_json::from_slice(bytes).ok()?;
        let mut iv = [0; IV_BYTES];
        hex::decode_to_slice(&json.encryption.iv, &mut iv).ok()?;
        let sealed = Self {
            share: ShareMetadata {
                tenant: json.tenant,
                key_id: json.key_id,
                node_id: json.node_id,
                share_index: PartyIndex::new(json.share_index)?,
                threshold: Threshold::new(json.threshold.into(), json.total_shares.into()).ok()?,
                algorithm: json.algorithm.parse().ok()?,
                epoch: Epoch::new(json.epoch)?,
                created_at: json.created_at,
            },
            master_key_id: json.encryption.key_id,
            iv,
            ciphertext_hash: json.integrity.hash,
        };
        // Constant fields (version, curve, algorithms) and spelling are checked by writing it again.
        (sealed.to_json() == bytes).then_some(sealed)
    }
}

/// Digest of `metadata.json`, as index and signature name it.
pub(crate) fn metadata_digest(json: &[u8]) -> Digest32 {
    Digest32::of(b"quorate share metadata v1", &[json])
}
