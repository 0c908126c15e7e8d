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
    // A client may keep a stream of reflection open for ever; no request takes longer than this.
    let longest = Duration::from_millis(gateway.0.limits.request_timeout_ms);
    let closing = gateway.0.closing.clone();
    let patience = async move {
        closing.cancelled().await;
        tokio::time::sleep(longest).await;
    };
    let served = tokio::select! {
        served = futures::future::try_join_all(serving) => served.map(|_| ()),
        () = patience => {
            tracing::warn!("connections were cut: their clients did not end them");
            Ok(())
        }
    };
    stop.abort();
    upkeep.abort();
    served
}
