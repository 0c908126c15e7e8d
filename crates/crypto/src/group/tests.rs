//! The suite that every group passes, and the points that each must refuse (row C10).

use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
use curve25519_dalek::traits::IsIdentity;
use quorate_types::PartyIndex;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

use super::*;
use crate::scalar::SecretScalar;

fn random<G: Group>(seed: u64) -> SecretScalar<G> {
    SecretScalar::random(&mut ChaCha8Rng::seed_from_u64(seed))
}

fn check_group_laws<G: Group>() {
    let (a, b) = (random::<G>(1), random::<G>(2));
    let (a, b) = (*a.expose(), *b.expose());
    assert!(G::mul_base(&(a + b)) == G::mul_base(&a) + G::mul_base(&b));
    assert!(G::mul_base(&(a * b)) == G::mul_base(&a) * b);
    assert!(G::mul_base(&a) - G::mul_base(&a) == G::identity());
    assert!(G::mul_base(&-a) + G::mul_base(&a) == G::identity());
    assert!(G::invert(&a).unwrap() * a == G::scalar_from_u8(1));
    assert!(G::invert(&G::scalar_from_u8(0)).is_none());
    let point = G::mul_base(&a);
    for factor in 0..=u8::MAX {
        assert!(G::mul_small(factor, &point) == point * G::scalar_from_u8(factor));
    }
    let index = PartyIndex::new(20).unwrap();
    assert!(G::scalar_from_index(index) == G::scalar_from_u8(20));
}

fn check_encodings<G: Group>() {
    for seed in 0..50 {
        let scalar = random::<G>(seed);
        let bytes = G::scalar_to_bytes(scalar.expose());
        assert!(G::scalar_from_bytes(&bytes).unwrap() == *scalar.expose());
        let point = scalar.public();
        let bytes = G::point_to_bytes(&point);
        assert_eq!(bytes.len(), G::CURVE.point_length());
        assert!(G::point_from_bytes(&bytes).unwrap() == point);
        assert!(G::point_from_bytes(&bytes[1..]).is_none(), "too short");
        let longer = [bytes.as_slice(), &[0]].concat();
        assert!(G::point_from_bytes(&longer).is_none(), "too long");
    }
    assert!(G::scalar_from_bytes(&[0; 32]).is_some(), "zero is a scalar");
    assert!(G::scalar_from_bytes(&[0xff; 32]).is_none());
    let identity = G::point_to_bytes(&G::identity());
    assert!(G::is_identity_encoding(&identity));
    assert!(G::point_from_bytes(&identity).is_none());
}

#[test]
fn group__should_obey_its_laws_on_both_curves() {
    check_group_laws::<Secp256k1>();
    check_group_laws::<Ed25519>();
}

#[test]
fn c10_encoding__must_be_unique_on_both_curves() {
    check_encodings::<Secp256k1>();
    check_encodings::<Ed25519>();
}

#[test]
fn c10_secp256k1__must_refuse_off_curve_and_other_forms() {
    let decode = |text: &str| Secp256k1::point_from_bytes(&hex::decode(text).unwrap());
    let x = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
    assert!(decode(&format!("02{x}")).is_some(), "the generator");
    for tag in ["00", "01", "04", "05", "06", "07", "ff"] {
        assert!(decode(&format!("{tag}{x}")).is_none(), "tag {tag}");
    }
    // x = 5 has no y; x = p is a second spelling of x = 0, and p + 1 of x = 1, which has a y.
    let p = "fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f";
    let p_plus_1 = "fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc30";
    let five = format!("{:064x}", 5);
    for x in [five.as_str(), p, p_plus_1] {
        assert!(decode(&format!("02{x}")).is_none(), "x {x}");
    }
}

#[test]
fn c10_secp256k1__must_refuse_scalars_from_the_order_up() {
    let decode = |text: &str| {
        let bytes: [u8; 32] = hex::decode(text).unwrap().try_into().unwrap();
        Secp256k1::scalar_from_bytes(&bytes)
    };
    let start = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd03641";
    assert!(decode(&format!("{start}40")).is_some());
    assert!(decode(&format!("{start}41")).is_none());
}

#[test]
fn c10_ed25519__must_refuse_points_with_a_small_order_component() {
    for torsion in EIGHT_TORSION {
        let small = torsion.compress().to_bytes();
        assert!(Ed25519::point_from_bytes(&small).is_none());
        let mixed = ED25519_BASEPOINT_POINT + torsion;
        let accepted = Ed25519::point_from_bytes(&mixed.compress().to_bytes()).is_some();
        assert_eq!(accepted, torsion.is_identity(), "only the point itself");
    }
}

#[test]
fn c10_ed25519__must_refuse_second_spellings() {
    // y = p + 1 is y = 1, the identity; y = 1 with the sign bit is "minus zero".
    let mut y = [0xff; 32];
    y[0] = 0xee;
    y[31] = 0x7f;
    assert!(Ed25519::point_from_bytes(&y).is_none());
    let mut minus_zero = [0; 32];
    (minus_zero[0], minus_zero[31]) = (1, 0x80);
    assert!(Ed25519::point_from_bytes(&minus_zero).is_none());
    let off_curve = (0..=u8::MAX).find_map(|first| {
        let mut bytes = [0; 32];
        bytes[0] = first;
        let compressed = curve25519_dalek::edwards::CompressedEdwardsY(bytes);
        compressed.decompress().is_none().then_some(bytes)
    });
    assert!(Ed25519::point_from_bytes(&off_curve.unwrap()).is_none());
    // The group order itself (RFC 8032 §5.1): the smallest scalar that is not reduced.
    let order = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";
    let order: [u8; 32] = hex::decode(order).unwrap().try_into().unwrap();
    assert!(Ed25519::scalar_from_bytes(&order).is_none());
}

fn check_many<G: Group>() {
    let point = |n| G::mul_base(&G::scalar_from_u8(n));
    let points: Vec<_> = (1..6).map(point).chain([G::identity()]).collect();
    let one_by_one: Vec<_> = points.iter().map(G::point_to_bytes).collect();
    assert_eq!(G::points_to_bytes(&points), one_by_one);
    assert!(G::points_to_bytes(&[]).is_empty());
    let identity = G::point_to_bytes(&G::identity());
    assert!(G::is_identity_encoding(&identity) && !G::is_identity_encoding(&one_by_one[0]));
    let [a, b] = [7, 11].map(G::scalar_from_u8);
    assert!(G::mul_add_public(&a, &b, &point(3)) == point(7 + 33));
    assert!(G::mul_add_public(&a, &-b, &point(3)) == G::mul_base(&(a - b * G::scalar_from_u8(3))));
    assert!(G::mul_add_public(&(b * G::scalar_from_u8(3)), &-b, &point(3)) == G::identity());
}

#[test]
fn many_points__should_be_encoded_and_combined_as_one_by_one() {
    check_many::<Secp256k1>();
    check_many::<Ed25519>();
}
