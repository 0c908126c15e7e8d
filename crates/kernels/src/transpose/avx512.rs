//! [`super::transpose`] with AVX-512: one instruction takes the highest bit of each of 64 bytes.

use std::arch::x86_64::*;

use zeroize::Zeroizing;

use super::ROWS;

/// Bytes of a word, and rows whose words are turned at a time.
const WORD: usize = 16;

/// If this processor has the instructions.
pub(super) fn has_instructions() -> bool {
    is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw")
}

/// [`super::transpose`].
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn transpose<const WORDS: usize>(rows: &[[u128; WORDS]; ROWS], columns: &mut [u128]) {
    debug_assert_eq!(columns.len() % 8, 0, "fewer columns would get other bits");
    // Byte 0 of a word of all rows, then byte 1, and so on.
    let mut bytes = Zeroizing::new([[0; ROWS]; WORD]);
    for (word, columns) in columns.chunks_mut(8 * WORD).enumerate() {
        for (block, rows) in rows.as_chunks::<WORD>().0.iter().enumerate() {
            let mut words = [_mm_setzero_si128(); WORD];
            for (vector, row) in words.iter_mut().zip(rows) {
                *vector = vector_of(row.get(word).copied().unwrap_or_default());
            }
            // Each step brings bytes of rows 8 apart together; after four, a vector has one of all.
            for _ in 0..4 {
                words = interleaved(&words);
            }
            for (bytes, vector) in bytes.iter_mut().zip(words) {
                if let Some(place) = bytes.as_chunks_mut::<WORD>().0.get_mut(block) {
                    *place = bytes_of(vector);
                }
            }
        }
        for (bytes, columns) in bytes.iter().zip(columns.chunks_mut(8)) {
            let (mut low, mut high) = load(bytes);
            for column in columns.iter_mut().rev() {
                let (low_bits, high_bits) = (_mm512_movepi8_mask(low), _mm512_movepi8_mask(high));
                *column = u128::from(low_bits) | u128::from(high_bits) << 64;
                // Brings the next lower bit of each byte to its top.
                (low, high) = (_mm512_add_epi8(low, low), _mm512_add_epi8(high, high));
            }
        }
    }
}

#[target_feature(enable = "avx512f")]
#[inline]
#[allow(clippy::indexing_slicing, reason = "constants below 16")]
fn interleaved(vectors: &[__m128i; WORD]) -> [__m128i; WORD] {
    let mut out = *vectors;
    for k in 0..WORD / 2 {
        let (low, high) = (vectors[k], vectors[k + WORD / 2]);
        out[2 * k] = _mm_unpacklo_epi8(low, high);
        out[2 * k + 1] = _mm_unpackhi_epi8(low, high);
    }
    out
}

#[target_feature(enable = "avx512f")]
#[inline]
fn vector_of(word: u128) -> __m128i {
    #[allow(clippy::cast_possible_truncation, reason = "its two halves")]
    let (low, high) = (word as u64, (word >> 64) as u64);
    _mm_set_epi64x(high.cast_signed(), low.cast_signed())
}

#[target_feature(enable = "avx512f")]
#[inline]
fn bytes_of(vector: __m128i) -> [u8; WORD] {
    let low = _mm_cvtsi128_si64(vector).cast_unsigned();
    let high = _mm_extract_epi64::<1>(vector).cast_unsigned();
    (u128::from(low) | u128::from(high) << 64).to_le_bytes()
}

#[target_feature(enable = "avx512f")]
#[inline]
fn load(bytes: &[u8; ROWS]) -> (__m512i, __m512i) {
    let (low, high) = bytes.split_at(ROWS / 2);
    // SAFETY: both halves are 64 bytes.
    #[allow(unsafe_code, reason = "unaligned loads take pointers")]
    unsafe {
        (
            _mm512_loadu_si512(low.as_ptr().cast()),
            _mm512_loadu_si512(high.as_ptr().cast()),
        )
    }
}
