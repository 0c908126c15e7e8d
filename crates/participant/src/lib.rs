//! One participant: decides for itself what may be signed, and runs rounds beside its shares.
//!
//! The way of a session: `serve` hands a proposal to the node; `admission` decides from
//! the client's signed intent, the node's own manifest and its own records; `session` runs the
//! rounds over Noise links; the keystore makes durable what must be, before the byte that depends
//! on it leaves. Nothing that a coordinator says is believed.
//!
//! Architecture invariant: the only crate of a running cluster that opens shares.

#![cfg_attr(
    test,
    allow(non_snake_case, reason = "test names are subject__should_result")
)]

mod admission;
mod bans;
#[cfg(feature = "danger_byzantine")]
mod byzantine;
mod clock;
mod config;
mod course;
mod crypto_pool;
#[cfg(feature = "danger_byzantine")]
pub mod danger;
mod drive;
mod failpoint;
mod gate;
mod held_key;
mod identity;
mod key_cache;
mod link_message;
mod link_watch;
mod links;
mod mailbox;
mod node;
mod node_audit;
mod pairs;
mod randomness;
mod refusal;
mod refused_callers;
mod relay;
mod report;
mod serve;
mod session;
mod settle;
mod share_check;
mod start;
mod statement;
mod stocks;

pub use config::{ConfigError, MasterKeyConfig, ParticipantConfig, SessionLimits};
pub use start::{Running, StartError, start};
