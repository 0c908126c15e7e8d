//! Who is there, and what waits for whom.

use std::collections::{BTreeMap, HashMap};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use parking_lot::Mutex;
use quorate_api::mpc_v1::relay_frame::Body;
use quorate_api::mpc_v1::{ExchangeSharesRequest, RelayEnd, RelayFrame};
use quorate_transport::noise::{MAX_RELAY_DATA, RELAY_FRAME_COST};
use quorate_types::NodeId;
use tokio::sync::mpsc;
use tokio_stream::Stream;

/// All relay streams of one coordinator.
#[derive(Clone)]
pub(crate) struct Switchboard {
    board: Arc<Mutex<Board>>,
    pair_bytes: usize,
}

#[derive(Default)]
struct Board {
    known: Vec<NodeId>,
    plugged: u64,
    ports: BTreeMap<NodeId, Plugged>,
}

struct Plugged {
    number: u64,
    frames: mpsc::UnboundedSender<Charged>,
    waiting: Arc<Waiting>,
}

/// Bytes that wait for one node, by who sent them. What bounds the queue.
#[derive(Default)]
struct Waiting(Mutex<HashMap<NodeId, usize>>);

/// A frame, and whose allowance it uses while it waits.
struct Charged {
    frame: RelayFrame,
    by: NodeId,
    cost: usize,
}

/// One node's side of the switchboard; unplugged when dropped.
pub(super) struct Port {
    node: NodeId,
    number: u64,
    switchboard: Switchboard,
}

/// What a node is brought.
pub(super) struct Queue {
    frames: mpsc::UnboundedReceiver<Charged>,
    waiting: Arc<Waiting>,
}

impl Switchboard {
    /// For these nodes; at most `pair_bytes` wait of each node for each other one.
    pub(crate) fn new(known: Vec<NodeId>, pair_bytes: usize) -> Self {
        let board = Board {
            known,
            ..Board::default()
        };
        Self {
            board: Arc::new(Mutex::new(board)),
            pair_bytes,
        }
    }

    /// A node's stream begins; an earlier one of the node gets nothing more.
    pub(super) fn plug_in(&self, node: &NodeId) -> (Port, Queue) {
        // Bounded by `waiting`, in bytes and by sender, which a channel cannot count.
        let (sender, frames) = mpsc::unbounded_channel();
        let waiting = Arc::new(Waiting::default());
        let mut board = self.board.lock();
        board.plugged += 1;
        let number = board.plugged;
        let plugged = Plugged {
            number,
            frames: sender,
            waiting: Arc::clone(&waiting),
        };
        board.ports.insert(node.clone(), plugged);
        drop(board);
        let port = Port {
            node: node.clone(),
            number,
            switchboard: self.clone(),
        };
        (port, Queue { frames, waiting })
    }
}

/// Why a frame was not carried. Value of the metric label `reason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dropped {
    /// `from` is not the node that sent it.
    ForeignSender,
    /// `to` is no other node of the manifest.
    UnknownReceiver,
    /// Longer than any honest frame, or without a body.
    Malformed,
    /// The receiver has no stream.
    NotConnected,
    /// The receiver does not keep up, and the sender does not stop.
    Full,
}

impl Dropped {
    const fn label(self) -> &'static str {
        match self {
            Self::ForeignSender => "foreign_sender",
            Self::UnknownReceiver => "unknown_receiver",
            Self::Malformed => "malformed",
            Self::NotConnected => "not_connected",
            Self::Full => "full",
        }
    }
}

impl Port {
    /// Takes a frame on, or drops it and tells its sender that the stream is over.
    pub(super) fn carry(&self, frame: RelayFrame) {
        let stream = (frame.to.clone(), frame.stream);
        let is_end = matches!(frame.body, Some(Body::End(_)));
        let length = length(&frame);
        let to = frame.to.clone();
        match self.try_carry(frame) {
            Ok(()) => {
                metrics::counter!(
                    "mpc_relay_bytes_total", "from" => self.node.to_string(), "to" => to
                )
                .increment(u64::try_from(length).unwrap_or(u64::MAX));
            }
            Err(why) => {
                metrics::counter!(
                    "mpc_relay_dropped_total",
                    "from" => self.node.to_string(), "reason" => why.label()
                )
                .increment(1);
                tracing::debug!(from = %self.node, reason = why.label(), "relay frame dropped");
                // Whoever sends in another's name or to nobody is not honest: no answer, which would
                // repeat the name at any length.
                if !is_end && !matches!(why, Dropped::ForeignSender | Dropped::UnknownReceiver) {
                    self.end(stream);
                }
            }
        }
    }

    fn try_carry(&self, frame: RelayFrame) -> Result<(), Dropped> {
        // What a node says about itself is not believed: the channel says who it is.
        if frame.from != self.node.as_str() {
            return Err(Dropped::ForeignSender);
        }
        let board = self.switchboard.board.lock();
        let is_other = |id: &&NodeId| id.as_str() == frame.to && **id != self.node;
        let to = board.known.iter().find(is_other);
        let to = to.ok_or(Dropped::UnknownReceiver)?;
        if frame.body.is_none() || length(&frame) > MAX_RELAY_DATA {
            return Err(Dropped::Malformed);
        }
        let port = board.ports.get(to).ok_or(Dropped::NotConnected)?;
        port.push(&self.node, frame, self.switchboard.pair_bytes)
    }

    /// Tells the sender that one of its streams is over.
    fn end(&self, (from, stream): (String, u64)) {
        let board = self.switchboard.board.lock();
        // In the name of the other end: the sender looks its stream up by it.
        let end = RelayFrame {
            from,
            to: self.node.to_string(),
            stream,
            body: Some(Body::End(RelayEnd {})),
        };
        if let Some(own) = board.ports.get(&self.node) {
            // Charged to the sender itself: one that provokes endless answers gets no more.
            let _ = own.push(&self.node, end, self.switchboard.pair_bytes);
        }
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        let mut board = self.switchboard.board.lock();
        let present = board.ports.get(&self.node).map(|plugged| plugged.number);
        if present == Some(self.number) {
            board.ports.remove(&self.node);
        }
    }
}

impl Plugged {
    /// Lets a frame wait for this node, if its sender has room left.
    fn push(&self, by: &NodeId, frame: RelayFrame, limit: usize) -> Result<(), Dropped> {
        // Both names are of known nodes here, so they are within what a frame costs.
        let cost = length(&frame) + RELAY_FRAME_COST;
        {
            let mut waiting = self.waiting.0.lock();
            let sum = waiting.entry(by.clone()).or_default();
            if *sum + cost > limit {
                return Err(Dropped::Full);
            }
            *sum += cost;
        }
        let by = by.clone();
        let sent = self.frames.send(Charged { frame, by, cost });
        sent.map_err(|_| Dropped::NotConnected)
    }
}

fn length(frame: &RelayFrame) -> usize {
    match &frame.body {
        Some(Body::Data(data)) => data.len(),
        _ => 0,
    }
}

impl Stream for Queue {
    type Item = ExchangeSharesRequest;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = ready!(self.frames.poll_recv(context));
        Poll::Ready(next.map(|Charged { frame, by, cost }| {
            if let Some(sum) = self.waiting.0.lock().get_mut(&by) {
                *sum = sum.saturating_sub(cost);
            }
            ExchangeSharesRequest { frame: Some(frame) }
        }))
    }
}

#[cfg(test)]
mod tests;
