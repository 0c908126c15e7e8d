//! The three numbers of each OT of a product, all OTs at once: corrections, what the check combines,
//! and sums under the gadget. `docs/protocols/dkls23.md` §2.3 and §2.4.
//!
//! Two ways to the same numbers: one number after the other with [`Residue`] and [`WideSum`], and
//! eight at a time with AVX-512 IFMA where the processor has it (found at run time). The first is
//! the reference of the second.

#[cfg(target_arch = "x86_64")]
mod ifma;
#[cfg(target_arch = "x86_64")]
mod order;

use std::sync::OnceLock;

use crate::residue::{ORDER, Residue, mask};
use crate::self_test;
use crate::tccr::Block;
use crate::wide_sum::WideSum;

/// OTs that are worked on side by side. One byte of choices stands for them.
pub const SIDE_BY_SIDE: usize = 8;

/// Three numbers of 256 bits, two blocks each, the lower first; not reduced.
pub type Triple = [Block; 6];

/// Three numbers below the group order, 32 bytes each, big-endian.
pub type TripleBytes = [u8; 96];

/// One thing for each of the OTs that are worked on side by side.
pub type Group<T> = [T; SIDE_BY_SIDE];

/// What a receiver adds to its pads before it combines them.
pub struct Corrections<'a> {
    /// A bit for each OT, the least significant first. Secret.
    pub choices: &'a [u8],
    /// `τ`: added where the choice is one.
    pub tau: &'a [Group<TripleBytes>],
    /// `η`: subtracted from the combination where the choice is one.
    pub eta: Residue,
}

impl Corrections<'_> {
    /// Choices and `τ` of one group.
    fn group(&self, at: usize) -> Option<(u8, &Group<TripleBytes>)> {
        Some((*self.choices.get(at)?, self.tau.get(at)?))
    }
}

/// `zero − one + input` modulo the group order, for each number of each OT.
///
/// # Panics
/// If `zeros`, `ones` and `out` are not equally many.
pub fn correct(
    zeros: &[Group<Triple>],
    ones: &[Group<Triple>],
    inputs: &[Residue; 3],
    out: &mut [Group<TripleBytes>],
) {
    assert_eq!(zeros.len(), ones.len(), "two pads of each OT");
    assert_eq!(zeros.len(), out.len(), "a place for each OT");
    if !(wide_is_used() && correct_wide(zeros, ones, inputs, out)) {
        correct_one_by_one(zeros, ones, inputs, out);
    }
}

/// The combination `v₃ + θ₁·v₁ + θ₂·v₂` of each OT, 32 bytes modulo the group order, and the sums
/// `Σ g·v₁` and `Σ g·v₂`.
///
/// - `pads`: the numbers `v`, before `corrections` if there are any.
/// - `gadget`: `g`, one number for each OT.
/// - `combined`: written; as many as there are pads.
/// - `sums`: added to.
///
/// # Panics
/// If `pads`, `gadget`, `combined`, choices and `τ` are not equally many.
pub fn combine(
    pads: &[Group<Triple>],
    corrections: Option<&Corrections<'_>>,
    gadget: &[Group<Residue>],
    theta: &[u128; 2],
    combined: &mut [Group<[u8; 32]>],
    sums: &mut [WideSum; 2],
) {
    assert_eq!(pads.len(), gadget.len(), "an entry for each OT");
    assert_eq!(pads.len(), combined.len(), "a place for each OT");
    if let Some(corrections) = corrections {
        assert_eq!(
            pads.len(),
            corrections.choices.len(),
            "a choice for each OT"
        );
        assert_eq!(pads.len(), corrections.tau.len(), "corrections of each OT");
    }
    if !(wide_is_used() && combine_wide(pads, corrections, gadget, theta, combined, sums)) {
        combine_one_by_one(pads, corrections, gadget, theta, combined, sums);
    }
}

/// Eight numbers at once. `false`, and nothing done, where the processor cannot.
#[cfg_attr(
    not(target_arch = "x86_64"),
    allow(unused_variables, reason = "there is none")
)]
fn correct_wide(
    zeros: &[Group<Triple>],
    ones: &[Group<Triple>],
    inputs: &[Residue; 3],
    out: &mut [Group<TripleBytes>],
) -> bool {
    #[cfg(target_arch = "x86_64")]
    if ifma::has_instructions() {
        // SAFETY: the processor has what the function is compiled for.
        #[allow(unsafe_code, reason = "eight numbers at once")]
        unsafe {
            ifma::correct(zeros, ones, inputs, out);
        }
        return true;
    }
    false
}

