//! Set-up and signing with whole parties: results, misbehaviour, attack rows, simulation.

#![allow(non_snake_case, reason = "test names are subject__should_result")]
#![allow(missing_docs, reason = "tests")]

mod committee;
mod pump;
mod setup;
mod signing;
