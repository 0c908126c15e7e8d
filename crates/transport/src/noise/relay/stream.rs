//! One relayed byte stream: what the link writes becomes frames, what arrives becomes bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use quorate_types::NodeId;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::bytes::RelayedBytes;
use super::{MAX_RELAY_DATA, RELAY_FRAME_COST, RELAY_WINDOW, RelayBody, RelayFrame};

/// Bytes between the link and its frames, in each direction.
const PIPE_BYTES: usize = 64 << 10;
/// Frames of one stream that wait for the link: as many as fit into the window, which is counted
/// in bytes ([`RelayStream::waiting`]).
const WAITING_FRAMES: usize = RELAY_WINDOW / RELAY_FRAME_COST;

/// What arrived, in order.
enum Arrived {
    Data(Vec<u8>),
    End,
}

/// Whose stream it is.
#[derive(Clone)]
pub(super) struct Ends {
    pub(super) me: NodeId,
    pub(super) peer: NodeId,
    pub(super) id: u64,
}

impl Ends {
    fn frame(&self, body: RelayBody) -> RelayFrame {
        RelayFrame {
            from: self.me.clone(),
            to: self.peer.clone(),
            stream: self.id,
            body,
        }
    }
}

/// A stream as its table sees it.
pub(in crate::noise) struct RelayStream {
    arrived: mpsc::Sender<Arrived>,
    /// Cost of what arrived and was not yet acknowledged, in bytes.
    waiting: Arc<AtomicUsize>,
    credit: Arc<Semaphore>,
    end: CancellationToken,
    established: AtomicBool,
}

impl RelayStream {
    /// Starts a stream over `frames`; `closed` runs when it is over. That is at the latest `linger`
    /// after the link dropped its bytes, or after one direction ended, whatever the coordinator
    /// and the peer do.
    pub(super) fn start(
        ends: Ends,
        frames: mpsc::Sender<RelayFrame>,
        linger: Duration,
        closed: impl FnOnce(&Ends) + Send + 'static,
    ) -> (Arc<Self>, RelayedBytes) {
        let (bytes, inner) = tokio::io::duplex(PIPE_BYTES);
        let (from_link, to_link) = tokio::io::split(inner);
        let (arrived, queue) = mpsc::channel(WAITING_FRAMES + 1);
        let waiting = Arc::new(AtomicUsize::new(0));
        let dropped = CancellationToken::new();
        let bytes = RelayedBytes::new(bytes, dropped.clone());
        let credit = Arc::new(Semaphore::new(RELAY_WINDOW));
        let end = CancellationToken::new();
        let stream = Arc::new(Self {
            arrived,
            waiting: Arc::clone(&waiting),
            credit: Arc::clone(&credit),
            end: end.clone(),
            established: AtomicBool::new(false),
        });
        let outward = send_all(ends.clone(), from_link, credit, frames.clone());
        let arriving = Arriving { queue, waiting };
        let inward = receive_all(ends.clone(), arriving, to_link, frames.clone());
        let deserted = async move {
            dropped.cancelled().await;
            // What the link wrote last may still leave.
            tokio::time::sleep(linger).await;
        };
        // Not waited for at a shutdown: it ends soon after the link, which is.
        tokio::spawn(async move {
            let cut = tokio::select! {
                biased;
                () = end.cancelled() => true,
                () = deserted => true,
                () = both(outward, inward, linger) => false,
            };
            closed(&ends);
            if cut {
                // No room: the other end finds out by its own timeouts.
                let _ = frames.try_send(ends.frame(RelayBody::End));
            }
        });
        (stream, bytes)
    }

