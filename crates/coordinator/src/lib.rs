//! The coordinator: takes intents, checks them early, and drives one lead per intent.
//!
//! It is trusted with availability only. It holds no share and no key of a client; every
//! participant decides for itself. What it hands out, it verified with public keys alone: key
//! certificates with all nodes' signatures and recomputed addresses, signatures over digests that
//! it computed from the payload itself.
//!
//! - `nodes/`: one client per participant (stream, heartbeat, reconnect) and what is known of it.
//! - `act/`: one task per intent around a `quorate_lead::Lead`, and its journal in the store.
//! - `admission/`: the checks that a participant would make too, made early for a fast no.
//! - the files named after resources: what the gateway calls.
//!
//! Architecture invariant: this crate cannot name a secret type of a share, not even through a
//! dependency.

#![cfg_attr(
    test,
    allow(non_snake_case, reason = "test names are subject__should_result")
)]

mod act;
mod admission;
mod audit;
mod caller;
mod clock;
pub mod config;
mod coordinator;
mod error;
mod error_code;
mod key_facts;
mod keys;
mod lift;
mod nodes;
mod replay;
mod request;
mod results;
mod sessions;
mod sign;
mod verify;
mod views;

pub use act::Arrival;
pub use caller::Caller;
pub use clock::now;
pub use config::CoordinatorConfig;
pub use coordinator::{Coordinator, StartError};
pub use error::{ActFailure, CoordinatorError};
pub use keys::{CreateReply, KeyQuery};
pub use nodes::{ClusterHealth, NodeConnector};
pub use sessions::{SessionQuery, SessionWatch};
pub use sign::SignReply;
