//! Links through a coordinator, where two nodes cannot reach each other (docs/protocols/relay.md).
//!
//! The coordinator carries pieces of byte streams between its participants. A Noise link runs
//! inside such a stream as it does over TCP: who carries the bytes learns their number and nothing
//! else, and a byte that it changes, repeats, moves or keeps back ends the link, for which nobody
//! is blamed. What it can do is what a cut cable can do.

mod bytes;
mod stream;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use quorate_types::NodeId;
use tokio::sync::mpsc;

pub(super) use bytes::RelayedBytes;
use stream::{Ends, RelayStream};

/// Bytes of one stream and direction that may be under way: sent, and not yet taken by the other
/// end. A message piece counts [`RELAY_FRAME_COST`] more than its data.
pub const RELAY_WINDOW: usize = 256 << 10;
/// Most data of one frame.
pub const MAX_RELAY_DATA: usize = 16 << 10;
/// What a frame costs beside its data.
pub const RELAY_FRAME_COST: usize = 64;
/// Streams of one peer through one coordinator at a time, finished handshakes and others; the
/// oldest unfinished makes room.
const MAX_STREAMS_PER_PEER: usize = 4;
/// How long a stream may outlive its link, or one direction the other.
const LINGER: Duration = Duration::from_secs(10);

/// A piece of a relayed byte stream. Untrusted in every field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayFrame {
    /// Who sends it.
    pub from: NodeId,
    /// Who is to get it.
    pub to: NodeId,
    /// Which stream of this pair; chosen at random by the node that dials.
    pub stream: u64,
    /// Content.
    pub body: RelayBody,
}

/// Content of a [`RelayFrame`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RelayBody {
    /// The next bytes of the stream.
    Data(Vec<u8>),
    /// So much of what the other end sent was taken: it may send as much again.
    Credit(u32),
    /// Nothing more comes in this direction.
    End,
}

/// Which stream of which coordinator brought a frame. Never used twice in a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CarrierId(u64);

/// The present way through one coordinator.
struct Carrier {
    id: CarrierId,
    frames: mpsc::Sender<RelayFrame>,
}

#[derive(Default)]
struct Table {
    attached: u64,
    /// By coordinator: what one of them does touches no stream that another one carries.
    carriers: BTreeMap<NodeId, Carrier>,
    dialled: usize,
    streams: BTreeMap<(NodeId, u64), Open>,
    opened: u64,
}

/// A stream that is open.
struct Open {
    order: u64,
    carrier: CarrierId,
    stream: Arc<RelayStream>,
}

/// A new stream of a peer that dials; its handshake is to be answered.
pub(super) struct Opened {
    pub(super) from: NodeId,
    pub(super) bytes: RelayedBytes,
    /// Set once the handshake is done, so that newcomers do not displace it.
    pub(super) stream: Arc<RelayStream>,
}

/// All relayed streams of one node.
#[derive(Clone)]
pub(super) struct Relay {
    me: NodeId,
    table: Arc<Mutex<Table>>,
    linger: Duration,
}

/// Keeps a coordinator's stream in use; dropping it ends all links that run over it.
pub struct RelayAttachment {
    relay: Relay,
    coordinator: NodeId,
    id: CarrierId,
}

impl RelayAttachment {
    /// Names it to [`Links::relayed`](super::Links::relayed).
    #[must_use]
    pub fn id(&self) -> CarrierId {
        self.id
    }
}

impl Drop for RelayAttachment {
    fn drop(&mut self) {
        self.relay.detach(&self.coordinator, self.id);
    }
}

impl Relay {
    pub(super) fn new(me: NodeId) -> Self {
        Self {
            me,
            table: Arc::default(),
            linger: LINGER,
        }
    }

    /// A coordinator is ready to carry frames. This takes the place of an earlier stream of the
    /// same coordinator, and touches those of others.
    pub(super) fn attach(
        &self,
        coordinator: NodeId,
        frames: mpsc::Sender<RelayFrame>,
    ) -> RelayAttachment {
        let mut table = self.table.lock();
        table.attached += 1;
        let id = CarrierId(table.attached);
        let before = table
            .carriers
            .insert(coordinator.clone(), Carrier { id, frames });
        let cut = before.map(|before| table.take_streams(before.id));
        drop(table);
        cut.iter().flatten().for_each(|stream| stream.cut());
        RelayAttachment {
            relay: self.clone(),
            coordinator,
            id,
        }
    }

    fn detach(&self, coordinator: &NodeId, id: CarrierId) {
        let mut table = self.table.lock();
        if table.carriers.get(coordinator).map(|carrier| carrier.id) == Some(id) {
            table.carriers.remove(coordinator);
        }
        let cut = table.take_streams(id);
        drop(table);
        cut.iter().for_each(|stream| stream.cut());
    }

