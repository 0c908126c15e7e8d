//! Against arithmetic bit by bit, with limbs as large as they may be.

#![allow(unsafe_code, reason = "functions for AVX-512 behind their detection")]

use proptest::prelude::*;

use super::*;
use crate::fixed_base::has_instructions;
use crate::inverse::tests::{product, sum};
use crate::self_test::is_tested;

/// The highest limb of a [`Field`] is below 2⁴⁸ + 2¹¹.
const GREATEST: [u64; LIMBS] = [LIMB, LIMB, LIMB, LIMB, (1 << 48) + (1 << 11) - 1];

fn limbs() -> impl Strategy<Value = [u64; LIMBS]> {
    let limb = || {
        let edges = prop::sample::select(vec![0, 1, LIMB - 1, LIMB]);
        prop_oneof![any::<u64>().prop_map(|word| word & LIMB), edges]
    };
    let highest = prop_oneof![
        any::<u64>().prop_map(|word| word & HIGHEST),
        prop::sample::select(vec![0, HIGHEST, HIGHEST + 1, GREATEST[4]]),
    ];
    let p = [FIELD[0] & LIMB, LIMB, LIMB, LIMB, HIGHEST];
    let p_and_one = [p[0] + 1, LIMB, LIMB, LIMB, HIGHEST];
    let whole = prop::sample::select(vec![[0; LIMBS], GREATEST, p, p_and_one]);
    let parts = (limb(), limb(), limb(), limb(), highest);
    prop_oneof![
        4 => parts.prop_map(|(l0, l1, l2, l3, l4)| [l0, l1, l2, l3, l4]),
        1 => whole,
    ]
}

/// Modulo p.
fn value(limbs: &[u64; LIMBS]) -> [u64; 4] {
    limbs.iter().rev().fold([0; 4], |value, limb| {
        let shifted = product(&value, &[1 << 52, 0, 0, 0], &FIELD);
        sum(&shifted, &[*limb, 0, 0, 0], &FIELD)
    })
}

fn less(a: &[u64; 4], b: &[u64; 4]) -> [u64; 4] {
    let minus_one = [FIELD[0] - 1, FIELD[1], FIELD[2], FIELD[3]];
    sum(a, &product(b, &minus_one, &FIELD), &FIELD)
}

fn by(a: &[u64; 4], factor: u64) -> [u64; 4] {
    product(a, &[factor, 0, 0, 0], &FIELD)
}

#[target_feature(enable = "avx512f")]
fn load(numbers: &[[u64; LIMBS]; 8]) -> Field {
    let mut field = Field::zero();
    for (lane, number) in numbers.iter().enumerate() {
        let mut limbs = Field::zero();
        for (limb, number) in limbs.0.iter_mut().zip(number) {
            *limb = all(*number);
        }
        field = field.with(1 << lane, &limbs);
    }
    field
}

/// Every lane of `found`, which must have limbs in their bounds, against `expected`.
#[target_feature(enable = "avx512f")]
fn same(found: &Field, expected: impl Fn(usize) -> [u64; 4]) {
    for (limb, greatest) in found.0.iter().zip(GREATEST) {
        assert_eq!(_mm512_cmpgt_epu64_mask(*limb, all(greatest)), 0);
    }
    let [w0, w1, w2, w3] = found.canonical().words();
    for lane in 0..8 {
        assert_eq!([w0[lane], w1[lane], w2[lane], w3[lane]], expected(lane));
    }
    assert_eq!(found.first(), expected(0));
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn check([a, b, c, d]: &[[[u64; LIMBS]; 8]; 4], lanes: u8) {
    let values = [a, b, c, d].map(|numbers| numbers.each_ref().map(value));
    let [va, vb, vc, vd] = &values;
    let (a, b, c, d) = (load(a), load(b), load(c), load(d));
    let times = |k: usize| product(&va[k], &vb[k], &FIELD);
    same(&a, |k| va[k]);
    same(&a.plus(&b).carried(), |k| sum(&va[k], &vb[k], &FIELD));
    same(&a.times(&b).carried(), times);
    same(&Field::two_products((&a, &b), (&c, &d)).carried(), |k| {
        sum(&times(k), &product(&vc[k], &vd[k], &FIELD), &FIELD)
    });
    // As points are added: what is not carried, three and 21 times.
    let added = a.times(&b).plus(&c.loose());
    same(&added.times_3().carried(), |k| {
        by(&sum(&times(k), &vc[k], &FIELD), 3)
    });
    same(&added.times_3b().carried(), |k| {
        by(&sum(&times(k), &vc[k], &FIELD), 21)
    });
    let differs = a.times(&b).minus(&d.loose().times_3b());
    same(&differs.carried(), |k| less(&times(k), &by(&vd[k], 21)));
    let differs = a.times(&b).minus(&c.times(&d).plus(&a.times(&c)));
    same(&differs.carried(), |k| {
        let (first, second) = (
            product(&vc[k], &vd[k], &FIELD),
            product(&va[k], &vc[k], &FIELD),
        );
        less(&times(k), &sum(&first, &second, &FIELD))
    });
    same(&a.negated(lanes), |k| match lanes >> k & 1 {
        1 => less(&[0; 4], &va[k]),
        _ => va[k],
    });
    same(&a.with(lanes, &b), |k| {
        if lanes >> k & 1 == 1 { vb[k] } else { va[k] }
    });
    let mut chosen = Field::zero();
    for (mask, number) in [(lanes, &a), (!lanes, &b)] {
        chosen.choose(_mm512_maskz_set1_epi64(mask, -1), number);
    }
    same(&chosen, |k| if lanes >> k & 1 == 1 { va[k] } else { vb[k] });
    same(&a.exchanged::<1>(), |k| va[k ^ 1]);
    same(&a.exchanged::<2>(), |k| va[k ^ 2]);
    same(&a.exchanged::<4>(), |k| va[k ^ 4]);
    same(&Field::of_lanes(va), |k| va[k]);
}

fn eight() -> impl Strategy<Value = [[u64; LIMBS]; 8]> {
    prop::collection::vec(limbs(), 8).prop_map(|limbs| limbs.try_into().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn field__should_agree_with_arithmetic_bit_by_bit(
        numbers in [eight(), eight(), eight(), eight()],
        lanes in any::<u8>(),
    ) {
        if is_tested("numbers modulo p", has_instructions()) {
            // SAFETY: the processor has what the function is compiled for.
            unsafe { check(&numbers, lanes) };
        }
    }
}

#[test]
fn field__should_hold_the_largest_numbers() {
    if is_tested("numbers modulo p", has_instructions()) {
        // SAFETY: the processor has what the function is compiled for.
        unsafe { check(&[[GREATEST; 8]; 4], 0xa5) };
    }
}
