use k256::elliptic_curve::ops::Reduce;
use k256::elliptic_curve::point::AffineCoordinates;
use k256::{FieldBytes, ProjectivePoint};
use quorate_types::Digest32;

use super::*;

fn scalar(label: &[u8], number: u32) -> Scalar {
    let digest = Digest32::of(label, &[&number.to_be_bytes()]);
    <Scalar as Reduce<FieldBytes>>::reduce(&FieldBytes::from(*digest.as_bytes()))
}

/// What the signers hold before the last step, for a known key and nonce: `s = w / u`.
fn sums(number: u32) -> (Round3, Scalar, Scalar) {
    let (key, nonce, mask) = (
        scalar(b"key", number / 100),
        scalar(b"nonce", number),
        scalar(b"mask", number),
    );
    let digest = *Digest32::of(b"digest", &[&number.to_be_bytes()]).as_bytes();
    let x = (ProjectivePoint::GENERATOR * nonce).to_affine().x();
    let r = <Scalar as Reduce<FieldBytes>>::reduce(&x);
    let message = <Scalar as Reduce<FieldBytes>>::reduce(&FieldBytes::from(digest));
    let round = Round3 {
        others: Vec::new(),
        public_key: crate::wire::compressed(&(ProjectivePoint::GENERATOR * key).to_affine()),
        digest,
        r,
        nonce_is_odd: false,
        own: SignatureShare {
            u: Scalar::ZERO,
            w: Scalar::ZERO,
        },
    };
    (round, nonce * mask, (message + r * key) * mask)
}

#[test]
fn c11_signature__must_have_low_s_and_a_recovery_id_that_recovers_the_key() {
    for number in 0..10_000 {
        let (round, u, w) = sums(number);
        // A signer who sees all other shares can turn s into −s; nothing may change.
        let w = if number % 2 == 0 { w } else { -w };
        let signature = round.assemble(u, w).unwrap();

        let message = secp256k1::Message::from_digest(round.digest);
        let key = secp256k1::PublicKey::from_slice(&round.public_key).unwrap();
        let parsed = secp256k1::ecdsa::Signature::from_compact(signature.as_bytes()).unwrap();
        let mut normalized = parsed;
        normalized.normalize_s();
        assert_eq!(parsed, normalized);
        secp256k1::ecdsa::verify(&parsed, message, &key).unwrap();
        let id = secp256k1::ecdsa::RecoveryId::from_u8_masked(signature.recovery_id());
        let recoverable =
            secp256k1::ecdsa::RecoverableSignature::from_compact(signature.as_bytes(), id).unwrap();
        assert_eq!(recoverable.recover_ecdsa(message).unwrap(), key);
    }
}

#[test]
fn c10_signature__must_not_leave_if_it_does_not_verify() {
    let (round, u, w) = sums(1);
    assert!(round.assemble(u, w).is_some());
    assert!(round.assemble(Scalar::ZERO, w).is_none());
    assert!(round.assemble(u, Scalar::ZERO).is_none());
    assert!(round.assemble(u + Scalar::ONE, w).is_none());
    let (other, ..) = sums(101);
    assert!(other.assemble(u, w).is_none());
}
