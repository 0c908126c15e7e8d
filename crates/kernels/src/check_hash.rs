//! The linear universal hash of the OT extension's consistency check.
//!
//! Two POLYVALs (RFC 8452 §3) under independent keys, cut to 128 + 80 bits: linear over GF(2), and
//! two different messages of the same length collide with probability below 2⁻²⁰⁰ over the keys.
//! Source: Roy, *SoftSpokenOT* (eprint 2022/192), §4.1; `docs/protocols/dkls23.md` §5.

use polyval::Polyval;
use polyval::universal_hash::UniversalHash;

/// A row of an OT extension: 416 bits of choices or pads, then 208 bits that mask its hash. Bits
/// from 624 on mean nothing.
pub type Row = [u128; 5];

/// 208 bits; the upper 48 of the second word are zero.
pub type Check = [u128; 2];

/// Low 80 bits.
const SECOND: u128 = (1 << 80) - 1;

/// Both keys, expanded.
pub struct CheckHash {
    first: Polyval,
    second: Polyval,
}

impl CheckHash {
    /// Takes the two keys; they are public, and must be chosen after the rows.
    #[must_use]
    pub fn new(keys: [u128; 2]) -> Self {
        let [first, second] = keys.map(|key| Polyval::new(&key.to_le_bytes().into()));
        Self { first, second }
    }

    /// The hash of the first 416 bits, plus the 208 that mask it: linear in the row.
    #[must_use]
    pub fn fold(&self, row: &Row) -> Check {
        let [w0, w1, w2, w3, w4] = *row;
        let message = [w0, w1, w2, w3 & 0xffff_ffff];
        let mask = [w3 >> 32 | w4 << 96, w4 >> 32 & SECOND];
        let [first, second] =
            [&self.first, &self.second].map(|polyval| polyval_of(polyval, message));
        let [mask_first, mask_second] = mask;
        [first ^ mask_first, second & SECOND ^ mask_second]
    }
}

fn polyval_of(keyed: &Polyval, message: [u128; 4]) -> u128 {
    let mut polyval = keyed.clone();
    polyval.update(&message.map(|word| word.to_le_bytes().into()));
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
        let keys = [0x1234 << 90, 0x5678 << 70 | 1];
        for seed in 0..20 {
            let row = row(seed);
            let bits = |from: usize, count: usize| {
                let bit = |at: usize| row[at / 128] >> (at % 128) & 1;
                (0..count).fold(0, |sum, at| sum | bit(from + at) << at)
            };
            let blocks = [bits(0, 128), bits(128, 128), bits(256, 128), bits(384, 32)];
            let folded = CheckHash::new(keys).fold(&row);
            assert_eq!(folded[0], literal(keys[0], &blocks) ^ bits(416, 128));
            assert_eq!(
                folded[1],
                literal(keys[1], &blocks) & SECOND ^ bits(544, 80)
            );
        }
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
