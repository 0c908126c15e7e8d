//! Ids and checked value types, and the canonical encoding that everything signed uses.
//!
//! Architecture invariant: this crate does no IO, reads no clock and makes no secret ([`SecretBytes`]
//! carries what others put in).

#![cfg_attr(
    test,
    allow(non_snake_case, reason = "test names are subject__should_result")
)]

pub mod canonical;
mod company;
mod curve;
mod id;
mod key_status;
mod message_type;
mod party;
mod rights;
mod secret_bytes;
mod session_status;
mod threshold;
mod time;

pub use canonical::{Canonical, DecodeError, Reader, Writer};
pub use company::Company;
pub use curve::{Algorithm, Curve};
pub use id::{
    ChainId, ClusterId, Digest32, InitiatorId, InvalidId, KeyId, NodeId, ProtocolName, SessionId,
    Tenant,
};
pub use key_status::KeyStatus;
pub use message_type::MessageType;
pub use party::{Committee, Epoch, InvalidCommittee, PartyIndex, SignerSet};
pub use rights::{Right, Rights};
pub use secret_bytes::SecretBytes;
pub use session_status::SessionStatus;
pub use threshold::{InvalidThreshold, MAX_PARTIES, MIN_SIGNERS, Threshold};
pub use time::{UnixMillis, UnixSeconds};
