//! What set-up and signing cost one party: milliseconds of CPU and bytes sent, driver included.
//! Linux only (`/proc/thread-self/schedstat`).
//!
//! `cargo run --release -p quorate-dkls23 --example sign_cost`

#![allow(clippy::print_stdout, reason = "its output is its purpose")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "an experiment, not a product"
)]

#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../tests/suite/committee.rs"]
mod committee;
#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../tests/suite/pump.rs"]
mod pump;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use committee::{Committee, digest, index};
use pump::Lie;
use quorate_dkls23::{CheckedShare, PairSetup, PairState, Sign};
use quorate_types::PartyIndex;

const SIGNATURES: u32 = 1000;
const LOADS: usize = 20;

fn main() {
    println!(
        "{:<22} {:>14} {:>16}",
        "", "ms per party", "bytes per party"
    );
    set_up();
    for (t, n) in [(2, 3), (3, 5), (5, 9)] {
        let committee = Committee::new(t, n);
        let signers: Vec<PartyIndex> = (1..=u8::try_from(t).unwrap()).map(index).collect();
        sign(&committee, &signers);
        share(&committee, t, n);
    }
}

fn row(what: &str, ms: f64, bytes: usize) {
    println!("{what:<22} {ms:>14.3} {bytes:>16}");
}

/// CPU time of this thread, on which all parties run.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(stat.split(' ').next().unwrap().parse().unwrap())
}

fn ms_each(started: Duration, parties: usize) -> f64 {
    let parties = u32::try_from(parties).unwrap();
    (cpu() - started).as_secs_f64() * 1000.0 / f64::from(parties)
}

/// Changes nothing and counts the bytes of all bodies; a broadcast counts for each recipient.
fn counting(members: &[PartyIndex]) -> (Rc<Cell<usize>>, BTreeMap<PartyIndex, Lie>) {
    let (counter, others) = (Rc::new(Cell::new(0)), members.len() - 1);
    let count = |total: Rc<Cell<usize>>| -> Lie {
        Rc::new(move |_, to, body| {
            let copies = if to.is_some() { 1 } else { others };
            total.set(total.get() + copies * body.len());
        })
    };
    let lies = members.iter().map(|m| (*m, count(Rc::clone(&counter))));
    (Rc::clone(&counter), lies.collect())
}

fn set_up() {
    let members = [index(1), index(2)];
    let (counter, lies) = counting(&members);
    let started = cpu();
    for number in 0..10 {
        let outcomes = pump::run_with(&members, 2, [number; 16], &lies, |roster, context, rng| {
            PairSetup::start(roster, context, rng).unwrap()
        });
        assert!(outcomes.values().all(Result::is_ok));
    }
    row("set-up of a pair", ms_each(started, 20), counter.get() / 20);
}

fn sign(committee: &Committee, signers: &[PartyIndex]) {
    let (counter, lies) = counting(signers);
    let t = committee.min_signers();
    let started = cpu();
    for number in 0..SIGNATURES {
        let message = digest(&number.to_string());
        let mut session = [0; 16];
        session[..4].copy_from_slice(&number.to_be_bytes());
        let outcomes = pump::run_with(signers, t, session, &lies, |roster, context, rng| {
            let me = roster.me();
            let (share, pairs) = (&committee.shares[&me], &committee.pairs[&me]);
            Sign::start(roster, context, share, pairs, message, rng).unwrap()
        });
        assert!(outcomes.values().all(Result::is_ok));
    }
    let runs = usize::try_from(SIGNATURES).unwrap();
    let ms = ms_each(started, signers.len() * runs);
    let n = committee.threshold.max_signers();
    row(
        &format!("sign {t} of {n}"),
        ms,
        counter.get() / signers.len() / runs,
    );
}

fn share(committee: &Committee, t: u64, n: u64) {
    let input = committee::deal(t, n, 7).remove(&index(1)).unwrap();
    let started = cpu();
    for _ in 0..LOADS {
        CheckedShare::new(&input).unwrap();
    }
    row(
        &format!("check share {t} of {n}"),
        ms_each(started, LOADS),
        0,
    );
    let bytes = committee.pairs[&index(1)][&index(2)].to_secret_bytes();
    let started = cpu();
    for _ in 0..LOADS {
        PairState::from_secret_bytes(&bytes).unwrap();
    }
    row("load a pair", ms_each(started, LOADS), bytes.len());
}
