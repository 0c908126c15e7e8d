//! Choice of signers. `docs/protocols/lead.md` §2.

use std::collections::BTreeSet;

use quorate_types::{Committee, NodeId, PartyIndex, SignerSet};
use rand_core::CryptoRng;

use crate::suspicion::Suspicion;
use crate::view::{ClusterView, ordered};

/// Who can be chosen at this moment, best first.
pub(crate) struct Candidates<'a> {
    ranked: Vec<(PartyIndex, &'a NodeId)>,
    clean: usize,
    banned: BTreeSet<&'a (NodeId, NodeId)>,
}

/// A set of signers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) signers: SignerSet,
    /// Whether a node is in it that would rather have been avoided.
    pub(crate) has_suspect: bool,
}

impl<'a> Candidates<'a> {
    /// Ranks the members that can be reached: clean ones before suspects, then by marks, by cost,
    /// and at random among equals.
    pub(crate) fn rank(
        committee: &'a Committee,
        view: &'a ClusterView,
        banned: &'a BTreeSet<(NodeId, NodeId)>,
        suspicion: &Suspicion,
        rng: &mut dyn CryptoRng,
    ) -> Self {
        let mut ranked: Vec<_> = committee
            .members()
            .filter(|(_, node)| view.is_connected(node))
            .map(|(index, node)| {
                let cost = view.node(node).map_or(0, crate::NodeView::cost);
                ((suspicion.marks(node), cost, rng.next_u32()), index, node)
            })
            .collect();
        ranked.sort_by_key(|(rank, _, _)| *rank);
        let ranked: Vec<_> = ranked.into_iter().map(|(_, i, node)| (i, node)).collect();
        let clean = ranked.iter().filter(|(_, n)| !suspicion.avoids(n)).count();
        Self {
            ranked,
            clean,
            banned: view.banned().chain(banned).collect(),
        }
    }

    /// The best `size` of them without a banned pair. Suspects come in one by one, and only if
    /// there is no set without them.
    pub(crate) fn choose(&self, size: usize) -> Option<Choice> {
        (self.clean..=self.ranked.len()).find_map(|admitted| {
            let pool = self.ranked.get(..admitted)?;
            let mut chosen = Vec::with_capacity(size);
            if !self.extend(pool, size, &mut chosen) {
                return None;
            }
            let signers = SignerSet::new(chosen.iter().map(|(index, _)| *index).collect())?;
            let has_suspect = admitted > self.clean;
            Some(Choice {
                signers,
                has_suspect,
            })
        })
    }

    /// Depth first in the order of rank; at most 20 nodes, and bans are rare.
    fn extend<'b>(
        &self,
        pool: &'b [(PartyIndex, &'a NodeId)],
        size: usize,
        chosen: &mut Vec<&'b (PartyIndex, &'a NodeId)>,
    ) -> bool {
        if chosen.len() == size {
            return true;
        }
        let mut rest = pool;
        while let Some((first, tail)) = rest.split_first() {
            if chosen.len() + rest.len() < size {
                return false;
            }
            rest = tail;
            if chosen
                .iter()
                .all(|(_, node)| !self.is_banned(node, first.1))
            {
                chosen.push(first);
                if self.extend(tail, size, chosen) {
                    return true;
                }
                chosen.pop();
            }
        }
        false
    }

    fn is_banned(&self, a: &NodeId, b: &NodeId) -> bool {
        !self.banned.is_empty() && self.banned.contains(&ordered(a.clone(), b.clone()))
    }

    /// Banned pairs among the reachable.
    pub(crate) fn banned_pairs(&self) -> Vec<(NodeId, NodeId)> {
        let reachable = |node: &NodeId| self.ranked.iter().any(|(_, known)| *known == node);
        self.banned
            .iter()
            .filter(|(a, b)| reachable(a) && reachable(b))
            .map(|pair| (*pair).clone())
            .collect()
    }

    /// How many members can be reached.
    pub(crate) fn available(&self) -> usize {
        self.ranked.len()
    }
}

#[cfg(test)]
mod tests;
