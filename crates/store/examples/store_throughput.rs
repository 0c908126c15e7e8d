//! Prints durable writes per second with one caller and with 64.
//!
//! `cargo run --release -p quorate-store --example store_throughput [folder]`; the folder says
//! which disk is measured, a temporary one by default.
#![allow(clippy::print_stdout, reason = "it prints what it measures")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quorate_store::{SqliteOptions, SqliteStore, Store};
use quorate_types::UnixMillis;

const RUN_TIME: Duration = Duration::from_secs(3);

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let temporary = tempfile::tempdir()?;
    let folder = std::env::args()
        .nth(1)
        .map_or_else(|| temporary.path().to_owned(), PathBuf::from);
    let file = folder.join("throughput.db");
    let store = Arc::new(SqliteStore::open(&file, &SqliteOptions::default())?);
    for callers in [1, 64] {
        let mut waits = measure(&store, callers).await?;
        waits.sort_unstable();
        let quantile = |percent: usize| {
            let position = (waits.len() * percent / 100).min(waits.len().saturating_sub(1));
            waits.get(position).copied().unwrap_or_default()
        };
        println!(
            "{callers:>3} callers: {:>8.0} writes/s, p50 {:?}, p99 {:?}",
            waits.len() as f64 / RUN_TIME.as_secs_f64(),
            quantile(50),
            quantile(99),
        );
    }
    Ok(())
}

/// How long each write took.
async fn measure(
    store: &Arc<SqliteStore>,
    callers: usize,
) -> Result<Vec<Duration>, Box<dyn std::error::Error>> {
    let start = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for caller in 0..callers {
        let store = Arc::clone(store);
        tasks.spawn(async move {
            let mut waits = Vec::new();
            while start.elapsed() < RUN_TIME {
                let began = Instant::now();
                let nonce = format!("{callers}-{caller}-{}", waits.len());
                store
                    .use_nonce("bench".into(), nonce, UnixMillis(1))
                    .await?;
                waits.push(began.elapsed());
            }
            Ok::<_, quorate_store::StoreError>(waits)
        });
    }
    let mut all = Vec::new();
    while let Some(waits) = tasks.join_next().await {
        all.extend(waits??);
    }
    Ok(all)
}
