//! `quorate-bench`: what the engines cost alone, without links, storage or decisions, and what
//! those of others cost in the same run. Every signature that is measured is verified, outside of
//! what is measured; one that is not valid ends the run.
//!
//! How and what for: `docs/performance.md`. Development only: it plays all parties on one thread,
//! so it holds all shares of its keys.

#![cfg_attr(
    test,
    allow(non_snake_case, reason = "test names are subject__should_result")
)]
#![allow(clippy::print_stdout, reason = "its output is its purpose")]

mod cpu;
mod ecdsa;
mod kernels;
mod keygen;
// One description of the machine in all reports, without an edge to the crate of the command.
#[path = "../../cli/src/bench/machine.rs"]
mod machine;
mod others;
mod report;
mod schnorr;
mod stage;

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Parser;

use cpu::Effort;
use report::EngineReport;
use stage::Stage;

/// Measures the engines alone, and others beside them.
#[derive(Debug, Parser)]
#[command(name = "quorate-bench", version)]
struct Arguments {
    /// Write the figures as JSON.
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Measure everything, but briefly: the figures are rough.
    #[arg(long)]
    quick: bool,
    /// Measure only this: for work on the engine.
    #[arg(long, value_enum)]
    only: Option<Part>,
}

/// A part of what is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// The inner loops.
    Kernels,
    /// Our ECDSA signer of 2-of-3.
    Signer,
}

fn main() -> anyhow::Result<()> {
    let Arguments { save, quick, only } = Arguments::parse();
    let effort = if quick { Effort::QUICK } else { Effort::FULL };
    let (mut report, mut stage) = (EngineReport::new(quick), Stage::new());

    if only != Some(Part::Signer) {
        kernels::measure(effort, &mut stage, &mut report).context("kernels")?;
    }
    match only {
        Some(Part::Kernels) => {}
        Some(Part::Signer) => {
            ecdsa::measure_signer(effort, &mut stage, &mut report).context("ECDSA")?;
        }
        None => {
            keygen::measure(effort, &mut stage, &mut report).context("key generation")?;
            ecdsa::measure(effort, &mut stage, &mut report).context("ECDSA")?;
            schnorr::measure(effort, &mut stage, &mut report).context("Schnorr")?;
        }
    }

    report.finish();
    println!("{}", report.table());
    if let Some(path) = save {
        let mut json = serde_json::to_vec_pretty(&report)?;
        json.push(b'\n');
        std::fs::write(&path, json).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}
