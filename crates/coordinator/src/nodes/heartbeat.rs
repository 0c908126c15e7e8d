//! One question per interval to one node.

use std::sync::Arc;
use std::time::{Duration, Instant};

use quorate_api::mpc_v1::node_service_client::NodeServiceClient;
use quorate_api::mpc_v1::{HeartbeatRequest, HeartbeatResponse};
use quorate_store::{NodeHeartbeat, NodeStatus, Write};
use tokio::time::MissedTickBehavior;

use super::cluster::Shared;
use super::node::Node;
use super::state::{Heard, own_bans};
use super::stream::describe;
use crate::clock::now;

/// An unchanged node is written to the store only so often.
const RECORD_EVERY: Duration = Duration::from_secs(30);

/// Asks until the task is dropped.
pub(crate) async fn keep_asking(shared: Arc<Shared>, node: Arc<Node>) {
    let interval = Duration::from_millis(shared.limits.heartbeat_interval_ms.max(10));
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut recorded: Option<(NodeStatus, Instant)> = None;
    loop {
        ticks.tick().await;
        let asked = tokio::time::timeout(shared.dead_after, ask(&shared, &node)).await;
        let failure = match asked {
            Ok(Ok(())) => None,
            Ok(Err(why)) => Some(why),
            Err(_) => Some("did not answer a heartbeat in time".to_owned()),
        };
        if let Some(why) = failure {
            note_failure(&shared, &node, why);
        }
        let status = node.status(shared.dead_after, shared.manifest_version);
        let up = if status == NodeStatus::Offline {
            0.0
        } else {
            1.0
        };
        metrics::gauge!("mpc_node_up", "node" => node.id.to_string()).set(up);
        let stale =
            |(known, at): &(NodeStatus, Instant)| *known != status || at.elapsed() > RECORD_EVERY;
        if recorded.as_ref().is_none_or(stale) {
            record(&shared, &node, status).await;
            recorded = Some((status, Instant::now()));
        }
    }
}

async fn ask(shared: &Shared, node: &Node) -> Result<(), String> {
    let started = Instant::now();
    let request = HeartbeatRequest {
        coordinator_id: shared.coordinator_id.to_string(),
    };
    let answer = NodeServiceClient::new(node.channel.clone())
        .heartbeat(request)
        .await
        .map_err(|status| describe(&status))?
        .into_inner();
    if answer.node_id != node.id.as_str() {
        return Err("another node answers at this address".to_owned());
    }
    let bans = own_bans(&node.id, &answer);
    count_links(node, &answer);
    let round_trip = started.elapsed();
    metrics::histogram!("mpc_node_heartbeat_seconds", "node" => node.id.to_string())
        .record(round_trip.as_secs_f64());
    let mut state = node.state.lock();
    let was_connected = state.connected(shared.dead_after);
    let went_back = state
        .heard
        .as_ref()
        .is_some_and(|heard| answer.audit_sequence < heard.answer.audit_sequence);
    if went_back {
        tracing::error!(node = %node.id, "the node's audit log became shorter: rolled back?");
        metrics::counter!("mpc_anomalies_total", "kind" => "audit_rollback").increment(1);
    }
    let at = now();
    state.heard = Some(Heard {
        at,
        instant: started,
        round_trip,
        answer,
        bans,
    });
    if state.commands.is_some() {
        state.last_error = None;
    }
    drop(state);
    if !was_connected {
        shared.announce(node);
    }
    Ok(())
}

/// How many links of the node are direct, relayed and down.
fn count_links(node: &Node, answer: &HeartbeatResponse) {
    for kind in ["direct", "relay", "down"] {
        let of_kind = answer.links.iter().filter(|link| match kind {
            "down" => link.state != "up",
            via => link.state == "up" && link.via == via,
        });
        let count = u32::try_from(of_kind.count()).unwrap_or(u32::MAX);
        metrics::gauge!("mpc_node_links", "node" => node.id.to_string(), "kind" => kind)
            .set(f64::from(count));
    }
}

fn note_failure(shared: &Shared, node: &Node, why: String) {
    let mut state = node.state.lock();
    let is_dead = !state.is_fresh(shared.dead_after);
    state.last_error = Some(why);
    if is_dead && state.commands.is_some() {
        node.reset.notify_one();
    }
}

async fn record(shared: &Shared, node: &Node, status: NodeStatus) {
    tracing::info!(node = %node.id, %status, "node status");
    let beat = {
        let state = node.state.lock();
        let heard = state.heard.as_ref();
        let load = heard.map_or(0, |h| h.answer.load_factor.min(100));
        NodeHeartbeat {
            node_id: node.id.clone(),
            heard_at: heard.map(|h| h.at),
            status,
            load_factor: u8::try_from(load).unwrap_or(100),
        }
    };
    if let Err(error) = shared.store.write(Write::Heartbeat(beat)).await {
        tracing::error!(node = %node.id, %error, "a heartbeat was not recorded");
    }
}
