//! Ed25519. Source: RFC 8032 §5.1.7, made strict.

use curve25519_dalek::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use sha2::{Digest as _, Sha512};

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
    let (r, s): (&[u8; 32], &[u8; 32]) = (
        signature.first_chunk().expect("64 bytes begin with 32"),
        signature.last_chunk().expect("64 bytes end with 32"),
    );
    let s = Scalar::from_canonical_bytes(*s)
        .into_option()
        .ok_or(VerifyError::ScalarOutOfRange { field: "s" })?;
    let challenge = Sha512::new()
        .chain_update(r)
        .chain_update(public_key)
        .chain_update(message)
        .finalize();
    let challenge = Scalar::from_bytes_mod_order_wide(&challenge.into());
    // S·B - k·A can have one value only, so R need not be decoded: its bytes are those of that
    // point, which has one encoding, or they are wrong.
    #[expect(clippy::disallowed_methods, reason = "public: a signature and its key")]
    let expected = EdwardsPoint::vartime_double_scalar_mul_basepoint(&challenge, &key.negated, &s);
    if expected.compress().as_bytes() == r && !expected.is_small_order() {
        Ok(())
    } else {
        Err(VerifyError::Mismatch)
    }
}

#[cfg(test)]
mod tests {
    use curve25519_dalek::constants::EIGHT_TORSION;
    use curve25519_dalek::edwards::CompressedEdwardsY;
    use ed25519_dalek::{Signature, Signer, SigningKey};

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

    /// The verification that the library writes out with both points decoded.
    fn by_dalek(key: &SigningKey, message: &[u8], signature: &[u8; 64]) -> bool {
        let signature = Signature::from_bytes(signature);
        let key = key.verifying_key();
        key.verify_strict(message, &signature).is_ok()
    }

    #[test]
    fn verify__should_say_what_the_library_says_of_every_changed_bit() {
        for length in [0_usize, 1, 63, 64, 111, 112, 500] {
            let key = SigningKey::from_bytes(&[length.to_le_bytes()[0]; 32]);
            let public = key.verifying_key().to_bytes();
            let message = vec![0x5a; length];
            let right = key.sign(&message).to_bytes();
            assert_eq!(verify_ed25519(&public, &message, &right), Ok(()));
            for bit in 0..512 {
                let mut changed = right;
                changed[bit / 8] ^= 1 << (bit % 8);
                assert!(!by_dalek(&key, &message, &changed));
                assert!(verify_ed25519(&public, &message, &changed).is_err());
            }
        }
    }

    /// A signature of `m` with R as given, and the S that belongs to this nonce.
    fn made(r: &CompressedEdwardsY, nonce: &Scalar, secret: &Scalar) -> [u8; 64] {
        let hash = Sha512::new()
            .chain_update(r.as_bytes())
            .chain_update(EdwardsPoint::mul_base(secret).compress().as_bytes())
            .chain_update(b"m")
            .finalize();
        let challenge = Scalar::from_bytes_mod_order_wide(&hash.into());
        let s = nonce + challenge * secret;
        [*r.as_bytes(), s.to_bytes()].concat().try_into().unwrap()
    }

    #[test]
    fn made__should_verify_where_nothing_is_wrong() {
        // Else the two tests below would refuse for another reason than theirs.
        let (secret, nonce) = (Scalar::from(7_u64), Scalar::from(9_u64));
        let public = EdwardsPoint::mul_base(&secret).compress().to_bytes();
        let r = EdwardsPoint::mul_base(&nonce).compress();
        let right = made(&r, &nonce, &secret);
        assert_eq!(verify_ed25519(&public, b"m", &right), Ok(()));
    }

    #[test]
    fn c10_verify__must_refuse_nonce_points_with_a_small_order_part() {
        // R + T with S made for it: the equation without the cofactor does not hold.
        for torsion in &EIGHT_TORSION[1..] {
            let (secret, nonce) = (Scalar::from(7_u64), Scalar::from(9_u64));
            let public = EdwardsPoint::mul_base(&secret).compress().to_bytes();
            let r = (EdwardsPoint::mul_base(&nonce) + torsion).compress();
            let signature = made(&r, &nonce, &secret);
            assert_eq!(
                verify_ed25519(&public, b"m", &signature),
                Err(VerifyError::Mismatch)
            );
        }
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
    fn c10_verify__must_refuse_the_identity_as_nonce_point_where_the_equation_holds() {
        let secret = Scalar::from(7_u64);
        let public = EdwardsPoint::mul_base(&secret).compress().to_bytes();
        let r = EIGHT_TORSION[0].compress();
        let signature = made(&r, &Scalar::ZERO, &secret);
        assert_eq!(
            verify_ed25519(&public, b"m", &signature),
            Err(VerifyError::Mismatch)
        );
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
