//! Accepts connections of peers with smaller ids. Strangers cost one slot for a short time.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quorate_types::NodeId;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::config::LinkConfig;
use super::fuse::Fuse;
use super::handshake;
use super::peer::{Established, PeerState};
use super::refusal::{Refusal, RefusalLog};
use crate::slots::HandshakeSlots;

/// Pause after the operating system refused to accept (too many open files).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts until shutdown.
#[derive(Clone)]
pub(super) struct Listener {
    /// This node.
    pub(super) config: Arc<LinkConfig>,
    /// All peers.
    pub(super) peers: Arc<BTreeMap<NodeId, Arc<PeerState>>>,
    /// Where failures are counted.
    pub(super) refusals: Arc<RefusalLog>,
    /// End of the node.
    pub(super) shutdown: CancellationToken,
}

impl Listener {
    /// Accepts until shutdown.
    pub(super) async fn run(self, socket: TcpListener) {
        let mut slots = HandshakeSlots::new(self.config.limits.max_handshakes);
        loop {
            let accepted = tokio::select! {
                biased;
                () = self.shutdown.cancelled() => return,
                accepted = socket.accept() => accepted,
            };
            match accepted {
                Ok((stream, address)) => {
                    if slots.admit(self.clone().greet(stream, address)) {
                        self.refusals.note(Refusal::Evicted, None);
                    }
                }
                Err(error) => {
                    tracing::error!(kind = ?error.kind(), "cannot accept link connections");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn greet(self, mut stream: TcpStream, address: SocketAddr) {
        let answer = async {
            stream.set_nodelay(true).map_err(|_| Refusal::Closed)?;
            handshake::answer(&mut stream, &self.config).await
        };
        let answered = tokio::time::timeout(self.config.limits.handshake_timeout, answer).await;
        let agreed = match answered.unwrap_or_else(|_| Err(Refusal::TimedOut.into())) {
            Ok(agreed) => agreed,
            Err(refused) => {
                tracing::debug!(%address, reason = %refused.why, "link handshake refused");
                self.refusals.note(refused.why, refused.claimed.as_ref());
                return;
            }
        };
        self.refusals.recovered(&agreed.peer);
        if let Some(peer) = self.peers.get(&agreed.peer) {
            peer.install(Established {
                agreed,
                stream,
                fuse: Fuse::default(),
            })
            .await;
        }
    }
}
