//! The links of one node, as its owner uses them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use quorate_types::{NodeId, SecretBytes};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::config::{InvalidConfig, LinkConfig};
use super::dialer::Dialer;
use super::event::{DownReason, LinkEvent};
use super::listener::Listener;
use super::peer::PeerState;
use super::peer_task::PeerTask;
use super::refusal::{RefusalCounts, RefusalLog};
use super::relay::{CarrierId, Relay, RelayAttachment, RelayFrame};
use super::status::LinkStatus;

/// Why links could not be started.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] InvalidConfig),
    /// The listening socket cannot be used.
    #[error("the listening socket cannot be used")]
    Listener(#[source] std::io::Error),
}

/// Why a message was not accepted. Nothing of it was sent.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SendError {
    /// The caller named a node that is not in the manifest.
    #[error("{peer} is not a peer of this node")]
    UnknownPeer {
        /// Name given.
        peer: NodeId,
    },
    /// The caller's message is too long.
    #[error("message of {length} bytes, more than the limit of {limit}")]
    TooLong {
        /// Its length.
        length: usize,
        /// Limit.
        limit: usize,
    },
    /// The link is down.
    #[error("no link to {peer}")]
    NotConnected {
        /// Which peer.
        peer: NodeId,
    },
    /// The peer, or the network, does not keep up.
    #[error("the queue to {peer} is full")]
    QueueFull {
        /// Which peer.
        peer: NodeId,
    },
    /// This node is shutting down.
    #[error("the links are shut down")]
    ShutDown,
}

/// A relayed frame that is not for this node, or from no peer of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a relayed frame from or to a node that it does not concern")]
pub struct UnknownEnds;

/// An event on its way to the consumer, with the bytes that it holds of the peer's allowance.
pub(super) struct Delivery {
    pub(super) event: LinkEvent,
    pub(super) _credit: Option<OwnedSemaphorePermit>,
}

/// What arrives: ups, downs and messages of all peers. Take events without delay; a slow consumer
/// slows the peers down, and one that stops lets them give the links up. Dropping it ends all
/// links.
pub struct LinkEvents {
    deliveries: mpsc::Receiver<Delivery>,
    shutdown: CancellationToken,
}

impl Drop for LinkEvents {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

impl LinkEvents {
    /// The next event; `None` after shutdown. Safe to cancel.
    pub async fn recv(&mut self) -> Option<LinkEvent> {
        self.deliveries.recv().await.map(|delivery| delivery.event)
    }

    /// The next event if there is one now.
    pub fn try_recv(&mut self) -> Option<LinkEvent> {
        self.deliveries
            .try_recv()
            .ok()
            .map(|delivery| delivery.event)
    }
}

/// Handle to the links of one node; cheap to clone. Dropping the last one ends all links.
#[derive(Clone)]
pub struct Links {
    inner: Arc<Inner>,
}

struct Inner {
    relay: Relay,
    listener: Listener,
    peers: Arc<BTreeMap<NodeId, Arc<PeerState>>>,
    refusals: Arc<RefusalLog>,
    config: Arc<LinkConfig>,
    local_address: SocketAddr,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

impl Links {
    /// Starts listening and dialling. Must be called inside a tokio runtime, after the metrics
    /// recorder is installed.
    ///
    /// # Errors
    /// [`StartError`] if the configuration or the socket cannot be used.
    pub fn start(
        config: LinkConfig,
        socket: TcpListener,
    ) -> Result<(Self, LinkEvents), StartError> {
        config.check()?;
        let local_address = socket.local_addr().map_err(StartError::Listener)?;
        let config = Arc::new(config);
        let refusals = Arc::new(RefusalLog::default());
        let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
        let (events, deliveries) = mpsc::channel(config.limits.event_queue);
        let relay = Relay::new(config.me.clone());

        let mut peers = BTreeMap::new();
        for (id, peer) in &config.peers {
            let (state, inputs) = PeerState::new(id.clone(), &config.limits);
            let (events, stop) = (events.clone(), shutdown.clone());
            let task = PeerTask::new(
                Arc::clone(&state),
                inputs,
                Arc::clone(&config),
                events,
                stop,
            );
            tasks.spawn(task.run());
            // Spec 1.2: the node with the smaller id dials.
            if config.me < *id {
                let dialer = Dialer {
                    config: Arc::clone(&config),
                    peer: peer.clone(),
                    state: Arc::clone(&state),
                    relay: relay.clone(),
                    refusals: Arc::clone(&refusals),
                    shutdown: shutdown.clone(),
                };
                tasks.spawn(dialer.run());
            }
            peers.insert(id.clone(), state);
        }
        let peers = Arc::new(peers);
        let listener = Listener {
            config: Arc::clone(&config),
            peers: Arc::clone(&peers),
            refusals: Arc::clone(&refusals),
            shutdown: shutdown.clone(),
        };
        tasks.spawn(listener.clone().run(socket));
        tasks.close();
        let events = LinkEvents {
            deliveries,
            shutdown: shutdown.clone(),
        };
        let inner = Inner {
            relay,
            listener,
            peers,
            refusals,
            config,
            local_address,
            tasks,
            shutdown,
        };
        Ok((
            Self {
                inner: Arc::new(inner),
            },
            events,
        ))
    }

