//! Signing with whole parties: results, misbehaviour, attack rows, simulation.

#![allow(non_snake_case, reason = "test names are subject__should_result")]
#![allow(missing_docs, reason = "tests")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "helpers of tests are tests"
)]

mod c7;
mod committee;
mod engine;
mod misbehaviour;
mod pump;
mod rfc9591;
mod shelf;
mod signing;
mod simulation;
mod stock;
mod stocked;
