//! What is known of one node.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use quorate_api::mpc_v1::{HeartbeatResponse, ParticipateSigningRequest};
use quorate_types::{KeyId, NodeId, UnixMillis};
use tokio::sync::mpsc;

/// What is known of one node; changed by its stream and its heartbeat.
#[derive(Default)]
pub(crate) struct NodeState {
    /// There while the stream is open.
    pub(crate) commands: Option<mpsc::Sender<ParticipateSigningRequest>>,
    pub(crate) heard: Option<Heard>,
    pub(crate) last_error: Option<String>,
}

/// The last heartbeat.
pub(crate) struct Heard {
    pub(crate) at: UnixMillis,
    pub(crate) instant: Instant,
    pub(crate) round_trip: Duration,
    pub(crate) answer: HeartbeatResponse,
    /// Pairs with this node in them that it refuses, for one key or for all; its word on other pairs
    /// counts nothing.
    pub(crate) bans: BTreeSet<(Option<KeyId>, NodeId)>,
}

impl NodeState {
    /// Whether sessions can be opened with it.
    pub(crate) fn connected(&self, dead_after: Duration) -> bool {
        self.commands.is_some() && self.is_fresh(dead_after)
    }

    /// Whether a heartbeat was answered lately.
    pub(crate) fn is_fresh(&self, dead_after: Duration) -> bool {
        let fresh = |heard: &Heard| heard.instant.elapsed() < dead_after;
        self.heard.as_ref().is_some_and(fresh)
    }
}

/// Reads the bans of a heartbeat: only those that the node itself is part of.
pub(crate) fn own_bans(
    me: &NodeId,
    answer: &HeartbeatResponse,
) -> BTreeSet<(Option<KeyId>, NodeId)> {
    let ban = |ban: &quorate_api::mpc_v1::BannedPair| {
        let key = match ban.key_id.as_str() {
            "" => None,
            key => Some(key.parse().ok()?),
        };
        let (first, second) = (ban.first.parse().ok()?, ban.second.parse().ok()?);
        match (first == *me, second == *me) {
            (true, false) => Some((key, second)),
            (false, true) => Some((key, first)),
            _ => None,
        }
    };
    answer.bans.iter().filter_map(ban).collect()
}

#[cfg(test)]
mod tests {
    use quorate_api::mpc_v1::BannedPair;

    use super::*;

    #[test]
    fn bans__must_count_only_from_a_node_of_the_pair() {
        let (me, other, third) = ("p1", "p2", "p3");
        let key = KeyId::from_array([1; 16]);
        let ban = |first: &str, second: &str| BannedPair {
            key_id: key.to_string(),
            first: first.into(),
            second: second.into(),
            ..BannedPair::default()
        };
        let of_every_key = BannedPair {
            key_id: String::new(),
            ..ban(me, third)
        };
        let of_no_key = BannedPair {
            key_id: "key_nonsense".into(),
            ..ban(me, other)
        };
        let answer = HeartbeatResponse {
            bans: vec![
                ban(me, other),
                ban(other, third),
                ban(third, me),
                ban("", me),
                of_every_key,
                of_no_key,
            ],
            ..HeartbeatResponse::default()
        };
        let node = |name: &str| NodeId::new(name).unwrap();
        let expected = [
            (Some(key), node(other)),
            (Some(key), node(third)),
            (None, node(third)),
        ];
        let expected = expected.into_iter().collect();
        assert_eq!(own_bans(&node(me), &answer), expected);
    }
}
