//! Eight numbers side by side, modulo the prime of secp256k1's field, `p = 2²⁵⁶ − 2³² − 977`.
//!
//! Sums and products are [`Loose`]: their limbs have grown. Only what [`Loose::carried`] has brought
//! back, a [`Field`], can be multiplied.

#![allow(
    clippy::indexing_slicing,
    reason = "arrays, and loops over constants: the compiler sees that all indexes are within"
)]

use std::arch::x86_64::*;

use super::FIELD;
use crate::lanes::{HIGHEST, LIMB, LIMBS, Lanes, add_product, all, carry, everywhere, words};

/// `2²⁵⁶ − p`.
const COMPLEMENT: u64 = FIELD[0].wrapping_neg();

/// `2¹² · p`, with limbs that are so large that [`Loose::minus`] leaves none negative.
const MULTIPLE: [u64; LIMBS] = {
    // Limbs of 2²⁶⁸ − 2¹²·c, and 2⁶⁰ lent by each limb to the one below.
    let lent = 1 << 60;
    let lowest = (1 << 52) - (COMPLEMENT << 12);
    [
        lowest + lent,
        LIMB - (1 << 8) + lent,
        LIMB - (1 << 8) + lent,
        LIMB - (1 << 8) + lent,
        lent - 1 - (1 << 8),
    ]
};

/// Eight numbers below 2²⁵⁶ + 2²¹⁹, not all of them below p. Their limbs have 52 bits.
#[derive(Clone, Copy)]
pub(super) struct Field(Lanes);

/// Eight numbers, of limbs below 2⁶¹.
#[derive(Clone, Copy)]
pub(super) struct Loose(Lanes);

impl Field {
    #[target_feature(enable = "avx512f")]
    #[inline]
    pub(super) fn zero() -> Self {
        Self([_mm512_setzero_si512(); LIMBS])
    }

    #[target_feature(enable = "avx512f")]
    #[inline]
    pub(super) fn one() -> Self {
        Self::everywhere(&[1, 0, 0, 0])
    }

    /// One number below p in all lanes.
    #[target_feature(enable = "avx512f")]
    #[inline]
    pub(super) fn everywhere(number: &[u64; 4]) -> Self {
        Self(everywhere(number))
    }

    /// Another number below p in each lane.
    #[target_feature(enable = "avx512f")]
    pub(super) fn of_lanes(numbers: &[[u64; 4]; 8]) -> Self {
        let mut lanes = Self::zero();
        for (lane, number) in numbers.iter().enumerate() {
            lanes = lanes.with(1 << lane, &Self::everywhere(number));
        }
        lanes
    }

    /// The numbers of `other` in the lanes whose bit is set.
    #[target_feature(enable = "avx512f")]
    #[inline]
    pub(super) fn with(&self, lanes: __mmask8, other: &Self) -> Self {
        let mut chosen = *self;
        for (limb, other) in chosen.0.iter_mut().zip(other.0) {
            *limb = _mm512_mask_blend_epi64(lanes, *limb, other);
        }
        chosen
    }

    /// Adds `mask & other` by bits: with masks of which one is set, a choice among numbers.
    ///
    /// Not by a masked load: that might leave out memory.
    #[target_feature(enable = "avx512f")]
    #[inline]
    pub(super) fn choose(&mut self, mask: __m512i, other: &Self) {
        for (limb, other) in self.0.iter_mut().zip(&other.0) {
            *limb = _mm512_ternarylogic_epi64::<0xf8>(*limb, *other, mask);
        }
    }

    /// Negated in the lanes whose bit is set.
    #[target_feature(enable = "avx512f,avx512ifma")]
    #[inline]
    pub(super) fn negated(&self, lanes: __mmask8) -> Self {
        let negated = Self::zero().loose().minus(&self.loose());
        let mut chosen = self.loose();
        for (limb, negated) in chosen.0.iter_mut().zip(negated.0) {
            *limb = _mm512_mask_blend_epi64(lanes, *limb, negated);
        }
        chosen.carried()
    }

    /// Lane `k` takes the number of lane `k ^ DISTANCE`.
    #[target_feature(enable = "avx512f")]
    #[inline]
    pub(super) fn exchanged<const DISTANCE: usize>(&self) -> Self {
        let mut exchanged = *self;
        for limb in &mut exchanged.0 {
            *limb = match DISTANCE {
                1 => _mm512_permutex_epi64::<0b10_11_00_01>(*limb),
                2 => _mm512_permutex_epi64::<0b01_00_11_10>(*limb),
                _ => _mm512_shuffle_i64x2::<0b01_00_11_10>(*limb, *limb),
            };
        }
        exchanged
    }

    #[target_feature(enable = "avx512f")]
    #[inline]
    pub(super) fn loose(&self) -> Loose {
        Loose(self.0)
    }

    #[target_feature(enable = "avx512f")]
    #[inline]
    pub(super) fn plus(&self, other: &Self) -> Loose {
        self.loose().plus(&other.loose())
    }

    /// Limbs below 2⁵⁷.
    #[target_feature(enable = "avx512f,avx512ifma")]
    #[inline]
    pub(super) fn times(&self, other: &Self) -> Loose {
        let mut wide = [_mm512_setzero_si512(); 2 * LIMBS];
        add_product(&mut wide, &self.0, &other.0);
        folded(&wide)
    }

    /// `a·b + c·d`. Limbs below 2⁵⁷.
    #[target_feature(enable = "avx512f,avx512ifma")]
    #[inline]
    pub(super) fn two_products((a, b): (&Self, &Self), (c, d): (&Self, &Self)) -> Loose {
        let mut wide = [_mm512_setzero_si512(); 2 * LIMBS];
        add_product(&mut wide, &a.0, &b.0);
        add_product(&mut wide, &c.0, &d.0);
        folded(&wide)
    }

