//! The whole REST and gRPC interface over a real store: without nodes where nodes do not matter, and
//! with scripted participant doubles where they do.
#![allow(non_snake_case, reason = "test names are subject__should_result")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::default_trait_access,
    reason = "a test may panic"
)]
#![allow(missing_docs, unreachable_pub, dead_code, reason = "a test")]

mod authentication;
mod bad_input;
mod batch;
mod call;
mod connections;
mod ed25519;
mod grpc;
mod grpc_call;
mod idempotency;
mod openapi;
mod rates;
mod reading;
mod strangers;
mod streams;
#[path = "../../../coordinator/tests/coordinator/support/support.rs"]
mod support;
mod watchers;
