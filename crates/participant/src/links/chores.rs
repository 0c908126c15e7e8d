//! What peers' messages ask of the housekeeping thread: a queue for each peer, served in turn.
//!
//! A peer that sends more than this node can handle fills its own queue and waits in it. No number
//! of its messages delays those of another peer by more than one.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use quorate_keystore::SignedBan;
use quorate_types::{Digest32, NodeId};

use crate::link_message::Settle;
use crate::pairs::PairMessage;
use crate::stocks::StockMessage;

/// Messages of one peer that wait. What does not fit is dropped: settlements are asked for again,
/// ban notices told again, until they are answered.
pub(super) const CHORES_PER_PEER: usize = 1_024;

/// Work that may touch the disk, and so never runs beside the links.
pub(super) enum Chore {
    /// The link to the peer came up.
    LinkUp,
    /// It told us a ban.
    Ban(Box<SignedBan>),
    /// It has read a notice of ours.
    BanRead(Digest32),
    /// About a certificate.
    Settle(Settle),
    /// About the state that the two nodes share.
    Pair(PairMessage),
    /// About nonces for signatures to come.
    Stock(StockMessage),
}

/// What became of a chore that was put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Put {
    /// It waits for its turn.
    Queued,
    /// Dropped, the first of a flood: the peer's queue was not empty since.
    FloodBegins,
    /// Dropped.
    Flooded,
}

/// What there is to do.
pub(super) enum Next {
    /// A chore of this peer.
    Chore(NodeId, Chore),
    /// Nothing came in time.
    Idle,
    /// Nothing will come any more.
    Closed,
}

#[derive(Default)]
struct Waiting {
    /// Once is enough, however often a link flaps.
    link_up: bool,
    messages: VecDeque<Chore>,
    flooding: bool,
}

impl Waiting {
    fn is_empty(&self) -> bool {
        !self.link_up && self.messages.is_empty()
    }

    fn put(&mut self, chore: Chore) -> Put {
        match chore {
            Chore::LinkUp => self.link_up = true,
            _ if self.messages.len() >= CHORES_PER_PEER => {
                let known = std::mem::replace(&mut self.flooding, true);
                return if known {
                    Put::Flooded
                } else {
                    Put::FloodBegins
                };
            }
            message => self.messages.push_back(message),
        }
        Put::Queued
    }

    fn take(&mut self) -> Option<Chore> {
        if std::mem::take(&mut self.link_up) {
            return Some(Chore::LinkUp);
        }
        let chore = self.messages.pop_front();
        self.flooding &= !self.messages.is_empty();
        chore
    }
}

#[derive(Default)]
struct State {
    /// Only nodes of the manifest have links, so this is bounded.
    peers: HashMap<NodeId, Waiting>,
    /// Peers with something to do, whose turn is next first.
    turns: VecDeque<NodeId>,
    closed: bool,
}

/// The queues.
#[derive(Default)]
pub(super) struct Chores {
    state: Mutex<State>,
    changed: Condvar,
}

impl Chores {
    /// Queues a chore of a peer. Never waits.
    pub(super) fn put(&self, peer: &NodeId, chore: Chore) -> Put {
        let mut state = self.state.lock();
        let waiting = state.peers.entry(peer.clone()).or_default();
        let was_empty = waiting.is_empty();
        let put = waiting.put(chore);
        if was_empty {
            state.turns.push_back(peer.clone());
            self.changed.notify_one();
        }
        put
    }

    /// The next chore, of the peer that waited longest since its last one.
    pub(super) fn next(&self, patience: Duration) -> Next {
        let deadline = Instant::now() + patience;
        let mut state = self.state.lock();
        loop {
            if let Some((peer, chore)) = state.take() {
                return Next::Chore(peer, chore);
            }
            if state.closed {
                return Next::Closed;
            }
            if self.changed.wait_until(&mut state, deadline).timed_out() {
                return Next::Idle;
            }
        }
    }

    /// Ends the housekeeping, once what waits is done.
    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.changed.notify_all();
    }
}

