//! Does the time of a function depend on its secrets? After Reparaz, Balasch, Verbauwhede, *Dude, is
//! my code constant time?* (eprint 2016/1123).
//!
//! A function runs many times, in random order, on one fixed secret and on random ones; Welch's t
//! compares the two groups, whole and without their slowest runs. A leak is there every time, noise
//! is not: only a difference that all repetitions find counts.
//!
//! In a file without names of any crate, since crates whose functions are private include it by path.

use std::hint::black_box;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Runs in one repetition.
pub(crate) const RUNS: usize = 60_000;
const REPETITIONS: u64 = 3;
/// |t| above it is a difference. Another 4.5 is usual; under the load of other work that is noise.
const LIMIT: f64 = 10.0;
const SUSPICIOUS: f64 = 4.5;
/// Percent of all runs, the quickest, that are kept: interruptions are not the function's.
const CUTS: [usize; 4] = [100, 99, 90, 50];

/// Tests of one process measure one after the other.
static ALONE: Mutex<()> = Mutex::new(());

/// SplitMix64: repeatable, and good enough to choose groups and inputs.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn block(&mut self) -> u128 {
        u128::from(self.next()) << 64 | u128::from(self.next())
    }
}

/// Comparisons of functions of one subject, with a function that leaks as the first.
pub(crate) struct Comparison {
    leaks: Vec<String>,
    _alone: MutexGuard<'static, ()>,
}

impl Comparison {
    /// # Panics
    /// If the planted leak is not found: the machine is too busy, or its clock too coarse, to tell
    /// anything.
    pub(crate) fn begin(subject: &str) -> Self {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        println!("{subject}: {RUNS} runs in a repetition, |t| of up to {REPETITIONS}");
        // Leaves early at the first number that is not zero: some nanoseconds.
        let control = differences(
            RUNS,
            |is_fixed, random| std::array::from_fn(|_| pick(is_fixed, random.block())),
            |numbers: &[u128; 16]| {
                black_box(numbers.iter().position(|number| *number != 0));
            },
        );
        report("control (leaky on purpose)", &control);
        assert!(
            is_leak(&control),
            "this run can tell nothing: it did not find the planted leak"
        );
        Self {
            leaks: Vec::new(),
            _alone: alone,
        }
    }

    /// Compares what `run` takes on inputs of `make(true)`, all the same, and `make(false)`.
    pub(crate) fn add<I>(
        &mut self,
        name: &str,
        make: impl FnMut(bool, &mut Random) -> I,
        run: impl Fn(&I),
    ) {
        let found = differences(RUNS, make, run);
        report(name, &found);
        if is_leak(&found) {
            self.leaks.push(name.to_owned());
        }
    }

    /// # Panics
    /// If a function leaks.
    pub(crate) fn finish(self) {
        assert!(
            self.leaks.is_empty(),
            "times depend on secrets: {}",
            self.leaks.join(", ")
        );
    }
}

/// Zero in the fixed group.
pub(crate) fn pick(is_fixed: bool, value: u128) -> u128 {
    if is_fixed { 0 } else { value }
}

/// |t| of each repetition, until one finds no difference.
pub(crate) fn differences<I>(
    runs: usize,
    mut make: impl FnMut(bool, &mut Random) -> I,
    run: impl Fn(&I),
) -> Vec<f64> {
    let mut found = Vec::new();
    for repetition in 0..REPETITIONS {
        // Other inputs and another order each time.
        found.push(measure(runs, Random::new(repetition), &mut make, &run));
        if found.last().is_some_and(|t| *t <= LIMIT) {
            break;
        }
    }
    found
}

/// Whether all repetitions found a difference.
pub(crate) fn is_leak(differences: &[f64]) -> bool {
    u64::try_from(differences.len()) == Ok(REPETITIONS) && differences.iter().all(|t| *t > LIMIT)
}

fn report(name: &str, differences: &[f64]) {
    let least = differences.iter().copied().fold(f64::INFINITY, f64::min);
    let verdict = match least {
        _ if is_leak(differences) => "DIFFERS",
        t if t > SUSPICIOUS => "suspicious: repeat on a quiet machine",
        _ => "no difference seen",
    };
    let all: Vec<String> = differences.iter().map(|t| format!("{t:.2}")).collect();
    println!("  {name:<40} {:<26} {verdict}", all.join(", "));
}

/// Largest |t| over all cuts.
fn measure<I>(
    runs: usize,
    mut random: Random,
    make: &mut impl FnMut(bool, &mut Random) -> I,
    run: &impl Fn(&I),
) -> f64 {
    let mut times: [Vec<f64>; 2] = Default::default();
    for _ in 0..runs {
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
            let kept = group.iter().copied().filter(|time| *time <= limit);
            kept.collect()
        };
        welch(&below(&times[0]), &below(&times[1])).abs()
    };
    CUTS.into_iter().map(cut).fold(0.0, f64::max)
}

/// Welch's t. Where a cut leaves less than two runs of a group, the other has all that are quick.
pub(crate) fn welch(a: &[f64], b: &[f64]) -> f64 {
    if a.len() < 2 || b.len() < 2 {
        return f64::INFINITY;
    }
    let moments = |group: &[f64]| {
        let n = f64::from(u32::try_from(group.len()).unwrap());
        let mean = group.iter().sum::<f64>() / n;
        let variance = group.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
        (mean, variance / n)
    };
    let ((mean_a, error_a), (mean_b, error_b)) = (moments(a), moments(b));
    (mean_a - mean_b) / (error_a + error_b).sqrt().max(f64::MIN_POSITIVE)
}
