//! Counters of one link, for the status and for the metrics exporter alike.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use metrics::{Counter, Gauge};
use quorate_types::NodeId;

/// A number that only grows, kept twice: here and in the exporter.
pub(super) struct Total {
    value: AtomicU64,
    exported: Counter,
}

impl Total {
    fn new(exported: Counter) -> Self {
        Self {
            value: AtomicU64::new(0),
            exported,
        }
    }

    /// Adds.
    pub(super) fn add(&self, count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.value.fetch_add(count, Ordering::Relaxed);
        self.exported.increment(count);
    }

    /// The sum.
    pub(super) fn get(&self) -> u64 {
        self.value.load(Ordering::Relaxed)
    }
}

/// All counters of one peer.
pub(super) struct Meter {
    up: Gauge,
    relayed: Gauge,
    rtt: Gauge,
    pub(super) bytes_sent: Total,
    pub(super) bytes_received: Total,
    pub(super) messages_sent: Total,
    pub(super) messages_received: Total,
    pub(super) messages_lost: Total,
    pub(super) queue_full: Total,
}

impl Meter {
    /// Registers the metrics of `peer` with the installed recorder.
    pub(super) fn new(peer: &NodeId) -> Self {
        let both = |name: &'static str, direction: &'static str| {
            let peer = peer.as_str().to_owned();
            Total::new(metrics::counter!(name, "peer" => peer, "direction" => direction))
        };
        let one = |name: &'static str| {
            Total::new(metrics::counter!(name, "peer" => peer.as_str().to_owned()))
        };
        Self {
            up: metrics::gauge!("quorate_link_up", "peer" => peer.as_str().to_owned()),
            relayed: metrics::gauge!("quorate_link_relayed", "peer" => peer.as_str().to_owned()),
            rtt: metrics::gauge!("quorate_link_rtt_seconds", "peer" => peer.as_str().to_owned()),
            bytes_sent: both("quorate_link_bytes_total", "sent"),
            bytes_received: both("quorate_link_bytes_total", "received"),
            messages_sent: both("quorate_link_messages_total", "sent"),
            messages_received: both("quorate_link_messages_total", "received"),
            messages_lost: one("quorate_link_messages_lost_total"),
            queue_full: one("quorate_link_queue_full_total"),
        }
    }

    /// The link went up or down.
    pub(super) fn set_up(&self, up: bool) {
        self.up.set(if up { 1.0 } else { 0.0 });
    }

    /// The link runs through a coordinator, or does not.
    pub(super) fn set_relayed(&self, relayed: bool) {
        self.relayed.set(if relayed { 1.0 } else { 0.0 });
    }

    /// A ping was answered.
    pub(super) fn set_rtt(&self, rtt: Duration) {
        self.rtt.set(rtt.as_secs_f64());
    }
}
