//! Key generation under any schedule: thousands of seeds, each with its own faults.
//!
//! `QUORATE_SIM_SEEDS` sets how many (10,000 by default, more in `make soak`), and
//! `QUORATE_SIM_FIRST_SEED` where they start. One failing seed prints its events.

#![allow(
    non_snake_case,
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "test names are subject__should_result; tests stop at the first surprise"
)]

#[path = "stage/stage.rs"]
mod stage;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use quorate_crypto::{Ed25519, Group, Secp256k1, SecretName};
use quorate_dkg::DkgOutput;
use quorate_protocol::simulator::{Failure, Outcome, Plan};
use stage::{BOUNDS, secret_behind, simulate};

const DEFAULT_SEEDS: u64 = 10_000;

fn from_env(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .map_or(default, |text| text.parse().expect("a number"))
}

/// The run of a seed: even seeds on secp256k1, odd ones on Ed25519.
fn scenario(seed: u64) -> Result<Outcome<DkgOutput>, Box<Failure>> {
    let plan = Plan::from_seed(seed, BOUNDS);
    if seed.is_multiple_of(2) {
        simulate::<Secp256k1>(plan)
    } else {
        simulate::<Ed25519>(plan)
    }
}

/// Whoever finished holds shares of one key: any t of them interpolate to X and K.
fn assert_is_key<G: Group>(plan: &Plan, outcome: &Outcome<DkgOutput>) {
    let t = usize::from(plan.min_signers);
    let honest = outcome.outputs.iter().filter(|(p, _)| plan.is_honest(**p));
    let shares: BTreeMap<_, _> = honest.map(|(p, o)| (*p, &o.key_share)).take(t).collect();
    if shares.len() < t {
        return;
    }
    let package = shares.values().next().unwrap().package().clone();
    for secret in SecretName::ALL {
        let found = secret_behind::<G>(&shares, secret);
        assert_eq!(found, package.sharing(secret).public_key);
    }
}

#[derive(Default)]
struct Tally {
    runs: u64,
    keys: u64,
    aborts: u64,
    lies: u64,
}

fn run_seed(seed: u64, tally: &mut Tally) {
    let outcome = scenario(seed).unwrap_or_else(|failure| panic!("{failure:?}"));
    let plan = Plan::from_seed(seed, BOUNDS);
    if seed.is_multiple_of(2) {
        assert_is_key::<Secp256k1>(&plan, &outcome);
    } else {
        assert_is_key::<Ed25519>(&plan, &outcome);
    }
    tally.runs += 1;
    for record in outcome.records.values() {
        tally.keys += u64::from(!record.results.is_empty());
        tally.aborts += u64::from(!record.aborts.is_empty());
        tally.lies += u64::from(record.took_a_lie);
    }
    // A part of the seeds runs twice: the log of each must be the same.
    if seed.is_multiple_of(100) {
        let again = |seed| scenario(seed).unwrap().log;
        outcome.log.replay(again).unwrap();
    }
}

#[test]
fn key_generation__should_keep_every_invariant_for_all_seeds() {
    let seeds = from_env("QUORATE_SIM_SEEDS", DEFAULT_SEEDS);
    let first = from_env("QUORATE_SIM_FIRST_SEED", 0);
    let next = AtomicU64::new(first);
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let work = || {
        let mut tally = Tally::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + seeds {
                return tally;
            }
            run_seed(seed, &mut tally);
        }
    };
    let total = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().fold(Tally::default(), |sum, worker| {
            let tally = worker.join().expect("a seed failed, see above");
            Tally {
                runs: sum.runs + tally.runs,
                keys: sum.keys + tally.keys,
                aborts: sum.aborts + tally.aborts,
                lies: sum.lies + tally.lies,
            }
        })
    });
    let Tally {
        runs,
        keys,
        aborts,
        lies,
    } = total;
    println!("{runs} runs: {keys} shares made, {aborts} aborts, {lies} lies refused");
    assert_eq!(runs, seeds);
    // Seeds that only succeed, or only fail, would show nothing.
    if seeds >= 100 {
        assert!(keys > seeds / 2 && aborts > seeds / 2 && lies > seeds / 10);
    }
}
