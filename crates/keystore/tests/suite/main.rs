//! The keystore as a whole: crashes at every step, damage of every byte, many callers at once.

#![allow(
    non_snake_case,
    missing_docs,
    reason = "test names are subject__should_result, and tests explain themselves"
)]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "clippy.toml allows both in tests; these are functions that tests share"
)]

mod append_log;
mod audit_log;
mod bans;
mod crashes;
mod damage;
mod fixture;
mod intents;
mod master_key;
mod pair_compaction;
mod pairs;
mod shares;
mod simulated_disk;
mod start;
