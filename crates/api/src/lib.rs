//! Wire types: protobuf and REST bodies.
//!
//! They carry what arrived, unchecked: whoever uses one turns it into the checked types of
//! `quorate-types` first.

#![cfg_attr(
    test,
    allow(non_snake_case, reason = "test names are subject__should_result")
)]

mod error_code;
pub mod rest;

pub use error_code::{Actor, ErrorCode};

/// Descriptors of `proto/mpc/v1` (`google.protobuf.FileDescriptorSet`), for reflection.
pub const FILE_DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/mpc.v1.binpb"));

/// Generated from `proto/mpc/v1`.
#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "generated code; its documentation is in the proto files"
)]
pub mod mpc_v1 {
    tonic::include_proto!("mpc.v1");
}
