//! A node, as the API shows it.

use std::time::Duration;

use quorate_api::rest::{LinkView, NodeView, PairView};
use quorate_store::NodeStatus;

use super::node::Node;
use super::report::shown;
use super::state::{Heard, NodeState};

const MAX_NAME: usize = 64;
const MAX_TEXT: usize = 300;
/// Most entries of a list that a node reports.
const MAX_LISTED: usize = 64;

impl Node {
    /// What is believed of the node now.
    pub(crate) fn status(&self, dead_after: Duration, manifest_version: u64) -> NodeStatus {
        let state = self.state.lock();
        match trouble(&state, dead_after, manifest_version) {
            _ if !state.is_fresh(dead_after) => NodeStatus::Offline,
            Some(_) => NodeStatus::Degraded,
            None => NodeStatus::Online,
        }
    }

    /// Everything that is known of it.
    pub(crate) fn view(&self, dead_after: Duration, manifest_version: u64) -> NodeView {
        let status = self.status(dead_after, manifest_version);
        let state = self.state.lock();
        let answer = state.heard.as_ref().map(|h| h.answer.clone());
        let answer = answer.unwrap_or_default();
        let trouble = trouble(&state, dead_after, manifest_version);
        let problem = |p: &quorate_api::mpc_v1::KeyProblem| {
            shown(
                &format!("{}: {}: {}", p.key_id, p.error_code, p.message),
                MAX_TEXT,
            )
        };
        let link = |link: &quorate_api::mpc_v1::LinkState| LinkView {
            peer: shown(&link.peer, MAX_NAME),
            state: shown(&link.state, MAX_NAME),
            rtt_micros: link.rtt_micros,
            last_error: Some(shown(&link.last_error, MAX_TEXT)).filter(|e| !e.is_empty()),
            via: Some(shown(&link.via, MAX_NAME)).filter(|via| !via.is_empty()),
            fault: Some(shown(&link.fault, MAX_NAME)).filter(|fault| !fault.is_empty()),
            bytes_sent: link.bytes_sent,
            bytes_received: link.bytes_received,
        };
        let pair = |pair: &quorate_api::mpc_v1::PairState| PairView {
            peer: shown(&pair.peer, MAX_NAME),
            state: shown(&pair.state, MAX_NAME),
            generation: Some(shown(&pair.generation, MAX_NAME)).filter(|g| !g.is_empty()),
            banned: {
                let banned = pair.banned.iter().take(MAX_LISTED);
                banned
                    .map(|generation| shown(generation, MAX_NAME))
                    .collect()
            },
        };
        let problems = answer.key_problems.iter().take(MAX_LISTED);
        let protocols = answer.protocols.iter().take(MAX_LISTED);
        let heard = state.heard.as_ref();
        NodeView {
            node_id: self.id.to_string(),
            node_type: "participant".to_owned(),
            endpoint: self.address.clone(),
            public_key: hex::encode(self.identity),
            status: status.as_str().to_owned(),
            last_error: (status != NodeStatus::Online).then(|| {
                let known = state.last_error.clone().or(trouble);
                known.unwrap_or_else(|| "never reached".to_owned())
            }),
            fault: self
                .fault()
                .filter(|_| status != NodeStatus::Online)
                .map(|fault| fault.label().to_owned()),
            clock_ahead_ms: heard.and_then(clock_ahead_ms),
            version: shown(&answer.version, MAX_NAME),
            capabilities: protocols.map(|p| shown(p, MAX_NAME)).collect(),
            load_factor: answer.load_factor.min(100),
            sessions_active: answer.sessions_active,
            keys_active: answer.keys_active,
            key_problems: problems.map(problem).collect(),
            links: answer.links.iter().take(MAX_LISTED).map(link).collect(),
            pairs: answer.pairs.iter().take(MAX_LISTED).map(pair).collect(),
            cpu_seconds: answer.cpu_seconds,
            last_heartbeat: heard.map(|h| h.at.seconds().to_rfc3339()),
            heartbeat_micros: heard
                .map(|h| u64::try_from(h.round_trip.as_micros()).unwrap_or(u64::MAX)),
        }
    }
}

/// How far its clock is ahead of ours; half of the round trip is taken to be its way back.
fn clock_ahead_ms(heard: &Heard) -> Option<i64> {
    let theirs = i64::try_from(heard.answer.unix_millis).ok()?;
    let way_back = i64::try_from(heard.round_trip.as_millis() / 2).ok()?;
    let ours = i64::try_from(heard.at.0).ok()?.checked_sub(way_back)?;
    // A node of an older version does not say.
    (theirs != 0).then(|| theirs.saturating_sub(ours))
}

/// Why a node that answers is not wholly well.
fn trouble(state: &NodeState, dead_after: Duration, manifest_version: u64) -> Option<String> {
    let heard = state.heard.as_ref()?;
    if !state.connected(dead_after) {
        let error = state.last_error.as_deref().unwrap_or("being opened");
        return Some(format!("its session stream is not open: {error}"));
    }
    if heard.answer.manifest_version != manifest_version {
        let found = heard.answer.manifest_version;
        return Some(format!(
            "it has manifest version {found}, not {manifest_version}"
        ));
    }
    if !heard.answer.key_problems.is_empty() {
        return Some("shares of some keys failed a check".to_owned());
    }
    let down = heard.answer.links.iter().filter(|link| link.state != "up");
    let down: Vec<String> = down
        .take(MAX_LISTED)
        .map(|link| shown(&link.peer, MAX_NAME))
        .collect();
    (!down.is_empty()).then(|| format!("no link to {}", down.join(", ")))
}
