//! A ban, and the signature that makes it a notice for other nodes.

use ed25519_dalek::VerifyingKey;
use quorate_types::{Canonical, DecodeError, Digest32, KeyId, NodeId, Reader, UnixSeconds, Writer};

use crate::signer::verifies;

/// Most bytes of a ban's reason.
pub(super) const MAX_REASON_BYTES: usize = 256;
const MAGIC: &[u8; 8] = b"QBAN0001";

/// What a ban says: `reported_by` will never again use `generation` with `peer`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ban {
    /// The node that failed the check.
    pub peer: NodeId,
    /// The generation of the pair's seeds.
    pub generation: Digest32,
    /// The key that was being used, if one was.
    pub key_id: Option<KeyId>,
    /// Which check failed, as a name from the code; no secrets.
    pub reason: String,
    /// Digest of the evidence, which is in the audit log.
    pub evidence: Digest32,
    /// When.
    pub at: UnixSeconds,
    /// The node that detected it, and signs this.
    pub reported_by: NodeId,
}

/// A ban with the signature of the node that reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedBan {
    /// The ban.
    pub ban: Ban,
    /// Ed25519 signature of `ban.reported_by`.
    pub signature: [u8; 64],
}

impl Canonical for Ban {
    fn write(&self, out: &mut Writer) {
        out.fixed(MAGIC).value(&self.peer).value(&self.generation);
        out.list(self.key_id.as_slice().iter());
        out.text(&self.reason).value(&self.evidence).value(&self.at);
        out.value(&self.reported_by);
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        if &input.array::<8>("magic")? != MAGIC {
            return Err(DecodeError::Unknown {
                what: "ban version",
            });
        }
        Ok(Self {
            peer: NodeId::read(input)?,
            generation: Digest32::read(input)?,
            key_id: input.list("key", 1)?.into_iter().next(),
            reason: input.text("reason", MAX_REASON_BYTES)?.to_owned(),
            evidence: Digest32::read(input)?,
            at: UnixSeconds::read(input)?,
            reported_by: NodeId::read(input)?,
        })
    }
}

impl Canonical for SignedBan {
    fn write(&self, out: &mut Writer) {
        out.value(&self.ban).fixed(&self.signature);
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            ban: Ban::read(input)?,
            signature: input.array("signature")?,
        })
    }
}

impl SignedBan {
    /// Whether `key`, which the manifest gives for `ban.reported_by`, signed this.
    #[must_use]
    pub fn is_signed_by(&self, key: &VerifyingKey) -> bool {
        verifies(key, &self.ban.to_bytes(), &self.signature)
    }
}
