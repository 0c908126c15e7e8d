//! What the shell knows of the cluster at the moment of a step.

use std::collections::{BTreeMap, BTreeSet};

use quorate_types::NodeId;

/// One node, as its heartbeats and links show it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeView {
    /// Whether its link is up and its heartbeats come.
    pub connected: bool,
    /// Its own word on its load, 0 to 100.
    pub load_factor: u8,
    /// Sessions that this process has open with it.
    pub in_flight: u32,
    /// Round trip to it.
    pub latency_ms: u32,
    /// Attempts of any intent that failed by its fault lately; the shell lets it decay.
    pub recent_failures: u32,
}

impl NodeView {
    /// What it costs to choose this node, in steps. One session in flight weighs as much as ten
    /// points of load or 10 ms; a recent failure as much as five sessions.
    pub(crate) fn cost(&self) -> u32 {
        let latency = self.latency_ms / 10;
        let load = u32::from(self.load_factor) / 10;
        let failures = self.recent_failures.saturating_mul(5);
        [latency, load, failures]
            .into_iter()
            .fold(self.in_flight, u32::saturating_add)
    }
}

/// All nodes, and which pairs may not work together for this key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterView {
    nodes: BTreeMap<NodeId, NodeView>,
    banned: BTreeSet<(NodeId, NodeId)>,
}

impl ClusterView {
    /// A cluster of which nothing is known.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Says how a node is.
    pub fn set(&mut self, node: NodeId, view: NodeView) {
        self.nodes.insert(node, view);
    }

    /// Says that a pair is banned for this key: no signer set will hold both.
    pub fn ban(&mut self, a: NodeId, b: NodeId) {
        self.banned.insert(ordered(a, b));
    }

    /// How a node is, if anything is known.
    #[must_use]
    pub fn node(&self, node: &NodeId) -> Option<&NodeView> {
        self.nodes.get(node)
    }

    /// Whether a node can be reached.
    #[must_use]
    pub fn is_connected(&self, node: &NodeId) -> bool {
        self.node(node).is_some_and(|view| view.connected)
    }

    /// The banned pairs, each in ascending order.
    pub fn banned(&self) -> impl Iterator<Item = &(NodeId, NodeId)> {
        self.banned.iter()
    }
}

/// A pair has one spelling.
pub(crate) fn ordered(a: NodeId, b: NodeId) -> (NodeId, NodeId) {
    if a <= b { (a, b) } else { (b, a) }
}
