//! Sums of products modulo the group order, reduced once at the end.

use zeroize::{Zeroize, Zeroizing};

use crate::residue::{COMPLEMENT, Residue, add, add_word, mask, reduce_once};

/// 9 words: more than 2⁶⁰ products of 512 bits fit.
const WORDS: usize = 9;

/// A sum of products that is not reduced yet. Wiped on drop.
#[derive(Default)]
pub struct WideSum([u64; WORDS]);

impl Drop for WideSum {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl WideSum {
    /// Zero.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one number.
    pub fn add(&mut self, value: &Residue) {
        let [v0, v1, v2, v3] = value.0;
        self.add_words([v0, v1, v2, v3, 0, 0, 0, 0]);
    }

    /// Adds one product.
    #[inline]
    pub fn add_product(&mut self, a: &Residue, b: &Residue) {
        let [a0, a1, a2, a3] = a.0;
        let b = &b.0;
        // Row by row: each adds a word times `b` to four words of the product.
        let (p0, [r0, r1, r2, r3]) = row(a0, b, [0; 4]);
        let (p1, [r0, r1, r2, r3]) = row(a1, b, [r0, r1, r2, r3]);
        let (p2, [r0, r1, r2, r3]) = row(a2, b, [r0, r1, r2, r3]);
        let (p3, [p4, p5, p6, p7]) = row(a3, b, [r0, r1, r2, r3]);
        self.add_words([p0, p1, p2, p3, p4, p5, p6, p7]);
    }

    /// Adds a number in limbs of 52 bits, the least significant first. Limbs may be larger.
    pub(crate) fn add_limbs(&mut self, limbs: &[u64; 10]) {
        let mut words = Zeroizing::new([0_u64; WORDS]);
        for (number, limb) in limbs.iter().enumerate() {
            let (at, shift) = (52 * number / 64, 52 * number % 64);
            let (mut low, mut high) = halves(u128::from(*limb) << shift);
            for word in words.iter_mut().skip(at) {
                let (sum, carry) = add_word(*word, low, 0);
                *word = sum;
                // The carry cannot overflow: `high` is below 2⁶³.
                (low, high) = (high.wrapping_add(carry), 0);
            }
        }
        let mut carry = 0;
        for (sum, word) in self.0.iter_mut().zip(words.iter()) {
            (*sum, carry) = add_word(*sum, *word, carry);
        }
    }

    #[inline]
    fn add_words(&mut self, words: [u64; 8]) {
        let Self([s0, s1, s2, s3, s4, s5, s6, s7, s8]) = self;
        let mut carry = 0;
        for (sum, word) in [s0, s1, s2, s3, s4, s5, s6, s7].into_iter().zip(words) {
            (*sum, carry) = add_word(*sum, word, carry);
        }
        *s8 = s8.wrapping_add(carry);
    }

