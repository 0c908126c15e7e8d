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
use quorate_dkls23::{CheckedShare, PairSetups, Setup, Sign};
use quorate_types::PartyIndex;

const SIGNATURES: u32 = 100;
const LOADS: usize = 20;

fn main() {
    println!(
        "{:<22} {:>14} {:>16}",
        "", "ms per party", "bytes per party"
    );
    for (t, n) in [(2, 3), (3, 5)] {
        let committee = set_up(t, n);
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

fn set_up(t: u64, n: u64) -> Committee {
    let inputs = committee::deal(t, n, 7);
    let members: Vec<PartyIndex> = inputs.keys().copied().collect();
    let (counter, lies) = counting(&members);
    let started = cpu();
    let setups = pump::run_with(&members, t, [1; 16], &lies, |roster, context| {
        Setup::start(roster, context)
    });
    let ms = ms_each(started, members.len());
    row(
        &format!("set-up {t} of {n}"),
        ms,
        counter.get() / members.len(),
    );
    Committee::from_parts(t, n, &inputs, setups)
}

fn sign(committee: &Committee, signers: &[PartyIndex]) {
    let (counter, lies) = counting(signers);
    let t = committee.min_signers();
    let started = cpu();
    for number in 0..SIGNATURES {
        let message = digest(&number.to_string());
        let mut session = [0; 16];
        session[..4].copy_from_slice(&number.to_be_bytes());
        let outcomes = pump::run_with(signers, t, session, &lies, |roster, context| {
            let me = roster.me();
            let (share, setups) = (&committee.shares[&me], &committee.setups[&me]);
            Sign::start(roster, context, share, setups, message).unwrap()
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
    let bytes = committee.setups[&index(1)].to_secret_bytes();
    let started = cpu();
    for _ in 0..LOADS {
        PairSetups::from_secret_bytes(&bytes).unwrap();
    }
    row(
        &format!("load pairs {t} of {n}"),
        ms_each(started, LOADS),
        bytes.len(),
    );
}
