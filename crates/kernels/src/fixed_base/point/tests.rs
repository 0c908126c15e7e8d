//! Sums of all small multiples of the base point, in several coordinates, against libsecp256k1.

#![allow(unsafe_code, reason = "functions for AVX-512 behind their detection")]

use secp256k1::SecretKey;

use super::*;
use crate::base_point::multiply_by_library;
use crate::fixed_base::has_instructions;
use crate::self_test::is_tested;

/// `number · G`; zeros for zero.
fn coordinates(number: i64) -> [[u64; 4]; 2] {
    let mut bytes = [0; 32];
    bytes[24..].copy_from_slice(&number.unsigned_abs().to_be_bytes());
    let Ok(scalar) = SecretKey::from_secret_bytes(bytes) else {
        return [[0; 4]; 2];
    };
    let point = multiply_by_library(&scalar);
    let point = if number < 0 { point.negate() } else { point };
    let bytes = point.serialize_uncompressed();
    let word = |at: usize| u64::from_be_bytes(bytes[at..at + 8].try_into().unwrap());
    [1, 33].map(|at| [24, 16, 8, 0].map(|offset| word(at + offset)))
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn affine(number: i64) -> Affine {
    let [x, y] = coordinates(number);
    let (x, y) = (Field::everywhere(&x), Field::everywhere(&y));
    Affine { x, y }
}

/// The same point as `(scale·X : scale·Y : scale·Z)`.
#[target_feature(enable = "avx512f,avx512ifma")]
fn projective(number: i64, scale: u64) -> Point {
    let scale = Field::everywhere(&[scale, 0, 0, 7 * (scale - 1)]);
    if number == 0 {
        let zero = Field::zero();
        return Point {
            x: zero,
            y: scale,
            z: zero,
        };
    }
    let Affine { x, y } = affine(number);
    let (x, y) = (x.times(&scale).carried(), y.times(&scale).carried());
    Point { x, y, z: scale }
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn check_sums() {
    for a in -5..=5 {
        for b in -5..=5 {
            let expected = coordinates(a + b);
            for (first, second) in [(1, 1), (1, 9), (5, 1), (3, 4)] {
                let (left, right) = (projective(a, first), projective(b, second));
                assert_eq!(left.plus(&right).first(), expected, "{a} + {b}");
                if b != 0 {
                    let mut sum = left;
                    sum.add_affine(&affine(b));
                    assert_eq!(sum.first(), expected, "{a} + {b}");
                }
            }
        }
    }
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn check_lanes() {
    // 1 + 2 + 4 to 128, and again with a part of the lanes negative.
    for negative in [0, 0b0101_1010, 0xff] {
        let mut points = projective(1, 3);
        let mut sum = 0;
        for lane in 0..8 {
            let number = 1_i64 << lane;
            let number = if negative >> lane & 1 == 1 {
                -number
            } else {
                number
            };
            points = points.with(1 << lane, &projective(number, 2 + lane));
            sum += number;
        }
        assert_eq!(points.over_lanes().first(), coordinates(sum));
    }
    let twice = projective(7, 1).with(0xf0, &projective(-7, 3));
    assert_eq!(twice.over_lanes().first(), coordinates(0));
}

#[test]
fn sums__should_have_no_exceptions() {
    if is_tested("sums of points", has_instructions()) {
        // SAFETY: the processor has what the function is compiled for.
        unsafe { check_sums() };
    }
}

#[test]
fn sum_over_lanes__should_add_each_lane_once() {
    if is_tested("sums of points", has_instructions()) {
        // SAFETY: the processor has what the function is compiled for.
        unsafe { check_lanes() };
    }
}
