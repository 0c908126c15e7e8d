//! Bit transpose: what the base OTs give by rows, products use by columns.
//!
//! Squares of 8 by 8 bits, or with AVX-512 (found at run time) 64 rows at a time.

#[cfg(target_arch = "x86_64")]
mod avx512;

use std::sync::OnceLock;

use crate::self_test;

/// Rows: as many as there are base OTs.
const ROWS: usize = 128;

/// Turns 128 rows of `8 · columns.len()` bits into columns of 128 bits.
///
/// Bit `j` of a row is bit `j mod 128`, from the least significant, of its word `j / 128`. Row `i`
/// becomes bit `i` of each column.
///
/// - `columns`: at most 128 · `WORDS`, a multiple of 8; later bits of the rows are ignored.
///
/// # Panics
/// If they are more, or no such multiple.
pub fn transpose<const WORDS: usize>(rows: &[[u128; WORDS]; ROWS], columns: &mut [u128]) {
    assert!(columns.len() <= ROWS * WORDS, "a row has fewer bits");
    assert_eq!(columns.len() % 8, 0, "columns come in eights");
    if !(wide_is_used() && transpose_wide(rows, columns)) {
        transpose_by_squares(rows, columns);
    }
}

/// 64 rows at a time. `false`, and nothing done, where the processor cannot.
#[cfg_attr(
    not(target_arch = "x86_64"),
    allow(unused_variables, reason = "there is none")
)]
fn transpose_wide<const WORDS: usize>(rows: &[[u128; WORDS]; ROWS], columns: &mut [u128]) -> bool {
    #[cfg(target_arch = "x86_64")]
    if avx512::has_instructions() {
        // SAFETY: the processor has what the function is compiled for.
        #[allow(unsafe_code, reason = "64 rows at a time")]
        unsafe {
            avx512::transpose(rows, columns);
        }
        return true;
    }
    false
}

/// Whether the wide function is there and has passed its self-test, which runs once.
pub(crate) fn wide_is_used() -> bool {
    static IS_USED: OnceLock<bool> = OnceLock::new();
    *IS_USED.get_or_init(|| passes(transpose_wide))
}

/// The self-test: whether a function computes what the reference does. Each bit of a mixed matrix
/// decides a column, so there are no edges but all zeros and all ones, which are rows of it.
fn passes(transpose: impl Fn(&[[u128; 2]; ROWS], &mut [u128]) -> bool) -> bool {
    let mut rows = [[0; 2]; ROWS];
    for (seed, row) in (0..).zip(rows.iter_mut().skip(1)) {
        *row = self_test::blocks(seed);
    }
    let [.., last] = &mut rows;
    *last = [u128::MAX; 2];
    // More than one word, and not the whole of the second.
    let (mut expected, mut found) = ([0; ROWS + 8], [0; ROWS + 8]);
    transpose_by_squares(&rows, &mut expected);
    transpose(&rows, &mut found) && found == expected
}

/// The reference of [`transpose`].
pub fn transpose_by_squares<const WORDS: usize>(
    rows: &[[u128; WORDS]; ROWS],
    columns: &mut [u128],
) {
    for (at, columns) in columns.chunks_mut(8).enumerate() {
        let (word, shift) = (at / 16, at % 16 * 8);
        let mut squares = [[0; 8]; 16];
        for (square, rows) in squares.iter_mut().zip(rows.as_chunks::<8>().0) {
            let bytes = rows.each_ref().map(|row| byte(row, word, shift));
            *square = transpose_8x8(u64::from_le_bytes(bytes)).to_le_bytes();
        }
        let squares = squares.as_slice();
        for (bit, column) in columns.iter_mut().enumerate() {
            let byte = |group: usize| squares.get(group).and_then(|square| square.get(bit));
            let bytes = std::array::from_fn(|group| byte(group).copied().unwrap_or_default());
            *column = u128::from_le_bytes(bytes);
        }
    }
}

fn byte<const WORDS: usize>(row: &[u128; WORDS], word: usize, shift: usize) -> u8 {
    let [low, ..] = (row.get(word).copied().unwrap_or_default() >> shift).to_le_bytes();
    low
}

/// Transposes an 8 by 8 matrix of bits, a byte a row: swaps blocks of 1, 2 and 4 bits.
/// Source: Warren, *Hacker's Delight*, 2nd edition, §7-3.
const fn transpose_8x8(square: u64) -> u64 {
    let one = (square ^ square >> 7) & 0x00aa_00aa_00aa_00aa;
    let square = square ^ one ^ one << 7;
    let two = (square ^ square >> 14) & 0x0000_cccc_0000_cccc;
    let square = square ^ two ^ two << 14;
    let four = (square ^ square >> 28) & 0x0000_0000_f0f0_f0f0;
    square ^ four ^ four << 28
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn self_test__must_refuse_one_wrong_bit_and_nothing_else() {
        let right = |rows: &[[u128; 2]; ROWS], columns: &mut [u128]| {
            transpose_by_squares(rows, columns);
            true
        };
        assert!(passes(right));
        assert!(!passes(|_, _| false));
        for at in 0..ROWS + 8 {
            assert!(!passes(|rows, columns| {
                right(rows, columns);
                columns[at] ^= 1 << (at % 128);
                true
            }));
        }
        let is_there = transpose_wide(&[[0; 2]; ROWS], &mut []);
        assert_eq!(wide_is_used(), is_there);
    }

    #[test]
    fn transpose__should_move_every_bit_to_its_place() {
        let mut state = 1_u128;
        let mut random = || {
            state = state
                .wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
                .wrapping_add(1);
            state ^ state >> 64
        };
        let rows: [[u128; 5]; 128] = std::array::from_fn(|_| std::array::from_fn(|_| random()));
        let mut columns = vec![0; 416];
        transpose(&rows, &mut columns);
        let mut by_squares = vec![0; 416];
        transpose_by_squares(&rows, &mut by_squares);
        assert_eq!(columns, by_squares);
        let mut wide = vec![0; 416];
        if self_test::is_tested("transpose", transpose_wide(&rows, &mut wide)) {
            assert_eq!(wide, by_squares);
        }
        for (i, row) in rows.iter().enumerate() {
            for (j, column) in columns.iter().enumerate() {
                assert_eq!(column >> i & 1, row[j / 128] >> (j % 128) & 1, "{i} {j}");
            }
        }
    }
}
