//! Real participant processes under a coordinator double: what works, what is refused, what a
//! byzantine participant (feature `danger_byzantine`) and crashes cannot do.
#![allow(non_snake_case, reason = "test names are subject__should_result")]
#![allow(missing_docs, reason = "tests")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests are tests"
)]

#[cfg(feature = "danger_byzantine")]
mod certificate_carried;
#[cfg(feature = "danger_byzantine")]
mod concurrent_guesses;
#[cfg(feature = "danger_byzantine")]
mod crashes;
mod damage;
mod deaf_coordinator;
mod faults;
mod frost;
mod hostile_coordinator;
#[cfg(feature = "danger_byzantine")]
mod housekeeping_flood;
mod identities;
#[cfg(feature = "danger_byzantine")]
mod key_generation_attacks;
#[cfg(feature = "danger_byzantine")]
mod lift_ban;
mod links_awaited;
mod long_rounds;
#[cfg(feature = "danger_byzantine")]
mod pair_crashes;
mod pair_states;
mod relay;
mod revocation;
mod secrets;
#[cfg(feature = "danger_byzantine")]
mod settlement_attacks;
mod several_inputs;
mod signing;
#[cfg(feature = "danger_byzantine")]
mod signing_attacks;
mod split_sessions;
mod stocked;
mod support;
