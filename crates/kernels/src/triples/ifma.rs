//! [`super::correct`] and [`super::combine`] by AVX-512 IFMA, eight OTs at a time.

#![allow(
    clippy::indexing_slicing,
    reason = "arrays, and loops over constants: the compiler sees that all indexes are within"
)]

use std::arch::x86_64::*;

use zeroize::Zeroizing;

use super::order::{reduce, reduce_wide};
use super::{Corrections, Group, Triple, TripleBytes};
use crate::lanes::{
    LIMB, LIMBS, Lanes, add_product, all, carry, chosen, everywhere, load, load_big_endian, minus,
    plus, store_big_endian,
};
use crate::residue::{ORDER, Residue};
use crate::wide_sum::WideSum;

/// Groups whose products fit into limbs of 64 bits before they are carried: 64 · 10 · 2⁵² < 2⁶³.
const BETWEEN_CARRIES: usize = 64;

/// A sum of products, limb by limb.
type WideLanes = [__m512i; 2 * LIMBS];

/// If this processor has the instructions.
pub(super) fn has_instructions() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512ifma")
}

/// [`super::correct`].
#[target_feature(enable = "avx512f,avx512bw,avx512ifma")]
pub(super) fn correct(
    zeros: &[Group<Triple>],
    ones: &[Group<Triple>],
    inputs: &[Residue; 3],
    out: &mut [Group<TripleBytes>],
) {
    // With twice the order, differences of numbers below 2²⁵⁶ are positive, and below 2²⁵⁹.
    let order = everywhere(&ORDER);
    let twice = plus(&order, &order);
    let [first, second, third] = inputs;
    let inputs = [
        plus(&everywhere(&first.0), &twice),
        plus(&everywhere(&second.0), &twice),
        plus(&everywhere(&third.0), &twice),
    ];
    for (out, (zeros, ones)) in out.iter_mut().zip(zeros.iter().zip(ones)) {
        for (k, input) in inputs.iter().enumerate() {
            let (zero, one) = (load(words(zeros, k)), load(words(ones, k)));
            let mut number = minus(&plus(&zero, input), &one);
            carry(&mut number);
            let places = out
                .each_mut()
                .map(|out| &mut out.as_chunks_mut::<32>().0[k]);
            store_big_endian(&reduce(&number), places);
        }
    }
}

/// [`super::combine`].
#[target_feature(enable = "avx512f,avx512bw,avx512ifma")]
pub(super) fn combine(
    pads: &[Group<Triple>],
    corrections: Option<&Corrections<'_>>,
    gadget: &[Group<Residue>],
    theta: &[u128; 2],
    combined: &mut [Group<[u8; 32]>],
    sums: &mut [WideSum; 2],
) {
    let [theta_first, theta_second] = *theta;
    let (theta_first, theta_second) = (short(theta_first), short(theta_second));
    // − η, so that it can be added.
    let minus_eta = corrections.map(|given| Residue::default().minus(&given.eta).0);
    let eta = everywhere(&minus_eta.unwrap_or_default());
    let chunks = pads
        .chunks(BETWEEN_CARRIES)
        .zip(gadget.chunks(BETWEEN_CARRIES));
    let outputs = combined.chunks_mut(BETWEEN_CARRIES);
    for (chunk, ((pads, gadget), combined)) in chunks.zip(outputs).enumerate() {
        let mut wide = [[_mm512_setzero_si512(); 2 * LIMBS]; 2];
        let first = chunk * BETWEEN_CARRIES;
        for (at, ((pads, gadget), combined)) in (first..).zip(pads.iter().zip(gadget).zip(combined))
        {
            let mut values = [
                load(words(pads, 0)),
                load(words(pads, 1)),
                load(words(pads, 2)),
            ];
            if let Some((choices, tau)) = corrections.and_then(|given| given.group(at)) {
                correct_group(&mut values, choices, tau, &eta);
            }
            let [first, second, third] = &values;
            let gadget = load(gadget.each_ref().map(|entry| &entry.0));
            let [first_sum, second_sum] = &mut wide;
            add_product(first_sum, first, &gadget);
            add_product(second_sum, second, &gadget);
            let mut sum = [_mm512_setzero_si512(); 8];
            for (sum, limb) in sum.iter_mut().zip(third) {
                *sum = *limb;
            }
            add_product(&mut sum, first, &theta_first);
            add_product(&mut sum, second, &theta_second);
            carry(&mut sum);
            store_big_endian(&reduce_wide(&sum), combined.each_mut());
        }
        // Not wiped: that would keep the vectors in memory while they are summed up, at a sixth of
        // the whole time, and leave what the compiler spills of others as it is.
        for (sum, wide) in sums.iter_mut().zip(wide) {
            sum.add_limbs(&collected(wide));
        }
    }
}

/// `v + β·τ` for the numbers of one group, the third also less `β·η`. Carried, below 2²⁵⁹.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn correct_group(
    values: &mut [Lanes; 3],
    choices: u8,
    tau: &Group<TripleBytes>,
    minus_eta: &Lanes,
) {
    for (k, value) in values.iter_mut().enumerate() {
        let tau = load_big_endian(tau.each_ref().map(|tau| &tau.as_chunks().0[k]));
        *value = plus(value, &chosen(choices, &tau));
    }
    let [first, second, third] = values;
    *third = plus(third, &chosen(choices, minus_eta));
    carry(first);
    carry(second);
    carry(third);
}

/// Number `k` of each OT.
#[inline]
fn words(group: &Group<Triple>, k: usize) -> Group<&[u128; 2]> {
    group.each_ref().map(|triple| &triple.as_chunks().0[k])
}

/// A number of 128 bits in all lanes.
#[target_feature(enable = "avx512f")]
#[inline]
fn short(number: u128) -> [__m512i; 3] {
    #[allow(clippy::cast_possible_truncation, reason = "cut to limbs")]
    let [l0, l1, l2] = [0, 52, 104].map(|from| (number >> from) as u64 & LIMB);
    [all(l0), all(l1), all(l2)]
}

/// The sum over all lanes, limb by limb: below 2⁵⁶ each.
#[target_feature(enable = "avx512f")]
#[inline]
fn collected(mut wide: WideLanes) -> Zeroizing<[u64; 2 * LIMBS]> {
    carry(&mut wide);
    let mut limbs = Zeroizing::new([0; 2 * LIMBS]);
    for (limb, wide) in limbs.iter_mut().zip(wide) {
        *limb = _mm512_reduce_add_epi64(wide).cast_unsigned();
    }
    limbs
}
