//! What key generation costs a party: CPU time and bytes sent.
//!
//! `cargo run --release -p quorate-dkg --example dkg_cost`

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a benchmark prints, and stops at the first surprise"
)]

#[path = "../tests/stage/stage.rs"]
mod stage;

use std::time::Instant;

use quorate_crypto::{Ed25519, Group, Secp256k1};
use quorate_protocol::simulator::Plan;
use stage::simulate;

const RUNS: u32 = 9;

fn measure<G: Group>(min_signers: u8, parties: u8) {
    let mut times_ms = Vec::new();
    let mut bytes = 0;
    for run in 0..RUNS {
        let plan = Plan::honest(run.into(), parties, min_signers);
        let start = Instant::now();
        let outcome = simulate::<G>(plan).unwrap();
        times_ms.push(start.elapsed().as_secs_f64() * 1000.0 / f64::from(parties));
        let sent = outcome.records.values().map(|record| record.bytes_sent);
        bytes = sent.max().unwrap();
    }
    times_ms.sort_by(f64::total_cmp);
    let median_ms = times_ms.get(times_ms.len() / 2).unwrap();
    println!(
        "{:<10} {min_signers:>2} of {parties:<2}  {median_ms:>8.2} ms a party  {bytes:>7} bytes sent by a party",
        G::CURVE.as_str()
    );
}

fn main() {
    println!(
        "Key generation, all rounds, signatures and simulator included; median of {RUNS} runs"
    );
    for (min_signers, parties) in [(2, 3), (3, 5), (10, 20)] {
        measure::<Secp256k1>(min_signers, parties);
        measure::<Ed25519>(min_signers, parties);
    }
}
