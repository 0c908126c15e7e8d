//! The `quorate` command: a user's and operator's tool, and the coordinator's process.
//!
//! It believes no answer: key certificates, addresses and signatures are checked with the manifest
//! and public keys alone before they are shown ([`check`]).
//!
//! Architecture invariant: this crate cannot name a secret type of a share, not even through a
//! dependency. The only secrets that it holds are the caller's own.

#![cfg_attr(
    test,
    allow(non_snake_case, reason = "test names are subject__should_result")
)]

mod amount;
pub mod args;
pub mod bench;
mod bitcoin_tx;
pub mod check;
mod clock;
pub mod commands;
pub mod config;
pub mod console;
pub mod coordinator;
pub mod dev;
mod enroll;
mod error;
mod ethereum_tx;
pub mod http;
pub mod intents;
mod secret_file;
mod solana_tx;

pub use error::{CliError, ExitCode, Refusal};
