//! Numbers modulo the order of secp256k1, in 64-bit words: only what long loops need.
//!
//! `n = 2²⁵⁶ − c` with `c` of 129 bits (SEC 2 §2.4.1). All operations take the same time for all
//! values.

use std::hint::black_box;

use zeroize::DefaultIsZeroes;

use crate::inverse::{Modulus, inverse};
use crate::wide_sum::WideSum;

/// The group order `n`, least significant word first.
pub(crate) const ORDER: [u64; 4] = [
    0xbfd2_5e8c_d036_4141,
    0xbaae_dce6_af48_a03b,
    0xffff_ffff_ffff_fffe,
    0xffff_ffff_ffff_ffff,
];
/// `c = 2²⁵⁶ − n`.
pub(crate) const COMPLEMENT: [u64; 3] = [0x402d_a173_2fc9_bebf, 0x4551_2319_50b7_5fc4, 1];

/// A number below the group order. May be secret: no `Debug`, constant-time operations.
#[derive(Clone, Copy, Default)]
pub struct Residue(pub(crate) [u64; 4]);

impl DefaultIsZeroes for Residue {}

impl Residue {
    /// The number behind 32 big-endian bytes, if it is below the order.
    #[must_use]
    pub fn from_be_bytes(bytes: &[u8; 32]) -> Option<Self> {
        let words = words(bytes);
        let (_, is_below) = subtract(&words, &ORDER);
        (is_below == 1).then_some(Self(words))
    }

    /// 32 big-endian bytes modulo the order. Uniform bytes give a uniform number, up to 2⁻¹²⁷.
    #[must_use]
    pub fn reduce(bytes: &[u8; 32]) -> Self {
        Self(reduce_once(words(bytes), 0))
    }

    /// Two blocks, least significant first, modulo the order.
    #[must_use]
    #[inline]
    pub fn from_blocks(low: u128, high: u128) -> Self {
        let [l0, l1] = halves(low);
        let [h0, h1] = halves(high);
        Self(reduce_once([l0, l1, h0, h1], 0))
    }

    /// 32 bytes, big-endian.
    #[must_use]
    #[inline]
    pub fn to_be_bytes(self) -> [u8; 32] {
        let mut out = [0; 32];
        for (chunk, word) in out
            .as_chunks_mut::<8>()
            .0
            .iter_mut()
            .zip(self.0.iter().rev())
        {
            *chunk = word.to_be_bytes();
        }
        out
    }

    /// Sum.
    #[must_use]
    #[inline]
    pub fn plus(&self, other: &Self) -> Self {
        let (sum, carry) = add(&self.0, &other.0);
        Self(reduce_once(sum, carry))
    }

    /// Difference.
    #[must_use]
    #[inline]
    pub fn minus(&self, other: &Self) -> Self {
        let (difference, borrowed) = subtract(&self.0, &other.0);
        let mask = mask(borrowed);
        let (restored, _) = add(&difference, &ORDER.map(|word| word & mask));
        Self(restored)
    }

    /// Product.
    #[must_use]
    pub fn times(&self, other: &Self) -> Self {
        let mut sum = WideSum::new();
        sum.add_product(self, other);
        sum.reduce()
    }

    /// Inverse; zero of zero.
    #[must_use]
    pub fn inverse(&self) -> Self {
        const PRIME: Modulus = Modulus::new(ORDER);
        Self(inverse(&self.0, &PRIME))
    }

    /// Itself where `choice` is all ones, zero where it is zero.
    #[must_use]
    #[inline]
    pub fn masked(&self, choice: u64) -> Self {
        Self(self.0.map(|word| word & choice))
    }
}

/// All ones for 1, zero for 0. The compiler may not look through: it would make a branch of what
/// follows (the test of timing found one).
#[inline]
#[must_use]
pub fn mask(bit: u64) -> u64 {
    black_box(bit.wrapping_neg())
}

#[inline]
const fn halves(word: u128) -> [u64; 2] {
    #[allow(clippy::cast_possible_truncation, reason = "its two halves")]
    [word as u64, (word >> 64) as u64]
}

