use quorate_types::Digest32;
use quorate_verify::{Signature, VerifyError, taproot_output_key};
use sha2::{Digest, Sha256};

/// By what the key is changed before it signs. Never a number from a caller (row C16).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum KeyTweak {
    /// The key itself.
    #[default]
    None,
    /// The Taproot output key of the key, with an empty script tree (BIP341, BIP86).
    TaprootKeyPath,
}

/// One signature to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningTarget {
    message: Vec<u8>,
    digest: Digest32,
    tweak: KeyTweak,
}

impl SigningTarget {
    /// For schemes that sign a digest: ECDSA and BIP340.
    #[must_use]
    pub fn digest_only(digest: Digest32) -> Self {
        Self {
            message: digest.as_bytes().to_vec(),
            digest,
            tweak: KeyTweak::None,
        }
    }

    /// For Ed25519, which signs the message itself.
    #[must_use]
    pub fn whole_message(message: &[u8]) -> Self {
        Self {
            message: message.to_vec(),
            digest: Digest32::from_array(Sha256::digest(message).into()),
            tweak: KeyTweak::None,
        }
    }

    /// The same, signed by the tweaked key.
    #[must_use]
    pub const fn tweaked(mut self, tweak: KeyTweak) -> Self {
        self.tweak = tweak;
        self
    }

    /// What the scheme signs: 32 bytes for ECDSA and BIP340, the message itself for Ed25519.
    #[must_use]
    pub fn message(&self) -> &[u8] {
        &self.message
    }

    /// Names it in records and sessions: the digest itself, or SHA-256 of the message for Ed25519,
    /// which is never signed.
    #[must_use]
    pub const fn digest(&self) -> &Digest32 {
        &self.digest
    }

    /// By what the key is changed before it signs.
    #[must_use]
    pub const fn tweak(&self) -> KeyTweak {
        self.tweak
    }

    /// The key under which the signature verifies, compressed.
    ///
    /// # Errors
    /// [`VerifyError::InvalidPublicKey`].
    pub fn verifying_key(&self, public_key: &[u8]) -> Result<Vec<u8>, VerifyError> {
        match self.tweak {
            KeyTweak::None => Ok(public_key.to_vec()),
            KeyTweak::TaprootKeyPath => taproot_output_key(public_key).map(Into::into),
        }
    }

    /// Checks a signature for this target by the key `public_key`, before its tweak.
    ///
    /// # Errors
    /// [`VerifyError`].
    pub fn verify(&self, public_key: &[u8], signature: &Signature) -> Result<(), VerifyError> {
        signature.verify(&self.verifying_key(public_key)?, &self.message)
    }
}
