//! The one stream to a node: opened, read, opened again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use quorate_api::mpc_v1::node_service_client::NodeServiceClient;
use quorate_types::NodeId;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::cluster::Shared;
use super::node::Node;
use super::report::{Input, read, shown};

/// A stream that lived so long was a good one: the next pause starts at the minimum again.
const HEALTHY_AFTER: Duration = Duration::from_secs(10);
/// Longest error text that is kept of a node.
const MAX_ERROR: usize = 300;

/// Keeps the stream of one node open until the task is dropped.
pub(crate) async fn keep_open(shared: Arc<Shared>, node: Arc<Node>) {
    let mut failures = 0_u32;
    loop {
        let started = Instant::now();
        let error = run_once(&shared, &node).await;
        let was_open = node.state.lock().commands.take().is_some();
        node.state.lock().last_error = Some(error.clone());
        if was_open {
            tracing::warn!(node = %node.id, %error, "stream to the node broke");
            metrics::counter!("mpc_node_stream_breaks_total", "node" => node.id.to_string())
                .increment(1);
            shared.lost(&node.id);
        }
        failures = if started.elapsed() > HEALTHY_AFTER {
            0
        } else {
            failures.saturating_add(1)
        };
        tokio::time::sleep(pause(&shared, failures)).await;
    }
}

/// Opens the stream and reads it until it ends; says why it ended.
async fn run_once(shared: &Arc<Shared>, node: &Arc<Node>) -> String {
    let (commands, queue) = mpsc::channel(shared.limits.node_queue_length.max(1));
    let mut client = NodeServiceClient::new(node.channel.clone());
    let opening = client.participate_signing(ReceiverStream::new(queue));
    let timeout = Duration::from_millis(shared.limits.connect_timeout_ms);
    let mut reports = match tokio::time::timeout(timeout, opening).await {
        Ok(Ok(answer)) => answer.into_inner(),
        Ok(Err(status)) => return describe(&status),
        Err(_) => return "did not answer the opening of the stream in time".to_owned(),
    };
    {
        let mut state = node.state.lock();
        state.commands = Some(commands);
        state.last_error = None;
    }
    tracing::info!(node = %node.id, "stream to the node is open");
    shared.announce(node);
    loop {
        let message = tokio::select! {
            message = reports.message() => message,
            () = node.reset.notified() => return "no answer to heartbeats".to_owned(),
        };
        match message {
            Ok(Some(message)) => match read(message) {
                Some((session, report)) => shared.routes.report(&node.id, session, report),
                None => return "sent a report without a session".to_owned(),
            },
            Ok(None) => return "closed the stream".to_owned(),
            Err(status) => return describe(&status),
        }
    }
}

/// Doubles with each failure, and is random between half and the whole: nodes that lost one
/// coordinator do not all come back at the same instant.
pub(crate) fn pause(shared: &Shared, failures: u32) -> Duration {
    let (min, max) = (
        shared.limits.reconnect_min_ms,
        shared.limits.reconnect_max_ms,
    );
    let doublings = failures.saturating_sub(1).min(16);
    let longest = min.saturating_mul(1 << doublings).min(max).max(1);
    let random = getrandom::u64().expect("the system's randomness works, or the process stops");
    Duration::from_millis(longest / 2 + random % (longest / 2 + 1))
}

/// Text of a gRPC failure, with its innermost cause: "transport error" alone helps nobody.
pub(crate) fn describe(status: &Status) -> String {
    let mut text = status.message().to_owned();
    let mut source = std::error::Error::source(status);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    shown(&text, MAX_ERROR)
}

impl Shared {
    fn lost(&self, node: &NodeId) {
        self.routes.tell_members(node, || Input::Lost(node.clone()));
    }

    /// Tells acts that wait for nodes, if sessions can be opened with this one now.
    pub(crate) fn announce(&self, node: &Node) {
        if node.state.lock().connected(self.dead_after) {
            // Nobody may be waiting.
            let _ = self.came_back.send(node.id.clone());
        }
    }
}
