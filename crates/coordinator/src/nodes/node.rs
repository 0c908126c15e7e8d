use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use quorate_api::mpc_v1::ParticipateSigningRequest;
use quorate_lead::NodeView as LeadView;
use quorate_transport::LinkFault;
use quorate_types::NodeId;
use tokio::sync::{Notify, mpsc};
use tonic::transport::Channel;

use super::connector::NodeConnector;
use super::state::NodeState;

/// A failure weighs half as much after this time.
const FAILURE_HALF_LIFE: Duration = Duration::from_secs(10);

/// One participant.
pub(crate) struct Node {
    pub(crate) id: NodeId,
    pub(crate) address: String,
    pub(crate) identity: [u8; 32],
    pub(crate) channel: Channel,
    pub(crate) state: Mutex<NodeState>,
    /// Wakes the stream when the heartbeat finds the node dead.
    pub(crate) reset: Notify,
    connector: Arc<dyn NodeConnector>,
    in_flight: AtomicU32,
    failures: Mutex<(f64, Option<Instant>)>,
}

impl Node {
    pub(crate) fn new(
        id: NodeId,
        address: String,
        identity: [u8; 32],
        channel: Channel,
        connector: Arc<dyn NodeConnector>,
    ) -> Self {
        Self {
            connector,
            id,
            address,
            identity,
            channel,
            state: Mutex::default(),
            reset: Notify::new(),
            in_flight: AtomicU32::new(0),
            failures: Mutex::new((0.0, None)),
        }
    }

    /// What is wrong with the connection to it, if it can be named.
    pub(crate) fn fault(&self) -> Option<LinkFault> {
        self.connector.fault(&self.id)
    }

    /// Queues a command; whether there was a stream with room for it.
    pub(crate) fn command(&self, command: ParticipateSigningRequest) -> bool {
        let commands = self.state.lock().commands.clone();
        commands.is_some_and(|queue: mpsc::Sender<_>| queue.try_send(command).is_ok())
    }

    pub(crate) fn session_opened(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn session_ended(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    /// Counts an attempt that failed by this node's fault.
    pub(crate) fn failed(&self) {
        let mut failures = self.failures.lock();
        *failures = (decayed(*failures) + 1.0, Some(Instant::now()));
    }

    /// What a lead chooses by.
    pub(crate) fn lead_view(&self, dead_after: Duration) -> LeadView {
        let state = self.state.lock();
        let heard = state.heard.as_ref();
        let load = heard.map_or(0, |h| h.answer.load_factor.min(100));
        let latency = heard.map_or(0, |h| h.round_trip.as_millis());
        LeadView {
            connected: state.connected(dead_after),
            load_factor: u8::try_from(load).unwrap_or(100),
            in_flight: self.in_flight.load(Ordering::Relaxed),
            latency_ms: u32::try_from(latency).unwrap_or(u32::MAX),
            recent_failures: whole(decayed(*self.failures.lock())),
        }
    }
}

fn decayed((count, since): (f64, Option<Instant>)) -> f64 {
    let Some(since) = since else { return 0.0 };
    let half_lives = since.elapsed().as_secs_f64() / FAILURE_HALF_LIFE.as_secs_f64();
    count * 0.5_f64.powf(half_lives)
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a small count that is never negative; `as` saturates"
)]
fn whole(count: f64) -> u32 {
    count.round() as u32
}