/// Eight numbers at once. `false`, and nothing done, where the processor cannot.
#[cfg_attr(
    not(target_arch = "x86_64"),
    allow(unused_variables, reason = "there is none")
)]
fn combine_wide(
    pads: &[Group<Triple>],
    corrections: Option<&Corrections<'_>>,
    gadget: &[Group<Residue>],
    theta: &[u128; 2],
    combined: &mut [Group<[u8; 32]>],
    sums: &mut [WideSum; 2],
) -> bool {
    #[cfg(target_arch = "x86_64")]
    if ifma::has_instructions() {
        // SAFETY: the processor has what the function is compiled for.
        #[allow(unsafe_code, reason = "eight numbers at once")]
        unsafe {
            ifma::combine(pads, corrections, gadget, theta, combined, sums);
        }
        return true;
    }
    false
}

/// Whether the wide functions are there and have passed their self-tests, which run once.
pub(crate) fn wide_is_used() -> bool {
    static IS_USED: OnceLock<bool> = OnceLock::new();
    *IS_USED.get_or_init(|| passes_correct(correct_wide) && passes_combine(combine_wide))
}

/// Inputs of the self-tests: one group of pads, and numbers below the group order.
fn test_inputs(seed: u64) -> (Group<Triple>, Group<Residue>) {
    let mut numbers = [[0, 0]; SIDE_BY_SIDE];
    let word = |low: u64, high: u64| u128::from(low) | u128::from(high) << 64;
    let [o0, o1, o2, o3] = ORDER;
    let high = word(o2, o3);
    let [mixed, other @ ..] = self_test::blocks::<3>(seed);
    let edges = [
        [0, 0],
        [u128::MAX, u128::MAX],
        [word(o0, o1), high],
        [word(o0 - 1, o1), high],
        [word(o0 + 1, o1), high],
        [u128::MAX << 52, u128::MAX],
        [mixed, u128::MAX],
        other,
    ];
    numbers.copy_from_slice(&edges);
    let at = |number: usize| {
        numbers
            .get(number % SIDE_BY_SIDE)
            .copied()
            .unwrap_or_default()
    };
    // Each edge at each of the three places of a triple, and beside other numbers each time.
    let triple = |number: usize| {
        let [[a, b], [c, d], [e, f]] = [at(number), at(3 * number + 1), at(5 * number + 2)];
        [a, b, c, d, e, f]
    };
    let residue = |number: usize| {
        let [low, high] = at(number);
        Residue::from_blocks(low, high)
    };
    (std::array::from_fn(triple), std::array::from_fn(residue))
}

/// The self-test: whether a function computes what [`correct_one_by_one`] does.
fn passes_correct(
    correct: impl Fn(
        &[Group<Triple>],
        &[Group<Triple>],
        &[Residue; 3],
        &mut [Group<TripleBytes>],
    ) -> bool,
) -> bool {
    let ((zeros, numbers), (mut ones, _)) = (test_inputs(1), test_inputs(2));
    (0..SIDE_BY_SIDE).all(|_| {
        // Every zero beside every one.
        ones.rotate_left(1);
        let [first, .., third, second] = numbers;
        let (mut expected, mut found) = ([[[0; 96]; SIDE_BY_SIDE]], [[[0; 96]; SIDE_BY_SIDE]]);
        let inputs = [first, second, third];
        correct_one_by_one(&[zeros], &[ones], &inputs, &mut expected);
        correct(&[zeros], &[ones], &inputs, &mut found) && found == expected
    })
}

