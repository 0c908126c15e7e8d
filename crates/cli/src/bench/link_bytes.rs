//! Bytes between the participants, as they report them in their heartbeats.

use std::time::{Duration, Instant};

use quorate_api::rest::NodeList;

use crate::clock::now;
use crate::error::CliError;
use crate::http::ApiClient;

/// How long to wait for fresh heartbeats; without them the last ones count.
const DEADLINE: Duration = Duration::from_secs(6);
/// Pause between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// All bytes that all nodes have sent over their links, from heartbeats that came after this call.
pub(super) async fn settled(client: &ApiClient) -> Result<u64, CliError> {
    let asked_at = now().to_rfc3339();
    let deadline = Instant::now() + DEADLINE;
    loop {
        let list = client.get::<NodeList>("/nodes").await?.data;
        // RFC 3339 in UTC with whole seconds sorts as text.
        let is_fresh = list
            .nodes
            .iter()
            .filter(|node| node.status != "offline")
            .all(|node| {
                node.last_heartbeat
                    .as_ref()
                    .is_some_and(|at| *at > asked_at)
            });
        if is_fresh || Instant::now() >= deadline {
            let links = list.nodes.iter().flat_map(|node| &node.links);
            return Ok(links.map(|link| link.bytes_sent).sum());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