impl State {
    fn take(&mut self) -> Option<(NodeId, Chore)> {
        let peer = self.turns.pop_front()?;
        let waiting = self.peers.get_mut(&peer)?;
        let chore = waiting.take()?;
        if !waiting.is_empty() {
            self.turns.push_back(peer.clone());
        }
        Some((peer, chore))
    }
}

#[cfg(test)]
mod tests {
    use quorate_keystore::Ban;
    use quorate_types::{KeyId, SessionId, UnixSeconds};

    use super::*;

    fn node(name: &str) -> NodeId {
        NodeId::new(name).unwrap()
    }

    fn settle(n: u8) -> Chore {
        Chore::Settle(Settle::NotPrepared {
            key: KeyId::from_array([n; 16]),
            session: SessionId::from_array([n; 16]),
        })
    }

    fn ban() -> Chore {
        let ban = Ban {
            peer: node("p4"),
            generation: Digest32::from_array([1; 32]),
            key_id: None,
            reason: String::new(),
            evidence: Digest32::from_array([2; 32]),
            at: UnixSeconds(0),
            reported_by: node("p2"),
        };
        let signature = [0; 64];
        Chore::Ban(Box::new(SignedBan { ban, signature }))
    }

    fn take(chores: &Chores) -> (NodeId, Chore) {
        match chores.next(Duration::ZERO) {
            Next::Chore(peer, chore) => (peer, chore),
            Next::Idle | Next::Closed => panic!("nothing to do"),
        }
    }

    #[test]
    fn a_flood_of_one_peer__must_not_delay_a_ban_and_a_settlement_of_another() {
        let chores = Chores::default();
        for _ in 0..10 * CHORES_PER_PEER {
            chores.put(&node("p3"), settle(3));
        }
        assert_eq!(chores.put(&node("p2"), ban()), Put::Queued);
        assert_eq!(chores.put(&node("p2"), settle(2)), Put::Queued);
        assert_eq!(take(&chores).0, node("p3"), "it came first");
        assert!(matches!(take(&chores), (peer, Chore::Ban(_)) if peer == node("p2")));
        assert_eq!(take(&chores).0, node("p3"), "its turn");
        assert!(matches!(take(&chores), (peer, Chore::Settle(_)) if peer == node("p2")));
        // What is left is the flooder's, no more than its queue.
        let left = std::iter::from_fn(|| match chores.next(Duration::ZERO) {
            Next::Chore(peer, _) => Some(peer),
            Next::Idle | Next::Closed => None,
        });
        let left: Vec<NodeId> = left.collect();
        assert_eq!(left.len(), CHORES_PER_PEER - 2);
        assert!(left.iter().all(|peer| *peer == node("p3")));
    }

    #[test]
    fn a_flood__should_be_reported_once_until_the_queue_was_empty() {
        let chores = Chores::default();
        let flood = || (0..=CHORES_PER_PEER).map(|_| chores.put(&node("p3"), settle(3)));
        assert_eq!(flood().last(), Some(Put::FloodBegins));
        assert_eq!(chores.put(&node("p3"), settle(3)), Put::Flooded);
        take(&chores);
        assert_eq!(chores.put(&node("p3"), settle(3)), Put::Queued);
        assert_eq!(chores.put(&node("p3"), settle(3)), Put::Flooded);
        while !matches!(chores.next(Duration::ZERO), Next::Idle) {}
        assert_eq!(flood().last(), Some(Put::FloodBegins));
    }

    #[test]
    fn a_link_that_flaps__should_be_one_chore_that_no_full_queue_loses() {
        let chores = Chores::default();
        for _ in 0..CHORES_PER_PEER {
            chores.put(&node("p3"), settle(3));
        }
        for _ in 0..3 {
            assert_eq!(chores.put(&node("p3"), Chore::LinkUp), Put::Queued);
        }
        assert!(matches!(take(&chores).1, Chore::LinkUp));
        assert!(matches!(take(&chores).1, Chore::Settle(_)));
    }

    #[test]
    fn closed__should_end_after_what_waits() {
        let chores = Chores::default();
        chores.put(&node("p2"), ban());
        chores.close();
        take(&chores);
        assert!(matches!(chores.next(Duration::from_secs(60)), Next::Closed));
    }
}
