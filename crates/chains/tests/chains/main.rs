//! What each chain makes of payloads, keys and signatures, seen from outside.
#![allow(non_snake_case, reason = "test names are subject__should_result")]
#![allow(clippy::indexing_slicing, reason = "a panic fails the test")]

mod bitcoin_hostile_bytes;
mod bitcoin_refusals;
mod bitcoin_signing;
mod bitcoin_vectors;
mod consensus;
mod effect;
mod ethereum_assembling;
mod ethereum_hostile_bytes;
mod ethereum_vectors;
mod fixture;
mod solana_hostile_bytes;
mod solana_refusals;
mod solana_vectors;
