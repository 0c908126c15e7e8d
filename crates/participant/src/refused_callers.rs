//! Callers that showed a certificate and were not let in, in the audit log.
//!
//! A refused certificate proves nothing, and anybody can show one: the name is recorded as a claim,
//! and strangers cannot fill the log, since only so many are recorded a minute. The others are
//! counted in the next record.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use quorate_audit::{AuditEvent, AuditResult};
use quorate_transport::tls::RefusedClient;

use crate::clock;
use crate::node::Node;

/// Refused callers that wait for the log.
const QUEUE: usize = 64;
/// Most records of one window.
const RECORDS_PER_WINDOW: u32 = 20;
const WINDOW: Duration = Duration::from_secs(60);

/// What to tell of each refused client. It never waits; the recording thread ends with it.
pub(crate) fn recorder(node: &Arc<Node>) -> impl Fn(&RefusedClient) + Send + Sync + 'static {
    let (sender, queue) = sync_channel(QUEUE);
    let node = Arc::clone(node);
    tokio::task::spawn_blocking(move || record_all(&node, &queue));
    move |client| {
        if client.claimed.is_some() && sender.try_send(client.clone()).is_err() {
            metrics::counter!("quorate_refused_callers_dropped_total").increment(1);
        }
    }
}

fn record_all(node: &Node, queue: &Receiver<RefusedClient>) {
    let mut budget = Budget::new(Instant::now());
    while let Ok(client) = queue.recv() {
        if let Some(unrecorded) = budget.take(Instant::now()) {
            record(node, &client, unrecorded);
        }
    }
}

fn record(node: &Node, client: &RefusedClient, unrecorded: u32) {
    let claimed = client.claimed.as_ref().map(ToString::to_string);
    let event = AuditEvent::new(
        clock::now(),
        "connection.refused",
        "connect",
        AuditResult::Refused,
    )
    .with("fault", client.fault.label())
    .with("claimed", claimed.unwrap_or_default())
    .with("address", client.address.ip().to_string())
    .with("unrecorded_before", unrecorded);
    let recorded = node.keystore.audit().record(event);
    let written = recorded
        .map_err(|e| e.to_string())
        .and_then(|durable| durable.wait().map(drop).map_err(|e| e.to_string()));
    if let Err(error) = written {
        tracing::error!(error, "the audit log failed; this node stops joining");
    }
}

/// So many records a window.
struct Budget {
    since: Instant,
    used: u32,
    unrecorded: u32,
}

impl Budget {
    const fn new(now: Instant) -> Self {
        Self {
            since: now,
            used: 0,
            unrecorded: 0,
        }
    }

    /// Whether to record one now, and how many were not since the last one.
    fn take(&mut self, now: Instant) -> Option<u32> {
        if now.duration_since(self.since) >= WINDOW {
            (self.since, self.used) = (now, 0);
        }
        if self.used == RECORDS_PER_WINDOW {
            self.unrecorded = self.unrecorded.saturating_add(1);
            return None;
        }
        self.used += 1;
        Some(std::mem::take(&mut self.unrecorded))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_callers__must_not_fill_the_log() {
        let start = Instant::now();
        let mut budget = Budget::new(start);
        for _ in 0..RECORDS_PER_WINDOW {
            assert_eq!(budget.take(start), Some(0));
        }
        for _ in 0..5 {
            assert_eq!(budget.take(start + WINDOW / 2), None);
        }
        assert_eq!(budget.take(start + WINDOW), Some(5), "they are counted");
        assert_eq!(budget.take(start + WINDOW), Some(0));
    }
}
