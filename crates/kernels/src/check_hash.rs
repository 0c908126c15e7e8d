//! The linear universal hash of the OT extension's consistency check.
//!
//! Two POLYVALs (RFC 8452 §3) under independent keys, cut to 128 + 80 bits: linear over GF(2), and
//! two different messages of the same length collide with probability below 2⁻²⁰⁰ over the keys.
//! Source: Roy, *SoftSpokenOT* (eprint 2022/192), §4.1; `docs/protocols/dkls23.md` §5.

#[cfg(target_arch = "x86_64")]
mod wide;

use std::sync::OnceLock;

use polyval::Polyval;
use polyval::universal_hash::UniversalHash;

use crate::self_test;

/// A row of an OT extension: 416 bits of choices or pads, then 208 bits that mask its hash. Bits
/// from 624 on mean nothing.
pub type Row = [u128; 5];

/// 208 bits; the upper 48 of the second word are zero.
pub type Check = [u128; 2];

/// Low 80 bits.
const SECOND: u128 = (1 << 80) - 1;

/// Blocks that are hashed.
const BLOCKS: usize = 4;

/// Both keys, expanded.
pub struct CheckHash {
    keys: [Polyval; 2],
    /// For each key what its blocks are multiplied with: the fourth to the first power.
    powers: [[u128; BLOCKS]; 2],
}

impl CheckHash {
    /// Takes the two keys; they are public, and must be chosen after the rows.
    #[must_use]
    pub fn new(keys: [u128; 2]) -> Self {
        let powers = keys.map(|key| {
            let keyed = polyval_with(key);
            let second = polyval_of(&keyed, &[key]);
            let third = polyval_of(&keyed, &[second]);
            [polyval_of(&keyed, &[third]), third, second, key]
        });
        Self {
            keys: keys.map(polyval_with),
            powers,
        }
    }

    /// The hash of the first 416 bits, plus the 208 that mask it: linear in the row.
    #[must_use]
    pub fn fold(&self, row: &Row) -> Check {
        let mut folded = [[0; 2]];
        self.fold_all(std::slice::from_ref(row), &mut folded);
        let [folded] = folded;
        folded
    }

    /// [`Self::fold`] of each row.
    ///
    /// - `out`: as many as there are rows.
    ///
    /// # Panics
    /// If there are more or fewer.
    pub fn fold_all(&self, rows: &[Row], out: &mut [Check]) {
        assert_eq!(rows.len(), out.len(), "a place for each row");
        if !(wide_is_used() && self.fold_wide(rows, out)) {
            self.fold_one_by_one(rows, out);
        }
    }

    /// All blocks of a row at once. `false`, and nothing done, where the processor cannot.
    #[cfg_attr(
        not(target_arch = "x86_64"),
        allow(unused_variables, clippy::unused_self, reason = "there is none")
    )]
    fn fold_wide(&self, rows: &[Row], out: &mut [Check]) -> bool {
        #[cfg(target_arch = "x86_64")]
        if wide::has_instructions() {
            // SAFETY: the processor has what the function is compiled for.
            #[allow(unsafe_code, reason = "all blocks of a row at once")]
            unsafe {
                wide::fold_all(&self.powers, rows, out);
            }
            return true;
        }
        false
    }

    /// The reference of [`Self::fold_all`].
    pub(crate) fn fold_one_by_one(&self, rows: &[Row], out: &mut [Check]) {
        for (out, row) in out.iter_mut().zip(rows) {
            let (message, mask) = parts(row);
            let hashes = self
                .keys
                .each_ref()
                .map(|keyed| polyval_of(keyed, &message));
            *out = masked(hashes, mask);
        }
    }
}

/// Whether the wide function is there and has passed its self-test, which runs once.
pub(crate) fn wide_is_used() -> bool {
    static IS_USED: OnceLock<bool> = OnceLock::new();
    *IS_USED.get_or_init(|| passes(CheckHash::fold_wide))
}

/// The self-test: whether a function computes what the reference does, at the edges and elsewhere.
fn passes(fold: impl Fn(&CheckHash, &[Row], &mut [Check]) -> bool) -> bool {
    let mixed = self_test::blocks::<5>(1);
    let rows = [
        [0; 5],
        [u128::MAX; 5],
        [1 << 127; 5],
        [1, 0, 0, 0, 0],
        mixed,
    ];
    [[1, 1 << 127], [u128::MAX, 0], self_test::blocks(7)]
        .into_iter()
        .all(|keys| {
            let hash = CheckHash::new(keys);
            let (mut expected, mut found) = ([[0; 2]; 5], [[0; 2]; 5]);
            hash.fold_one_by_one(&rows, &mut expected);
            fold(&hash, &rows, &mut found) && found == expected
        })
}

/// What of a row is hashed, and what masks the hash.
#[inline]
const fn parts(row: &Row) -> ([u128; BLOCKS], Check) {
    let [w0, w1, w2, w3, w4] = *row;
    let message = [w0, w1, w2, w3 & 0xffff_ffff];
    (message, [w3 >> 32 | w4 << 96, w4 >> 32 & SECOND])
}

