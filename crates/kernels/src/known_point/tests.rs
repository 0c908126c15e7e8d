//! Against libsecp256k1, and against one multiple of the base point where all factors are known.

use k256::Scalar as K256Scalar;
use k256::elliptic_curve::PrimeField;
use proptest::prelude::*;

use super::*;
use crate::fixed_base::has_instructions;
use crate::residue::ORDER;
use crate::self_test::is_tested;

fn residue(words: [u64; 4]) -> Residue {
    Residue::reduce(&Residue(words).to_be_bytes())
}

fn scalar(residue: &Residue) -> K256Scalar {
    K256Scalar::from_repr(residue.to_be_bytes().into()).unwrap()
}

fn base(number: &Residue) -> Option<PublicKey> {
    let secret = SecretKey::from_secret_bytes(number.to_be_bytes()).ok()?;
    Some(multiply_by_library(&secret))
}

/// `a·G + b·(secret·G)` in three ways.
fn must_be_summed_alike(known: Option<&KnownPoint>, secret: &Residue, a: &Residue, b: &Residue) {
    let point = base(secret).unwrap();
    let expected = by_library(&point, a, b);
    let total = scalar(a) + scalar(b) * scalar(secret);
    let total = Residue::reduce(&total.to_repr().into());
    assert_eq!(expected, base(&total).as_ref().map(Coordinates::of));
    if is_tested("sums of multiples of known points", has_instructions()) {
        assert_eq!(known.unwrap().sum(a, b), expected);
    }
}

fn edges() -> Vec<Residue> {
    let minus = |number: u64| Residue::default().minus(&Residue([number, 0, 0, 0]));
    let mut edges: Vec<Residue> = [0, 1, 2, 3, 16, 1 << 32]
        .map(|number| Residue([number, 0, 0, 0]))
        .to_vec();
    edges.extend([minus(1), minus(2), Residue([7, 1, 0, 9 << 60])]);
    edges
}

#[test]
fn sum__should_be_right_for_edges() {
    // The base point, its negative, twice and half of it, and another point.
    let half = Residue([ORDER[0] >> 1 | ORDER[1] << 63, 0, 0, 0]);
    let minus_one = Residue::default().minus(&Residue([1, 0, 0, 0]));
    for secret in [
        Residue([1, 0, 0, 0]),
        minus_one,
        Residue([2, 0, 0, 0]),
        half,
        residue([3, 5, 7, 1 << 63]),
    ] {
        let known = KnownPoint::without_self_test(&base(&secret).unwrap());
        for a in edges() {
            for b in edges() {
                must_be_summed_alike(known.as_ref(), &secret, &a, &b);
            }
            // The identity, and twice one point: a = ±b·secret.
            let inverse = scalar(&secret).invert().unwrap();
            let b = Residue::reduce(&(scalar(&a) * inverse).to_repr().into());
            must_be_summed_alike(known.as_ref(), &secret, &a, &b);
            let b = Residue::default().minus(&b);
            must_be_summed_alike(known.as_ref(), &secret, &a, &b);
        }
    }
}

proptest! {
    #[test]
    fn sum__should_agree_with_libsecp256k1(
        secret in any::<[u64; 4]>(),
        pairs in prop::collection::vec(any::<[[u64; 4]; 2]>(), 8),
    ) {
        let secret = residue(secret);
        let known = KnownPoint::without_self_test(&base(&secret).unwrap());
        for [a, b] in pairs {
            must_be_summed_alike(known.as_ref(), &secret, &residue(a), &residue(b));
        }
    }
}

#[test]
fn self_test__must_refuse_one_wrong_sum_and_nothing_else() {
    assert!(passes(by_library));
    assert!(!passes(|_, _, _| None));
    assert_eq!(wide_is_used(), has_instructions());
    let mut sums = 0;
    assert!(passes(|point, a, b| {
        SUMS.with(|all| all.set(all.get() + 1));
        by_library(point, a, b)
    }));
    SUMS.with(|all| sums = all.replace(0));
    for wrong in 0..sums {
        assert!(!passes(|point, a, b| {
            let number = SUMS.with(|all| all.replace(all.get() + 1));
            let sum = by_library(point, a, b);
            if number != wrong {
                return sum;
            }
            let mut other = sum.unwrap_or(Coordinates {
                x: [0; 32],
                y: [0; 32],
            });
            other.y[31] ^= 1;
            Some(other)
        }));
        SUMS.with(|all| all.set(0));
    }
}

thread_local! {
    /// Sums that the self-test has asked for.
    static SUMS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}
