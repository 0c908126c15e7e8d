//! Keys with tables against libsecp256k1: the same answer to everything.

use std::sync::Arc;

use k256::Scalar;
use k256::elliptic_curve::ops::Reduce;
use k256::elliptic_curve::scalar::IsHigh as _;
use k256::elliptic_curve::{Field as _, PrimeField};

use super::*;
use crate::known_points::tests::known;

fn reduced(bytes: [u8; 32]) -> Scalar {
    <Scalar as Reduce<k256::FieldBytes>>::reduce(&bytes.into())
}

fn number(value: u64) -> Scalar {
    Scalar::from(value)
}

fn scalar(label: &str, number: u32) -> Scalar {
    use sha2::Digest as _;
    let bytes = sha2::Sha256::new()
        .chain_update(label)
        .chain_update(number.to_be_bytes())
        .finalize();
    reduced(bytes.into())
}

fn public(secret: &Scalar) -> PublicKey {
    let secret = secp256k1::SecretKey::from_secret_bytes(secret.to_repr().into()).unwrap();
    PublicKey::from_secret_key(&secret)
}

/// `r ‖ s` with low s.
fn joined(r: &Scalar, s: &Scalar) -> [u8; 64] {
    let s = if bool::from(s.is_high()) { -s } else { *s };
    [r.to_repr(), s.to_repr()].concat().try_into().unwrap()
}

/// As SEC 1 §4.1.3, without a hash: any digest, any nonce.
fn sign(secret: &Scalar, nonce: &Scalar, digest: &[u8; 32]) -> [u8; 64] {
    let x: [u8; 33] = public(nonce).serialize();
    let r = reduced(x[1..].try_into().unwrap());
    let s = nonce.invert().unwrap() * (reduced(*digest) + r * secret);
    joined(&r, &s)
}

/// The id by libsecp256k1, which the table must say too; whether there is one.
fn must_agree(
    known: Option<&Arc<Point>>,
    key: &PublicKey,
    digest: &[u8; 32],
    bytes: [u8; 64],
) -> bool {
    let expected = (0..4).find(|id| {
        let is_form = parse(&bytes).is_ok();
        is_form && recover(digest, &bytes, *id).as_ref() == Some(key)
    });
    if let Some(known) = known {
        assert_eq!(known_id(known, digest, &bytes), expected);
    }
    let key = key.serialize();
    assert_eq!(
        verify_ecdsa(&key, digest, &bytes).is_ok(),
        expected.is_some()
    );
    for is_odd in [false, true] {
        let found = EcdsaSignature::find_near(&key, digest, bytes, is_odd);
        assert_eq!(found.ok().map(|found| found.recovery_id), expected);
    }
    for id in 0..4 {
        let Ok(signature) = EcdsaSignature::new(bytes, id) else {
            continue;
        };
        let answer = match expected {
            Some(right) if right == id => Ok(()),
            Some(_) => Err(VerifyError::WrongRecoveryId(id)),
            None => Err(VerifyError::Mismatch),
        };
        assert_eq!(signature.verify(&key, digest), answer);
        let recovered = recover_ecdsa(digest, &signature);
        assert_eq!(recover_ecdsa_near(&key, digest, &signature), recovered);
        assert_eq!(recovered == Ok(key), expected == Some(id));
    }
    expected.is_some()
}

#[test]
fn known_key__should_be_answered_as_libsecp256k1_answers() {
    let order_as_digest = ORDER;
    for key_number in 0..6 {
        let secret = match key_number {
            // The base point and its negative.
            0 => Scalar::ONE,
            1 => -Scalar::ONE,
            _ => scalar("key", key_number),
        };
        let key = public(&secret);
        let known = known(&key);
        for at in 0..5 {
            let nonce = scalar("nonce", at);
            let random: [u8; 32] = scalar("digest", at).to_repr().into();
            // z = 0 twice, 1, and what is not reduced.
            for digest in [random, [0; 32], order_as_digest, [0xff; 32]] {
                let bytes = sign(&secret, &nonce, &digest);
                assert!(must_agree(known.as_ref(), &key, &digest, bytes));
                // Under another digest, and with s mirrored.
                assert!(!must_agree(
                    known.as_ref(),
                    &key,
                    &[at.to_le_bytes()[0] ^ 0x37; 32],
                    bytes
                ));
                let [r, s] = *bytes.as_chunks::<32>().0 else {
                    unreachable!()
                };
                let high = [r, mirrored(&s)].concat().try_into().unwrap();
                assert!(!must_agree(known.as_ref(), &key, &digest, high));
            }
            let bytes = sign(&secret, &nonce, &random);
            for bit in (at as usize % 17..512).step_by(17) {
                let mut changed = bytes;
                changed[bit / 8] ^= 1 << (bit % 8);
                assert!(!must_agree(known.as_ref(), &key, &random, changed));
            }
        }
    }
}

#[test]
fn known_key__should_take_sums_that_are_doublings_or_the_identity() {
    for key_number in 0..6 {
        let secret = match key_number {
            0 => Scalar::ONE,
            1 => -Scalar::ONE,
            _ => scalar("key", key_number),
        };
        let key = public(&secret);
        let known = known(&key);
        for at in 0..10 {
            // (z/s)·G = ±(r/s)·Q: R is twice as much, or the identity.
            let r = scalar("r", at);
            let s = scalar("s", at);
            for z in [r * secret, -(r * secret)] {
                let digest = z.to_repr().into();
                assert!(!must_agree(known.as_ref(), &key, &digest, joined(&r, &s)));
            }
            // A signature of which R is twice (z/s)·G: z = r·Q and s = 2z/k.
            let nonce = scalar("nonce", at);
            let x: [u8; 33] = public(&nonce).serialize();
            let r = reduced(x[1..].try_into().unwrap());
            let z = r * secret;
            let s = z.double() * nonce.invert().unwrap();
            let digest = z.to_repr().into();
            assert!(must_agree(known.as_ref(), &key, &digest, joined(&r, &s)));
        }
    }
}

#[test]
fn known_key__should_have_ids_2_and_3_where_x_is_beyond_the_order() {
    // No nonce is known that leads there: small r, of which r + n is an x, make keys instead.
    let mut found = 0;
    for small in 1..60 {
        let (r, s) = (number(small), scalar("s", 1));
        let digest = scalar("digest", 1).to_repr().into();
        let bytes = joined(&r, &s);
        for id in 0..4 {
            let Some(key) = recover(&digest, &bytes, id) else {
                continue;
            };
            found += u32::from(id > 1);
            let known = known(&key);
            assert!(must_agree(known.as_ref(), &key, &digest, bytes));
            assert_eq!(recovery_id_for(&key.serialize(), &digest, &bytes), Ok(id));
        }
    }
    assert!(found > 20);
}

#[test]
fn known_key__should_be_one_by_its_verifications_alone() {
    let secret = scalar("hot", 0);
    let key = public(&secret);
    for at in 0..100 {
        let digest = scalar("digest", at).to_repr().into();
        let bytes = sign(&secret, &scalar("nonce", at), &digest);
        assert!(must_agree(None, &key, &digest, bytes));
        let mut wrong = bytes;
        wrong[40] ^= 1;
        assert!(!must_agree(None, &key, &digest, wrong));
    }
    let has_table = KNOWN_POINTS.find(&key.serialize()).is_some();
    assert_eq!(has_table, quorate_kernels::in_use().known_points);
}
