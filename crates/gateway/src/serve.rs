use std::future::Future;
use std::net::SocketAddr;

use tokio::net::TcpListener;

use crate::gateway::Gateway;

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
    axum::serve(listener, service)
        .with_graceful_shutdown(shutdown)
        .await
}
