//! [`super::transpose`] with AVX-512: one instruction takes the highest bit of each of 64 bytes.

use std::arch::x86_64::*;

use zeroize::Zeroizing;

use super::ROWS;

/// Bytes of a row that are brought together at a time.
const AT_A_TIME: usize = 16;

/// If this processor has the instructions.
pub(super) fn is_there() -> bool {
    is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw")
}

/// [`super::transpose`].
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn transpose<const WORDS: usize>(rows: &[[u128; WORDS]; ROWS], columns: &mut [u128]) {
    // Byte `k` of a word of all rows, then byte `k + 1`.
    let mut bytes = Zeroizing::new([[0; ROWS]; AT_A_TIME]);
    for (word, columns) in columns.chunks_mut(8 * AT_A_TIME).enumerate() {
        for (number, row) in rows.iter().enumerate() {
            let word = row.get(word).copied().unwrap_or_default().to_le_bytes();
            for (bytes, byte) in bytes.iter_mut().zip(word) {
                if let Some(place) = bytes.get_mut(number) {
                    *place = byte;
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