#[inline]
const fn masked([first, second]: [u128; 2], [mask_first, mask_second]: Check) -> Check {
    [first ^ mask_first, second & SECOND ^ mask_second]
}

fn polyval_with(key: u128) -> Polyval {
    Polyval::new(&key.to_le_bytes().into())
}

fn polyval_of(keyed: &Polyval, message: &[u128]) -> u128 {
    let mut polyval = keyed.clone();
    for block in message {
        polyval.update(&[block.to_le_bytes().into()]);
    }
    u128::from_le_bytes(polyval.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// POLYVAL bit by bit: RFC 8452 §3, GF(2¹²⁸) modulo x¹²⁸ + x¹²⁷ + x¹²⁶ + x¹²¹ + 1.
    fn literal(key: u128, blocks: &[u128]) -> u128 {
        let times_x = |a: u128| {
            let reduced = (1 << 127) | (1 << 126) | (1 << 121) | 1;
            (a << 1) ^ if a >> 127 == 1 { reduced } else { 0 }
        };
        let multiply = |a: u128, b: u128| {
            let (mut sum, mut power) = (0, a);
            for bit in 0..128 {
                if b >> bit & 1 == 1 {
                    sum ^= power;
                }
                power = times_x(power);
            }
            sum
        };
        // dot(a, b) = a · b · x⁻¹²⁸; x⁻¹²⁸ = x¹²⁷ + x¹²⁴ + x¹²¹ + x¹¹⁴ + 1.
        let inverse = (1 << 127) | (1 << 124) | (1 << 121) | (1 << 114) | 1;
        let dot = |a, b| multiply(multiply(a, b), inverse);
        blocks.iter().fold(0, |sum, block| dot(sum ^ block, key))
    }

    fn row(seed: u128) -> Row {
        let word = |k: u128| (seed + k).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        std::array::from_fn(|k| word(k as u128) ^ word(k as u128) >> 64)
    }

    #[test]
    fn fold__should_be_two_masked_polyvals() {
        let edges = [[0; 5], [u128::MAX; 5], [1, 0, 0, 0, 0], [1 << 127; 5]];
        for (seed, row) in (0..20).map(row).chain(edges).enumerate() {
            let keys = match seed % 4 {
                0 => [0x1234 << 90, 0x5678 << 70 | 1],
                1 => [u128::MAX, 1 << 127],
                2 => [1, 0],
                _ => [row[0] ^ 77, !row[1]],
            };
            let bits = |from: usize, count: usize| {
                let bit = |at: usize| row[at / 128] >> (at % 128) & 1;
                (0..count).fold(0, |sum, at| sum | bit(from + at) << at)
            };
            let blocks = [bits(0, 128), bits(128, 128), bits(256, 128), bits(384, 32)];
            let hash = CheckHash::new(keys);
            let folded = hash.fold(&row);
            let mut one_by_one = [[0; 2]];
            hash.fold_one_by_one(&[row], &mut one_by_one);
            assert_eq!(one_by_one, [folded]);
            let mut wide = [[0; 2]];
            if self_test::is_tested("check hash", hash.fold_wide(&[row], &mut wide)) {
                assert_eq!(wide, one_by_one);
            }
            assert_eq!(folded[0], literal(keys[0], &blocks) ^ bits(416, 128));
            assert_eq!(
                folded[1],
                literal(keys[1], &blocks) & SECOND ^ bits(544, 80)
            );
        }
    }

    #[test]
    fn self_test__must_refuse_one_wrong_bit_and_nothing_else() {
        let right = |hash: &CheckHash, rows: &[Row], out: &mut [Check]| {
            hash.fold_one_by_one(rows, out);
            true
        };
        assert!(passes(right));
        assert!(!passes(|_, _, _| false));
        for at in 0..5 {
            assert!(!passes(|hash, rows, out| {
                out[at][1] ^= 1;
                let _ = right(hash, rows, out);
                out[at][1] ^= 1 << 79;
                true
            }));
        }
        let is_there = CheckHash::new([1, 2]).fold_wide(&[], &mut []);
        assert_eq!(wide_is_used(), is_there);
    }

    #[test]
    fn fold__should_be_linear_and_ignore_what_is_behind() {
        let hash = CheckHash::new([5, 1 << 127]);
        let (a, b) = (row(1), row(2));
        let sum: Row = std::array::from_fn(|k| a[k] ^ b[k]);
        let (fa, fb) = (hash.fold(&a), hash.fold(&b));
        assert_eq!(hash.fold(&sum), [fa[0] ^ fb[0], fa[1] ^ fb[1]]);
        assert_eq!(hash.fold(&[0; 5]), [0; 2]);
        let mut longer = a;
        longer[4] ^= 1 << 112;
        assert_eq!(hash.fold(&longer), fa);
    }
}
