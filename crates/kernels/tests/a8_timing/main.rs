//! Row A8: does the time of a kernel depend on its secrets?
//!
//! The measurements are ignored, since a busy machine must not fail a build; `make soak` runs them:
//!
//! `cargo test --release --locked -p quorate-kernels --test a8_timing -- --ignored --nocapture`
//!
//! Rows "(portable)" are of the twins that are used where the processor has no wide instructions or
//! fails their self-test. What a processor with AES instructions never runs, the software AES of the
//! crate `aes`, is measured with `RUSTFLAGS='--cfg aes_backend="soft"'`, and its carry-less products
//! with `--cfg polyval_backend="soft"`.

#![allow(non_snake_case, reason = "test names are row_subject__must_result")]
#![allow(clippy::print_stdout, reason = "measurements are for reading")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test, not a product"
)]

mod statistics;

use std::hint::black_box;

use quorate_kernels::{
    CheckHash, Corrections, Group, Residue, Row, SIDE_BY_SIDE, Tccr, Triple, TripleBytes, WideSum,
    combine, correct, in_use, mask, multiply_base, multiply_base_many, portable, transpose,
};
use secp256k1::{PublicKey, SecretKey};

use statistics::{Comparison, Random, differences, is_leak, pick, welch};

/// The statistics themselves.
#[test]
fn a8_welch__should_be_the_difference_of_means_over_its_error() {
    let (a, b) = ([1.0, 2.0, 3.0, 4.0, 5.0], [2.0, 3.0, 4.0, 5.0, 6.0]);
    assert!((welch(&a, &b) + 1.0).abs() < 1e-12);
    assert!((welch(&b, &a) - 1.0).abs() < 1e-12);
    assert!(welch(&a, &a).abs() < 1e-12);
    assert!(welch(&a, &[1.0]).is_infinite());
}

/// So large a leak that any machine finds it; the control of each measurement is a small one.
#[test]
fn a8_measurement__must_find_a_planted_leak() {
    let found = differences(2_000, secret_length, |length| {
        black_box((0..*length).fold(1_u64, |sum, n| black_box(sum.wrapping_mul(3) ^ n)));
    });
    assert!(is_leak(&found), "{found:?}");
}

/// The same work on the same two groups, but for what depends on them.
#[test]
fn a8_measurement__must_pass_a_function_whose_time_is_always_the_same() {
    let found = differences(2_000, secret_length, |length| {
        black_box((0..LONGEST).fold(*length, |sum, n| black_box(sum.wrapping_mul(3) ^ n)));
    });
    assert!(!is_leak(&found), "{found:?}");
}

const LONGEST: u64 = 20_000;

fn secret_length(is_fixed: bool, random: &mut Random) -> u64 {
    let length = random.next() % (LONGEST / 2);
    if is_fixed { LONGEST } else { length }
}

fn residue(r: &mut Random) -> Residue {
    Residue::from_blocks(r.block(), r.block())
}

fn begin(subject: &str) -> Comparison {
    Comparison::begin(&format!("{subject}, with {:?}", in_use()))
}

#[test]
#[ignore = "a measurement"]
fn a8_hash__must_take_the_same_time_whatever_it_hashes() {
    let mut comparison = begin("correlation-robust hash");
    let hash = Tccr::new(7);
    let inputs =
        |f: bool, r: &mut Random| -> [u128; 16] { std::array::from_fn(|_| pick(f, r.block())) };
    comparison.add("hash", inputs, |inputs| {
        let mut out = [[0; 6]; 16];
        hash.hash(1, 0, inputs, &mut out);
        black_box(out);
    });
    comparison.add("hash (portable)", inputs, |inputs| {
        let mut out = [[0; 6]; 16];
        portable::hash(&hash, (1, 0), inputs, &mut out);
        black_box(out);
    });
    comparison.finish();
}

