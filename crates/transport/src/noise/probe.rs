//! Tries whether a peer would link, without disturbing a link that is up.

use quorate_types::NodeId;
use tokio::net::TcpStream;

use super::config::{LinkConfig, Peer};
use super::handshake;
use super::refusal::Refusal;

/// Dials `peer` once with the keys of `config`, and stops before the session counts: a link that is
/// up stays so.
///
/// # Errors
/// Why no link can be made. [`Refusal::WrongDirection`] if it is the peer that dials.
pub async fn probe(config: &LinkConfig, id: &NodeId, peer: &Peer) -> Result<(), Refusal> {
    if config.me >= *id {
        return Err(Refusal::WrongDirection);
    }
    let limits = &config.limits;
    let mut stream = connect(&peer.address, limits.connect_timeout).await?;
    let propose = handshake::propose(&mut stream, config, id, peer, None);
    tokio::time::timeout(limits.handshake_timeout, propose)
        .await
        .map_err(|_| Refusal::TimedOut)?
        .map(drop)
}

/// A TCP connection to a peer.
pub(super) async fn connect(
    address: &str,
    timeout: std::time::Duration,
) -> Result<TcpStream, Refusal> {
    let stream = tokio::time::timeout(timeout, TcpStream::connect(address))
        .await
        .map_err(|_| Refusal::Unreachable)?
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::ConnectionRefused => Refusal::Refused,
            _ => Refusal::Unreachable,
        })?;
    stream.set_nodelay(true).map_err(|_| Refusal::Unreachable)?;
    Ok(stream)
}
