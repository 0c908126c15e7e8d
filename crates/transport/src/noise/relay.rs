//! Links through a coordinator, where two nodes cannot reach each other (docs/protocols/relay.md).
//!
//! The coordinator carries pieces of byte streams between its participants. A Noise link runs
//! inside such a stream as it does over TCP: who carries the bytes learns their number and nothing
//! else, and a byte that it changes, repeats, moves or keeps back ends the link, for which nobody
//! is blamed. What it can do is what a cut cable can do.

mod stream;

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use quorate_types::NodeId;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;

use stream::{Ends, RelayStream};

/// Bytes of one stream and direction that may be under way: sent, and not yet taken by the other
/// end. A message piece counts [`RELAY_FRAME_COST`] more than its data.
pub const RELAY_WINDOW: usize = 256 << 10;
/// Most data of one frame.
pub const MAX_RELAY_DATA: usize = 16 << 10;
/// What a frame costs beside its data.
pub const RELAY_FRAME_COST: usize = 64;
/// Streams of one peer at a time, finished handshakes and others; the oldest unfinished makes room.
const MAX_STREAMS_PER_PEER: usize = 4;

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

/// The present way to the coordinator.
struct Carrier {
    number: u64,
    frames: mpsc::Sender<RelayFrame>,
}

#[derive(Default)]
struct Table {
    carriers: u64,
    carrier: Option<Carrier>,
    streams: BTreeMap<(NodeId, u64), Open>,
    opened: u64,
}

/// A stream that is open.
struct Open {
    order: u64,
    stream: Arc<RelayStream>,
}

/// A new stream of a peer that dials; its handshake is to be answered.
pub(super) struct Opened {
    pub(super) from: NodeId,
    pub(super) bytes: DuplexStream,
    /// Set once the handshake is done, so that newcomers do not displace it.
    pub(super) stream: Arc<RelayStream>,
}

/// All relayed streams of one node.
#[derive(Clone)]
pub(super) struct Relay {
    me: NodeId,
    table: Arc<Mutex<Table>>,
}

/// Keeps a coordinator's stream in use; dropping it ends all links that run over it.
pub struct RelayAttachment {
    relay: Relay,
    number: u64,
}

impl Drop for RelayAttachment {
    fn drop(&mut self) {
        self.relay.detach(self.number);
    }
}

impl Relay {
    pub(super) fn new(me: NodeId) -> Self {
        Self {
            me,
            table: Arc::default(),
        }
    }

    /// A coordinator is ready to carry frames. It takes the place of an earlier one.
    pub(super) fn attach(&self, frames: mpsc::Sender<RelayFrame>) -> RelayAttachment {
        let mut table = self.table.lock();
        table.carriers += 1;
        let number = table.carriers;
        table.carrier = Some(Carrier { number, frames });
        let cut = std::mem::take(&mut table.streams);
        drop(table);
        cut.values().for_each(|open| open.stream.cut());
        RelayAttachment {
            relay: self.clone(),
            number,
        }
    }

    fn detach(&self, number: u64) {
        let mut table = self.table.lock();
        if table.carrier.as_ref().map(|carrier| carrier.number) != Some(number) {
            return;
        }
        table.carrier = None;
        let cut = std::mem::take(&mut table.streams);
        drop(table);
        cut.values().for_each(|open| open.stream.cut());
    }

    /// Opens a stream to a peer, if a coordinator is there to carry it.
    pub(super) fn dial(&self, peer: &NodeId) -> Option<(DuplexStream, Arc<RelayStream>)> {
        // An id that the system's randomness does not give is no reason to stop: no relay now.
        let id = getrandom::u64().ok()?;
        let opened = self.open(peer, id)?;
        Some((opened.bytes, opened.stream))
    }

    fn open(&self, peer: &NodeId, id: u64) -> Option<Opened> {
        let mut table = self.table.lock();
        let frames = table.carrier.as_ref()?.frames.clone();
        table.make_room(peer);
        table.opened += 1;
        let order = table.opened;
        let ends = Ends {
            me: self.me.clone(),
            peer: peer.clone(),
            id,
        };
        let relay = self.clone();
        let (stream, bytes) = RelayStream::start(ends, frames, move |ends| {
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
    pub(super) fn receive(&self, frame: RelayFrame, dials_us: bool) -> Option<Opened> {
        let key = (frame.from, frame.stream);
        let known = self
            .table
            .lock()
            .streams
            .get(&key)
            .map(|open| Arc::clone(&open.stream));
        let (from, id) = key;
        match (known, frame.body) {
            (Some(stream), body) => {
                stream.receive(body);
                None
            }
            (None, RelayBody::Data(data)) if dials_us => {
                let opened = self.open(&from, id)?;
                opened.stream.receive(RelayBody::Data(data));
                Some(opened)
            }
            (None, RelayBody::Data(_)) => {
                self.refuse(from, id);
                None
            }
            (None, _) => None,
        }
    }

    /// Tells the other end that a stream is not known here.
    fn refuse(&self, to: NodeId, stream: u64) {
        let frames = self.table.lock().carrier.as_ref().map(|c| c.frames.clone());
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
    /// Cuts the oldest stream of a peer whose handshake is not done, if there are too many.
    fn make_room(&mut self, peer: &NodeId) {
        let of_peer = || self.streams.iter().filter(|((node, _), _)| node == peer);
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
