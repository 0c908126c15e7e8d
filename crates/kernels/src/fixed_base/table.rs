//! Multiples of one point, and sums of them.

#![allow(
    clippy::indexing_slicing,
    reason = "arrays, and loops over constants: the compiler sees that all indexes are within"
)]

use std::arch::x86_64::*;

use super::field::Field;
use super::point::{Affine, Point};
use super::{FIELD, TOGETHER};
use crate::inverse::{Modulus, inverse};
use crate::lanes::all;

/// Digits that a lane adds one after the other: 8 lanes of 8 digits of 4 bits.
const STEPS: usize = 8;
/// Multiples for a digit: 1, 3, 5 to 15.
const ENTRIES: usize = 8;

const PRIME: Modulus = Modulus::new(FIELD);

/// Odd multiples of one point `P`: `(2k + 1)·16^s·2^(32·l)·P` for step `s`, entry `k` and lane `l`.
pub(super) struct Table([[Affine; ENTRIES]; STEPS]);

impl Table {
    /// - `x`, `y`: below p, on the curve.
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn new(x: &[u64; 4], y: &[u64; 4]) -> Box<Self> {
        let mut point = Affine {
            x: Field::everywhere(x),
            y: Field::everywhere(y),
        }
        .projective();
        for lane in 1..8 {
            let mut doubled = point;
            for _ in 0..32 {
                doubled = doubled.plus(&doubled);
            }
            point = point.with(0xff << lane, &doubled);
        }
        let mut multiples = Vec::with_capacity(STEPS * ENTRIES);
        for _ in 0..STEPS {
            let (mut odd, twice) = (point, point.plus(&point));
            multiples.push(odd);
            for _ in 1..ENTRIES {
                odd = odd.plus(&twice);
                multiples.push(odd);
            }
            point = odd.plus(&point);
        }
        let affine = affine(&multiples);
        let mut table = Box::new(Self([[affine[0]; ENTRIES]; STEPS]));
        let places = table.0.as_flattened_mut().iter_mut();
        for (place, affine) in places.zip(affine) {
            *place = affine;
        }
        table
    }

    /// Coordinates of the multiple that the digits stand for, for each of at most [`TOGETHER`] numbers.
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn multiples(&self, digits: &[[u64; 4]], out: &mut [[[u64; 4]; 2]]) {
        let mut points = [Point::identity(); TOGETHER];
        for (point, digits) in points.iter_mut().zip(digits) {
            *point = self.multiple(digits).over_lanes();
        }
        let number = digits.len().min(TOGETHER);
        firsts(&points[..number], out);
    }

    /// The multiple that the digits stand for, each lane its part of it.
    ///
    /// All entries are read for each digit, whatever it is.
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn multiple(&self, digits: &[u64; 4]) -> Point {
        let [first, others @ ..] = &self.0;
        let digits = of_lanes(digits);
        let mut sum = chosen(first, digits).projective();
        add_steps(&mut sum, others, _mm512_srli_epi64::<4>(digits));
        sum
    }

    /// Adds [`Self::multiple`].
    #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
    pub(super) fn add_multiple(&self, sum: &mut Point, digits: &[u64; 4]) {
        add_steps(sum, &self.0, of_lanes(digits));
    }
}

/// 32 bits, eight digits, for each lane.
#[target_feature(enable = "avx512f")]
#[inline]
fn of_lanes(digits: &[u64; 4]) -> __m512i {
    let [w0, w1, w2, w3] = digits.map(u64::cast_signed);
    _mm512_cvtepu32_epi64(_mm256_setr_epi64x(w0, w1, w2, w3))
}

#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
#[inline]
fn add_steps(sum: &mut Point, steps: &[[Affine; ENTRIES]], digits: __m512i) {
    let mut digits = digits;
    for entries in steps {
        sum.add_affine(&chosen(entries, digits));
        digits = _mm512_srli_epi64::<4>(digits);
    }
}

/// The entry for the lowest digit `d` of each lane, which stands for `2·d − 15`.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
#[inline]
fn chosen(entries: &[Affine; ENTRIES], digits: __m512i) -> Affine {
    // From 8 on digits are positive, and 8 is 1. Below, 7 is −1.
    let is_negative = _mm512_testn_epi64_mask(digits, all(8));
    let flipped = _mm512_mask_xor_epi64(digits, is_negative, digits, all(7));
    let number = _mm512_and_si512(flipped, all(7));
    let (mut x, mut y) = (Field::zero(), Field::zero());
    for (k, entry) in (0..).zip(entries) {
        let mask = _mm512_movm_epi64(_mm512_cmpeq_epi64_mask(number, all(k)));
        x.choose(mask, &entry.x);
        y.choose(mask, &entry.y);
    }
    let y = y.negated(is_negative);
    Affine { x, y }
}

/// Coordinates below p of points that are not the identity, by one inversion for each lane.
#[target_feature(enable = "avx512f,avx512ifma")]
fn affine(points: &[Point]) -> Vec<Affine> {
    let mut product = Field::one();
    let mut before = Vec::with_capacity(points.len());
    for point in points {
        before.push(product);
        product = product.times(&point.z).carried();
    }
    let [w0, w1, w2, w3] = product.canonical().words();
    let inverses = std::array::from_fn(|k| inverse(&[w0[k], w1[k], w2[k], w3[k]], &PRIME));
    let mut left = Field::of_lanes(&inverses);
    let mut out = Vec::with_capacity(points.len());
    for (point, before) in points.iter().zip(before).rev() {
        let z = left.times(&before).carried();
        left = left.times(&point.z).carried();
        out.push(Affine {
            x: point.x.times(&z).carried().canonical(),
            y: point.y.times(&z).carried().canonical(),
        });
    }
    out.reverse();
    out
}

impl Point {
    /// Coordinates of the point in the first lane; zeros of the identity.
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn first(&self) -> [[u64; 4]; 2] {
        let z = Field::everywhere(&inverse(&self.z.first(), &PRIME));
        let (x, y) = (self.x.times(&z), self.y.times(&z));
        [x.carried().first(), y.carried().first()]
    }
}

/// [`Point::first`] of several points that are the same in each lane, by one inversion. If one is the
/// identity, all of them seem to be.
///
/// - `points`: at most [`TOGETHER`].
#[target_feature(enable = "avx512f,avx512ifma")]
fn firsts(points: &[Point], out: &mut [[[u64; 4]; 2]]) {
    let mut product = Field::one();
    let mut before = [product; TOGETHER];
    for (point, before) in points.iter().zip(&mut before) {
        *before = product;
        product = product.times(&point.z).carried();
    }
    let mut left = Field::everywhere(&inverse(&product.first(), &PRIME));
    for ((point, before), out) in points.iter().zip(&before).zip(out).rev() {
        let z = left.times(before).carried();
        left = left.times(&point.z).carried();
        let (x, y) = (point.x.times(&z), point.y.times(&z));
        *out = [x.carried().first(), y.carried().first()];
    }
}
