//! Threshold Schnorr signatures by FROST: Ed25519 (RFC 8032) and BIP340 (Taproot).
//!
//! The mathematics is that of the Zcash Foundation's crates; here are what they are fed, what is
//! said to whom, who is blamed for what, and what is checked before a signature leaves. Shares come
//! from our own key generation ([`quorate_crypto::KeyShare`]); one protocol for the driver of
//! `quorate-protocol`:
//!
//! - [`CheckedShare`]: once per load of a share, everything that does not depend on a message.
//! - [`Sign`]: one signature by exactly `min_signers` parties.
//! - [`OwnStocks`], [`HeldStocks`]: nonces that were committed to ahead of any message, in memory only.
//!
//! Specification: `docs/protocols/frost.md`.
//!
//! Architecture invariant: no clock, no IO, no randomness of its own.

#![cfg_attr(
    test,
    allow(non_snake_case, reason = "test names are subject__should_result")
)]

mod payload;
mod scheme;
mod share;
mod sign;
mod stock;

pub use payload::{Payload, TaprootTweak};
pub use share::{CheckedShare, InvalidShare};
pub use sign::{Ahead, Sign};
pub use stock::{
    Announcement, BadAnnouncement, Batch, CheckedAnnouncement, EntryName, HeldEntry, HeldStocks,
    LinkSession, MAX_STOCK_ENTRIES, OwnStocks, SigningSet, StockId, StockLimits, StockedNonces,
    TakeNonces, Unannounced, Untaken, Unwelcome,
};

#[cfg(test)]
mod tests {
    #[test]
    fn phases_and_state__should_be_able_to_move_to_worker_threads() {
        fn is_send<T: Send + 'static>() {}
        fn is_shared<T: Send + Sync + 'static>() {}
        is_send::<crate::Sign>();
        is_shared::<crate::CheckedShare>();
    }
}
