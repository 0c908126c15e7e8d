use std::collections::BTreeSet;

use quorate_types::{
    Algorithm, ChainId, Committee, Curve, Digest32, Epoch, KeyId, KeyStatus, ProtocolName, Rights,
    Tenant, Threshold, UnixMillis,
};
use serde_json::Value;

use crate::flaw::{Flaw, check_length, check_name, check_object, check_time};
use crate::limits::{
    MAX_CERTIFICATE_BYTES, MAX_INTENT_BYTES, MAX_TAG_BYTES, MAX_TAGS, MAX_TEXT_BYTES,
};

/// What the coordinator knows of a key. No secret is among it.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyRow {
    /// The key.
    pub key_id: KeyId,
    /// Whose key it is.
    pub tenant: Tenant,
    /// Signature scheme.
    pub algorithm: Algorithm,
    /// Group; always the one of the scheme.
    pub curve: Curve,
    /// How many of how many sign.
    pub threshold: Threshold,
    /// The nodes that hold a share, in the order of their indices.
    pub committee: Committee,
    /// Chain and network, or `none`.
    pub chain_type: ChainId,
    /// Protocol that signs with it.
    pub protocol: ProtocolName,
    /// Kind of address, where the chain has several.
    pub address_kind: Option<String>,
    /// Dangerous uses that it allows.
    pub rights: Rights,
    /// Where it is in its life.
    pub status: KeyStatus,
    /// What key generation made; `None` until it ended.
    pub material: Option<KeyMaterial>,
    /// Free text of the user.
    pub description: String,
    /// Words of the user, to find it by.
    pub tags: BTreeSet<String>,
    /// Free-form object of the user.
    pub metadata: Value,
    /// The create intent as the client signed it, canonical bytes.
    pub intent: Vec<u8>,
    /// Digest of that intent.
    pub intent_digest: Digest32,
    /// Why creation failed, log-safe.
    pub error_message: Option<String>,
    /// When the row was made.
    pub created_at: UnixMillis,
    /// When it was last changed.
    pub updated_at: UnixMillis,
    /// When the shares will be, or were, destroyed.
    pub deletion_date: Option<UnixMillis>,
}

/// What key generation makes, all of it public.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyMaterial {
    /// Compressed point; 33 bytes on secp256k1, 32 on Ed25519. Never changes.
    pub public_key: Vec<u8>,
    /// BIP32 chain code. Never changes.
    pub chain_code: [u8; 32],
    /// Address on the chain, if the key has a chain. Never changes.
    pub address: Option<String>,
    /// Epoch of the certificate.
    pub epoch: Epoch,
    /// Epoch certificate with the signatures of all nodes, canonical bytes.
    pub certificate: Vec<u8>,
}

/// Which keys to list; an empty filter lists all.
#[derive(Debug, Clone, Default)]
pub struct KeyFilter {
    /// Only keys of this tenant.
    pub tenant: Option<Tenant>,
    /// Only keys in this state.
    pub status: Option<KeyStatus>,
    /// Only keys of this chain.
    pub chain_type: Option<ChainId>,
    /// Only keys of this scheme.
    pub algorithm: Option<Algorithm>,
    /// Only keys with this tag.
    pub tag: Option<String>,
    /// Only the key with this address.
    pub address: Option<String>,
}

/// One step in the life of a key: compare and set.
///
/// The step must be allowed by [`KeyStatus::may_become`], and the key must be in `from`: so a
/// resume can never cancel a deletion, although both end in `Active`.
#[derive(Debug, Clone)]
pub struct KeyChange {
    /// The key.
    pub key_id: KeyId,
    /// Where the caller believes that it is.
    pub from: KeyStatus,
    /// States that it passes through on the way, in order: a key that exists was distributed and
    /// stored. One change checks every step and writes the row once.
    pub through: Vec<KeyStatus>,
    /// Where it shall go.
    pub to: KeyStatus,
    /// Time of the step.
    pub at: UnixMillis,
    /// New certificate, and with the first one the key itself.
    pub material: Option<KeyMaterial>,
    /// Why it failed, log-safe; kept as it is if `None`.
    pub error_message: Option<String>,
    /// End of the waiting period; cleared by the step to `Active`, kept as it is if `None`.
    pub deletion_date: Option<UnixMillis>,
}

