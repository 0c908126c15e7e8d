use std::future::{Future, IntoFuture as _};
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;

use crate::gateway::Gateway;

/// How often samples of histograms are folded into their buckets, scraped or not.
const METRICS_UPKEEP: Duration = Duration::from_secs(5);

/// Serves REST and gRPC, over HTTP/1 and HTTP/2, until `shutdown` is done; then finishes what runs
/// and ends streams.
///
/// # Errors
/// Of a listening socket.
pub async fn serve(
    gateway: &Gateway,
    listeners: Vec<TcpListener>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let metrics = gateway.0.metrics.clone();
    let upkeep = tokio::spawn(async move {
        loop {
            tokio::time::sleep(METRICS_UPKEEP).await;
            metrics.run_upkeep();
        }
    });
    let closing = gateway.0.closing.clone();
    let stop = tokio::spawn(async move {
        shutdown.await;
        closing.cancel();
    });
    let router = gateway.router();
    let serving = listeners.into_iter().map(|listener| {
        let service = router
            .clone()
            .into_make_service_with_connect_info::<SocketAddr>();
        axum::serve(listener, service)
            .with_graceful_shutdown(gateway.0.closing.clone().cancelled_owned())
            .into_future()
    });
    let served = futures::future::try_join_all(serving).await;
    stop.abort();
    upkeep.abort();
    served.map(|_| ())
}
