//! Signing sessions of three real participants under a coordinator double, without gateway and
//! store: what the nodes alone cost.
//!
//! `cargo run --release -p quorate-participant --example sessions_per_second [seconds] [in flight…]`

#![allow(clippy::print_stdout, reason = "a benchmark prints its result")]

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use quorate_testkit::{Cluster, CoordinatorDouble, Options, Outcome, Proposal, eip1559_transfer};
use quorate_types::KeyId;

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let seconds: u64 = arguments.next().map_or(Ok(5), |text| text.parse())?;
    let mut in_flight: Vec<usize> = arguments
        .map(|text| text.parse())
        .collect::<Result<_, _>>()?;
    if in_flight.is_empty() {
        in_flight = vec![1, 16];
    }
    let binary = std::env::current_exe()?;
    let binary = binary
        .parent()
        .and_then(|p| p.parent())
        .context("target folder")?;
    let binary = binary.join("quorate-participant").display().to_string();
    let cluster = Cluster::start(Options::new(&binary, 3)).await?;
    let mut doubles = cluster.connect_all().await?;
    let started = Instant::now();
    let key = create(&cluster, &mut doubles).await?;
    println!(
        "keygen 2-of-3: {:.0} ms",
        started.elapsed().as_secs_f64() * 1e3
    );
    let mut nonce = 0;
    for level in in_flight {
        measure(
            &cluster,
            &mut doubles,
            key,
            level,
            Duration::from_secs(seconds),
            &mut nonce,
        )
        .await?;
    }
    Ok(())
}

async fn create(cluster: &Cluster, doubles: &mut [CoordinatorDouble]) -> Result<KeyId> {
    let intent = cluster.client.create(&cluster.node_ids(), 2)?;
    let proposal = Proposal::new(intent, &[])?;
    for double in doubles.iter() {
        double.open(&proposal).await?;
    }
    let mut key = None;
    for double in doubles.iter_mut() {
        match double.outcome(proposal.session).await? {
            Outcome::Created(certificate) => key = Some(certificate.statement.key),
            other => bail!("not created: {other:?}"),
        }
    }
    key.context("no certificate")
}

async fn measure(
    cluster: &Cluster,
    doubles: &mut [CoordinatorDouble],
    key: KeyId,
    level: usize,
    time: Duration,
    nonce: &mut u64,
) -> Result<()> {
    let before = cpu(doubles).await?;
    let (start, mut latencies) = (Instant::now(), Vec::new());
    while start.elapsed() < time {
        let mut wave = Vec::new();
        for _ in 0..level {
            *nonce += 1;
            let payload = eip1559_transfer(*nonce, [0x11; 20], 1_000);
            let proposal = Proposal::new(cluster.client.sign(key, payload)?, &[1, 2])?;
            for double in doubles.iter().take(2) {
                double.open(&proposal).await?;
            }
            wave.push((proposal.session, Instant::now()));
        }
        for (session, opened) in wave {
            for double in doubles.iter_mut().take(2) {
                let outcome = double.outcome(session).await?;
                if !matches!(outcome, Outcome::Signed(_)) {
                    bail!("not signed: {outcome:?}");
                }
            }
            latencies.push(opened.elapsed());
        }
    }
    let (wall, after) = (start.elapsed().as_secs_f64(), cpu(doubles).await?);
    latencies.sort_unstable();
    let count = latencies.len();
    let at = |share: usize| {
        latencies
            .get(count * share / 100)
            .map_or(0.0, |latency| latency.as_secs_f64() * 1e3)
    };
    println!(
        "{level:>4} in flight: {:.1}/s  p50 {:.1} ms  p99 {:.1} ms  node CPU {:.2} ms/signature",
        count as f64 / wall,
        at(50),
        at(99),
        (after - before) * 1e3 / count as f64,
    );
    Ok(())
}

async fn cpu(doubles: &mut [CoordinatorDouble]) -> Result<f64> {
    let mut sum = 0.0;
    for double in doubles {
        sum += double.heartbeat().await?.cpu_seconds;
    }
    Ok(sum)
}
