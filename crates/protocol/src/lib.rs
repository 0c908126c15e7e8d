//! Round driver, inbox, echo broadcast, abort with culprits, deterministic simulator.
//!
//! A protocol is a small enum of rounds ([`Phases`]). The [`Driver`] owns everything around the
//! mathematics: routing, duplicates, signatures, echo broadcast, early messages, limits. A round
//! sees its messages only as an [`Inbox`], which nobody but the driver can build: having one
//! proves that sender, session, round, duplicates and echoes were checked.
//!
//! Specification: `docs/protocols/rounds.md`.
//!
//! Architecture invariant: no clock, no IO, no randomness of its own.

#![cfg_attr(
    test,
    allow(non_snake_case, reason = "test names are subject__should_result")
)]

mod abort;
mod driver;
mod echo;
mod envelope;
mod heard;
mod inbox;
mod phases;
pub mod registry;
mod roster;
mod round_state;
#[cfg(any(test, feature = "simulator"))]
pub mod simulator;
#[cfg(test)]
mod toy;

pub use abort::{Abort, Evidence, Reason, Sanction};
pub use driver::{Driver, Effect, Progress, SignBytes};
pub use envelope::{Envelope, MAX_ENVELOPE, Slot};
pub use heard::{Heard, Quote};
pub use inbox::{Inbox, RoundInput};
pub use phases::{Allowance, Next, Outbox, Phases, RoundSpec, Traffic};
pub use roster::{InvalidRoster, Member, Roster};
