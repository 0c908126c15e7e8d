//! Inverses modulo primes of 256 bits, in the same time for all numbers.
//!
//! Source: Bernstein, Yang, *Fast constant-time gcd computation and modular inversion* (eprint
//! 2019/266): division steps on the lower words of two numbers, whose effect on the whole numbers is
//! a matrix of 2 × 2. Steps begin at δ = 1/2, for which 590 are enough for 256 bits (P. Wuille,
//! github.com/sipa/safegcd-bounds, proved in Coq), where the paper's δ = 1 needs 741.

use crate::residue::{add, mask, subtract};

/// Bits of a limb. Limbs are signed: the highest has the sign of the number.
const LIMB_BITS: u32 = 62;
const LIMB: u64 = (1 << LIMB_BITS) - 1;
const LIMBS: usize = 5;

/// Division steps that one matrix stands for, and matrices: 590 steps.
const STEPS: usize = FIRST_STEPS + LAST_STEPS;
const ROUNDS: usize = 10;
/// Steps that fit into a [`Pair`] of numbers.
const FIRST_STEPS: usize = 30;
const LAST_STEPS: usize = 29;

type Limbs = [i64; LIMBS];

/// An odd prime between 2²⁵⁶ − 2¹³⁰ and 2²⁵⁶.
pub(crate) struct Modulus {
    words: [u64; 4],
    limbs: Limbs,
    /// `2²⁵⁶ − m`.
    complement: [u64; 4],
    /// `1/m` modulo 2⁶⁴.
    inverse: u64,
}

impl Modulus {
    pub(crate) const fn new(words: [u64; 4]) -> Self {
        let [w0, w1, w2, w3] = words;
        assert!(w0 & 1 == 1 && w3 == u64::MAX && w2 >= u64::MAX - 3);
        // Newton: each round doubles the bits that are right, at first three.
        let (mut inverse, mut round) = (w0, 0);
        while round < 5 {
            inverse = inverse.wrapping_mul(2_u64.wrapping_sub(w0.wrapping_mul(inverse)));
            round += 1;
        }
        // Not zero in its lowest word: m is odd.
        let complement = [w0.wrapping_neg(), !w1, !w2, !w3];
        let limbs = to_limbs(words);
        Self {
            words,
            limbs,
            complement,
            inverse,
        }
    }
}

/// The inverse of a number below the modulus; zero of zero.
pub(crate) fn inverse(number: &[u64; 4], modulus: &Modulus) -> [u64; 4] {
    // Always d · number = f and e · number = g, modulo m.
    let (mut f, mut g) = (modulus.limbs, to_limbs(*number));
    let (mut d, mut e) = ([0; LIMBS], [1, 0, 0, 0, 0]);
    let mut eta = -1;
    for _ in 0..ROUNDS {
        let matrix;
        (eta, matrix) = divide(eta, low(&f), low(&g));
        (f, g) = reduced(&matrix, &f, &g);
        (d, e) = reduced_modulo(&matrix, &d, &e, modulus);
    }
    // g is 0 and f is the greatest common divisor or minus it: ±1.
    let [.., highest] = f;
    let d = negated(&d, highest >> 63);
    canonical(&d, modulus)
}

/// What division steps did: `2^62 · (f', g') = ((u, v), (q, r)) · (f, g)`.
struct Matrix {
    u: i64,
    v: i64,
    q: i64,
    r: i64,
}

/// [`STEPS`] division steps, which depend on the lowest words only.
///
/// - `eta`: `−δ − 1/2`, negative where δ is positive.
fn divide(eta: i64, f: i64, g: i64) -> (i64, Matrix) {
    let mut state = State { eta, f, g };
    let first = state.divide::<FIRST_STEPS>();
    let last = state.divide::<LAST_STEPS>();
    // Three steps fewer than a limb has bits: 2³ beside both.
    let times = |(a, b): (i64, i64), (c, d): (i64, i64)| {
        let product = a.wrapping_mul(c).wrapping_add(b.wrapping_mul(d));
        product << (LIMB_BITS as usize - STEPS)
    };
    let ((u, v), (q, r)) = first;
    let matrix = Matrix {
        u: times(last.0, (u, q)),
        v: times(last.0, (v, r)),
        q: times(last.1, (u, q)),
        r: times(last.1, (v, r)),
    };
    (state.eta, matrix)
}

/// Two numbers of 32 bits with signs, the first one lower: both are added and doubled at once.
#[derive(Clone, Copy)]
struct Pair(i64);

impl Pair {
    const fn new(first: i64, second: i64) -> Self {
        Self((second << 32).wrapping_add(first))
    }

    const fn split(self) -> (i64, i64) {
        let first = self.0 << 32 >> 32;
        (first, self.0.wrapping_sub(first) >> 32)
    }
}

