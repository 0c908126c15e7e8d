//! The coordinator against scripted participant doubles, over real sockets and mutual TLS.
#![allow(non_snake_case, reason = "test names are subject__should_result")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::default_trait_access,
    reason = "a test may panic"
)]
#![allow(missing_docs, unreachable_pub, dead_code, reason = "a test")]

mod faults;
mod restart;
mod signing;
#[path = "support/support.rs"]
mod support;
