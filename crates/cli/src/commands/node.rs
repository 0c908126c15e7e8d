use quorate_api::rest::{LinkView, NodeList, NodeView, PairView};
use quorate_types::NodeId;

use super::Context;
use super::key::parse;
use crate::args::NodeAction;
use crate::console::{Report, facts, table};
use crate::error::CliError;
use crate::http::ApiClient;

pub(super) async fn run(context: &Context, action: NodeAction) -> Result<Report, CliError> {
    let client = ApiClient::new(&context.settings)?;
    match action {
        NodeAction::Enroll(action) => crate::enroll::run(action, &context.console),
        NodeAction::LiftBan(args) => super::lift_ban::run(context, args).await,
        NodeAction::List => {
            let list = client.get::<NodeList>("/nodes").await?.data;
            Ok(list_report(&list))
        }
        NodeAction::Show { node_id } => {
            let id: NodeId = parse("node id", &node_id)?;
            let node = client.get::<NodeView>(&format!("/nodes/{id}")).await?.data;
            Ok(node_report(&node))
        }
    }
}

fn list_report(list: &NodeList) -> Report {
    let row = |node: &NodeView| {
        vec![
            node.node_id.clone(),
            node.status.clone(),
            node.endpoint.clone(),
            links(&node.links),
            node.load_factor.to_string(),
            node.keys_active.to_string(),
            node.heartbeat_micros
                .map(|us| format!("{us} µs"))
                .unwrap_or_default(),
            node.last_error.clone().unwrap_or_default(),
        ]
    };
    let header = [
        "node",
        "status",
        "endpoint",
        "links",
        "load",
        "keys",
        "heartbeat",
        "trouble",
    ];
    let rows = list.nodes.iter().map(row).collect();
    let title = format!(
        "cluster {}, manifest version {}",
        list.cluster, list.manifest_version
    );
    Report::new(list, format!("{title}\n\n{}", table(&header, rows)))
}

/// How many links take which way: `2 direct`, or `1 direct, 1 relay`.
fn links(links: &[LinkView]) -> String {
    let kinds = ["direct", "relay", "down"].map(|kind| {
        let of_kind = links.iter().filter(|link| link_kind(link) == kind);
        (of_kind.count(), kind)
    });
    let present = kinds.iter().filter(|(count, _)| *count > 0);
    let present: Vec<String> = present
        .map(|(count, kind)| format!("{count} {kind}"))
        .collect();
    present.join(", ")
}

/// `direct`, `relay` or `down`.
fn link_kind(link: &LinkView) -> &str {
    match (link.state.as_str(), link.via.as_deref()) {
        ("up", Some(via)) => via,
        // A node of an older version does not say.
        ("up", None) => "direct",
        _ => "down",
    }
}

fn node_report(node: &NodeView) -> Report {
    let link = |link: &LinkView| {
        vec![
            link.peer.clone(),
            match link.via.as_deref() {
                Some(via) => format!("{}, {via}", link.state),
                None => link.state.clone(),
            },
            format!("{} µs", link.rtt_micros),
            link.bytes_sent.to_string(),
            link.bytes_received.to_string(),
            // Of a link that is up, it is what ended the one before.
            link.last_error
                .clone()
                .filter(|_| link.state != "up")
                .unwrap_or_default(),
        ]
    };
    let about = facts(&[
        ("node", node.node_id.clone()),
        ("status", node.status.clone()),
        ("trouble", node.last_error.clone().unwrap_or_default()),
        ("endpoint", node.endpoint.clone()),
        ("identity", node.public_key.clone()),
        ("version", node.version.clone()),
        ("protocols", node.capabilities.join(", ")),
        (
            "load",
            format!(
                "{} of 100, {} sessions",
                node.load_factor, node.sessions_active
            ),
        ),
        ("keys", node.keys_active.to_string()),
        ("problems", node.key_problems.join("; ")),
        ("cpu", format!("{:.2} s", node.cpu_seconds)),
        ("heartbeat", node.last_heartbeat.clone().unwrap_or_default()),
    ]);
    let header = [
        "link to",
        "state",
        "round trip",
        "sent",
        "received",
        "trouble",
    ];
    let links = table(&header, node.links.iter().map(link).collect());
    let pair = |pair: &PairView| {
        vec![
            pair.peer.clone(),
            pair.state.clone(),
            pair.generation.clone().unwrap_or_default(),
            pair.banned.join(" "),
        ]
    };
    let header = ["pair with", "state", "generation", "banned"];
    let pairs = table(&header, node.pairs.iter().map(pair).collect());
    Report::new(node, format!("{about}\n{links}\n{pairs}"))
}
