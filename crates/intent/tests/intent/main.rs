//! Intents, manifests and key certificates against golden files and hostile bytes.

#![allow(
    non_snake_case,
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test: names are subject__should_result, and a panic is a failure"
)]

mod certificate_checks;
mod fixture;
mod golden;
mod hostile_bytes;
mod intent_checks;
mod manifest_checks;
