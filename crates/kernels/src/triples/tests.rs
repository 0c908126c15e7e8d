//! Both ways against each other, and the one by one against `k256`.

use k256::Scalar;
use k256::elliptic_curve::PrimeField;
use k256::elliptic_curve::ops::Reduce;
use proptest::prelude::*;

use super::*;

/// Groups of one case: more than are summed between two carries.
const GROUPS: usize = 70;

fn order_plus(offset: i64) -> [u64; 4] {
    let mut words = ORDER;
    words[0] = words[0].wrapping_add_signed(offset);
    words
}

/// Numbers of 256 bits: at the edges, and any others.
fn number() -> impl Strategy<Value = [u64; 4]> {
    let edges = [
        [0; 4],
        [1, 0, 0, 0],
        order_plus(-1),
        order_plus(0),
        order_plus(1),
        [u64::MAX; 4],
        [u64::MAX - 1, u64::MAX, u64::MAX, u64::MAX],
        // All ones in each limb of 52 bits but the lowest, and in some words only.
        [!0 << 52, u64::MAX, u64::MAX, u64::MAX],
        [u64::MAX, 0, u64::MAX, 0],
        [0, 0, 0, 1 << 63],
    ];
    prop_oneof![any::<[u64; 4]>(), prop::sample::select(edges.to_vec())]
}

fn blocks([w0, w1, w2, w3]: [u64; 4]) -> [Block; 2] {
    let block = |low: u64, high: u64| u128::from(low) | u128::from(high) << 64;
    [block(w0, w1), block(w2, w3)]
}

fn triple() -> impl Strategy<Value = Triple> {
    [number(), number(), number()].prop_map(|numbers| {
        let [[a, b], [c, d], [e, f]] = numbers.map(blocks);
        [a, b, c, d, e, f]
    })
}

/// A `Residue` cannot be shown, so cases are made of words.
fn residue(words: [u64; 4]) -> Residue {
    let [low, high] = blocks(words);
    Residue::from_blocks(low, high)
}

fn theta() -> impl Strategy<Value = u128> {
    let edges = vec![0, 1, u128::MAX, u128::MAX << 104, (1 << 52) - 1, 1 << 52];
    prop_oneof![any::<u128>(), prop::sample::select(edges)]
}

fn all_of<T: Clone>(few: &[T], from: usize) -> Vec<Group<T>> {
    let at = |k: usize| few[(from + k * k + k / 7) % few.len()].clone();
    (0..GROUPS)
        .map(|group| std::array::from_fn(|k| at(group * SIDE_BY_SIDE + k)))
        .collect()
}

fn scalar(residue: &Residue) -> Scalar {
    Scalar::from_repr(residue.to_be_bytes().into()).unwrap()
}

fn scalars(triple: &Triple) -> [Scalar; 3] {
    let number = |k: usize| {
        let bytes = [triple[2 * k].to_le_bytes(), triple[2 * k + 1].to_le_bytes()].concat();
        let mut bytes: [u8; 32] = bytes.try_into().unwrap();
        bytes.reverse();
        <Scalar as Reduce<k256::FieldBytes>>::reduce(&bytes.into())
    };
    [number(0), number(1), number(2)]
}

fn bytes_of(scalar: Scalar) -> [u8; 32] {
    scalar.to_repr().into()
}

type Combined = (Vec<Group<[u8; 32]>>, [[u8; 32]; 2]);

