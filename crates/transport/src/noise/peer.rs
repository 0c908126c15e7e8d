//! What the tasks of one peer share: its queue, its present link, its status.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;
use quorate_types::{NodeId, SecretBytes};
use tokio::sync::{Semaphore, mpsc};

use super::event::{DownReason, LinkId};
use super::fuse::Fuse;
use super::handshake::Agreed;
use super::inbound::MESSAGE_COST;
use super::limits::LinkLimits;
use super::links::SendError;
use super::meter::Meter;
use super::refusal::Refusal;
use super::status::{LinkState, LinkStatus};
use super::stream::{LinkStream, Via};
use crate::fault::LinkFault;

/// A new link may wait this long in line behind others for its peer task.
const WAITING_LINKS: usize = 2;

/// A message in the queue, and the series of links that it was accepted for.
pub(super) struct Outgoing {
    /// Dropped if the link went down since.
    pub(super) series: u64,
    /// Bytes; wiped when dropped.
    pub(super) body: SecretBytes,
}

/// A link whose handshake is done.
pub(super) struct Established {
    /// Result of the handshake.
    pub(super) agreed: Agreed,
    /// Its connection.
    pub(super) stream: LinkStream,
    /// Its end.
    pub(super) fuse: Fuse,
}

/// Receiving ends for the peer task.
pub(super) struct PeerInputs {
    /// Messages to send.
    pub(super) queue: mpsc::Receiver<Outgoing>,
    /// New links.
    pub(super) links: mpsc::Receiver<Established>,
}

/// Shared state of one peer.
pub(super) struct PeerState {
    /// Which peer.
    pub(super) id: NodeId,
    /// Counters.
    pub(super) meter: Meter,
    /// Bytes that may still be received before the consumer takes some.
    pub(super) credit: Arc<Semaphore>,
    queue: mpsc::Sender<Outgoing>,
    queued_bytes: AtomicUsize,
    max_queued_bytes: usize,
    /// Number of the present series of links, which survive re-handshakes; 0 while down.
    series: AtomicU64,
    links: mpsc::Sender<Established>,
    condition: Mutex<Condition>,
}

struct Condition {
    state: LinkState,
    since: SystemTime,
    link: Option<(LinkId, Fuse)>,
    via: Option<Via>,
    rtt: Option<Duration>,
    last_error: Option<String>,
    fault: Option<LinkFault>,
    last_series: u64,
}

impl PeerState {
    /// A peer that is down.
    pub(super) fn new(id: NodeId, limits: &LinkLimits) -> (Arc<Self>, PeerInputs) {
        let (queue, queued) = mpsc::channel(limits.send_queue_messages);
        let (links, new_links) = mpsc::channel(WAITING_LINKS);
        // Room for the longest message when nothing else is waiting.
        let credit = limits.undelivered_bytes.saturating_add(MESSAGE_COST);
        let condition = Condition {
            state: LinkState::Down,
            since: SystemTime::now(),
            link: None,
            via: None,
            rtt: None,
            last_error: None,
            fault: None,
            last_series: 0,
        };
        let meter = Meter::new(&id);
        meter.set_up(false);
        let state = Self {
            id,
            meter,
            credit: Arc::new(Semaphore::new(credit)),
            queue,
            queued_bytes: AtomicUsize::new(0),
            max_queued_bytes: limits.send_queue_bytes,
            series: AtomicU64::new(0),
            links,
            condition: Mutex::new(condition),
        };
        (
            Arc::new(state),
            PeerInputs {
                queue: queued,
                links: new_links,
            },
        )
    }

    /// Spec 4.1: accepts a message for the present series of links, or says why not.
    pub(super) fn enqueue(&self, body: SecretBytes) -> Result<(), SendError> {
        let series = self.series.load(Ordering::Acquire);
        if series == 0 {
            return Err(SendError::NotConnected {
                peer: self.id.clone(),
            });
        }
        let size = body.len();
        let queued = self
            .queued_bytes
            .fetch_add(size, Ordering::AcqRel)
            .saturating_add(size);
        if queued <= self.max_queued_bytes {
            match self.queue.try_send(Outgoing { series, body }) {
                Ok(()) => return Ok(()),
                Err(mpsc::error::TrySendError::Closed(_)) => return Err(SendError::ShutDown),
                Err(mpsc::error::TrySendError::Full(_)) => {}
            }
        }
        self.queued_bytes.fetch_sub(size, Ordering::AcqRel);
        self.meter.queue_full.add(1);
        Err(SendError::QueueFull {
            peer: self.id.clone(),
        })
    }

