//! The `quorate-participant` command: one participant of a cluster.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use clap::Parser;
use quorate_participant::{ParticipantConfig, start};

/// A tenth of the CPU time of a signature was the system's allocator (docs/benchmarks/overhead.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// One participant of a Quorate cluster: holds one share of each key and decides for itself.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    /// Configuration file; see docs/configuration.md.
    #[arg(
        long,
        env = "QUORATE_CONFIG",
        default_value = "/etc/quorate/participant.toml"
    )]
    config: PathBuf,
    /// What to log: error, warn, info, debug, trace, or filters by module.
    #[arg(long, env = "QUORATE_LOG", default_value = "info")]
    log: String,
}

pub(crate) fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    forbid_core_dumps();
    tracing_subscriber::fmt()
        .json()
        // The list of spans would say again what the current one says.
        .with_span_list(false)
        .with_env_filter(tracing_subscriber::EnvFilter::new(&arguments.log))
        .with_writer(std::io::stderr)
        .init();
    let config = ParticipantConfig::read(&arguments.config)?;
    let sessions = config.limits.max_sessions;
    // `quorate bench` adds CPU time up by these names. Threads that run tasks are all spawned by
    // `build`; what comes later blocks.
    let built = Arc::new(AtomicBool::new(false));
    let is_built = Arc::clone(&built);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(sessions + 16)
        .thread_name_fn(move || match is_built.load(Ordering::Relaxed) {
            false => "quorate-tasks".to_owned(),
            true => "quorate-block".to_owned(),
        })
        .build()
        .context("cannot start the runtime")?;
    built.store(true, Ordering::Relaxed);
    let ended = runtime.block_on(run(config));
    // Sessions that still wait for peers end with the process; they are in the audit log.
    runtime.shutdown_background();
    ended
}

async fn run(config: ParticipantConfig) -> anyhow::Result<()> {
    if let Some(address) = config.listen.metrics {
        metrics_exporter_prometheus::PrometheusBuilder::new()
            .with_http_listener(address)
            .install()
            .context("cannot serve metrics")?;
    }
    let running = start(config).await?;
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
    tracing::info!("stopping");
    running.shutdown().await;
    Ok(())
}

/// A core dump would hold shares.
fn forbid_core_dumps() {
    let none = rustix::process::Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    if rustix::process::setrlimit(rustix::process::Resource::Core, none).is_err() {
        tracing::warn!("core dumps could not be switched off");
    }
}
