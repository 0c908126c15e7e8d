//! Real leads and the real intent record of nodes, on a model network: thousands of schedules from
//! seeds, with lost, late, doubled and reordered messages, partitions, crashes in the middle of a
//! durable write, a lying node, and a hostile lead. Invariants are checked after every event.
//!
//! `QUORATE_SIM_SEEDS` says how many seeds (10 000), `QUORATE_SIM_SEED` replays one with its log.

#![allow(
    non_snake_case,
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test: names are subject__should_result, and a panic is a failure"
)]

mod broken;
mod disk;
mod history;
mod hostile;
mod invariant;
mod network;
mod node;
mod plan;
mod shell;
mod simulation;
mod toy;

use std::sync::atomic::{AtomicU64, Ordering};

use broken::Broken;
use simulation::{Simulation, Summary};

const DEFAULT_SEEDS: u64 = 10_000;

fn number_from(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn add(total: &AtomicU64, more: u64) {
    total.fetch_add(more, Ordering::Relaxed);
}

/// What all seeds together went through: a simulation in which nothing happens proves nothing.
#[derive(Default)]
struct Totals {
    completed: AtomicU64,
    already_signed: AtomicU64,
    failed: AtomicU64,
    attempts: AtomicU64,
    crashes_in_a_write: AtomicU64,
    replays_refused: AtomicU64,
    bans: AtomicU64,
    lead_crashes: AtomicU64,
}

impl Totals {
    fn count(&self, summary: &Summary) {
        add(&self.completed, summary.completed);
        add(&self.already_signed, summary.already_signed);
        add(&self.failed, summary.failed);
        add(&self.attempts, summary.attempts);
        add(&self.crashes_in_a_write, summary.crashes_in_a_write);
        add(&self.replays_refused, summary.replays_refused);
        add(&self.bans, summary.bans);
        add(&self.lead_crashes, summary.lead_crashes);
    }

    fn all(&self) -> [(&'static str, u64); 8] {
        let read = |total: &AtomicU64| total.load(Ordering::Relaxed);
        [
            ("completed", read(&self.completed)),
            ("already signed", read(&self.already_signed)),
            ("failed", read(&self.failed)),
            ("attempts", read(&self.attempts)),
            ("crashes in a write", read(&self.crashes_in_a_write)),
            ("replays refused", read(&self.replays_refused)),
            ("bans", read(&self.bans)),
            ("crashes of the lead", read(&self.lead_crashes)),
        ]
    }
}

#[test]
fn c1_c3_d7_d10_sessions__should_be_safe_and_live_under_any_schedule() {
    if let Some(seed) = number_from("QUORATE_SIM_SEED") {
        return replay(seed);
    }
    let seeds = number_from("QUORATE_SIM_SEEDS").unwrap_or(DEFAULT_SEEDS);
    let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let next = AtomicU64::new(0);
    let totals = Totals::default();
    let failures = std::thread::scope(|scope| {
        let work = || {
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= seeds {
                    return None;
                }
                match Simulation::new(seed, None).run() {
                    Ok(summary) => totals.count(&summary),
                    Err(violation) => {
                        next.store(seeds, Ordering::Relaxed);
                        return Some((seed, violation));
                    }
                }
            }
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let results = workers.into_iter().map(|worker| worker.join().unwrap());
        results.flatten().collect::<Vec<_>>()
    });
    if let Some((seed, violation)) = failures.first() {
        let mut again = Simulation::new(*seed, None);
        let _ = again.run();
        eprintln!("{}", again.log());
        panic!("seed {seed}: {violation}; replay with QUORATE_SIM_SEED={seed}");
    }
    eprintln!("{seeds} seeds: {:?}", totals.all());
    if seeds >= 1_000 {
        for (what, count) in totals.all() {
            assert!(count > 0, "no seed had any of: {what}");
        }
    }
}

fn replay(seed: u64) {
    let mut simulation = Simulation::new(seed, None);
    let result = simulation.run();
    eprintln!("{}", simulation.log());
    result
        .map(drop)
        .unwrap_or_else(|violation| panic!("seed {seed}: {violation}"));
}

#[test]
fn log__should_replay_from_the_seed() {
    for seed in [3, 1_234, 99_999] {
        let run = || {
            let mut simulation = Simulation::new(seed, None);
            simulation.run().unwrap();
            simulation.log()
        };
        let first = run();
        assert!(first.lines().count() > 10, "{first}");
        assert_eq!(first, run(), "seed {seed}");
    }
}

/// Each invariant is proved able to fail: a deliberately broken run violates it.
fn must_violate(broken: Broken, invariant: &str) {
    const SEEDS: u64 = 3_000;
    let violation = |seed| Simulation::new(seed, Some(broken)).run().err();
    let found = (0..SEEDS)
        .filter_map(violation)
        .any(|found| found.invariant == invariant);
    assert!(found, "{broken:?} went unnoticed in {SEEDS} seeds");
}

#[test]
fn c3_a_node_that_loses_its_record__must_be_noticed() {
    must_violate(Broken::NodeLosesItsRecord, "session_accepted_once");
}

#[test]
fn d7_a_node_that_rebinds_an_intent__must_be_noticed() {
    must_violate(Broken::NodeRebindsAnIntent, "intent_bound_for_ever");
}

#[test]
fn c1_a_node_with_predictable_nonces__must_be_noticed() {
    must_violate(Broken::NodeDerivesItsNonce, "nonce_used_once");
}

#[test]
fn d10_a_node_that_signs_again__must_be_noticed() {
    must_violate(Broken::NodeSignsAgain, "no_attempt_after_a_signature");
}

#[test]
fn a_node_that_takes_any_signer_set__must_be_noticed() {
    must_violate(Broken::NodeTakesAnySigners, "signer_set_is_exact");
}

#[test]
fn d7_a_node_that_ignores_expiry__must_be_noticed() {
    must_violate(Broken::NodeIgnoresExpiry, "no_attempt_after_expiry");
}

#[test]
fn c12_a_node_that_forgets_bans__must_be_noticed() {
    must_violate(Broken::NodeForgetsBans, "banned_pair_never_together");
}

#[test]
fn a_lead_that_forgets_its_end__must_be_noticed() {
    must_violate(Broken::LeadForgetsOutcomes, "act_ends_once");
}

#[test]
fn a_shell_that_does_not_verify__must_be_noticed() {
    must_violate(Broken::ShellTrustsResults, "result_is_valid");
}

#[test]
fn a_shell_with_a_stale_view__must_be_noticed() {
    must_violate(Broken::ShellMissesReturns, "missing_nodes_are_missing");
}

#[test]
fn a_lead_without_a_clock__must_be_noticed() {
    must_violate(Broken::ShellNeverTicks, "liveness");
}
