//! Ban notices that peers have not said they read: told again until they do.

use std::collections::{BTreeMap, HashMap};

use parking_lot::Mutex;
use quorate_keystore::SignedBan;
use quorate_types::{Canonical as _, Digest32, NodeId};

/// Most notices that wait for one peer; a link's queue holds 4 096 messages.
pub(crate) const MAX_UNTOLD: usize = 512;

/// Name of a notice in the answer that it was read.
pub(crate) fn digest_of(notice: &SignedBan) -> Digest32 {
    Digest32::of(b"quorate ban notice v1", &[&notice.to_bytes()])
}

/// Notices of one peer by urgency: 0 is the most urgent.
type Notices = BTreeMap<(u8, Digest32), SignedBan>;

/// The notices that each peer still has to read. In memory only: a link that comes up fills it from
/// the durable list.
#[derive(Default)]
pub(crate) struct Untold {
    peers: Mutex<HashMap<NodeId, Notices>>,
}

impl Untold {
    /// Adds a notice for a peer of the manifest. If too many wait, the least urgent makes room.
    pub(crate) fn add(&self, peer: &NodeId, urgency: u8, notice: SignedBan) {
        let mut peers = self.peers.lock();
        let notices = peers.entry(peer.clone()).or_default();
        notices.insert((urgency, digest_of(&notice)), notice);
        if notices.len() > MAX_UNTOLD {
            notices.pop_last();
        }
    }

    /// The peer has read a notice. It can say so for itself only.
    pub(crate) fn read_by(&self, peer: &NodeId, digest: Digest32) {
        if let Some(notices) = self.peers.lock().get_mut(peer) {
            notices.retain(|(_, waiting), _| *waiting != digest);
        }
    }

    /// What a peer has to read, the most urgent first.
    pub(crate) fn of(&self, peer: &NodeId) -> Vec<SignedBan> {
        let peers = self.peers.lock();
        let notices = peers.get(peer).into_iter().flat_map(BTreeMap::values);
        notices.cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use quorate_keystore::Ban;
    use quorate_types::UnixSeconds;

    use super::*;

    fn node(name: &str) -> NodeId {
        NodeId::new(name).unwrap()
    }

    fn notice(n: usize) -> SignedBan {
        let ban = Ban {
            peer: node("p4"),
            generation: Digest32::of(b"test", &[&n.to_be_bytes()]),
            key_id: None,
            reason: String::new(),
            evidence: Digest32::from_array([2; 32]),
            at: UnixSeconds(0),
            reported_by: node("p1"),
        };
        let signature = [0; 64];
        SignedBan { ban, signature }
    }

    #[test]
    fn c12_a_notice__must_be_told_again_until_that_peer_has_read_it() {
        let untold = Untold::default();
        for peer in ["p2", "p3"] {
            untold.add(&node(peer), 1, notice(1));
            untold.add(&node(peer), 0, notice(2));
            untold.add(&node(peer), 0, notice(2));
        }
        assert_eq!(
            untold.of(&node("p2")),
            [notice(2), notice(1)],
            "urgent first"
        );
        untold.read_by(&node("p3"), digest_of(&notice(2)));
        assert_eq!(untold.of(&node("p3")), [notice(1)]);
        assert_eq!(untold.of(&node("p2")).len(), 2, "p3 speaks for itself only");
        untold.read_by(&node("p3"), digest_of(&notice(9)));
        assert_eq!(untold.of(&node("p3")).len(), 1, "of another notice");
    }

    #[test]
    fn c12_notices_of_a_node_that_bans_without_end__must_not_push_out_urgent_ones() {
        let untold = Untold::default();
        untold.add(&node("p2"), 1, notice(0));
        for n in 1..=2 * MAX_UNTOLD {
            untold.add(&node("p2"), 3, notice(n));
        }
        let waiting = untold.of(&node("p2"));
        assert_eq!(waiting.len(), MAX_UNTOLD);
        assert_eq!(waiting[0], notice(0));
        untold.add(&node("p2"), 0, notice(9_999));
        assert_eq!(untold.of(&node("p2"))[0], notice(9_999));
    }
}