    /// Puts a message into the queue to a peer; never waits. Messages of one sender to one peer
    /// arrive in order, at most once. Accepted is not delivered: a link that goes down loses what
    /// is in flight, and says so with [`LinkEvent::Down`].
    ///
    /// # Errors
    /// [`SendError`]; nothing was sent.
    pub fn send(&self, peer: &NodeId, body: impl Into<SecretBytes>) -> Result<(), SendError> {
        let body = body.into();
        let state = self.inner.peers.get(peer);
        let state = state.ok_or_else(|| SendError::UnknownPeer { peer: peer.clone() })?;
        let (length, limit) = (body.len(), self.inner.config.limits.max_message_bytes);
        if length > limit {
            return Err(SendError::TooLong { length, limit });
        }
        state.enqueue(body)
    }

    /// A coordinator is ready to carry frames between nodes that cannot reach each other: what is
    /// sent through it goes to `frames`, what it brings goes to [`Self::relayed`]. It takes the
    /// place of an earlier one of the same coordinator. Dropping what is returned ends the links
    /// that run through it.
    ///
    /// `coordinator` must be the name in its certificate: by it one coordinator's streams are kept
    /// apart from another's.
    pub fn attach_relay(
        &self,
        coordinator: NodeId,
        frames: mpsc::Sender<RelayFrame>,
    ) -> RelayAttachment {
        self.inner.relay.attach(coordinator, frames)
    }

    /// Takes a frame that a coordinator brought by `carrier`; never waits, and believes nothing of it. Must be
    /// called inside a tokio runtime.
    ///
    /// # Errors
    /// [`UnknownEnds`] if it is not for this node, or from no peer of it: nothing was done.
    pub fn relayed(&self, carrier: CarrierId, frame: RelayFrame) -> Result<(), UnknownEnds> {
        let inner = &self.inner;
        if frame.to != inner.config.me || !inner.peers.contains_key(&frame.from) {
            return Err(UnknownEnds);
        }
        // Spec 1.2: the node with the smaller id dials.
        let dials_us = frame.from < inner.config.me;
        if let Some(opened) = inner.relay.receive(carrier, frame, dials_us) {
            let listener = inner.listener.clone();
            inner.tasks.spawn(listener.greet_relayed(opened));
        }
        Ok(())
    }

    /// Whether the link to a peer accepts messages.
    #[must_use]
    pub fn connected(&self, peer: &NodeId) -> bool {
        self.inner
            .peers
            .get(peer)
            .is_some_and(|state| state.is_up())
    }

    /// State of all links, by peer.
    #[must_use]
    pub fn status(&self) -> Vec<LinkStatus> {
        self.inner
            .peers
            .values()
            .map(|state| state.status())
            .collect()
    }

    /// Handshakes that came to nothing since start, in both roles.
    #[must_use]
    pub fn refusals(&self) -> RefusalCounts {
        self.inner.refusals.counts()
    }

    /// The address on which this node listens.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.inner.local_address
    }

    /// Sends what was accepted, tells the peers, and ends all links.
    ///
    /// Takes at most about twice the shutdown grace: links that are stuck are cut.
    pub async fn shutdown(&self) {
        self.inner.shutdown.cancel();
        let ended = tokio::time::timeout(
            self.inner.config.limits.shutdown_grace * 2,
            self.inner.tasks.wait(),
        )
        .await;
        if ended.is_err() {
            self.inner
                .peers
                .values()
                .for_each(|peer| peer.cut(DownReason::ShutDown));
            self.inner.tasks.wait().await;
        }
    }
}
