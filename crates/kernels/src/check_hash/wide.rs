//! [`super::CheckHash::fold_all`] with VPCLMULQDQ: the four blocks of a row side by side, each times
//! its own power of the key, and one reduction for their sum.

use std::arch::x86_64::*;

use super::{BLOCKS, Check, Row, masked, parts};

/// If this processor has the instructions.
pub(super) fn has_instructions() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("vpclmulqdq")
        && is_x86_feature_detected!("pclmulqdq")
}

/// [`super::CheckHash::fold_all`].
#[target_feature(enable = "avx512f,vpclmulqdq,pclmulqdq")]
pub(super) fn fold_all(powers: &[[u128; BLOCKS]; 2], rows: &[Row], out: &mut [Check]) {
    let [first, second] = powers;
    let (first, second) = (load(first), load(second));
    for (out, row) in out.iter_mut().zip(rows) {
        let (message, mask) = parts(row);
        let message = load(&message);
        *out = masked([sum(message, first), sum(message, second)], mask);
    }
}

/// `Σ block · power · x⁻¹²⁸` in the field of POLYVAL.
#[target_feature(enable = "avx512f,vpclmulqdq,pclmulqdq")]
#[inline]
fn sum(blocks: __m512i, powers: __m512i) -> u128 {
    let low = _mm512_clmulepi64_epi128::<0x00>(blocks, powers);
    let high = _mm512_clmulepi64_epi128::<0x11>(blocks, powers);
    let middle = _mm512_xor_si512(
        _mm512_clmulepi64_epi128::<0x01>(blocks, powers),
        _mm512_clmulepi64_epi128::<0x10>(blocks, powers),
    );
    let (low, middle, high) = (lanes_added(low), lanes_added(middle), lanes_added(high));
    let low = _mm_xor_si128(low, _mm_slli_si128::<8>(middle));
    let high = _mm_xor_si128(high, _mm_srli_si128::<8>(middle));
    word(_mm_xor_si128(high, shifted(shifted(low))))
}

/// Times x⁻⁶⁴, for a number of 128 bits: the modulus `x¹²⁸ + x¹²⁷ + x¹²⁶ + x¹²¹ + 1` times the lower
/// half is added, which clears that half. Source: Gueron, RFC 8452 appendix B.
#[target_feature(enable = "avx512f,pclmulqdq")]
#[inline]
fn shifted(number: __m128i) -> __m128i {
    let modulus = _mm_set_epi64x(0, 0xc200_0000_0000_0000_u64.cast_signed());
    let swapped = _mm_shuffle_epi32::<0x4e>(number);
    _mm_xor_si128(swapped, _mm_clmulepi64_si128::<0x00>(number, modulus))
}

#[target_feature(enable = "avx512f")]
#[inline]
fn lanes_added(number: __m512i) -> __m128i {
    let half = _mm256_xor_si256(
        _mm512_castsi512_si256(number),
        _mm512_extracti64x4_epi64::<1>(number),
    );
    _mm_xor_si128(
        _mm256_castsi256_si128(half),
        _mm256_extracti128_si256::<1>(half),
    )
}

#[target_feature(enable = "avx512f")]
#[inline]
fn load(blocks: &[u128; BLOCKS]) -> __m512i {
    // SAFETY: reads the 64 bytes behind the reference.
    #[allow(unsafe_code, reason = "unaligned loads take pointers")]
    unsafe {
        _mm512_loadu_si512(std::ptr::from_ref(blocks).cast())
    }
}

#[target_feature(enable = "avx512f")]
#[inline]
fn word(number: __m128i) -> u128 {
    let low = _mm_cvtsi128_si64(number).cast_unsigned();
    let high = _mm_extract_epi64::<1>(number).cast_unsigned();
    u128::from(low) | u128::from(high) << 64
}
