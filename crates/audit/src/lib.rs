//! Hash-chained audit records and their verifier.
//!
//! Every node keeps its own chain: what it was asked (before the act) and what came of it (after
//! the act). A record holds the hash of the one before, so that an edit, a deletion, an insertion
//! or a reordering breaks the chain at a known sequence number, and a signed [`Head`] makes a
//! truncation visible too.
//!
//! Specification: `docs/protocols/audit-log.md`.
//!
//! Architecture invariant: this crate does no IO, reads no clock and holds no secret.

#![cfg_attr(
    test,
    allow(non_snake_case, reason = "test names are subject__should_result")
)]

mod chain;
mod event;
mod facts;
mod record;

pub use chain::{Chain, ChainError, ChainFault, Verifier, verify};
pub use event::{AuditEvent, AuditResult, InvalidEvent, MAX_EVENT_BYTES, MAX_TEXT_BYTES};
pub use facts::{Facts, MAX_FACT_DEPTH};
pub use record::{Head, InvalidLine, Record};