/// The lower bits of `f` and `g`.
struct State {
    eta: i64,
    f: i64,
    g: i64,
}

impl State {
    /// Returns the rows of the matrix of at most 30 steps.
    #[inline]
    fn divide<const STEPS: usize>(&mut self) -> ((i64, i64), (i64, i64)) {
        const { assert!(STEPS <= FIRST_STEPS) };
        let Self {
            mut eta,
            mut f,
            mut g,
        } = *self;
        let (Pair(mut u_v), Pair(mut q_r)) = (Pair::new(1, 0), Pair::new(0, 1));
        for _ in 0..STEPS {
            // With δ positive and g odd, g − f takes the place of g, and g that of f. With g odd
            // only, g + f takes the place of g.
            let (positive, odd) = (eta >> 63, (g & 1).wrapping_neg());
            let swaps = positive & odd;
            let added = |number: i64| (number ^ positive).wrapping_sub(positive) & odd;
            let (next_g, next_q_r) = (g.wrapping_add(added(f)), q_r.wrapping_add(added(u_v)));
            f ^= (f ^ g) & swaps;
            u_v = u_v.wrapping_add(next_q_r & swaps);
            // δ becomes 1 − δ or 1 + δ.
            eta = (eta ^ swaps).wrapping_sub(1);
            g = next_g >> 1;
            q_r = next_q_r;
            u_v <<= 1;
        }
        *self = Self { eta, f, g };
        (Pair(u_v).split(), Pair(q_r).split())
    }
}

/// `(u·a + v·b, q·a + r·b) / 2⁶²`, without a remainder.
fn reduced(matrix: &Matrix, a: &Limbs, b: &Limbs) -> (Limbs, Limbs) {
    (
        shifted_sum((matrix.u, a), (matrix.v, b), (0, &[0; LIMBS])),
        shifted_sum((matrix.q, a), (matrix.r, b), (0, &[0; LIMBS])),
    )
}

/// The same modulo `m`. Sizes grow by `m / 2` each time: after ten times they are below `6·m`.
fn reduced_modulo(matrix: &Matrix, a: &Limbs, b: &Limbs, modulus: &Modulus) -> (Limbs, Limbs) {
    let row = |x: i64, y: i64| {
        // The multiple of m, from −2⁶¹ to 2⁶¹, that makes the sum a multiple of 2⁶².
        let lowest = x.wrapping_mul(low(a)).wrapping_add(y.wrapping_mul(low(b)));
        let quotient = lowest.wrapping_mul(modulus.inverse.cast_signed());
        let multiple = quotient.wrapping_neg() << 2 >> 2;
        shifted_sum((x, a), (y, b), (multiple, &modulus.limbs))
    };
    (row(matrix.u, matrix.v), row(matrix.q, matrix.r))
}

/// `(x·a + y·b + z·c) / 2⁶²`, rounded down.
fn shifted_sum((x, a): (i64, &Limbs), (y, b): (i64, &Limbs), (z, c): (i64, &Limbs)) -> Limbs {
    let product = |x: i64, y: i64| i128::from(x).wrapping_mul(i128::from(y));
    let mut carried = 0_i128;
    let mut sums = [0; LIMBS + 1];
    for (sum, ((a, b), c)) in sums.iter_mut().zip(a.iter().zip(b).zip(c)) {
        let all = product(x, *a)
            .wrapping_add(product(y, *b))
            .wrapping_add(product(z, *c))
            .wrapping_add(carried);
        *sum = low_limb(all);
        carried = all >> LIMB_BITS;
    }
    let [_, s1, s2, s3, s4, _] = sums;
    [s1, s2, s3, s4, whole(carried)]
}

#[allow(clippy::cast_possible_truncation, reason = "its lower bits are meant")]
const fn low_limb(number: i128) -> i64 {
    (number as u64 & LIMB).cast_signed()
}

/// The highest limb: numbers are below 2³⁰⁰.
#[allow(clippy::cast_possible_truncation, reason = "numbers have few bits")]
const fn whole(number: i128) -> i64 {
    number as i64
}

const fn low(number: &Limbs) -> i64 {
    let [lowest, ..] = *number;
    lowest
}

const fn to_limbs([w0, w1, w2, w3]: [u64; 4]) -> Limbs {
    [
        (w0 & LIMB).cast_signed(),
        ((w0 >> 62 | w1 << 2) & LIMB).cast_signed(),
        ((w1 >> 60 | w2 << 4) & LIMB).cast_signed(),
        ((w2 >> 58 | w3 << 6) & LIMB).cast_signed(),
        (w3 >> 56).cast_signed(),
    ]
}

/// Itself for 0, negated for −1; its limbs are not carried.
fn negated(number: &Limbs, sign: i64) -> Limbs {
    number.map(|limb| (limb ^ sign).wrapping_sub(sign))
}

