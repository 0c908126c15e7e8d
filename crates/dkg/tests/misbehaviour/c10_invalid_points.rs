//! C10: points that are not elements of the group, as commitments and inside of proofs.

use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
use quorate_crypto::{Ed25519, Group, Secp256k1};
use quorate_dkg::reason;
use quorate_protocol::Reason;

use crate::attack::{Aftermath, attack, plan};

/// The same point as the constant term of x and of k, and as the nonce point of a proof.
fn must_refuse_everywhere<G: Group>(point: &[u8]) {
    let constant_term = |of_k: bool| -> Aftermath {
        attack::<G>(plan(101), |dealer, _| {
            dealer.open(|opening| {
                let part = if of_k { &mut opening.k } else { &mut opening.x };
                part.commitments[0] = point.to_vec();
            });
        })
    };
    for of_k in [false, true] {
        constant_term(of_k).must_blame_evil_everywhere::<G>(&reason::INVALID_POINT);
    }
    let in_proof = attack::<G>(plan(102), |dealer, _| {
        dealer.open(|opening| opening.x.proof[..point.len()].copy_from_slice(point));
    });
    in_proof.must_blame_evil_everywhere::<G>(&reason::BAD_PROOF);
}

#[test]
fn c10_identity__must_be_refused() {
    must_refuse_everywhere::<Secp256k1>(&Secp256k1::point_to_bytes(&Secp256k1::identity()));
    must_refuse_everywhere::<Ed25519>(&Ed25519::point_to_bytes(&Ed25519::identity()));
}

#[test]
fn c10_off_curve_points__must_be_refused() {
    let mut x_is_five = [0; 33];
    (x_is_five[0], x_is_five[32]) = (2, 5);
    must_refuse_everywhere::<Secp256k1>(&x_is_five);
    let mut y_is_two = [0; 32];
    y_is_two[0] = 2;
    must_refuse_everywhere::<Ed25519>(&y_is_two);
}

#[test]
fn c10_small_order_and_mixed_points__must_be_refused_on_ed25519() {
    for torsion in &EIGHT_TORSION[1..] {
        must_refuse_everywhere::<Ed25519>(torsion.compress().as_bytes());
        let mixed = ED25519_BASEPOINT_POINT + torsion;
        must_refuse_everywhere::<Ed25519>(mixed.compress().as_bytes());
    }
}

#[test]
fn c10_second_spellings__must_be_refused() {
    let mut uncompressed_tag =
        Secp256k1::point_to_bytes(&Secp256k1::mul_base(&Secp256k1::scalar_from_u8(1)));
    uncompressed_tag[0] = 4;
    must_refuse_everywhere::<Secp256k1>(&uncompressed_tag);
    let mut y_is_p_plus_one = [0xff; 32];
    (y_is_p_plus_one[0], y_is_p_plus_one[31]) = (0xee, 0x7f);
    must_refuse_everywhere::<Ed25519>(&y_is_p_plus_one);
}

#[test]
fn c10_points_of_another_length__must_be_refused() {
    for length in [0, 31, 32] {
        let aftermath = attack::<Secp256k1>(plan(103), |dealer, _| {
            dealer.open(|opening| opening.x.commitments[1].truncate(length));
        });
        aftermath.must_blame_evil_everywhere::<Secp256k1>(&reason::INVALID_POINT);
    }
    let aftermath = attack::<Secp256k1>(plan(104), |dealer, _| {
        dealer.open(|opening| opening.x.commitments[1].push(0));
    });
    aftermath.must_blame_evil_everywhere::<Secp256k1>(&Reason::Malformed);
}

/// The points of the other curve.
#[test]
fn c10_points_of_another_curve__must_be_refused() {
    let other = Ed25519::point_to_bytes(&Ed25519::mul_base(&Ed25519::scalar_from_u8(1)));
    let aftermath = attack::<Secp256k1>(plan(105), |dealer, _| {
        dealer.open(|opening| opening.k.commitments[0].clone_from(&other));
    });
    aftermath.must_blame_evil_everywhere::<Secp256k1>(&reason::INVALID_POINT);
}