    /// A message left the queue.
    pub(super) fn dequeued(&self, message: &Outgoing) {
        self.queued_bytes
            .fetch_sub(message.body.len(), Ordering::AcqRel);
    }

    /// Whether a queued message was accepted for a link that is gone.
    pub(super) fn is_stale(&self, message: &Outgoing) -> bool {
        message.series != self.series.load(Ordering::Acquire)
    }

    /// Spec 2.7: hands a new link over. Unless it continues the present one, the present one is
    /// stale in the eyes of the authenticated peer and ends now, even if its socket is stuck.
    pub(super) async fn install(&self, link: Established) {
        let present = self.condition.lock().link.clone();
        if let Some((link_id, fuse)) = present
            && link.agreed.continues != Some(link_id)
        {
            fuse.blow(DownReason::Replaced);
        }
        // An error means that the peer task has ended: this node shuts down.
        let _ = self.links.send(link).await;
    }

    /// Ends the present link, even if its socket is stuck.
    pub(super) fn cut(&self, reason: DownReason) {
        let present = self.condition.lock().link.clone();
        if let Some((_, fuse)) = present {
            fuse.blow(reason);
        }
    }

    /// The link is in use. `fresh` starts a new series.
    pub(super) fn set_up(&self, link_id: LinkId, fuse: Fuse, via: Via, fresh: bool) {
        let mut condition = self.condition.lock();
        condition.link = Some((link_id, fuse));
        condition.via = Some(via);
        if via == Via::Direct {
            condition.fault = None;
        }
        self.meter.set_relayed(via == Via::Relay);
        if fresh {
            condition.last_series += 1;
            condition.state = LinkState::Up;
            condition.since = SystemTime::now();
            self.series.store(condition.last_series, Ordering::Release);
            self.meter.set_up(true);
        }
    }

    /// The link is gone.
    pub(super) fn set_down(&self, reason: &DownReason) {
        self.series.store(0, Ordering::Release);
        self.meter.set_up(false);
        self.meter.set_relayed(false);
        let mut condition = self.condition.lock();
        condition.link = None;
        condition.via = None;
        condition.rtt = None;
        condition.state = LinkState::Down;
        condition.since = SystemTime::now();
        condition.last_error = Some(reason.to_string());
    }

    /// A dial begins (`true`) or ended; a link that is up stays so.
    pub(super) fn set_connecting(&self, connecting: bool) {
        let mut condition = self.condition.lock();
        if condition.state != LinkState::Up {
            let state = if connecting {
                LinkState::Connecting
            } else {
                LinkState::Down
            };
            condition.state = state;
        }
    }

    /// Remembers a handshake that came to nothing; it did not end a link.
    pub(super) fn set_error(&self, error: Refusal) {
        let mut condition = self.condition.lock();
        condition.last_error = Some(error.to_string());
        condition.fault = Some(LinkFault::of_refusal(error));
    }

    /// A ping sent at `sent` was answered.
    pub(super) fn set_rtt(&self, sent: Instant) {
        let rtt = sent.elapsed();
        self.meter.set_rtt(rtt);
        self.condition.lock().rtt = Some(rtt);
    }

    /// Whether messages are accepted.
    pub(super) fn is_up(&self) -> bool {
        self.series.load(Ordering::Acquire) != 0
    }

    /// For operators.
    pub(super) fn status(&self) -> LinkStatus {
        let condition = self.condition.lock();
        LinkStatus {
            peer: self.id.clone(),
            state: condition.state,
            via: condition.via,
            fault: condition
                .fault
                .filter(|_| condition.via != Some(Via::Direct)),
            since: condition.since,
            link_id: condition.link.as_ref().map(|(link_id, _)| *link_id),
            rtt: condition.rtt,
            last_error: condition.last_error.clone(),
            bytes_sent: self.meter.bytes_sent.get(),
            bytes_received: self.meter.bytes_received.get(),
            messages_sent: self.meter.messages_sent.get(),
            messages_received: self.meter.messages_received.get(),
            messages_lost: self.meter.messages_lost.get(),
        }
    }
}