#[test]
#[ignore = "a measurement"]
fn a8_transpose__must_take_the_same_time_whatever_the_bits() {
    let mut comparison = begin("bit transpose");
    let matrix = |f: bool, r: &mut Random| -> Box<[Row; 128]> {
        let row = |r: &mut Random| std::array::from_fn(|_| pick(f, r.block()));
        Box::new(std::array::from_fn(|_| row(r)))
    };
    type Transpose = fn(&[Row; 128], &mut [u128]);
    let ways: [(&str, Transpose); 2] = [
        ("transpose", transpose),
        ("transpose (portable)", portable::transpose),
    ];
    for (name, by) in ways {
        comparison.add(name, matrix, |rows| {
            let mut columns = [0; 416];
            by(rows, &mut columns);
            black_box(columns);
        });
    }
    comparison.finish();
}

#[test]
#[ignore = "a measurement"]
fn a8_check_hash__must_take_the_same_time_whatever_the_row() {
    let mut comparison = begin("check hash");
    let check = CheckHash::new([3 << 80, 5]);
    let row = |f: bool, r: &mut Random| -> Row { std::array::from_fn(|_| pick(f, r.block())) };
    comparison.add("check hash", row, |row| {
        black_box(check.fold(row));
    });
    comparison.add("check hash (portable)", row, |row| {
        let mut folded = [[0; 2]];
        portable::fold_all(&check, std::slice::from_ref(row), &mut folded);
        black_box(folded);
    });
    comparison.finish();
}

#[test]
#[ignore = "a measurement"]
fn a8_numbers__must_take_the_same_time_whatever_their_values() {
    let mut comparison = begin("numbers modulo the order");
    let pair = |f: bool, r: &mut Random| {
        let (random, other) = (residue(r), residue(r));
        (random.masked(u64::from(f).wrapping_sub(1)), other)
    };
    comparison.add("sum, difference, mask", pair, |(a, b)| {
        for _ in 0..16 {
            black_box(black_box(a).plus(b).minus(a).masked(u64::MAX));
        }
    });
    comparison.add("sum of products", pair, |(a, b)| {
        let mut sum = WideSum::new();
        for _ in 0..16 {
            sum.add_product(black_box(a), b);
        }
        black_box(sum.reduce());
    });
    let bit = |f: bool, r: &mut Random| {
        let bit = r.next() & 1;
        (if f { 0 } else { bit }, residue(r))
    };
    comparison.add("number kept by a secret bit", bit, |(bit, number)| {
        for _ in 0..16 {
            black_box(number.masked(mask(*black_box(bit))));
        }
    });
    comparison.add("inverse", pair, |(number, _)| {
        black_box(number.inverse());
    });
    comparison.finish();
}

#[test]
#[ignore = "a measurement"]
fn a8_base_point__must_take_the_same_time_whatever_the_scalar() {
    let mut comparison = begin("multiple of the base point");
    let scalar = |f: bool, r: &mut Random| {
        let mut bytes = residue(r).to_be_bytes();
        if f {
            bytes = [0; 32];
        }
        bytes[31] |= 1;
        SecretKey::from_secret_bytes(bytes).unwrap()
    };
    let together = |scalar: &SecretKey| multiply_base_many(&[scalar; 3])[2];
    type Multiply = fn(&SecretKey) -> PublicKey;
    let ways: [(&str, Multiply); 3] = [
        ("multiple", multiply_base),
        ("multiple (portable)", portable::multiply_base),
        ("three together", together),
    ];
    for (name, by) in ways {
        comparison.add(name, scalar, |scalar| {
            black_box(by(scalar));
        });
    }
    comparison.finish();
}

#[test]
#[ignore = "a measurement"]
fn a8_products__must_take_the_same_time_whatever_pads_inputs_and_choices() {
    let mut comparison = begin("numbers of the OTs");
    corrections(&mut comparison, "", correct);
    corrections(&mut comparison, " (portable)", portable::correct);
    combinations(&mut comparison, "", combine);
    combinations(&mut comparison, " (portable)", portable::combine);
    comparison.finish();
}

