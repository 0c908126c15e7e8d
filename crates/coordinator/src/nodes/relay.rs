//! Carries sealed frames between participants that cannot reach each other
//! (docs/protocols/relay.md §4). It can read none of them.

mod switchboard;

use std::sync::Arc;
use std::time::Duration;

use quorate_api::mpc_v1::node_service_client::NodeServiceClient;
use quorate_transport::noise::MAX_RELAY_DATA;

use super::cluster::Shared;
use super::node::Node;
use super::stream::{describe, pause};
pub(crate) use switchboard::Switchboard;

/// Most bytes of a frame beside its data: two names of nodes, and numbers.
const MAX_FRAME_NAMES: usize = 1 << 10;

/// Keeps the relay stream of one node open until the task is dropped.
pub(crate) async fn keep_relaying(shared: Arc<Shared>, node: Arc<Node>) {
    let mut failures = 0_u32;
    loop {
        let opened = run_once(&shared, &node, &mut failures).await;
        tracing::debug!(node = %node.id, error = opened, "relay stream to the node ended");
        failures = failures.saturating_add(1);
        tokio::time::sleep(pause(&shared, failures)).await;
    }
}

/// Opens the stream and carries what the node sends until it ends; says why it ended.
async fn run_once(shared: &Shared, node: &Node, failures: &mut u32) -> String {
    let (port, queue) = shared.switchboard.plug_in(&node.id);
    let mut client = NodeServiceClient::new(node.channel.clone())
        .max_decoding_message_size(MAX_RELAY_DATA + MAX_FRAME_NAMES);
    let timeout = Duration::from_millis(shared.limits.connect_timeout_ms);
    let opening = tokio::time::timeout(timeout, client.exchange_shares(queue));
    let mut sent = match opening.await {
        Ok(Ok(answer)) => answer.into_inner(),
        Ok(Err(status)) => return describe(&status),
        Err(_) => return "did not answer the opening of the relay in time".to_owned(),
    };
    *failures = 0;
    loop {
        match sent.message().await {
            Ok(Some(message)) => match message.frame {
                Some(frame) => port.carry(frame),
                None => return "sent a relay message without a frame".to_owned(),
            },
            Ok(None) => return "closed the relay stream".to_owned(),
            Err(status) => return describe(&status),
        }
    }
}
