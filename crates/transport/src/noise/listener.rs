//! Accepts connections of peers with smaller ids. Strangers cost one slot for a short time.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quorate_types::NodeId;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::config::LinkConfig;
use super::fuse::Fuse;
use super::handshake::{self, Agreed, Refused};
use super::peer::{Established, PeerState};
use super::refusal::{Refusal, RefusalLog};
use super::relay::Opened;
use super::stream::LinkStream;
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
        if stream.set_nodelay(true).is_err() {
            return self.refusals.note(Refusal::Closed, None);
        }
        match self.answer(&mut stream).await {
            Ok(agreed) => self.install(agreed, LinkStream::Direct(stream)).await,
            Err(refused) => {
                tracing::debug!(%address, reason = %refused.why, "link handshake refused");
            }
        }
    }

    /// Answers a peer that dials through a coordinator, which may have invented all of it.
    pub(super) async fn greet_relayed(self, opened: Opened) {
        let Opened {
            from,
            mut bytes,
            stream,
        } = opened;
        let shutdown = self.shutdown.clone();
        let answered = tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            answered = self.answer(&mut bytes) => answered,
        };
        match answered {
            // What is written here goes to `from`: another node would never read it.
            Ok(agreed) if agreed.peer != from => {
                self.refusals.note(Refusal::Misrouted, Some(&agreed.peer));
            }
            Ok(agreed) => {
                stream.establish();
                self.install(agreed, LinkStream::Relayed(bytes)).await;
            }
            Err(refused) => {
                tracing::debug!(%from, reason = %refused.why, "relayed link handshake refused");
            }
        }
    }

    async fn answer(
        &self,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    ) -> Result<Agreed, Refused> {
        let answer = handshake::answer(stream, &self.config);
        let answered = tokio::time::timeout(self.config.limits.handshake_timeout, answer).await;
        let answered = answered.unwrap_or_else(|_| Err(Refusal::TimedOut.into()));
        if let Err(refused) = &answered {
            self.refusals.note(refused.why, refused.claimed.as_ref());
            let claimed = refused.claimed.as_ref().and_then(|id| self.peers.get(id));
            if let Some(peer) = claimed {
                peer.set_error(refused.why);
            }
        }
        answered
    }

    async fn install(&self, agreed: Agreed, stream: LinkStream) {
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
