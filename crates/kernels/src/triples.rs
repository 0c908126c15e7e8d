//! The three numbers of each OT of a product, all OTs at once: corrections, what the check combines,
//! and sums under the gadget. `docs/protocols/dkls23.md` §2.3 and §2.4.
//!
//! Two ways to the same numbers: one number after the other with [`Residue`] and [`WideSum`], and
//! eight at a time with AVX-512 IFMA where the processor has it (found at run time). The first is
//! the reference of the second.

#[cfg(target_arch = "x86_64")]
mod ifma;
#[cfg(target_arch = "x86_64")]
mod lanes;

use crate::residue::{Residue, mask};
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
pub fn correct(
    zeros: &[Group<Triple>],
    ones: &[Group<Triple>],
    inputs: &[Residue; 3],
    out: &mut [Group<TripleBytes>],
) {
    #[cfg(target_arch = "x86_64")]
    if ifma::is_there() {
        // SAFETY: the processor has what the function is compiled for.
        #[allow(unsafe_code, reason = "eight numbers at once")]
        unsafe {
            ifma::correct(zeros, ones, inputs, out);
        }
        return;
    }
    correct_one_by_one(zeros, ones, inputs, out);
}

/// The combination `v₃ + θ₁·v₁ + θ₂·v₂` of each OT, 32 bytes modulo the group order, and the sums
/// `Σ g·v₁` and `Σ g·v₂`.
///
/// - `pads`: the numbers `v`, before `corrections` if there are any.
/// - `gadget`: `g`, one number for each OT.
/// - `combined`: written; as many as there are pads.
/// - `sums`: added to.
pub fn combine(
    pads: &[Group<Triple>],
    corrections: Option<&Corrections<'_>>,
    gadget: &[Group<Residue>],
    theta: &[u128; 2],
    combined: &mut [Group<[u8; 32]>],
    sums: &mut [WideSum; 2],
) {
    #[cfg(target_arch = "x86_64")]
    if ifma::is_there() {
        // SAFETY: the processor has what the function is compiled for.
        #[allow(unsafe_code, reason = "eight numbers at once")]
        unsafe {
            ifma::combine(pads, corrections, gadget, theta, combined, sums);
        }
        return;
    }
    combine_one_by_one(pads, corrections, gadget, theta, combined, sums);
}

/// The reference of [`correct`].
fn correct_one_by_one(
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
fn combine_one_by_one(
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
