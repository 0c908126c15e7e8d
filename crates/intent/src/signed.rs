use ed25519_dalek::{Signer as _, SigningKey};
use quorate_types::{Canonical, DecodeError, Digest32, Reader, UnixSeconds, Writer};
use quorate_verify::verify_ed25519;

use crate::error::IntentError;
use crate::intent::{Intent, MAX_INTENT, MAX_LIFETIME_SECONDS, digest_of};
use crate::manifest::Manifest;

/// The bytes of an intent with the initiator's signature, not checked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedIntent {
    /// Canonical bytes of an [`Intent`].
    pub bytes: Vec<u8>,
    /// Ed25519 signature over `bytes` (which start with their own magic).
    pub signature: [u8; 64],
}

impl SignedIntent {
    /// Signs an intent with the initiator's own key.
    #[must_use]
    pub fn sign(intent: &Intent, key: &SigningKey) -> Self {
        let bytes = intent.to_bytes();
        let signature = key.sign(&bytes).to_bytes();
        Self { bytes, signature }
    }

    /// Name of the intent that these bytes are, if they are one.
    #[must_use]
    pub fn digest(&self) -> Digest32 {
        digest_of(&self.bytes)
    }

    /// Checks everything that does not depend on the state of a key: form, cluster, initiator,
    /// signature, rights in the manifest, times. Steps 3.1 to 3.6 of `docs/protocols/intent.md`.
    ///
    /// `tolerance_seconds` allows for clocks that differ: an intent may be that much "younger than
    /// now". Expiry has no tolerance.
    ///
    /// # Errors
    /// [`IntentError`], the first check that fails.
    pub fn verify(
        &self,
        manifest: &Manifest,
        now: UnixSeconds,
        tolerance_seconds: u64,
    ) -> Result<VerifiedIntent, IntentError> {
        let verified = self.verify_ignoring_expiry(manifest, now, tolerance_seconds)?;
        // 3.6 Its time is not over.
        let expires_at = verified.intent.expires_at;
        if now >= expires_at {
            return Err(IntentError::Expired { expires_at });
        }
        Ok(verified)
    }

    /// As [`Self::verify`], for an act that was done while the intent was valid: an intent that is
    /// already signed may be answered after its expiry, but never joined again.
    ///
    /// # Errors
    /// [`IntentError`], but never [`IntentError::Expired`].
    pub fn verify_ignoring_expiry(
        &self,
        manifest: &Manifest,
        now: UnixSeconds,
        tolerance_seconds: u64,
    ) -> Result<VerifiedIntent, IntentError> {
        // 3.1 The bytes are the one encoding of a known intent.
        let intent = Intent::from_bytes(&self.bytes)?;
        // 3.2 It is for this cluster.
        if intent.cluster != manifest.cluster {
            let (found, expected) = (intent.cluster, manifest.cluster.clone());
            return Err(IntentError::WrongCluster { found, expected });
        }
        // 3.3 The manifest knows who asks, and its key signed exactly these bytes.
        let act = intent.act.kind();
        let key = if act.is_for_owners() {
            owner_key(manifest, &intent)?
        } else {
            initiator_key(manifest, &intent)?
        };
        verify_ed25519(key, &self.bytes, &self.signature).map_err(|_| IntentError::BadSignature)?;
        // 3.4 The manifest lets it do this for this tenant. Owners act for the whole cluster.
        if !act.is_for_owners() {
            check_rights(manifest, &intent)?;
        }
        // 3.5 Its times make sense.
        let (created_at, expires_at) = (intent.created_at, intent.expires_at);
        if created_at > now.plus(tolerance_seconds) {
            return Err(IntentError::FromTheFuture { created_at });
        }
        if expires_at <= created_at || expires_at > created_at.plus(MAX_LIFETIME_SECONDS) {
            return Err(IntentError::BadLifetime {
                max_seconds: MAX_LIFETIME_SECONDS,
            });
        }
        Ok(VerifiedIntent {
            digest: self.digest(),
            signed: self.clone(),
            intent,
        })
    }
}

fn initiator_key<'a>(manifest: &'a Manifest, intent: &Intent) -> Result<&'a [u8; 32], IntentError> {
    let initiator = manifest.initiator(&intent.initiator);
    let unknown = || IntentError::UnknownInitiator(intent.initiator.clone());
    Ok(&initiator.ok_or_else(unknown)?.key)
}

/// An initiator that is no owner is told so; one that nobody knows is told only that.
fn owner_key<'a>(manifest: &'a Manifest, intent: &Intent) -> Result<&'a [u8; 32], IntentError> {
    if let Some(owner) = manifest.owner(&intent.initiator) {
        return Ok(&owner.key);
    }
    initiator_key(manifest, intent)?;
    Err(IntentError::ActNotAllowed {
        initiator: intent.initiator.clone(),
        act: intent.act.kind(),
    })
}

fn check_rights(manifest: &Manifest, intent: &Intent) -> Result<(), IntentError> {
    let initiator = manifest
        .initiator(&intent.initiator)
        .ok_or_else(|| IntentError::UnknownInitiator(intent.initiator.clone()))?;
    if !initiator.tenants.contains(&intent.tenant) {
        return Err(IntentError::WrongTenant {
            initiator: intent.initiator.clone(),
            tenant: intent.tenant.clone(),
        });
    }
    let act = intent.act.kind();
    if !initiator.acts.contains(&act) {
        return Err(IntentError::ActNotAllowed {
            initiator: intent.initiator.clone(),
            act,
        });
    }
    Ok(())
}

impl Canonical for SignedIntent {
    fn write(&self, out: &mut Writer) {
        out.bytes(&self.bytes).fixed(&self.signature);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let bytes = input.bytes("intent", MAX_INTENT)?.to_vec();
        Ok(Self {
            bytes,
            signature: input.array("initiator signature")?,
        })
    }
}

/// An intent whose form, signature and times were checked. Only [`SignedIntent::verify`] and its
/// sibling make one; what the key's own state and policy allow is still to be decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedIntent {
    digest: Digest32,
    signed: SignedIntent,
    intent: Intent,
}

impl VerifiedIntent {
    /// Its name.
    #[must_use]
    pub const fn digest(&self) -> Digest32 {
        self.digest
    }

    /// The act and its circumstances.
    #[must_use]
    pub const fn intent(&self) -> &Intent {
        &self.intent
    }

    /// The bytes and the signature, to hand on as evidence.
    #[must_use]
    pub const fn signed(&self) -> &SignedIntent {
        &self.signed
    }
}
