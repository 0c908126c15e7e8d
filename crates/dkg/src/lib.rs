//! Distributed key generation for every curve: commit, then reveal, then deal.
//!
//! Three rounds, the same for every [`Group`](quorate_crypto::Group): [`Dkg`] is driven by
//! [`quorate_protocol::Driver`]. The result is provisional until all nodes signed the transcript
//! (the certificate of epoch 1), which is the participant's part.
//!
//! Specification: `docs/protocols/dkg.md`; the numbered steps are cited in the code.
//!
//! Architecture invariant: no clock, no IO, no randomness of its own.

#![cfg_attr(
    test,
    allow(non_snake_case, reason = "test names are subject__should_result")
)]

mod dealer;
mod dkg;
mod message;
mod output;
pub mod reason;
mod round1;
mod round2;
mod round3;
mod run;

pub use dkg::Dkg;
pub use message::{Commitment, MAX_OPENING_BYTES, Opening, SecretOpening, Share};
pub use output::DkgOutput;
pub use round1::Round1;
pub use round2::Round2;
pub use round3::Round3;
pub use run::run_context;
