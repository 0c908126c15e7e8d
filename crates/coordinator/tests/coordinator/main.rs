//! The coordinator against scripted participant doubles, over real sockets and mutual TLS.
#![allow(non_snake_case, reason = "test names are subject__should_result")]
#![allow(missing_docs, unreachable_pub, dead_code, reason = "a test")]

mod faults;
mod restart;
mod signing;
#[path = "support/support.rs"]
mod support;