/// The self-test: whether a function computes what [`combine_one_by_one`] does.
fn passes_combine(
    combine: impl Fn(
        &[Group<Triple>],
        Option<&Corrections<'_>>,
        &[Group<Residue>],
        &[u128; 2],
        &mut [Group<[u8; 32]>],
        &mut [WideSum; 2],
    ) -> bool,
) -> bool {
    type Found = ([Group<[u8; 32]>; 1], [[u8; 32]; 2]);
    let (pads, mut gadget) = test_inputs(3);
    let mut tau = [[0; 96]; SIDE_BY_SIDE];
    for (number, tau) in tau.iter_mut().enumerate() {
        for (place, bytes) in tau.as_chunks_mut::<32>().0.iter_mut().enumerate() {
            let entry = gadget.get((number + 3 * place) % SIDE_BY_SIDE);
            *bytes = entry.copied().unwrap_or_default().to_be_bytes();
        }
    }
    let [.., eta] = gadget;
    let [mixed] = self_test::blocks(4);
    [
        (0xff, [u128::MAX; 2]),
        (0, [0, 1]),
        (0xa6, [mixed, u128::MAX << 104]),
    ]
    .into_iter()
    .all(|(choices, theta)| {
        gadget.rotate_left(3);
        let (choices, tau) = ([choices], [tau]);
        let given = Corrections {
            choices: &choices,
            tau: &tau,
            eta,
        };
        [None, Some(&given)].into_iter().all(|given| {
            let expected: Found = {
                let (mut out, mut sums) = ([[[0; 32]; SIDE_BY_SIDE]], Default::default());
                combine_one_by_one(&[pads], given, &[gadget], &theta, &mut out, &mut sums);
                (out, sums.each_ref().map(|sum| sum.reduce().to_be_bytes()))
            };
            let (mut out, mut sums) = ([[[0; 32]; SIDE_BY_SIDE]], Default::default());
            combine(&[pads], given, &[gadget], &theta, &mut out, &mut sums)
                && (out, sums.each_ref().map(|sum| sum.reduce().to_be_bytes())) == expected
        })
    })
}

/// The reference of [`correct`].
pub fn correct_one_by_one(
    zeros: &[Group<Triple>],
    ones: &[Group<Triple>],
    inputs: &[Residue; 3],
    out: &mut [Group<TripleBytes>],
) {
    let pairs = zeros.as_flattened().iter().zip(ones.as_flattened());
    for (out, (zero, one)) in out.as_flattened_mut().iter_mut().zip(pairs) {
        let values = numbers(zero).into_iter().zip(numbers(one)).zip(inputs);
        for (out, ((zero, one), input)) in out.as_chunks_mut::<32>().0.iter_mut().zip(values) {
            *out = zero.minus(&one).plus(input).to_be_bytes();
        }
    }
}

/// The reference of [`combine`].
pub fn combine_one_by_one(
    pads: &[Group<Triple>],
    corrections: Option<&Corrections<'_>>,
    gadget: &[Group<Residue>],
    theta: &[u128; 2],
    combined: &mut [Group<[u8; 32]>],
    sums: &mut [WideSum; 2],
) {
    let [theta_first, theta_second] = theta.map(|theta| Residue::from_blocks(theta, 0));
    let [first_sum, second_sum] = sums;
    let places = combined.as_flattened_mut().iter_mut();
    let inputs = pads.as_flattened().iter().zip(gadget.as_flattened());
    for (number, (out, (pad, entry))) in places.zip(inputs).enumerate() {
        let [first, second, third] = corrected(numbers(pad), corrections, number);
        first_sum.add_product(entry, &first);
        second_sum.add_product(entry, &second);
        let mut sum = WideSum::new();
        sum.add_product(&theta_first, &first);
        sum.add_product(&theta_second, &second);
        sum.add(&third);
        *out = sum.reduce().to_be_bytes();
    }
}

/// `v + β·τ`, the third also less `β·η`.
fn corrected(
    values: [Residue; 3],
    corrections: Option<&Corrections<'_>>,
    number: usize,
) -> [Residue; 3] {
    let (at, place) = (number / SIDE_BY_SIDE, number % SIDE_BY_SIDE);
    let Some(corrections) = corrections else {
        return values;
    };
    let Some((choices, tau)) = corrections.group(at) else {
        return values;
    };
    let choice = mask(u64::from(choices >> place & 1));
    let tau = tau.get(place).copied().unwrap_or([0; 96]);
    let mut values = values;
    for (value, tau) in values.iter_mut().zip(tau.as_chunks::<32>().0) {
        *value = value.plus(&Residue::reduce(tau).masked(choice));
    }
    let [first, second, third] = values;
    [first, second, third.minus(&corrections.eta.masked(choice))]
}

fn numbers(triple: &Triple) -> [Residue; 3] {
    let [a, b, c, d, e, f] = *triple;
    [
        Residue::from_blocks(a, b),
        Residue::from_blocks(c, d),
        Residue::from_blocks(e, f),
    ]
}

#[cfg(test)]
mod tests;
