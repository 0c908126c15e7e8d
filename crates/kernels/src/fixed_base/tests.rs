//! Against libsecp256k1, against `k256`, and against addition again and again.

use k256::elliptic_curve::PrimeField;
use k256::elliptic_curve::sec1::ToSec1Point as _;
use k256::{ProjectivePoint, Scalar};
use proptest::prelude::*;

use super::*;
use crate::base_point::multiply_base;
use crate::self_test::is_tested;

fn secret(factor: &Residue) -> SecretKey {
    SecretKey::from_secret_bytes(factor.to_be_bytes()).unwrap()
}

fn by_k256(factor: &Residue) -> Vec<u8> {
    let scalar = Scalar::from_repr(factor.to_be_bytes().into()).unwrap();
    let point = ProjectivePoint::GENERATOR * scalar;
    point.to_affine().to_sec1_point(false).as_bytes().to_vec()
}

fn must_be_multiplied_alike(factor: &Residue) {
    let scalar = secret(factor);
    let expected = multiply_by_library(&scalar);
    assert_eq!(expected.serialize_uncompressed().to_vec(), by_k256(factor));
    assert_eq!(multiply_base(&scalar), expected);
    if is_tested("multiples of the base point", has_instructions()) {
        assert_eq!(multiply_wide(factor), Some(expected));
    }
}

/// Numbers of `b`, of which digits are made: each nibble from few values, so that some are alike.
fn with_nibbles() -> impl Strategy<Value = [u8; 32]> {
    let nibble = prop::sample::select(vec![0_u8, 7, 8, 15, 3]);
    prop::collection::vec(nibble, 64).prop_map(|nibbles| {
        let pairs = nibbles.as_chunks::<2>().0.iter();
        let bytes: Vec<u8> = pairs.map(|[high, low]| high << 4 | low).collect();
        bytes.try_into().unwrap()
    })
}

proptest! {
    #[test]
    fn multiple__should_agree_with_libsecp256k1_and_k256(
        low in any::<u128>(),
        high in any::<u128>(),
        digits in with_nibbles(),
    ) {
        let other = factor_of_digits(&Residue::reduce(&digits));
        for factor in [Residue::from_blocks(low, high), other, Residue::from_blocks(low | 1, 0)] {
            if factor.0 != [0; 4] {
                must_be_multiplied_alike(&factor);
            }
        }
    }

    #[test]
    fn digits__should_sum_up_to_the_factor(low in any::<u128>(), high in any::<u128>()) {
        let factor = Residue::from_blocks(low, high);
        let digits = Residue(digits(&factor));
        prop_assert_eq!(factor_of_digits(&digits).0, factor.0);
    }
}

#[test]
fn multiple__should_be_right_for_edges() {
    for factor in test_factors() {
        must_be_multiplied_alike(&factor);
    }
    for bit in 0..256 {
        let mut bytes = [0; 32];
        bytes[31 - bit / 8] = 1 << (bit % 8);
        must_be_multiplied_alike(&Residue::reduce(&bytes));
    }
    let minus = |number: u64| Residue::default().minus(&Residue([number, 0, 0, 0]));
    for number in 1..300 {
        must_be_multiplied_alike(&Residue([number, 0, 0, 0]));
        must_be_multiplied_alike(&minus(number));
    }
    // The sums of the lower and the upper lanes are one point: the last addition is a doubling.
    let [c0, c1, _] = COMPLEMENT;
    let lower = Residue([c0, c1, 0, 0]);
    must_be_multiplied_alike(&lower.plus(&lower));
    must_be_multiplied_alike(&lower);
}

#[test]
fn multiple__must_not_be_there_for_zero() {
    let (zero, one) = (Residue::default(), Residue([1, 0, 0, 0]));
    assert!(multiply_wide(&zero).is_none());
    assert_eq!(multiply_many_wide(&[one, zero, one]), [None; TOGETHER]);
}

#[test]
fn self_test__must_refuse_one_wrong_multiple_and_nothing_else() {
    assert!(passes_multiply(by_library));
    let many = |factors: &[Residue]| {
        std::array::from_fn(|at| by_library(factors.get(at).unwrap_or(&Residue::default())))
    };
    assert!(passes_many(many));
    assert!(!passes_many(|_| [None; TOGETHER]));
    for at in 0..TOGETHER {
        assert!(!passes_many(|factors| {
            let mut found = many(factors);
            found[at] = found[at].map(|point| point.negate());
            found
        }));
    }
    assert!(!passes_multiply(|_| None));
    for wrong in test_factors() {
        assert!(!passes_multiply(|factor| {
            let is_wrong = factor.0 == wrong.0;
            by_library(factor).map(|point| if is_wrong { point.negate() } else { point })
        }));
    }
    assert_eq!(wide_is_used(), has_instructions());
}

#[test]
fn multiples__should_be_there_for_each_entry_of_the_table() {
    // Digits of one window, all others being −1 or 1: each entry with each sign is met.
    for window in 0..64 {
        for digit in 0..16_u8 {
            let mut bytes = [0x78; 32];
            let byte = &mut bytes[31 - window / 2];
            *byte = match window % 2 {
                0 => *byte & 0xf0 | digit,
                _ => *byte & 0x0f | digit << 4,
            };
            let factor = factor_of_digits(&Residue::reduce(&bytes));
            if is_tested("multiples of the base point", has_instructions()) {
                assert_eq!(multiply_wide(&factor), by_library(&factor));
            }
        }
    }
}