    /// The numbers below p, word by word.
    #[target_feature(enable = "avx512f")]
    pub(super) fn canonical(&self) -> Self {
        // Below 2p, so p fits in once at most: exactly if adding 2²⁵⁶ − p reaches 2²⁵⁶.
        let mut less = self.0;
        less[0] = _mm512_add_epi64(less[0], all(COMPLEMENT));
        carry(&mut less);
        let reaches = _mm512_cmpgt_epu64_mask(less[4], all(HIGHEST));
        less[4] = _mm512_and_si512(less[4], all(HIGHEST));
        self.with(reaches, &Self(less))
    }

    /// The four words of each of the numbers, which are below p.
    #[target_feature(enable = "avx512f")]
    pub(super) fn words(&self) -> [[u64; 8]; 4] {
        let mut out = [[0; 8]; 4];
        for (out, word) in out.iter_mut().zip(words(&self.0)) {
            // SAFETY: writes the 64 bytes behind the reference.
            #[allow(unsafe_code, reason = "stores take pointers")]
            unsafe {
                _mm512_storeu_si512(std::ptr::from_mut(out).cast(), word);
            }
        }
        out
    }

    /// The number of the first lane, below p.
    #[target_feature(enable = "avx512f")]
    pub(super) fn first(&self) -> [u64; 4] {
        let mut first = [0; 4];
        for (first, word) in first.iter_mut().zip(words(&self.canonical().0)) {
            *first = _mm_cvtsi128_si64(_mm512_castsi512_si128(word)).cast_unsigned();
        }
        first
    }
}

impl Loose {
    #[target_feature(enable = "avx512f")]
    #[inline]
    pub(super) fn plus(&self, other: &Self) -> Self {
        Self(crate::lanes::plus(&self.0, &other.0))
    }

    /// - `other`: limbs below 2⁵⁹, the highest below 2⁵⁵.
    #[target_feature(enable = "avx512f")]
    #[inline]
    pub(super) fn minus(&self, other: &Self) -> Self {
        let mut difference = *self;
        for ((limb, other), multiple) in difference.0.iter_mut().zip(other.0).zip(MULTIPLE) {
            *limb = _mm512_sub_epi64(_mm512_add_epi64(*limb, all(multiple)), other);
        }
        difference
    }

    /// Three times the numbers, of limbs below 2⁵⁷.
    #[target_feature(enable = "avx512f")]
    #[inline]
    pub(super) fn times_3(&self) -> Self {
        let mut tripled = *self;
        for limb in &mut tripled.0 {
            *limb = _mm512_add_epi64(_mm512_slli_epi64::<1>(*limb), *limb);
        }
        tripled
    }

    /// `3·b = 21` times the numbers, of limbs below 2⁵⁷. The curve is `y² = x³ + b`.
    #[target_feature(enable = "avx512f")]
    #[inline]
    pub(super) fn times_3b(&self) -> Self {
        let mut product = *self;
        for limb in &mut product.0 {
            let five = _mm512_add_epi64(_mm512_slli_epi64::<2>(*limb), *limb);
            *limb = _mm512_add_epi64(_mm512_slli_epi64::<2>(five), *limb);
        }
        product
    }

    /// The same numbers with limbs of 52 bits.
    #[target_feature(enable = "avx512f,avx512ifma")]
    #[inline]
    pub(super) fn carried(&self) -> Field {
        let mut limbs = self.0;
        // At most 13 bits are above 2²⁵⁶: their product with the complement has 46. What the
        // carries then bring into the highest limb is below 2¹⁰.
        let above = _mm512_srli_epi64::<48>(limbs[4]);
        limbs[4] = _mm512_and_si512(limbs[4], all(HIGHEST));
        limbs[0] = _mm512_madd52lo_epu64(limbs[0], above, all(COMPLEMENT));
        carry(&mut limbs);
        Field(limbs)
    }
}

/// A number below 2⁵²⁰, of limbs below 2⁵⁷, modulo p. Limbs below 2⁵⁷, the highest below 2⁴⁸.
#[target_feature(enable = "avx512f,avx512ifma")]
#[inline]
fn folded(wide: &[__m512i; 2 * LIMBS]) -> Loose {
    let [l0, l1, l2, l3, l4, l5, l6, l7, l8, l9] = *wide;
    let mut upper = [l5, l6, l7, l8, l9];
    carry(&mut upper);
    // 2²⁶⁰ is 2⁴ times the complement.
    let mut sum = [l0, l1, l2, l3, l4, _mm512_setzero_si512()];
    for k in 0..LIMBS {
        sum[k] = _mm512_madd52lo_epu64(sum[k], upper[k], all(COMPLEMENT << 4));
        sum[k + 1] = _mm512_madd52hi_epu64(sum[k + 1], upper[k], all(COMPLEMENT << 4));
    }
    let [l0, l1, l2, l3, l4, l5] = sum;
    // What is above 2²⁵⁶ has 42 bits.
    let above = _mm512_add_epi64(_mm512_srli_epi64::<48>(l4), _mm512_slli_epi64::<4>(l5));
    Loose([
        _mm512_madd52lo_epu64(l0, above, all(COMPLEMENT)),
        _mm512_madd52hi_epu64(l1, above, all(COMPLEMENT)),
        l2,
        l3,
        _mm512_and_si512(l4, all(HIGHEST)),
    ])
}

#[cfg(test)]
mod tests;
