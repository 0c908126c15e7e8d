use k256::ecdsa::signature::hazmat::PrehashVerifier;
use k256::ecdsa::{Signature as K256Signature, SigningKey, VerifyingKey};
use quorate_types::Curve;

use super::*;
use crate::PointFault;

mod known;

const DIGEST: [u8; 32] = [0x5a; 32];

fn compressed(key: &VerifyingKey) -> [u8; 33] {
    key.to_sec1_point(true).as_bytes().try_into().unwrap()
}

fn signed() -> ([u8; 33], EcdsaSignature) {
    let secret = SigningKey::from_slice(&[7; 32]).unwrap();
    let key = compressed(secret.verifying_key());
    let (signature, id) = secret.sign_prehash_recoverable(&DIGEST);
    let bytes: [u8; 64] = signature.to_bytes().into();
    (key, EcdsaSignature::new(bytes, id.to_byte()).unwrap())
}

/// n − value, for 1 ≤ value < n.
fn mirrored(scalar: &[u8; 32]) -> [u8; 32] {
    let mut borrow = 0i16;
    let mut out = [0; 32];
    for position in (0..32).rev() {
        let digit = i16::from(ORDER[position]) - i16::from(scalar[position]) - borrow;
        borrow = i16::from(digit < 0);
        out[position] = u8::try_from(digit.rem_euclid(256)).unwrap();
    }
    out
}

fn with_s(signature: &EcdsaSignature, s: &[u8; 32]) -> [u8; 64] {
    let mut bytes = *signature.as_bytes();
    bytes[32..].copy_from_slice(s);
    bytes
}

#[test]
fn signature__should_verify_and_recover_its_key() {
    let (key, signature) = signed();
    assert_eq!(verify_ecdsa(&key, &DIGEST, signature.as_bytes()), Ok(()));
    assert_eq!(signature.verify(&key, &DIGEST), Ok(()));
    assert_eq!(recover_ecdsa(&DIGEST, &signature), Ok(key));
    assert_eq!(
        EcdsaSignature::find(&key, &DIGEST, *signature.as_bytes()),
        Ok(signature)
    );
    assert_eq!(
        EcdsaSignature::from_bytes(&signature.to_bytes()),
        Ok(signature)
    );
}

#[test]
fn c11_verify__must_refuse_high_s() {
    let (key, signature) = signed();
    let high = with_s(&signature, &mirrored(signature.s()));
    assert_eq!(verify_ecdsa(&key, &DIGEST, &high), Err(VerifyError::HighS));
    assert_eq!(EcdsaSignature::new(high, 0), Err(VerifyError::HighS));
    assert_eq!(
        recovery_id_for(&key, &DIGEST, &high),
        Err(VerifyError::HighS)
    );
    let mut encoded = signature.to_bytes();
    encoded[..64].copy_from_slice(&high);
    assert!(EcdsaSignature::from_bytes(&encoded).is_err());
}

#[test]
fn c11_half_order__should_be_the_greatest_s() {
    assert_eq!(ORDER, secp256k1::constants::CURVE_ORDER);
    let mut successor = HALF_ORDER;
    successor[31] += 1;
    assert_eq!(
        mirrored(&HALF_ORDER),
        successor,
        "2 * half + 1 is the order"
    );

    let (_, signature) = signed();
    let limit = with_s(&signature, &HALF_ORDER);
    assert!(EcdsaSignature::new(limit, 0).is_ok());
    let above = with_s(&signature, &mirrored(&HALF_ORDER));
    assert_eq!(EcdsaSignature::new(above, 0), Err(VerifyError::HighS));
}

#[test]
fn c11_verify__must_refuse_a_wrong_recovery_id() {
    let (key, signature) = signed();
    for id in (0..4).filter(|id| *id != signature.recovery_id()) {
        let wrong = EcdsaSignature::new(*signature.as_bytes(), id).unwrap();
        assert_eq!(
            wrong.verify(&key, &DIGEST),
            Err(VerifyError::WrongRecoveryId(id))
        );
    }
    assert_eq!(
        EcdsaSignature::new(*signature.as_bytes(), 4),
        Err(VerifyError::InvalidRecoveryId(4))
    );
}

