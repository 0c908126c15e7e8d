//! Eight numbers side by side, modulo the group order.

#![allow(
    clippy::indexing_slicing,
    reason = "arrays, and loops over constants: the compiler sees that all indexes are within"
)]

use std::arch::x86_64::*;

use crate::lanes::{HIGHEST, LIMB, Lanes, add_product, all, carry, joined};

/// `c = 2²⁵⁶ − n` in limbs: 129 bits.
const COMPLEMENT: [u64; 3] = {
    let [c0, c1, c2] = crate::residue::COMPLEMENT;
    [c0 & LIMB, (c0 >> 52 | c1 << 12) & LIMB, c1 >> 40 | c2 << 24]
};

/// `c` in all lanes.
#[target_feature(enable = "avx512f")]
#[inline]
fn complement() -> [__m512i; 3] {
    let [c0, c1, c2] = COMPLEMENT;
    [all(c0), all(c1), all(c2)]
}

/// Modulo the group order `n = 2²⁵⁶ − c`, carried. The number is below 2³⁹⁰, its limbs carried.
///
/// What is above 2²⁵⁶ times `c` replaces itself: it has 134 bits and `c` has 129, so that the
/// number is below 2²⁶⁴ afterwards.
#[target_feature(enable = "avx512f,avx512ifma")]
#[inline]
pub(super) fn reduce_wide(number: &[__m512i; 8]) -> Lanes {
    let [l0, l1, l2, l3, l4, l5, l6, l7] = *number;
    let limb = all(LIMB);
    let upper = [
        _mm512_and_si512(joined::<48, 4>(l4, l5), limb),
        _mm512_and_si512(joined::<48, 4>(l5, l6), limb),
        joined::<48, 4>(l6, l7),
    ];
    let mut sum = [
        l0,
        l1,
        l2,
        l3,
        _mm512_and_si512(l4, all(HIGHEST)),
        _mm512_setzero_si512(),
    ];
    add_product(&mut sum, &upper, &complement());
    let [l0, l1, l2, l3, l4, l5] = sum;
    // Below 2²⁶⁴, so the sixth limb has few bits and fits above the fifth.
    let mut folded = [
        l0,
        l1,
        l2,
        l3,
        _mm512_add_epi64(l4, _mm512_slli_epi64::<52>(l5)),
    ];
    carry(&mut folded);
    reduce(&folded)
}

/// Modulo the group order, carried. The number is below 2²⁶⁸, its limbs carried.
#[target_feature(enable = "avx512f,avx512ifma")]
#[inline]
pub(super) fn reduce(number: &Lanes) -> Lanes {
    let [c0, c1, c2] = complement();
    let highest = all(HIGHEST);
    let [l0, l1, l2, l3, l4] = *number;
    // At most 12 bits above 2²⁵⁶: their product with `c` is 141 bits.
    let upper = _mm512_srli_epi64::<48>(l4);
    let mut folded = [
        _mm512_madd52lo_epu64(l0, upper, c0),
        _mm512_madd52lo_epu64(_mm512_madd52hi_epu64(l1, upper, c0), upper, c1),
        _mm512_madd52lo_epu64(_mm512_madd52hi_epu64(l2, upper, c1), upper, c2),
        l3,
        _mm512_and_si512(l4, highest),
    ];
    carry(&mut folded);
    // Below 2²⁵⁶ + 2¹⁴¹, so the order fits in once at most: exactly if adding `c` reaches 2²⁵⁶.
    let [l0, l1, l2, l3, l4] = folded;
    let mut less = [
        _mm512_add_epi64(l0, c0),
        _mm512_add_epi64(l1, c1),
        _mm512_add_epi64(l2, c2),
        l3,
        l4,
    ];
    carry(&mut less);
    let reaches = _mm512_cmpgt_epu64_mask(less[4], highest);
    less[4] = _mm512_and_si512(less[4], highest);
    for (folded, less) in folded.iter_mut().zip(less) {
        *folded = _mm512_mask_blend_epi64(reaches, *folded, less);
    }
    folded
}
