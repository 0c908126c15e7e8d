//! Who is avoided in the next attempt, as long as there is somebody else.
//!
//! Blame is a claim of one node about another, so both get a mark, the accused a heavier one: a
//! node that blames everybody becomes as suspect as those it blames, and sets without it come up.

use std::collections::BTreeMap;

use quorate_types::NodeId;

/// Was waited for, blamed, lost, or refused.
pub(crate) const ACCUSED: u32 = 2;
/// Blamed somebody.
pub(crate) const ACCUSER: u32 = 1;
/// Delivered a result that does not verify: proof, not a claim.
pub(crate) const PROVED: u32 = 16;

/// Marks of the nodes in one act.
#[derive(Debug, Default)]
pub(crate) struct Suspicion(BTreeMap<NodeId, u32>);

impl Suspicion {
    pub(crate) fn mark<'a>(&mut self, nodes: impl IntoIterator<Item = &'a NodeId>, weight: u32) {
        for node in nodes {
            let marks = self.0.entry(node.clone()).or_default();
            *marks = marks.saturating_add(weight);
        }
    }

    pub(crate) fn marks(&self, node: &NodeId) -> u32 {
        self.0.get(node).copied().unwrap_or_default()
    }

    /// Whether a node is taken only where there is no other.
    pub(crate) fn avoids(&self, node: &NodeId) -> bool {
        self.marks(node) >= ACCUSED
    }
}
