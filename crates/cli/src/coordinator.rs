//! `quorate coordinator`: the coordinator and its gateway as one process.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use quorate_coordinator::{Coordinator, CoordinatorConfig};
use quorate_gateway::{Credentials, Gateway, GatewayConfig, GatewayParts, install_metrics, serve};
use quorate_store::{SqliteOptions, SqliteStore};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::error::CliError;

/// Configuration file if none is named.
const DEFAULT_CONFIG: &str = "/etc/quorate/coordinator.toml";
/// Filter of the log if `QUORATE_LOG` does not say another.
const DEFAULT_LOG: &str = "info";

/// `coordinator.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProcessConfig {
    gateway: GatewayConfig,
    coordinator: CoordinatorConfig,
}

impl ProcessConfig {
    /// Reads the file. Relative paths in it start at its own folder.
    fn read(path: &Path) -> Result<Self, CliError> {
        let text = std::fs::read_to_string(path).map_err(|e| CliError::file(path, "read", &e))?;
        let mut config: Self = toml::from_str(&text).map_err(|error| {
            let what = format!("{}: {error}", path.display());
            CliError::invalid(
                what,
                "docs/configuration.md lists the settings of coordinator.toml",
            )
        })?;
        let folder = path.parent().unwrap_or(Path::new("."));
        let coordinator = &mut config.coordinator;
        let tls = &mut coordinator.tls;
        let files = [
            &mut config.gateway.credentials_file,
            &mut coordinator.data_dir,
            &mut coordinator.manifest,
            &mut tls.cert_file,
            &mut tls.key_file,
            &mut tls.ca_file,
        ];
        let optional = coordinator.store.path.iter_mut().chain(&mut tls.crl_file);
        for file in files.into_iter().chain(optional) {
            *file = folder.join(&*file);
        }
        Ok(config)
    }
}

/// Runs until SIGTERM or SIGINT, then finishes the requests that run.
///
/// # Errors
/// [`CliError`] if it cannot start: the message names file or address.
pub async fn run(config: Option<&Path>) -> Result<(), CliError> {
    start_log();
    let path = config.map_or_else(|| PathBuf::from(DEFAULT_CONFIG), Path::to_owned);
    let config = ProcessConfig::read(&path)?;
    let address = config.gateway.listen;
    let mut listeners = vec![listen(address, "listen").await?];
    if let Some(address) = config.gateway.grpc_listen {
        listeners.push(listen(address, "grpc_listen").await?);
    }
    let gateway = build(&config).await?;
    tracing::info!(%address, version = env!("CARGO_PKG_VERSION"), "coordinator started");
    let served = serve(&gateway, listeners, terminated()?).await;
    served
        .map_err(|error| CliError::failed(format!("the gateway ended: {error}"), "restart it"))?;
    tracing::info!("coordinator stopped");
    Ok(())
}

async fn listen(address: SocketAddr, setting: &str) -> Result<TcpListener, CliError> {
    TcpListener::bind(address).await.map_err(|error| {
        let what = format!("cannot listen on {address}: {error}");
        let remedy = format!("stop what uses the port, or change [gateway] {setting}");
        CliError::failed(what, remedy)
    })
}

async fn build(config: &ProcessConfig) -> Result<Gateway, CliError> {
    let ProcessConfig {
        gateway,
        coordinator,
    } = config;
    let folder = &coordinator.data_dir;
    std::fs::create_dir_all(folder).map_err(|e| CliError::file(folder, "created", &e))?;
    let metrics = install_metrics().map_err(|error| not_started(&error))?;
    let credentials =
        Credentials::from_file(&gateway.credentials_file).map_err(|error| not_started(&error))?;
    let store = SqliteStore::open(&coordinator.store_path(), &SqliteOptions::default());
    let store = store.map_err(|error| not_started(&error))?;
    let started = Coordinator::start(coordinator, Arc::new(store)).await;
    let coordinator = Arc::new(started.map_err(|error| not_started(&error))?);
    Ok(Gateway::new(GatewayParts {
        coordinator,
        credentials,
        metrics,
        proxies: gateway.proxies(),
        limits: gateway.limits.clone(),
    }))
}

/// The whole chain of causes: the last one often names the file.
fn not_started(error: &dyn std::error::Error) -> CliError {
    let mut what = format!("the coordinator cannot start: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        what += &format!(": {error}");
        cause = error.source();
    }
    CliError::failed(
        what,
        "correct coordinator.toml or the file that is named, and start it again",
    )
}

/// Ends when the process is asked to stop.
fn terminated() -> Result<impl Future<Output = ()> + Send + 'static, CliError> {
    let listen = |kind| {
        signal(kind).map_err(|error| {
            CliError::failed(format!("signals cannot be handled: {error}"), "restart it")
        })
    };
    let (mut terminate, mut interrupt) = (
        listen(SignalKind::terminate())?,
        listen(SignalKind::interrupt())?,
    );
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
    })
}

/// One JSON object a line, on stderr.
fn start_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("QUORATE_LOG");
    let filter = filter.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(DEFAULT_LOG));
    // The list of spans would say again what the current one says.
    let log = tracing_subscriber::fmt().json().with_span_list(false);
    let log = log.with_env_filter(filter);
    // A second call in one process (a test) keeps the first log.
    let _ = log.with_writer(std::io::stderr).try_init();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configuration__should_take_paths_from_its_own_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("coordinator.toml");
        let text = r#"
            [gateway]
            listen = "127.0.0.1:1"
            credentials_file = "credentials.json"
            [coordinator]
            coordinator_id = "c"
            data_dir = "data"
            manifest = "/abs/manifest.json"
            [coordinator.nodes]
            node-1 = "127.0.0.1:2"
            [coordinator.tls]
            cert_file = "tls.crt"
            key_file = "tls.key"
            ca_file = "../ca.crt"
        "#;
        std::fs::write(&path, text).unwrap();
        let config = ProcessConfig::read(&path).unwrap();
        assert_eq!(config.coordinator.data_dir, folder.path().join("data"));
        assert_eq!(
            config.gateway.credentials_file,
            folder.path().join("credentials.json")
        );
        assert_eq!(config.coordinator.manifest, Path::new("/abs/manifest.json"));
        std::fs::write(&path, text.replace("data_dir", "data_folder")).unwrap();
        assert!(
            ProcessConfig::read(&path)
                .unwrap_err()
                .to_string()
                .contains("data_folder")
        );
    }
}
