//! Threshold ECDSA over secp256k1 by DKLs23: set-up of pairs of nodes, and signing.
//!
//! Two protocols for the driver of `quorate-protocol`:
//!
//! - [`PairSetup`]: once per pair of nodes and generation, ahead of any key, makes a [`PairState`].
//! - [`Sign`]: one signature by exactly `min_signers` parties, from a share of our own key
//!   generation and the pair states of the signers. No stock, no preprocessing: message and path are
//!   fixed at the start.
//!
//! Specification: `docs/protocols/dkls23.md`.
//!
//! Architecture invariant: no clock, no IO, no randomness of its own.

#![cfg_attr(
    test,
    allow(non_snake_case, reason = "test names are subject__should_result")
)]

mod curve;
mod ids;
mod ot;
mod pair;
mod product;
mod setup;
mod share;
mod sign;
mod verdict;
mod wire;

pub use pair::{MAX_PAIR_STATE, PairState, Pairs};
pub use quorate_kernels::{InUse as WideKernels, in_use as wide_kernels};
pub use setup::PairSetup;
pub use share::{CheckedShare, InvalidShare, ShareInput};
pub use sign::Sign;
pub use verdict::ban_targets;

#[cfg(test)]
mod tests {
    #[test]
    fn phases_and_state__should_be_able_to_move_to_worker_threads() {
        fn is_send<T: Send + 'static>() {}
        fn is_shared<T: Send + Sync + 'static>() {}
        is_send::<crate::PairSetup>();
        is_send::<crate::Sign>();
        is_shared::<crate::CheckedShare>();
        is_shared::<crate::PairState>();
    }
}