    /// Opens a stream to a peer, if a coordinator is there to carry it. Where there are several,
    /// they take turns: one of them may not reach the peer.
    pub(super) fn dial(&self, peer: &NodeId) -> Option<(RelayedBytes, Arc<RelayStream>)> {
        // An id that the system's randomness does not give is no reason to stop: no relay now.
        let id = getrandom::u64().ok()?;
        let carrier = self.table.lock().next_carrier()?;
        let opened = self.open(carrier, peer, id)?;
        Some((opened.bytes, opened.stream))
    }

    fn open(&self, carrier: CarrierId, peer: &NodeId, id: u64) -> Option<Opened> {
        let mut table = self.table.lock();
        let frames = table.frames_of(carrier)?;
        table.make_room(carrier, peer);
        table.opened += 1;
        let order = table.opened;
        let ends = Ends {
            me: self.me.clone(),
            peer: peer.clone(),
            id,
        };
        let relay = self.clone();
        let (stream, bytes) = RelayStream::start(ends, frames, self.linger, move |ends| {
            let key = (ends.peer.clone(), ends.id);
            let mut table = relay.table.lock();
            if table
                .streams
                .get(&key)
                .is_some_and(|open| open.order == order)
            {
                table.streams.remove(&key);
            }
        });
        let open = Open {
            order,
            carrier,
            stream: Arc::clone(&stream),
        };
        if let Some(same) = table.streams.insert((peer.clone(), id), open) {
            same.stream.cut();
        }
        Some(Opened {
            from: peer.clone(),
            bytes,
            stream,
        })
    }

    /// Takes a frame that a coordinator brought. `dials_us` says whether the sender may open
    /// streams. Returns a stream that is new.
    pub(super) fn receive(
        &self,
        carrier: CarrierId,
        frame: RelayFrame,
        dials_us: bool,
    ) -> Option<Opened> {
        let key = (frame.from, frame.stream);
        let known = self
            .table
            .lock()
            .streams
            .get(&key)
            .map(|open| (open.carrier, Arc::clone(&open.stream)));
        let (from, id) = key;
        match (known, frame.body) {
            (Some((by, stream)), body) => {
                // Relay 1.1: a coordinator has no say over what another one carries.
                if by == carrier {
                    stream.receive(body);
                }
                None
            }
            (None, RelayBody::Data(data)) if dials_us => {
                let opened = self.open(carrier, &from, id)?;
                opened.stream.receive(RelayBody::Data(data));
                Some(opened)
            }
            (None, RelayBody::Data(_)) => {
                self.refuse(carrier, from, id);
                None
            }
            (None, _) => None,
        }
    }

    /// Tells the other end that a stream is not known here.
    fn refuse(&self, carrier: CarrierId, to: NodeId, stream: u64) {
        let frames = self.table.lock().frames_of(carrier);
        let end = RelayFrame {
            from: self.me.clone(),
            to,
            stream,
            body: RelayBody::End,
        };
        // No room: the other end finds out by its own timeouts.
        let _ = frames.is_some_and(|frames| frames.try_send(end).is_ok());
    }
}

impl Table {
    fn frames_of(&self, id: CarrierId) -> Option<mpsc::Sender<RelayFrame>> {
        let carrier = self.carriers.values().find(|carrier| carrier.id == id)?;
        Some(carrier.frames.clone())
    }

    /// Whose turn it is to carry a stream that is dialled.
    fn next_carrier(&mut self) -> Option<CarrierId> {
        let turn = self.dialled.checked_rem(self.carriers.len())?;
        self.dialled = self.dialled.wrapping_add(1);
        self.carriers.values().nth(turn).map(|carrier| carrier.id)
    }

    /// Forgets what ran over a carrier that is gone; it is to be cut.
    fn take_streams(&mut self, carrier: CarrierId) -> Vec<Arc<RelayStream>> {
        let gone = self
            .streams
            .extract_if(.., |_, open| open.carrier == carrier);
        gone.map(|(_, open)| open.stream).collect()
    }

    /// Cuts the oldest stream of a peer whose handshake is not done, if there are too many.
    fn make_room(&mut self, carrier: CarrierId, peer: &NodeId) {
        let of_peer = || {
            let streams = self.streams.iter();
            streams.filter(|((node, _), open)| node == peer && open.carrier == carrier)
        };
        if of_peer().count() < MAX_STREAMS_PER_PEER {
            return;
        }
        let oldest = of_peer().min_by_key(|(_, open)| (open.stream.is_established(), open.order));
        let Some(key) = oldest.map(|(key, _)| key.clone()) else {
            return;
        };
        if let Some(open) = self.streams.remove(&key) {
            open.stream.cut();
        }
    }
}

#[cfg(test)]
mod tests;
