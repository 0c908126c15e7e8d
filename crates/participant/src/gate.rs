//! One gate for each pair of nodes and generation of its OT state: what leaves a signing session
//! leaves in order, and nothing leaves after the first failed check (row C12).
//!
//! Whether a signer answers or aborts can tell a dishonest peer one bit of a pair's secret OT
//! correlation. Sessions compute side by side, but release under the gate: the first failure makes
//! the ban durable before anybody is told, and every session that comes after finds the ban and
//! stays silent. So many sessions at once gain nothing over one (`docs/protocols/dkls23.md` §3).

use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use quorate_dkls23::{Pairs, ban_targets};
use quorate_protocol::{Abort, Sanction};
use quorate_types::{Committee, Digest32, KeyId, NodeId};
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::bans;
use crate::node::Node;

/// Locks that generations are spread over.
const LOCKS: usize = 256;

/// The gates of a node.
pub(crate) struct Gates(Vec<Mutex<()>>);

impl Default for Gates {
    fn default() -> Self {
        Self((0..LOCKS).map(|_| Mutex::new(())).collect())
    }
}

impl Gates {
    /// Takes the turn at every generation, always in the same order.
    fn turn<'a>(&'a self, generations: impl Iterator<Item = Digest32>) -> Vec<MutexGuard<'a, ()>> {
        let mut positions: Vec<usize> = generations
            .map(|generation| usize::from(generation.as_bytes()[0]) % LOCKS)
            .collect();
        positions.sort_unstable();
        positions.dedup();
        positions
            .into_iter()
            .filter_map(|at| self.0.get(at))
            .map(Mutex::lock)
            .collect()
    }
}

/// The gate of one signing session: all pairs of this node and its co-signers.
pub(crate) struct SessionGate<'a> {
    pub(crate) node: &'a Arc<Node>,
    pub(crate) key: KeyId,
    pub(crate) committee: &'a Committee,
    /// The pair states of the session, by the index of the other signer.
    pub(crate) states: &'a Pairs,
    /// Each co-signer with the generation of the state shared with it.
    pub(crate) pairs: Vec<(NodeId, Digest32)>,
}

/// What may leave a session in its turn.
pub(crate) enum Verdict {
    /// Everything.
    Release,
    /// Nothing: a pair was banned while the session computed.
    Silence,
}

impl SessionGate<'_> {
    /// Runs `release` in this session's turn. A ban that `abort` demands is durable before it.
    pub(crate) fn pass<T>(&self, abort: Option<&Abort>, release: impl FnOnce(Verdict) -> T) -> T {
        let generations = self.pairs.iter().map(|(_, generation)| *generation);
        let _turn = self.node.gates.turn(generations);
        if self.is_banned() {
            return release(Verdict::Silence);
        }
        if let Some(abort) = abort.filter(|abort| abort.sanction() == Sanction::Ban) {
            for (index, generation) in ban_targets(abort, self.states) {
                if let Some(peer) = self.committee.node(index) {
                    waiting(|| bans::impose(self.node, peer, generation, self.key, abort));
                }
            }
        }
        release(Verdict::Release)
    }

    fn is_banned(&self) -> bool {
        let bans = self.node.keystore.bans();
        self.pairs
            .iter()
            .any(|(peer, generation)| bans.is_banned(peer, *generation))
    }
}

/// Runs what waits for the disk. Tasks that this thread would run next move to another one.
fn waiting<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c12_a_turn__should_exclude_every_other_session_of_one_generation() {
        let gates = Gates::default();
        let digest = |n| Digest32::from_array([n; 32]);
        let turn = gates.turn([digest(3), digest(1), digest(3)].into_iter());
        assert_eq!(turn.len(), 2, "a generation is locked once");
        for taken in [1, 3] {
            assert!(gates.0[taken].try_lock().is_none());
        }
        assert!(gates.0[2].try_lock().is_some(), "others go on");
        drop(turn);
        assert!(gates.0[3].try_lock().is_some());
    }
}