fn combined_by(run: impl FnOnce(&mut [Group<[u8; 32]>], &mut [WideSum; 2])) -> Combined {
    let mut combined = vec![[[0; 32]; SIDE_BY_SIDE]; GROUPS];
    let mut sums = [WideSum::new(), WideSum::new()];
    run(&mut combined, &mut sums);
    (combined, sums.map(|sum| sum.reduce().to_be_bytes()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn correct__should_be_the_same_both_ways_and_by_k256(
        few in prop::collection::vec(triple(), 30),
        inputs in [number(), number(), number()],
    ) {
        let inputs = inputs.map(residue);
        let (zeros, ones) = (all_of(&few, 0), all_of(&few, 11));
        let mut slow = vec![[[0; 96]; SIDE_BY_SIDE]; GROUPS];
        correct_one_by_one(&zeros, &ones, &inputs, &mut slow);
        let mut quick = vec![[[0; 96]; SIDE_BY_SIDE]; GROUPS];
        correct(&zeros, &ones, &inputs, &mut quick);
        prop_assert!(slow == quick);
        let mut wide = vec![[[0; 96]; SIDE_BY_SIDE]; GROUPS];
        let done = correct_wide(&zeros, &ones, &inputs, &mut wide);
        if self_test::is_tested("corrections", done) {
            prop_assert!(slow == wide);
        }
        let all = zeros.as_flattened().iter().zip(ones.as_flattened());
        for (out, (zero, one)) in slow.as_flattened().iter().zip(all) {
            for k in 0..3 {
                let expected = scalars(zero)[k] - scalars(one)[k] + scalar(&inputs[k]);
                prop_assert_eq!(&out[32 * k..32 * k + 32], &bytes_of(expected));
            }
        }
    }

    #[test]
    fn combine__should_be_the_same_both_ways_and_by_k256(
        few in prop::collection::vec(triple(), 30),
        entries in prop::collection::vec(number(), 30),
        tau in prop::collection::vec([number(), number(), number()], 30),
        choices in prop::collection::vec(any::<u8>(), GROUPS),
        eta in number(),
        theta in [theta(), theta()],
        is_corrected in any::<bool>(),
    ) {
        let entries: Vec<Residue> = entries.into_iter().map(residue).collect();
        let (pads, gadget, eta) = (all_of(&few, 0), all_of(&entries, 3), residue(eta));
        let written = |triple: &[[u64; 4]; 3]| -> TripleBytes {
            triple.map(|words| residue(words).to_be_bytes()).concat().try_into().unwrap()
        };
        let tau: Vec<TripleBytes> = tau.iter().map(written).collect();
        let tau = all_of(&tau, 5);
        let corrections = Corrections { choices: &choices, tau: &tau, eta };
        let corrections = is_corrected.then_some(&corrections);
        let slow = combined_by(|combined, sums| {
            combine_one_by_one(&pads, corrections, &gadget, &theta, combined, sums);
        });
        let quick = combined_by(|combined, sums| {
            combine(&pads, corrections, &gadget, &theta, combined, sums);
        });
        prop_assert!(slow == quick);
        let mut done = false;
        let wide = combined_by(|combined, sums| {
            done = combine_wide(&pads, corrections, &gadget, &theta, combined, sums);
        });
        if self_test::is_tested("combination", done) {
            prop_assert!(slow == wide);
        }

        let theta = theta.map(|theta| {
            let bytes = [[0; 16], theta.to_be_bytes()].concat();
            let bytes: [u8; 32] = bytes.try_into().unwrap();
            Scalar::from_repr(bytes.into()).unwrap()
        });
        let mut sums = [Scalar::ZERO; 2];
        for (m, pad) in pads.as_flattened().iter().enumerate() {
            let mut v = scalars(pad);
            let is_one = is_corrected && choices[m / 8] >> (m % 8) & 1 == 1;
            if is_one {
                let tau = &tau.as_flattened()[m];
                for k in 0..3 {
                    let bytes: [u8; 32] = tau[32 * k..32 * k + 32].try_into().unwrap();
                    v[k] += Scalar::from_repr(bytes.into()).unwrap();
                }
                v[2] -= scalar(&eta);
            }
            let entry = scalar(&gadget.as_flattened()[m]);
            sums[0] += entry * v[0];
            sums[1] += entry * v[1];
            let expected = v[2] + theta[0] * v[0] + theta[1] * v[1];
            prop_assert_eq!(slow.0.as_flattened()[m], bytes_of(expected));
        }
        prop_assert_eq!(slow.1, sums.map(bytes_of));
    }
}

/// All bits of everything set: the largest sums that limbs have to hold.
#[test]
fn combine__should_hold_the_largest_numbers() {
    let pads = vec![[[u128::MAX; 6]; SIDE_BY_SIDE]; GROUPS];
    let largest = Residue(order_plus(-1));
    let gadget = vec![[largest; SIDE_BY_SIDE]; GROUPS];
    let bytes: TripleBytes = [largest.to_be_bytes(); 3].concat().try_into().unwrap();
    let tau = vec![[bytes; SIDE_BY_SIDE]; GROUPS];
    let eta = Residue([1, 0, 0, 0]);
    let choices = vec![0xff; GROUPS];
    let corrections = Corrections {
        choices: &choices,
        tau: &tau,
        eta,
    };
    let theta = [u128::MAX; 2];
    let slow = combined_by(|combined, sums| {
        combine_one_by_one(&pads, Some(&corrections), &gadget, &theta, combined, sums);
    });
    let mut done = false;
    let wide = combined_by(|combined, sums| {
        let corrections = Some(&corrections);
        done = combine_wide(&pads, corrections, &gadget, &theta, combined, sums);
    });
    if self_test::is_tested("combination", done) {
        assert!(slow == wide);
    }
}

#[test]
fn self_tests__must_refuse_one_wrong_bit_and_nothing_else() {
    assert!(passes_correct(|zeros, ones, inputs, out| {
        correct_one_by_one(zeros, ones, inputs, out);
        true
    }));
    assert!(passes_combine(|pads, given, gadget, theta, out, sums| {
        combine_one_by_one(pads, given, gadget, theta, out, sums);
        true
    }));
    assert!(!passes_correct(|_, _, _, _| false));
    assert!(!passes_combine(|_, _, _, _, _, _| false));
    for at in 0..SIDE_BY_SIDE {
        assert!(!passes_correct(|zeros, ones, inputs, out| {
            correct_one_by_one(zeros, ones, inputs, out);
            out[0][at][95] ^= 1;
            true
        }));
        assert!(!passes_combine(|pads, given, gadget, theta, out, sums| {
            combine_one_by_one(pads, given, gadget, theta, out, sums);
            out[0][at][0] ^= 0x80;
            true
        }));
    }
    for at in 0..2 {
        assert!(!passes_combine(|pads, given, gadget, theta, out, sums| {
            combine_one_by_one(pads, given, gadget, theta, out, sums);
            sums[at].add(&Residue([1, 0, 0, 0]));
            true
        }));
    }
    let is_there = correct_wide(&[], &[], &[Residue::default(); 3], &mut []);
    assert_eq!(wide_is_used(), is_there);
}

#[test]
#[should_panic(expected = "a choice for each OT")]
fn combine__must_refuse_fewer_choices_than_pads() {
    let (pads, gadget) = test_inputs(0);
    let tau = [[[0; 96]; SIDE_BY_SIDE]];
    let corrections = Corrections {
        choices: &[],
        tau: &tau,
        eta: Residue::default(),
    };
    let mut out = [[[0; 32]; SIDE_BY_SIDE]];
    let mut sums = Default::default();
    let corrections = Some(&corrections);
    combine(
        &[pads],
        corrections,
        &[gadget],
        &[1, 2],
        &mut out,
        &mut sums,
    );
}