impl KeyChange {
    /// A step that changes nothing but the status.
    #[must_use]
    pub const fn step(key_id: KeyId, from: KeyStatus, to: KeyStatus, at: UnixMillis) -> Self {
        Self {
            key_id,
            from,
            through: Vec::new(),
            to,
            at,
            material: None,
            error_message: None,
            deletion_date: None,
        }
    }
}

impl KeyChange {
    /// Whether the life cycle allows every step of it.
    pub(crate) fn is_allowed(&self) -> bool {
        let after = self.through.iter().chain([&self.to]);
        let before = [&self.from].into_iter().chain(&self.through);
        before.zip(after).all(|(from, to)| from.may_become(*to))
    }
}

/// What a user may change of a key at any time.
#[derive(Debug, Clone)]
pub struct KeyDescription {
    /// The key.
    pub key_id: KeyId,
    /// New text; kept if `None`.
    pub description: Option<String>,
    /// New tags, replacing all; kept if `None`.
    pub tags: Option<BTreeSet<String>>,
    /// Time of the change.
    pub at: UnixMillis,
}

pub(crate) fn check_description(text: &str) -> Result<(), Flaw> {
    check_length("description", text.len(), MAX_TEXT_BYTES)
}

pub(crate) fn check_tags(tags: &BTreeSet<String>) -> Result<(), Flaw> {
    check_length("tags", tags.len(), MAX_TAGS)?;
    for tag in tags {
        check_name("tags", tag)?;
        check_length("tags", tag.len(), MAX_TAG_BYTES)?;
    }
    Ok(())
}

pub(crate) fn check_error_message(message: Option<&String>) -> Result<(), Flaw> {
    message.map_or(Ok(()), |text| {
        check_length("error_message", text.len(), MAX_TEXT_BYTES)
    })
}

/// Whether a key in this state has been generated.
pub(crate) const fn needs_material(status: KeyStatus) -> bool {
    !matches!(
        status,
        KeyStatus::Creating
            | KeyStatus::Generating
            | KeyStatus::Distributing
            | KeyStatus::Storing
            | KeyStatus::Failed
    )
}

impl KeyMaterial {
    pub(crate) fn check(&self, curve: Curve) -> Result<(), Flaw> {
        Flaw::unless(
            self.public_key.len() == curve.point_length(),
            "public_key",
            "not of the length of a point",
        )?;
        if let Some(address) = &self.address {
            check_name("address", address)?;
        }
        Flaw::unless(!self.certificate.is_empty(), "certificate", "empty")?;
        check_length("certificate", self.certificate.len(), MAX_CERTIFICATE_BYTES)
    }
}

impl KeyRow {
    /// The rules that hold for every key row, written or read.
    pub(crate) fn check(&self) -> Result<(), Flaw> {
        Flaw::unless(
            self.curve == self.algorithm.curve(),
            "curve",
            "not the curve of the algorithm",
        )?;
        Flaw::unless(
            self.committee.size() == self.threshold.max_signers(),
            "committee",
            "not of total_nodes members",
        )?;
        if let Some(kind) = &self.address_kind {
            check_name("address_kind", kind)?;
        }
        match &self.material {
            Some(material) => material.check(self.curve)?,
            None => Flaw::unless(
                !needs_material(self.status),
                "public_key",
                "missing in a key that was generated",
            )?,
        }
        check_description(&self.description)?;
        check_tags(&self.tags)?;
        check_object("metadata", &self.metadata)?;
        Flaw::unless(!self.intent.is_empty(), "intent", "empty")?;
        check_length("intent", self.intent.len(), MAX_INTENT_BYTES)?;
        check_error_message(self.error_message.as_ref())?;
        check_time("created_at", self.created_at)?;
        check_time("updated_at", self.updated_at)?;
        self.deletion_date
            .map_or(Ok(()), |time| check_time("deletion_date", time))
    }
}
