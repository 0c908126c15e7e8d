//! What the coordinator's view of the nodes says about their links.

use quorate_api::rest::{LinkView, NodeView};
use quorate_transport::LinkFault;

use super::Findings;

/// Beyond this difference, a node's clock is worth a word.
const WARN_AHEAD_MS: u64 = 5_000;
/// Participants refuse intents from further in the future.
const MAX_AHEAD_MS: u64 = 30_000;

/// A node that does not answer the coordinator.
pub(super) fn offline(node: &NodeView, trouble: &str, findings: &mut Findings) {
    let check = format!("node {}", node.node_id);
    match named(node.fault.as_deref()) {
        Some(fault) => {
            let found = format!("offline ({}): {fault}", fault.label());
            findings.fail(&check, found, fault.remedy());
        }
        None => {
            let start = "start it, and look at its log";
            findings.fail(&check, format!("offline: {trouble}"), start);
        }
    }
}

/// Its links to the others, and its clock.
pub(super) fn look(node: &NodeView, findings: &mut Findings) {
    for link in &node.links {
        if let Some(fault) = named(link.fault.as_deref()) {
            explain(node, link, fault, findings);
        }
    }
    let ahead = node.clock_ahead_ms.unwrap_or(0);
    let skew = ahead.unsigned_abs();
    if skew > WARN_AHEAD_MS {
        let check = format!("clock of {}", node.node_id);
        let side = if ahead > 0 { "ahead of" } else { "behind" };
        let found = format!("{} s {side} the coordinator's", skew / 1_000);
        let remedy = LinkFault::ClockSkew.remedy();
        if skew > MAX_AHEAD_MS {
            findings.fail(&check, found, remedy);
        } else {
            findings.warn(&check, found, remedy);
        }
    }
}

fn explain(node: &NodeView, link: &LinkView, fault: LinkFault, findings: &mut Findings) {
    let check = format!("link {} to {}", node.node_id, link.peer);
    let relayed = link.via.as_deref() == Some("relay");
    let state = if relayed {
        "relayed by the coordinator"
    } else {
        "down"
    };
    let found = format!("{state} ({}): {fault}", fault.label());
    findings.warn(&check, found, fault.remedy());
}

fn named(label: Option<&str>) -> Option<LinkFault> {
    LinkFault::parse(label?)
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    fn node(value: serde_json::Value) -> NodeView {
        let mut node = serde_json::json!({
            "node_id": "p1", "node_type": "participant", "endpoint": "h:1", "public_key": "",
            "status": "offline", "version": "", "capabilities": [], "load_factor": 0,
            "sessions_active": 0, "keys_active": 0, "key_problems": [], "links": [],
            "cpu_seconds": 0.0,
        });
        for (name, field) in value.as_object().unwrap() {
            node[name] = field.clone();
        }
        serde_json::from_value(node).unwrap()
    }

    #[test]
    fn doctor__should_explain_every_fault_with_what_to_do() {
        for fault in LinkFault::ALL {
            let mut findings = Findings::default();
            let offline_node = node(serde_json::json!({ "fault": fault.label() }));
            offline(&offline_node, "transport error", &mut findings);
            let finding = findings.checks.first().unwrap();
            assert_eq!(finding.state, State::Fail);
            assert_eq!(finding.remedy, fault.remedy());
            assert!(finding.found.contains(fault.label()), "{}", finding.found);
        }
    }

    #[test]
    fn doctor__should_tell_relayed_links_and_clocks() {
        let relayed = node(serde_json::json!({
            "clock_ahead_ms": -31_000,
            "links": [{
                "peer": "p2", "state": "up", "via": "relay", "fault": "connection_refused",
                "rtt_micros": 1, "bytes_sent": 0, "bytes_received": 0,
            }],
        }));
        let mut findings = Findings::default();
        look(&relayed, &mut findings);
        let found: Vec<_> = findings
            .checks
            .iter()
            .map(|c| (c.state, &*c.found))
            .collect();
        assert!(matches!(found[0], (State::Warn, text) if text.starts_with("relayed by the")));
        assert!(matches!(found[1], (State::Fail, text) if text.starts_with("31 s behind")));
    }
}