/// Groups of OTs that the rows of products work on.
const GROUPS: usize = 8;

type Correct = fn(&[Group<Triple>], &[Group<Triple>], &[Residue; 3], &mut [Group<TripleBytes>]);
type Combine = fn(
    &[Group<Triple>],
    Option<&Corrections<'_>>,
    &[Group<Residue>],
    &[u128; 2],
    &mut [Group<[u8; 32]>],
    &mut [WideSum; 2],
);

fn triples(is_fixed: bool, r: &mut Random) -> Box<[Group<Triple>; GROUPS]> {
    let block = |r: &mut Random| {
        let random = r.block();
        if is_fixed { u128::MAX } else { random }
    };
    let triple = |r: &mut Random| std::array::from_fn(|_| block(r));
    Box::new(std::array::from_fn(|_| std::array::from_fn(|_| triple(r))))
}

fn corrections(comparison: &mut Comparison, which: &str, correct: Correct) {
    let corrected = |zeros: &[Group<Triple>], ones: &[Group<Triple>], inputs: &[Residue; 3]| {
        let mut out = [[[0; 96]; SIDE_BY_SIDE]; GROUPS];
        correct(zeros, ones, inputs, &mut out);
        black_box(out);
    };
    let mut random = Random::new(100);
    let inputs = std::array::from_fn(|_| residue(&mut random));
    comparison.add(
        &format!("corrections, pads{which}"),
        |f, r| (triples(f, r), triples(!f, r)),
        |(zeros, ones)| corrected(zeros.as_slice(), ones.as_slice(), &inputs),
    );
    // The instance key, the part of the key and the blind, one at a time and together.
    let (zeros, ones) = (triples(false, &mut random), triples(false, &mut random));
    for (name, varied) in [
        ("corrections, instance key", [true, false, false]),
        ("corrections, key part", [false, true, false]),
        ("corrections, blind", [false, false, true]),
        ("corrections, all inputs", [true; 3]),
    ] {
        let input = |f: bool, r: &mut Random| -> [Residue; 3] {
            std::array::from_fn(|k| {
                let kept = u64::from(f && varied[k]).wrapping_sub(1);
                residue(r).masked(kept)
            })
        };
        let run = |inputs: &[Residue; 3]| corrected(zeros.as_slice(), ones.as_slice(), inputs);
        comparison.add(&format!("{name}{which}"), input, run);
    }
}

fn combinations(comparison: &mut Comparison, which: &str, combine: Combine) {
    let mut random = Random::new(101);
    let gadget: [Group<Residue>; GROUPS] =
        std::array::from_fn(|_| std::array::from_fn(|_| residue(&mut random)));
    let (theta, eta) = ([random.block(), random.block()], residue(&mut random));
    let tau = [[[7; 96]; SIDE_BY_SIDE]; GROUPS];
    let combined = |pads: &[Group<Triple>], choices: Option<&[u8; GROUPS]>| {
        let corrections = choices.map(|choices| Corrections {
            choices,
            tau: &tau,
            eta,
        });
        let mut out = [[[0; 32]; SIDE_BY_SIDE]; GROUPS];
        let mut sums = Default::default();
        combine(
            pads,
            corrections.as_ref(),
            &gadget,
            &theta,
            &mut out,
            &mut sums,
        );
        black_box((out, sums.each_ref().map(WideSum::reduce)));
    };
    comparison.add(&format!("combination, pads{which}"), triples, |pads| {
        combined(pads.as_slice(), None);
    });
    let pads = triples(false, &mut random);
    let choices = |f: bool, r: &mut Random| -> [u8; GROUPS] {
        let random = r.next().to_le_bytes();
        if f { [0; GROUPS] } else { random }
    };
    comparison.add(
        &format!("combination, choices{which}"),
        choices,
        |choices| {
            combined(pads.as_slice(), Some(choices));
        },
    );
}