/// A number between `−16·m` and `16·m`, modulo `m`.
fn canonical(number: &Limbs, modulus: &Modulus) -> [u64; 4] {
    let mut carried = 0;
    let mut limbs = [0; LIMBS];
    for (limb, (number, m)) in limbs.iter_mut().zip(number.iter().zip(&modulus.limbs)) {
        let sum = i128::from(*number) + (i128::from(*m) << 4) + carried;
        *limb = low_limb(sum).cast_unsigned();
        carried = sum >> LIMB_BITS;
    }
    let [l0, l1, l2, l3, l4] = limbs;
    let words = [
        l0 | l1 << 62,
        l1 >> 2 | l2 << 60,
        l2 >> 4 | l3 << 58,
        l3 >> 6 | l4 << 56,
    ];
    // `quotient · 2²⁵⁶` is `quotient · (2²⁵⁶ − m)`, of 135 bits at most.
    let quotient = u128::from(l4 >> 8);
    let mut carried = 0;
    let mut folded = [0; 4];
    for (word, complement) in folded.iter_mut().zip(modulus.complement) {
        let sum = quotient * u128::from(complement) + carried;
        *word = low_word(sum);
        carried = sum >> 64;
    }
    let (sum, carry) = add(&words, &folded);
    let (reduced, borrow) = subtract(&sum, &modulus.words);
    // Too much was taken if there was nothing to borrow from.
    let restores = mask(borrow & !carry);
    let (restored, _) = add(&reduced, &modulus.words.map(|word| word & restores));
    restored
}

#[allow(clippy::cast_possible_truncation, reason = "its lower bits are meant")]
const fn low_word(number: u128) -> u64 {
    number as u64
}

#[cfg(test)]
pub(crate) mod tests {
    use k256::Scalar;
    use k256::elliptic_curve::PrimeField;
    use proptest::prelude::*;

    use super::*;
    use crate::fixed_base::FIELD;
    use crate::residue::{ORDER, Residue};

    fn below(words: [u64; 4], modulus: &[u64; 4]) -> [u64; 4] {
        let (less, borrow) = subtract(&words, modulus);
        if borrow == 1 { words } else { less }
    }

    /// The sum of two numbers below the modulus.
    pub(crate) fn sum(a: &[u64; 4], b: &[u64; 4], modulus: &[u64; 4]) -> [u64; 4] {
        let (sum, carry) = add(a, b);
        let (less, borrow) = subtract(&sum, modulus);
        if carry == 0 && borrow == 1 { sum } else { less }
    }

    /// Multiplication by doubling, bit after bit.
    pub(crate) fn product(a: &[u64; 4], b: &[u64; 4], modulus: &[u64; 4]) -> [u64; 4] {
        let mut out = [0; 4];
        for bit in (0..256).rev() {
            out = sum(&out, &out, modulus);
            if a[bit / 64] >> (bit % 64) & 1 == 1 {
                out = sum(&out, b, modulus);
            }
        }
        out
    }

    fn numbers() -> impl Strategy<Value = [u64; 4]> {
        let edges = [
            [0; 4],
            [1, 0, 0, 0],
            [2, 0, 0, 0],
            [u64::MAX; 4],
            [0, 0, 0, 1 << 63],
            [LIMB, 0, 0, 0],
            [ORDER[0] - 1, ORDER[1], ORDER[2], ORDER[3]],
            [FIELD[0] - 1, FIELD[1], FIELD[2], FIELD[3]],
        ];
        prop_oneof![
            3 => any::<[u64; 4]>(),
            1 => any::<u64>().prop_map(|low| [low, 0, 0, 0]),
            2 => prop::sample::select(edges.to_vec()),
        ]
    }

    proptest! {
        #[test]
        fn inverse__should_be_one_times_the_number(words in numbers()) {
            for modulus in [FIELD, ORDER] {
                let number = below(words, &modulus);
                let found = inverse(&number, &Modulus::new(modulus));
                let expected = u64::from(number != [0; 4]);
                prop_assert_eq!(product(&number, &found, &modulus), [expected, 0, 0, 0]);
                prop_assert_eq!(below(found, &modulus), found);
            }
        }

        #[test]
        fn inverse__should_agree_with_k256(words in numbers()) {
            let number = Residue(below(words, &ORDER));
            let found = Residue(inverse(&number.0, &Modulus::new(ORDER)));
            let scalar = Scalar::from_repr(number.to_be_bytes().into()).unwrap();
            let expected = scalar.invert().unwrap_or(Scalar::ZERO);
            prop_assert_eq!(found.to_be_bytes(), <[u8; 32]>::from(expected.to_repr()));
        }
    }
}
