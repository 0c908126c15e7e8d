//! Does the time of a kernel depend on its secrets? Row A8, after Reparaz, Balasch, Verbauwhede,
//! *Dude, is my code constant time?* (eprint 2016/1123).
//!
//! Each kernel runs many times, in random order, on one fixed secret and on random ones; Welch's t
//! compares the two groups, whole and without their slowest runs. |t| above 4.5 says that the times
//! differ; above 10, that they differ for certain. A deliberately leaky function shows that the
//! measurement can fail. Measure on a quiet machine. Rows "(portable)" are of the twins that are
//! used where the processor has no wide instructions or fails their self-test.
//!
//! `cargo run --release -p quorate-kernels --example timing`

#![allow(clippy::print_stdout, reason = "its output is its purpose")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "an experiment, not a product"
)]

use std::hint::black_box;
use std::time::Instant;

use quorate_kernels::{
    CheckHash, Corrections, Group, Residue, Row, SIDE_BY_SIDE, Tccr, Triple, TripleBytes, WideSum,
    combine, correct, in_use, multiply_base, multiply_base_many, portable, transpose,
};
use secp256k1::{PublicKey, SecretKey};

const RUNS: usize = 60_000;
/// Percent of all runs, the quickest, that are kept: interruptions are not the kernel's.
const CUTS: [usize; 4] = [100, 99, 90, 50];

/// SplitMix64: repeatable, and good enough to choose groups and inputs.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn block(&mut self) -> u128 {
        u128::from(self.next()) << 64 | u128::from(self.next())
    }

    fn residue(&mut self) -> Residue {
        Residue::from_blocks(self.block(), self.block())
    }
}

/// Largest |t| over all cuts of what `run` takes on inputs of `make(is_fixed)`.
fn measure<I>(mut make: impl FnMut(bool, &mut Random) -> I, run: impl Fn(&I)) -> f64 {
    let mut random = Random(1);
    let mut times: [Vec<f64>; 2] = Default::default();
    for _ in 0..RUNS {
        let is_fixed = random.next() & 1 == 1;
        let input = make(is_fixed, &mut random);
        let started = Instant::now();
        run(black_box(&input));
        let nanoseconds = started.elapsed().as_nanos();
        times[usize::from(is_fixed)]
            .push(f64::from(u32::try_from(nanoseconds).unwrap_or(u32::MAX)));
    }
    let mut all = times.concat();
    all.sort_by(f64::total_cmp);
    let cut = |percent: usize| {
        let kept = all.len() * percent / 100;
        let limit = all[kept.max(1) - 1];
        let below = |group: &[f64]| -> Vec<f64> {
            group
                .iter()
                .copied()
                .filter(|time| *time <= limit)
                .collect()
        };
        welch(&below(&times[0]), &below(&times[1])).abs()
    };
    CUTS.into_iter().map(cut).fold(0.0, f64::max)
}

fn welch(a: &[f64], b: &[f64]) -> f64 {
    let moments = |group: &[f64]| {
        let n = f64::from(u32::try_from(group.len()).unwrap());
        let mean = group.iter().sum::<f64>() / n;
        let variance = group.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
        (mean, variance / n)
    };
    let ((mean_a, error_a), (mean_b, error_b)) = (moments(a), moments(b));
    (mean_a - mean_b) / (error_a + error_b).sqrt().max(f64::MIN_POSITIVE)
}

fn report(name: &str, t: f64) {
    let verdict = match t {
        t if t > 10.0 => "DIFFERS",
        t if t > 4.5 => "suspicious: repeat on a quiet machine",
        _ => "no difference seen",
    };
    println!("{name:<40} |t| = {t:>8.2}  {verdict}");
}

