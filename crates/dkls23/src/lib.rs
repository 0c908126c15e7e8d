//! Threshold ECDSA over secp256k1 by DKLs23: OT set-up on our own shares, and signing.
//!
//! The mathematics is the `dkls23` crate's; here are what it is fed, what it may say to whom, how
//! its aborts become verdicts, and what is checked before a signature leaves. Two protocols for the
//! driver of `quorate-protocol`:
//!
//! - [`Setup`]: once per pair of parties, makes the [`PairSetups`] that belong to a share. The
//!   share itself is neither read nor changed.
//! - [`Sign`]: one signature by exactly `min_signers` parties.
//!
//! Specification: `docs/protocols/dkls23.md`.
//!
//! Architecture invariant: no clock, no IO. Randomness of the engine is its own (a ChaCha generator
//! that the operating system seeds); see `docs/limits.md`.

#![cfg_attr(
    test,
    allow(non_snake_case, reason = "test names are subject__should_result")
)]

mod engine;
mod pair;
mod setup;
mod share;
mod sign;
mod verdict;
mod wire;

pub use pair::{MAX_PAIR_SETUP, PairSetup, PairSetups};
pub use setup::Setup;
pub use share::{CheckedShare, InvalidShare, ShareInput};
pub use sign::Sign;
pub use verdict::ban_targets;

#[cfg(test)]
mod tests {
    #[test]
    fn phases_and_state__should_be_able_to_move_to_worker_threads() {
        fn is_send<T: Send + 'static>() {}
        fn is_shared<T: Send + Sync + 'static>() {}
        is_send::<crate::Setup>();
        is_send::<crate::Sign>();
        is_shared::<crate::CheckedShare>();
        is_shared::<crate::PairSetups>();
    }
}
