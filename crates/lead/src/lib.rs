//! What a coordinator does for one intent: choice of signers, attempts, retries.
//!
//! A [`Lead`] is the state machine of one intent at whoever leads it: the coordinator, or a
//! participant where there is none. It is told what happened ([`Event`]) and says what to do
//! ([`Effect`]); the shell around it owns links, clock, store and the check of every result.
//!
//! A lead is trusted with availability only. It can delay, refuse and retry; what may be signed,
//! and by whom, every node decides for itself.
//!
//! Specification: `docs/protocols/lead.md`.
//!
//! Architecture invariant: no clock, no IO, no randomness of its own.

#![cfg_attr(
    test,
    allow(non_snake_case, reason = "test names are subject__should_result")
)]

mod attempt;
mod effect;
mod event;
mod lead;
mod limits;
mod outcome;
mod signers;
mod spec;
mod suspicion;
mod view;

pub use effect::{Awaited, CancelReason, Effect, Progress, Setback, SetbackReason, Stage};
pub use event::{Event, Refusal, RefusalKind};
pub use lead::Lead;
pub use limits::Limits;
pub use outcome::{Completed, Failure, Outcome};
pub use spec::{CreateSpec, SignSpec};
pub use view::{ClusterView, NodeView};