    /// The sum modulo the order.
    ///
    /// With `n = 2²⁵⁶ − c`, the upper words times `c` replace themselves: 576 bits become 449, 322,
    /// 257, and then one subtraction is left.
    #[inline]
    #[must_use]
    pub fn reduce(&self) -> Residue {
        let Self([w0, w1, w2, w3, w4, w5, w6, w7, w8]) = *self;
        let [w0, w1, w2, w3, w4, w5, w6, w7] = fold([w0, w1, w2, w3], [w4, w5, w6, w7, w8]);
        let [w0, w1, w2, w3, w4, w5, ..] = fold([w0, w1, w2, w3], [w4, w5, w6, w7, 0]);
        let [w0, w1, w2, w3, w4, ..] = fold([w0, w1, w2, w3], [w4, w5, 0, 0, 0]);
        // The last carry is 0 or 1; with it, the lower words are small, so nothing overflows.
        let mask = mask(w4);
        let [c0, c1, c2] = COMPLEMENT.map(|word| word & mask);
        let (sum, carry) = add(&[w0, w1, w2, w3], &[c0, c1, c2, 0]);
        Residue(reduce_once(sum, carry))
    }
}

/// `sum + word · b`: the lowest word, and the four above.
#[inline]
fn row(word: u64, b: &[u64; 4], sum: [u64; 4]) -> (u64, [u64; 4]) {
    let [b0, b1, b2, b3] = *b;
    let [s0, s1, s2, s3] = sum;
    let (low, carry) = multiply_add(word, b0, s0, 0);
    let (r0, carry) = multiply_add(word, b1, s1, carry);
    let (r1, carry) = multiply_add(word, b2, s2, carry);
    let (r2, r3) = multiply_add(word, b3, s3, carry);
    (low, [r0, r1, r2, r3])
}

#[inline]
const fn halves(wide: u128) -> (u64, u64) {
    #[allow(clippy::cast_possible_truncation, reason = "its two halves")]
    (wide as u64, (wide >> 64) as u64)
}

/// `a · b + c + d`, which fits in two words.
#[inline]
const fn multiply_add(a: u64, b: u64, c: u64, d: u64) -> (u64, u64) {
    let wide = (a as u128)
        .wrapping_mul(b as u128)
        .wrapping_add(c as u128)
        .wrapping_add(d as u128);
    halves(wide)
}

/// `low + upper · c`, with `c = c0 + c1·2⁶⁴ + 2¹²⁸`. Callers' values fit in eight words.
#[inline]
fn fold(low: [u64; 4], upper: [u64; 5]) -> [u64; 8] {
    let [c0, c1, _one] = COMPLEMENT;
    let [l0, l1, l2, l3] = low;
    let [u0, u1, u2, u3, u4] = upper;

    let (w0, carry) = multiply_add(u0, c0, l0, 0);
    let (w1, carry) = multiply_add(u1, c0, l1, carry);
    let (w2, carry) = multiply_add(u2, c0, l2, carry);
    let (w3, carry) = multiply_add(u3, c0, l3, carry);
    let (w4, w5) = multiply_add(u4, c0, carry, 0);

    let (w1, carry) = multiply_add(u0, c1, w1, 0);
    let (w2, carry) = multiply_add(u1, c1, w2, carry);
    let (w3, carry) = multiply_add(u2, c1, w3, carry);
    let (w4, carry) = multiply_add(u3, c1, w4, carry);
    let (w5, w6) = multiply_add(u4, c1, w5, carry);

    let (w2, carry) = add_word(w2, u0, 0);
    let (w3, carry) = add_word(w3, u1, carry);
    let (w4, carry) = add_word(w4, u2, carry);
    let (w5, carry) = add_word(w5, u3, carry);
    let (w6, carry) = add_word(w6, u4, carry);
    [w0, w1, w2, w3, w4, w5, w6, carry]
}

#[cfg(test)]
mod tests {
    use k256::Scalar;
    use k256::elliptic_curve::PrimeField;
    use k256::elliptic_curve::ops::Reduce;
    use proptest::prelude::*;

    use super::*;

    fn scalar(bytes: &[u8; 32]) -> Scalar {
        <Scalar as Reduce<k256::FieldBytes>>::reduce(&(*bytes).into())
    }

    fn value() -> impl Strategy<Value = [u8; 32]> {
        prop_oneof![4 => any::<[u8; 32]>(), 1 => Just([0xff; 32]), 1 => Just([0; 32])]
    }

    proptest! {
        #[test]
        fn wide_sum__should_agree_with_k256(
            pairs in prop::collection::vec((value(), value()), 0..40),
            single in value(),
        ) {
            let (mut sum, mut expected) = (WideSum::new(), Scalar::ZERO);
            for (a, b) in &pairs {
                sum.add_product(&Residue::reduce(a), &Residue::reduce(b));
                expected += scalar(a) * scalar(b);
            }
            sum.add(&Residue::reduce(&single));
            expected += scalar(&single);
            prop_assert_eq!(sum.reduce().to_be_bytes(), <[u8; 32]>::from(expected.to_repr()));
        }

        #[test]
        fn reduce__should_take_any_nine_words(words in any::<[u64; 9]>(), full in any::<[bool; 9]>()) {
            let words: [u64; 9] =
                std::array::from_fn(|k| if full[k] { u64::MAX } else { words[k] });
            let two_64 = Scalar::from(u64::MAX) + Scalar::ONE;
            let value = |sum: Scalar, word: &u64| sum * two_64 + Scalar::from(*word);
            let expected = words.iter().rev().fold(Scalar::ZERO, value);
            let reduced = WideSum(words).reduce();
            prop_assert_eq!(reduced.to_be_bytes(), <[u8; 32]>::from(expected.to_repr()));
        }
    }
}
