//! A signature of any scheme.

use quorate_types::{Algorithm, Curve};

use crate::{EcdsaSignature, PointFault, VerifyError, verify_bip340, verify_ed25519};

/// A signature in the form of its scheme.
///
/// Holding one says that its form is right, not that it verifies: see [`Self::verify`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Signature {
    /// ECDSA over secp256k1: `r ‖ s` with low s, and the recovery id.
    Ecdsa(EcdsaSignature),
    /// Ed25519: `R ‖ S` (RFC 8032).
    EdDsa([u8; 64]),
    /// BIP340: `R.x ‖ s`.
    Schnorr([u8; 64]),
}

impl From<EcdsaSignature> for Signature {
    fn from(signature: EcdsaSignature) -> Self {
        Self::Ecdsa(signature)
    }
}

impl Signature {
    /// Length on the wire between nodes, and in records: 65 bytes for ECDSA (with the recovery
    /// id), else 64.
    #[must_use]
    pub const fn wire_length(algorithm: Algorithm) -> usize {
        match algorithm {
            Algorithm::Ecdsa => 65,
            _ => 64,
        }
    }

    /// Reads what [`Self::to_wire`] wrote.
    ///
    /// # Errors
    /// [`VerifyError::SignatureLength`], or the form of an ECDSA signature.
    pub fn from_wire(algorithm: Algorithm, bytes: &[u8]) -> Result<Self, VerifyError> {
        let length = VerifyError::SignatureLength {
            needed: Self::wire_length(algorithm),
            found: bytes.len(),
        };
        let (first, rest) = bytes.split_first_chunk::<64>().ok_or(length)?;
        match (algorithm, rest) {
            (Algorithm::Ecdsa, [id]) => EcdsaSignature::new(*first, *id).map(Self::Ecdsa),
            (Algorithm::EdDsa, []) => Ok(Self::EdDsa(*first)),
            (Algorithm::Schnorr, []) => Ok(Self::Schnorr(*first)),
            _ => Err(length),
        }
    }

    /// The 64 bytes, and for ECDSA the recovery id.
    #[must_use]
    pub fn to_wire(&self) -> Vec<u8> {
        let mut bytes = self.as_bytes().to_vec();
        bytes.extend(self.recovery_id());
        bytes
    }

    /// Verifies 64 bytes, and for ECDSA finds the recovery id.
    ///
    /// # Errors
    /// As [`Self::verify`].
    pub fn find(
        algorithm: Algorithm,
        public_key: &[u8],
        message: &[u8],
        bytes: [u8; 64],
    ) -> Result<Self, VerifyError> {
        Self::find_near(algorithm, public_key, message, bytes, false)
    }

    /// As [`Self::find`], faster where the caller guesses right whether an ECDSA nonce point's y is
    /// odd.
    ///
    /// # Errors
    /// As [`Self::verify`].
    pub fn find_near(
        algorithm: Algorithm,
        public_key: &[u8],
        message: &[u8],
        bytes: [u8; 64],
        is_odd: bool,
    ) -> Result<Self, VerifyError> {
        let signature = match algorithm {
            Algorithm::Ecdsa => {
                let found = EcdsaSignature::find_near(public_key, digest(message)?, bytes, is_odd);
                return found.map(Self::Ecdsa);
            }
            Algorithm::EdDsa => Self::EdDsa(bytes),
            Algorithm::Schnorr => Self::Schnorr(bytes),
            _ => return Err(VerifyError::UnknownAlgorithm),
        };
        signature.verify(public_key, message)?;
        Ok(signature)
    }

    /// Checks the signature, and an ECDSA recovery id, against a key and what was signed.
    ///
    /// - `public_key`: compressed.
    /// - `message`: the 32-byte digest for ECDSA and BIP340, the message itself for Ed25519.
    ///
    /// # Errors
    /// [`VerifyError`].
    pub fn verify(&self, public_key: &[u8], message: &[u8]) -> Result<(), VerifyError> {
        match self {
            Self::Ecdsa(signature) => signature.verify(public_key, digest(message)?),
            Self::Schnorr(signature) => verify_bip340(public_key, digest(message)?, signature),
            Self::EdDsa(signature) => {
                // The point itself is checked there, once a thread for each key.
                let key = public_key
                    .try_into()
                    .map_err(|_| VerifyError::InvalidPublicKey {
                        curve: Curve::Ed25519,
                        fault: PointFault::Length,
                    })?;
                verify_ed25519(key, message, signature)
            }
        }
    }

    /// Its scheme.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        match self {
            Self::Ecdsa(_) => Algorithm::Ecdsa,
            Self::EdDsa(_) => Algorithm::EdDsa,
            Self::Schnorr(_) => Algorithm::Schnorr,
        }
    }

    /// `r ‖ s` or `R ‖ S`, 64 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 64] {
        match self {
            Self::Ecdsa(signature) => signature.as_bytes(),
            Self::EdDsa(bytes) | Self::Schnorr(bytes) => bytes,
        }
    }

    /// Recovery id, for ECDSA.
    #[must_use]
    pub const fn recovery_id(&self) -> Option<u8> {
        match self {
            Self::Ecdsa(signature) => Some(signature.recovery_id()),
            _ => None,
        }
    }

    /// Strict DER, for ECDSA.
    #[must_use]
    pub fn to_der(&self) -> Option<Vec<u8>> {
        match self {
            Self::Ecdsa(signature) => Some(signature.to_der()),
            _ => None,
        }
    }
}

fn digest(message: &[u8]) -> Result<&[u8; 32], VerifyError> {
    let found = message.len();
    let wrong = VerifyError::DigestLength { found };
    message.try_into().map_err(|_| wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c10_wire_form__must_have_the_length_of_its_scheme() {
        for (algorithm, good) in [
            (Algorithm::Ecdsa, 65),
            (Algorithm::EdDsa, 64),
            (Algorithm::Schnorr, 64),
        ] {
            for length in [0, 63, 64, 65, 66] {
                let bytes: Vec<u8> = [[1; 64].as_slice(), &[0, 0]].concat();
                let read = Signature::from_wire(algorithm, &bytes[..length]);
                assert_eq!(read.is_ok(), length == good, "{algorithm} {length}");
                if let Ok(signature) = read {
                    assert_eq!(signature.to_wire(), bytes[..length]);
                    assert_eq!(signature.algorithm(), algorithm);
                }
            }
        }
    }

    #[test]
    fn c10_ed25519_key__must_have_its_length_and_pass_the_check_of_points() {
        let fault_of = |key: &[u8]| match Signature::EdDsa([1; 64]).verify(key, b"m") {
            Err(VerifyError::InvalidPublicKey { fault, .. }) => Some(fault),
            _ => None,
        };
        for length in [0, 31, 33, 64] {
            assert_eq!(fault_of(&vec![1; length]), Some(PointFault::Length));
        }
        let mut identity = [0; 32];
        identity[0] = 1;
        assert_eq!(fault_of(&identity), Some(PointFault::Identity));
        assert_eq!(fault_of(&[0; 32]), Some(PointFault::Torsion));
    }

    #[test]
    fn verify__must_refuse_another_length_than_a_digest() {
        let signature = Signature::Schnorr([1; 64]);
        let found = 31;
        assert_eq!(
            signature.verify(&[2; 33], &[0; 31]),
            Err(VerifyError::DigestLength { found })
        );
    }
}