#[test]
fn c10_verify__must_refuse_scalars_that_are_zero_or_not_reduced() {
    let (key, signature) = signed();
    for scalar in [[0; 32], ORDER, [0xff; 32]] {
        let mut bad_r = *signature.as_bytes();
        bad_r[..32].copy_from_slice(&scalar);
        assert_eq!(
            verify_ecdsa(&key, &DIGEST, &bad_r),
            Err(VerifyError::ScalarOutOfRange { field: "r" })
        );
        let bad_s = with_s(&signature, &scalar);
        assert_eq!(
            verify_ecdsa(&key, &DIGEST, &bad_s),
            Err(VerifyError::ScalarOutOfRange { field: "s" })
        );
    }
}

#[test]
fn c10_verify__must_refuse_a_bad_key_before_the_signature() {
    let (_, signature) = signed();
    assert_eq!(
        verify_ecdsa(&[0; 33], &DIGEST, signature.as_bytes()),
        Err(VerifyError::InvalidPublicKey {
            curve: Curve::Secp256k1,
            fault: PointFault::Identity
        })
    );
}

#[test]
fn verify__must_refuse_another_digest_key_or_signature() {
    let (key, signature) = signed();
    let other = SigningKey::from_slice(&[8; 32]).unwrap();
    let other_key = compressed(other.verifying_key());
    let mismatch = Err(VerifyError::Mismatch);
    let bytes = signature.as_bytes();
    assert_eq!(verify_ecdsa(&key, &[0; 32], bytes), mismatch);
    assert_eq!(verify_ecdsa(&other_key, &DIGEST, bytes), mismatch);
    for bit in 0..512 {
        let mut flipped = *bytes;
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(verify_ecdsa(&key, &DIGEST, &flipped).is_err(), "bit {bit}");
    }
}

#[test]
fn der__should_pad_and_strip_integers() {
    let mut bytes = [0; 64];
    bytes[31] = 0x80;
    bytes[63] = 0x01;
    let signature = EcdsaSignature::new(bytes, 0).unwrap();
    assert_eq!(
        hex::encode(signature.to_der()),
        "300702020080020101".to_owned()
    );
}

#[test]
fn verify__should_agree_with_k256_on_signatures_and_on_flipped_bits() {
    let mut accepted = 0;
    for number in 1..=60_u8 {
        let secret = SigningKey::from_slice(&[number; 32]).unwrap();
        let verifying = secret.verifying_key();
        let (key, digest) = (compressed(verifying), [number ^ 0x5a; 32]);
        let (signature, id) = secret.sign_prehash_recoverable(&digest);
        let bytes: [u8; 64] = signature.to_bytes().into();
        for is_odd in [false, true] {
            let found = EcdsaSignature::find_near(&key, &digest, bytes, is_odd).unwrap();
            assert_eq!(found.recovery_id(), id.to_byte());
            assert_eq!(recover_ecdsa(&digest, &found), Ok(key));
        }
        for bit in 0..512 {
            let mut changed = bytes;
            changed[bit / 8] ^= 1 << (bit % 8);
            let by_k256 = K256Signature::from_slice(&changed).is_ok_and(|parsed| {
                parsed.normalize_s() == parsed && verifying.verify_prehash(&digest, &parsed).is_ok()
            });
            let by_us = verify_ecdsa(&key, &digest, &changed).is_ok();
            assert_eq!(by_us, by_k256, "bit {bit}");
            let found = EcdsaSignature::find_near(&key, &digest, changed, bit % 2 == 0);
            assert_eq!(found.is_ok(), by_k256, "bit {bit}");
            accepted += u32::from(by_us);
        }
    }
    assert_eq!(accepted, 0);
}
