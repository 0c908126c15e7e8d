//! The store over real databases, each in its own folder.
#![allow(non_snake_case, reason = "test names are subject__should_result")]
#![allow(unreachable_pub, missing_docs, reason = "modules of one test binary")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test fails by panicking; the child process of the crash test speaks on stdout"
)]

mod concurrency;
mod corruption;
mod crash;
mod opening;
mod samples;
mod suite;

use std::path::Path;

use quorate_store::{SqliteOptions, SqliteStore};

/// Opens a store in a folder.
pub fn open(folder: &Path) -> SqliteStore {
    SqliteStore::open(&folder.join("q.db"), &SqliteOptions::default()).unwrap()
}

#[tokio::test]
async fn sqlite__should_pass_the_suite_of_every_store() {
    let folder = tempfile::tempdir().unwrap();
    suite::check_store(&open(folder.path())).await;
}