/// Least significant word first, of big-endian bytes.
pub(crate) fn words(bytes: &[u8; 32]) -> [u64; 4] {
    let chunks = bytes.as_chunks::<8>().0;
    let mut out = [0; 4];
    for (word, chunk) in out.iter_mut().zip(chunks.iter().rev()) {
        *word = u64::from_be_bytes(*chunk);
    }
    out
}

/// Sum and carry, which is 0 or 1.
#[inline]
pub(crate) fn add(a: &[u64; 4], b: &[u64; 4]) -> ([u64; 4], u64) {
    let (mut out, mut carry) = ([0; 4], 0);
    for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
        (*out, carry) = add_word(*a, *b, carry);
    }
    (out, carry)
}

/// The difference modulo 2²⁵⁶, and 1 if `a < b`.
#[inline]
pub(crate) fn subtract(a: &[u64; 4], b: &[u64; 4]) -> ([u64; 4], u64) {
    let (mut out, mut borrow) = ([0; 4], 0);
    for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
        let subtrahend = u128::from(*b).wrapping_add(u128::from(borrow));
        let [word, upper] = halves(u128::from(*a).wrapping_sub(subtrahend));
        (*out, borrow) = (word, upper & 1);
    }
    (out, borrow)
}

/// `a + b + carry` in two words.
#[inline]
pub(crate) const fn add_word(a: u64, b: u64, carry: u64) -> (u64, u64) {
    let sum = (a as u128)
        .wrapping_add(b as u128)
        .wrapping_add(carry as u128);
    let [word, carry] = halves(sum);
    (word, carry)
}

/// `value + carry · 2²⁵⁶`, which is below `2n`, modulo `n`.
#[inline]
pub(crate) fn reduce_once(value: [u64; 4], carry: u64) -> [u64; 4] {
    let (reduced, borrow) = subtract(&value, &ORDER);
    // Too much was taken if the subtraction borrowed and there was no carry to borrow from.
    let mask = mask(borrow & !carry);
    let (restored, _) = add(&reduced, &ORDER.map(|word| word & mask));
    restored
}

#[cfg(test)]
mod tests {
    use k256::Scalar;
    use k256::elliptic_curve::PrimeField;
    use k256::elliptic_curve::ops::Reduce;
    use proptest::prelude::*;

    use super::*;

    fn scalar(bytes: [u8; 32]) -> Scalar {
        <Scalar as Reduce<k256::FieldBytes>>::reduce(&bytes.into())
    }

    fn same(residue: Residue, scalar: Scalar) {
        assert_eq!(residue.to_be_bytes(), <[u8; 32]>::from(scalar.to_repr()));
    }

    /// Values at the edges, and any others.
    fn values() -> impl Strategy<Value = [u8; 32]> {
        let order: [u8; 32] = Residue(ORDER).to_be_bytes();
        let mut below = order;
        below[31] -= 1;
        let mut above = order;
        above[31] += 1;
        prop_oneof![
            any::<[u8; 32]>(),
            prop_oneof![
                Just([0; 32]),
                Just([0xff; 32]),
                Just(order),
                Just(below),
                Just(above)
            ],
        ]
    }

    proptest! {
        #[test]
        fn residue__should_agree_with_k256(a in values(), b in values()) {
            let (x, y) = (Residue::reduce(&a), Residue::reduce(&b));
            same(x, scalar(a));
            same(x.plus(&y), scalar(a) + scalar(b));
            same(x.minus(&y), scalar(a) - scalar(b));
            same(x.masked(u64::MAX), scalar(a));
            same(x.times(&y), scalar(a) * scalar(b));
            same(x.inverse(), scalar(a).invert().unwrap_or(Scalar::ZERO));
            same(x.masked(0), Scalar::ZERO);
            let is_canonical = bool::from(Scalar::from_repr(a.into()).is_some());
            prop_assert_eq!(Residue::from_be_bytes(&a).is_some(), is_canonical);
            let mut little = a;
            little.reverse();
            let (low, high) = little.split_at(16);
            let block = |bytes: &[u8]| u128::from_le_bytes(bytes.try_into().unwrap());
            same(Residue::from_blocks(block(low), block(high)), scalar(a));
        }
    }
}