fn main() {
    println!("{RUNS} runs each; |t| up to 4.5 is no difference");
    println!("{:?}", in_use());
    let pick = |is_fixed: bool, value: u128| if is_fixed { 0 } else { value };

    // The control: leaves early at the first byte that is not zero.
    let leaky = |block: &[u128; 64]| {
        black_box(block.iter().position(|word| *word != 0));
    };
    report(
        "control (leaky on purpose)",
        measure(|f, r| std::array::from_fn(|_| pick(f, r.block())), leaky),
    );

    let hash = Tccr::new(7);
    report(
        "correlation-robust hash",
        measure(
            |f, r| -> [u128; 16] { std::array::from_fn(|_| pick(f, r.block())) },
            |inputs| {
                let mut out = [[0; 6]; 16];
                hash.hash(1, 0, inputs, &mut out);
                black_box(out);
            },
        ),
    );
    report(
        "  (portable)",
        measure(
            |f, r| -> [u128; 16] { std::array::from_fn(|_| pick(f, r.block())) },
            |inputs| {
                let mut out = [[0; 6]; 16];
                portable::hash(&hash, (1, 0), inputs, &mut out);
                black_box(out);
            },
        ),
    );
    let matrix = |f: bool, r: &mut Random| -> Box<[Row; 128]> {
        let row = |r: &mut Random| std::array::from_fn(|_| pick(f, r.block()));
        Box::new(std::array::from_fn(|_| row(r)))
    };
    let transposed = |by: fn(&[Row; 128], &mut [u128])| {
        measure(matrix, |rows| {
            let mut columns = [0; 416];
            by(rows, &mut columns);
            black_box(columns);
        })
    };
    report("bit transpose", transposed(transpose));
    report("  (portable)", transposed(portable::transpose));
    let check = CheckHash::new([3 << 80, 5]);
    report(
        "check hash",
        measure(
            |f, r| -> Row { std::array::from_fn(|_| pick(f, r.block())) },
            |row| {
                black_box(check.fold(row));
            },
        ),
    );
    report(
        "  (portable)",
        measure(
            |f, r| -> Row { std::array::from_fn(|_| pick(f, r.block())) },
            |row| {
                let mut folded = [[0; 2]];
                portable::fold_all(&check, std::slice::from_ref(row), &mut folded);
                black_box(folded);
            },
        ),
    );
    let pair = |f: bool, r: &mut Random| {
        let (random, other) = (r.residue(), r.residue());
        (random.masked(u64::from(f).wrapping_sub(1)), other)
    };
    report(
        "sum, difference, mask",
        measure(pair, |(a, b)| {
            for _ in 0..16 {
                black_box(black_box(a).plus(b).minus(a).masked(u64::MAX));
            }
        }),
    );
    report(
        "sum of products",
        measure(pair, |(a, b)| {
            let mut sum = WideSum::new();
            for _ in 0..16 {
                sum.add_product(black_box(a), b);
            }
            black_box(sum.reduce());
        }),
    );
    products("", correct, combine);
    products(" (portable)", portable::correct, portable::combine);
    let multiplied = |by: fn(&SecretKey) -> PublicKey| {
        let scalar = |f: bool, r: &mut Random| {
            let mut bytes = r.residue().to_be_bytes();
            if f {
                bytes = [0; 32];
            }
            bytes[31] |= 1;
            SecretKey::from_secret_bytes(bytes).unwrap()
        };
        measure(scalar, |scalar| {
            black_box(by(scalar));
        })
    };
    report("multiple of the base point", multiplied(multiply_base));
    report("  (portable)", multiplied(portable::multiply_base));
    let together = |scalar: &SecretKey| {
        let points = multiply_base_many(&[scalar; 3]);
        points[2]
    };
    report("three of them together", multiplied(together));
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

/// Rows of the three numbers of each OT, all OTs at once.
fn products(which: &str, correct: Correct, combine: Combine) {
    let report = |name: &str, t| report(&format!("{name}{which}"), t);
    let triples = |is_fixed: bool, r: &mut Random| -> Box<[Group<Triple>; GROUPS]> {
        let block = |r: &mut Random| {
            let random = r.block();
            if is_fixed { u128::MAX } else { random }
        };
        let triple = |r: &mut Random| std::array::from_fn(|_| block(r));
        Box::new(std::array::from_fn(|_| std::array::from_fn(|_| triple(r))))
    };
    let corrected = |zeros: &[Group<Triple>], ones: &[Group<Triple>], inputs: &[Residue; 3]| {
        let mut out = [[[0; 96]; SIDE_BY_SIDE]; GROUPS];
        correct(zeros, ones, inputs, &mut out);
        black_box(out);
    };
    let mut random = Random(2);
    let inputs = std::array::from_fn(|_| random.residue());
    report(
        "corrections, pads",
        measure(
            |f, r| (triples(f, r), triples(!f, r)),
            |(zeros, ones)| corrected(zeros.as_slice(), ones.as_slice(), &inputs),
        ),
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
                r.residue().masked(kept)
            })
        };
        let run = |inputs: &[Residue; 3]| corrected(zeros.as_slice(), ones.as_slice(), inputs);
        report(name, measure(input, run));
    }
    let gadget: [Group<Residue>; GROUPS] =
        std::array::from_fn(|_| std::array::from_fn(|_| random.residue()));
    let (theta, eta) = ([random.block(), random.block()], random.residue());
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
    report(
        "combination, pads",
        measure(triples, |pads| combined(pads.as_slice(), None)),
    );
    let pads = triples(false, &mut random);
    report(
        "combination, choices",
        measure(
            |f, r| -> [u8; GROUPS] {
                let random = r.next().to_le_bytes();
                if f { [0; GROUPS] } else { random }
            },
            |choices| combined(pads.as_slice(), Some(choices)),
        ),
    );
}
