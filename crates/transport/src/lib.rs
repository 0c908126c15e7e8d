//! Authenticated channels: Noise between participants, mutual TLS for gRPC; the only sockets between nodes.
//!
//! - [`noise`]: one long-lived, multiplexed, end-to-end encrypted stream per pair of participants.
//!   Specification: `docs/protocols/noise-links.md`.
//! - [`tls`]: mutual TLS 1.3 between coordinator and participants, for gRPC.
//!   Specification: `docs/protocols/mutual-tls.md`.
//!
//! Architecture invariant: identities come from the caller's configuration (the manifest), never
//! from a peer. This crate moves opaque bytes; it knows no protocol, key, share or session.

#![cfg_attr(
    test,
    allow(non_snake_case, reason = "test names are subject__should_result")
)]

mod fault;
pub mod noise;
mod slots;
pub mod tls;

pub use fault::LinkFault;
