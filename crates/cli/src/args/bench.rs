use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::key::CommitteeArgs;

/// `quorate bench …`
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// What is measured.
    #[command(subcommand)]
    pub action: BenchAction,
}

/// `quorate bench ACTION …`
#[derive(Debug, Subcommand)]
pub enum BenchAction {
    /// Signatures, each one verified: EIP-1559 transfers, or raw messages for other schemes
    Sign {
        #[command(flatten)]
        /// How much load.
        load: LoadArgs,
        /// Sign with this key instead of a new one; its chain must be ethereum-local (ECDSA) or none
        #[arg(long, value_name = "KEY")]
        key: Option<String>,
        /// Open loop: start so many signatures a second, whatever becomes of them
        #[arg(long, value_name = "PER_SECOND")]
        rate: Option<f64>,
        /// Signatures asked for in one request, by POST /sign/batch
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=100))]
        batch: Option<u8>,
    },
    /// Creation of keys, each certificate verified
    Keygen {
        #[command(flatten)]
        /// How much load.
        load: LoadArgs,
    },
}

/// How much load, on what.
#[derive(Debug, Clone, Args)]
pub struct LoadArgs {
    #[command(flatten)]
    /// Who holds the shares of the key.
    pub committee: CommitteeArgs,
    /// Scheme of the key: ECDSA, EdDSA or Schnorr
    #[arg(long, default_value = "ECDSA")]
    pub algorithm: String,
    /// Requests in flight; one measurement for each. 1 is the latency of an idle cluster
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "1,16",
        value_name = "N,…"
    )]
    pub concurrency: Vec<usize>,
    /// Length of each measurement
    #[arg(long, default_value_t = 10, value_name = "S")]
    pub seconds: u64,
    /// Time before each measurement whose results do not count
    #[arg(long, default_value_t = 2, value_name = "S")]
    pub warmup: u64,
    /// Write the JSON report to this file too
    #[arg(long, value_name = "FILE")]
    pub save: Option<PathBuf>,
    /// Processes whose CPU time is reported: JSON, name to pid [env: QUORATE_PIDS]
    #[arg(long, value_name = "FILE")]
    pub pids: Option<PathBuf>,
}
