use std::future::Future;
use std::time::Duration;

use tokio::net::TcpListener;

use crate::connection::accept;
use crate::gateway::Gateway;

/// How often samples of histograms are folded into their buckets, scraped or not.
const METRICS_UPKEEP: Duration = Duration::from_secs(5);

/// Serves REST and gRPC, over HTTP/1 and HTTP/2, until `shutdown` is done; then finishes what runs
/// and ends streams.
///
/// # Errors
/// None in this version: a socket that does not accept is tried again.
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
    let inner = &gateway.0;
    let accepting = listeners
        .into_iter()
        .map(|listener| accept(inner, &router, listener));
    let serving = async {
        futures::future::join_all(accepting).await;
        // Every connection gives its place back when it ends.
        let all = u32::try_from(inner.limits.connections()).unwrap_or(u32::MAX);
        let _ended = inner.connections.acquire_many(all).await;
    };
    // A client may keep a stream of reflection open for ever; no request takes longer than this.
    let longest = Duration::from_millis(gateway.0.limits.request_timeout_ms);
    let closing = gateway.0.closing.clone();
    let patience = async move {
        closing.cancelled().await;
        tokio::time::sleep(longest).await;
    };
    tokio::select! {
        () = serving => {}
        () = patience => {
            tracing::warn!("connections were cut: their clients did not end them");
        }
    }
    stop.abort();
    upkeep.abort();
    Ok(())
}
