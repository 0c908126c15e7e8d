//! Ed25519. Source: RFC 8032 §5.1.7, made strict.

use curve25519_dalek::scalar::Scalar;
use ed25519_dalek::Signature;

use crate::VerifyError;
use crate::known_keys::checked_key;

/// Checks an Ed25519 signature `R ‖ S` of a message.
///
/// # Errors
/// [`VerifyError`]: the key first, then the form of the signature, then the equation.
///
/// # Security
/// Stricter than RFC 8032: keys and R of small order, keys with a small-order component,
/// non-canonical encodings and S ≥ L are refused. So there is one signature per (R, message, key),
/// and no signature that holds for every message.
pub fn verify_ed25519(
    public_key: &[u8; 32],
    message: &[u8],
    signature: &[u8; 64],
) -> Result<(), VerifyError> {
    let key = checked_key(public_key)?;
    let s: &[u8; 32] = signature.last_chunk().expect("64 bytes end with 32");
    if Scalar::from_canonical_bytes(*s).is_none().into() {
        return Err(VerifyError::ScalarOutOfRange { field: "s" });
    }
    key.verify_strict(message, &Signature::from_bytes(signature))
        .map_err(|_| VerifyError::Mismatch)
}

#[cfg(test)]
mod tests {
    use curve25519_dalek::constants::EIGHT_TORSION;
    use ed25519_dalek::{Signer, SigningKey};

    use super::*;
    use crate::PointFault;

    /// RFC 8032 §7.1, TEST 2.
    const KEY: &str = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
    const SIGNATURE: &str = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
                             085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";

    fn bytes<const N: usize>(text: &str) -> [u8; N] {
        hex::decode(text).unwrap().try_into().unwrap()
    }

    #[test]
    fn signature__should_verify_for_the_rfc_vector_only() {
        let (key, signature) = (bytes(KEY), bytes(SIGNATURE));
        assert_eq!(verify_ed25519(&key, &[0x72], &signature), Ok(()));
        let mismatch = Err(VerifyError::Mismatch);
        assert_eq!(verify_ed25519(&key, &[0x73], &signature), mismatch);
        let other = SigningKey::from_bytes(&[9; 32]).verifying_key().to_bytes();
        assert_eq!(verify_ed25519(&other, &[0x72], &signature), mismatch);
    }

    #[test]
    fn c10_verify__must_refuse_small_order_keys() {
        // With A and R of small order and S = 0, the equation can hold for every message.
        for torsion in EIGHT_TORSION {
            let point = torsion.compress().to_bytes();
            let mut signature = [0; 64];
            signature[..32].copy_from_slice(&point);
            assert!(matches!(
                verify_ed25519(&point, b"anything", &signature),
                Err(VerifyError::InvalidPublicKey {
                    fault: PointFault::Torsion | PointFault::Identity,
                    ..
                })
            ));
        }
    }

    #[test]
    fn c10_verify__must_refuse_small_order_nonce_points() {
        let key = SigningKey::from_bytes(&[9; 32]);
        for torsion in EIGHT_TORSION {
            let mut signature = key.sign(b"m").to_bytes();
            signature[..32].copy_from_slice(torsion.compress().as_bytes());
            assert_eq!(
                verify_ed25519(&key.verifying_key().to_bytes(), b"m", &signature),
                Err(VerifyError::Mismatch)
            );
        }
    }

    #[test]
    fn c11_verify__must_refuse_s_that_is_not_reduced() {
        // S + L is the same scalar: the malleability that RFC 8032 rules out.
        let order: [u8; 32] =
            bytes("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
        let mut signature: [u8; 64] = bytes(SIGNATURE);
        let mut carry = 0u16;
        for position in 0..32 {
            let sum = u16::from(signature[32 + position]) + u16::from(order[position]) + carry;
            signature[32 + position] = sum.to_le_bytes()[0];
            carry = sum >> 8;
        }
        assert_eq!(
            verify_ed25519(&bytes(KEY), &[0x72], &signature),
            Err(VerifyError::ScalarOutOfRange { field: "s" })
        );
    }
}
