use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;

use crate::gateway::Gateway;

/// How often samples of histograms are folded into their buckets, scraped or not.
const METRICS_UPKEEP: Duration = Duration::from_secs(5);

/// Serves until `shutdown` is done, then finishes what runs.
///
/// # Errors
/// Of the listening socket.
pub async fn serve(
    gateway: &Gateway,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let service = gateway
        .router()
        .into_make_service_with_connect_info::<SocketAddr>();
    let metrics = gateway.0.metrics.clone();
    let upkeep = tokio::spawn(async move {
        loop {
            tokio::time::sleep(METRICS_UPKEEP).await;
            metrics.run_upkeep();
        }
    });
    let served = axum::serve(listener, service)
        .with_graceful_shutdown(shutdown)
        .await;
    upkeep.abort();
    served
}
