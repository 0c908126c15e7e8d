//! Set-up and signing with whole parties: results, misbehaviour, attack rows, simulation.

#![allow(non_snake_case, reason = "test names are subject__should_result")]
#![allow(missing_docs, reason = "tests")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests are tests"
)]

mod allocations;
mod c12;
mod committee;
mod independent;
mod inputs;
mod misbehaviour;
mod pump;
mod retries;
mod setup;
mod share;
mod signing;
mod simulation;
mod versions;
