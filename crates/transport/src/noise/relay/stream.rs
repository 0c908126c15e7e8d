//! One relayed byte stream: what the link writes becomes frames, what arrives becomes bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use quorate_types::NodeId;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::{MAX_RELAY_DATA, RELAY_FRAME_COST, RELAY_WINDOW, RelayBody, RelayFrame};

/// Bytes between the link and its frames, in each direction.
const PIPE_BYTES: usize = 64 << 10;
/// Frames of one stream that wait for the link: no honest end has more under way.
const WAITING_FRAMES: usize = RELAY_WINDOW / RELAY_FRAME_COST;

/// How long one direction may outlive the other: the link drops both, or the peer closes soon.
const LINGER: Duration = Duration::from_secs(10);

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
    credit: Arc<Semaphore>,
    end: CancellationToken,
    established: AtomicBool,
}

impl RelayStream {
    /// Starts a stream over `frames`; `closed` runs when it is over.
    pub(super) fn start(
        ends: Ends,
        frames: mpsc::Sender<RelayFrame>,
        closed: impl FnOnce(&Ends) + Send + 'static,
    ) -> (Arc<Self>, DuplexStream) {
        let (bytes, inner) = tokio::io::duplex(PIPE_BYTES);
        let (from_link, to_link) = tokio::io::split(inner);
        let (arrived, waiting) = mpsc::channel(WAITING_FRAMES + 1);
        let credit = Arc::new(Semaphore::new(RELAY_WINDOW));
        let end = CancellationToken::new();
        let stream = Arc::new(Self {
            arrived,
            credit: Arc::clone(&credit),
            end: end.clone(),
            established: AtomicBool::new(false),
        });
        let outward = send_all(ends.clone(), from_link, credit, frames.clone());
        let inward = receive_all(ends.clone(), waiting, to_link, frames.clone());
        // Not waited for at a shutdown: it ends soon after the link, which is.
        tokio::spawn(async move {
            let cut = tokio::select! {
                biased;
                () = end.cancelled() => true,
                () = both(outward, inward) => false,
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

/// Both directions; the one that is left has some time only.
async fn both(outward: impl Future<Output = ()>, inward: impl Future<Output = ()>) {
    tokio::pin!(outward, inward);
    tokio::select! {
        () = &mut outward => drop(tokio::time::timeout(LINGER, inward).await),
        () = &mut inward => drop(tokio::time::timeout(LINGER, outward).await),
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
    mut waiting: mpsc::Receiver<Arrived>,
    mut to_link: WriteHalf<DuplexStream>,
    frames: mpsc::Sender<RelayFrame>,
) {
    while let Some(Arrived::Data(data)) = waiting.recv().await {
        if to_link.write_all(&data).await.is_err() {
            return;
        }
        let taken = u32::try_from(data.len() + RELAY_FRAME_COST).expect("a frame is small");
        let credit = ends.frame(RelayBody::Credit(taken));
        if frames.send(credit).await.is_err() {
            return;
        }
    }
    // An error means that the link is gone.
    let _ = to_link.shutdown().await;
}