    /// Takes what arrived. It never waits: an end that sends more than its window loses the stream.
    pub(super) fn receive(&self, body: RelayBody) {
        let broken = match body {
            RelayBody::Data(data) => {
                data.is_empty()
                    || data.len() > MAX_RELAY_DATA
                    || self.exceeds_window(data.len())
                    || self.arrived.try_send(Arrived::Data(data)).is_err()
            }
            RelayBody::Credit(amount) => {
                let amount = usize::try_from(amount).unwrap_or(usize::MAX);
                let sum = self.credit.available_permits().checked_add(amount);
                match sum {
                    Some(sum) if sum <= RELAY_WINDOW => {
                        self.credit.add_permits(amount);
                        false
                    }
                    // More than was ever sent was acknowledged.
                    _ => true,
                }
            }
            RelayBody::End => self.arrived.try_send(Arrived::End).is_err(),
        };
        if broken {
            self.cut();
        }
    }

    /// Relay 2.2: counts a frame of this length; whether more is under way than any honest end has.
    fn exceeds_window(&self, length: usize) -> bool {
        let cost = length + RELAY_FRAME_COST;
        self.waiting.fetch_add(cost, Ordering::AcqRel) > RELAY_WINDOW.saturating_sub(cost)
    }

    /// Ends it.
    pub(super) fn cut(&self) {
        self.end.cancel();
    }

    /// The handshake is done: newcomers do not displace it.
    pub(in crate::noise) fn establish(&self) {
        self.established.store(true, Ordering::Release);
    }

    pub(super) fn is_established(&self) -> bool {
        self.established.load(Ordering::Acquire)
    }
}

/// What waits for the link, and how much it counts.
struct Arriving {
    queue: mpsc::Receiver<Arrived>,
    waiting: Arc<AtomicUsize>,
}

/// Both directions; the one that is left has some time only: the link drops both, or the peer
/// closes soon.
async fn both(
    outward: impl Future<Output = ()>,
    inward: impl Future<Output = ()>,
    linger: Duration,
) {
    tokio::pin!(outward, inward);
    tokio::select! {
        () = &mut outward => drop(tokio::time::timeout(linger, inward).await),
        () = &mut inward => drop(tokio::time::timeout(linger, outward).await),
    }
}

/// Sends what the link writes, as far as the other end keeps up.
async fn send_all(
    ends: Ends,
    mut from_link: ReadHalf<DuplexStream>,
    credit: Arc<Semaphore>,
    frames: mpsc::Sender<RelayFrame>,
) {
    const MOST: usize = MAX_RELAY_DATA + RELAY_FRAME_COST;
    let most = u32::try_from(MOST).expect("a frame is small");
    loop {
        let mut data = vec![0; MAX_RELAY_DATA];
        let Ok(permits) = credit.acquire_many(most).await else {
            return;
        };
        permits.forget();
        let Ok(length @ 1..) = from_link.read(&mut data).await else {
            // An error means that the coordinator is gone.
            let _ = frames.send(ends.frame(RelayBody::End)).await;
            return;
        };
        credit.add_permits(MAX_RELAY_DATA - length);
        data.truncate(length);
        if frames
            .send(ends.frame(RelayBody::Data(data)))
            .await
            .is_err()
        {
            return;
        }
    }
}

/// Hands what arrived to the link, and lets the other end send as much again.
async fn receive_all(
    ends: Ends,
    mut arriving: Arriving,
    mut to_link: WriteHalf<DuplexStream>,
    frames: mpsc::Sender<RelayFrame>,
) {
    while let Some(Arrived::Data(data)) = arriving.queue.recv().await {
        if to_link.write_all(&data).await.is_err() {
            return;
        }
        let cost = data.len() + RELAY_FRAME_COST;
        // Before the other end learns of it, or it would seem to send too much.
        arriving.waiting.fetch_sub(cost, Ordering::AcqRel);
        let taken = u32::try_from(cost).expect("a frame is small");
        let credit = ends.frame(RelayBody::Credit(taken));
        if frames.send(credit).await.is_err() {
            return;
        }
    }
    // An error means that the link is gone.
    let _ = to_link.shutdown().await;
}
