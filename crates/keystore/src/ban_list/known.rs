//! The bans in memory: what is in force, what is in the log, and how many each node reported.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use quorate_audit::Head;
use quorate_types::{Digest32, NodeId};

use super::notice::{Ban, SignedBan};

/// Identity of a ban: a second report of the same failure changes nothing.
type BanKey = (Digest32, NodeId, NodeId);

fn key_of(ban: &Ban) -> BanKey {
    (ban.generation, ban.peer.clone(), ban.reported_by.clone())
}

struct Entry {
    signed: SignedBan,
    /// Its place in the log; none while it is in force, but not known to be durable.
    place: Option<u64>,
}

/// All bans that this process knows.
pub(super) struct Known {
    bans: BTreeMap<BanKey, Entry>,
    /// How many bans there are of each reporter and peer, in this order.
    reports: BTreeMap<(NodeId, NodeId), usize>,
    head: Head,
}

impl Known {
    pub(super) const fn new(genesis: Head) -> Self {
        Self {
            bans: BTreeMap::new(),
            reports: BTreeMap::new(),
            head: genesis,
        }
    }

    pub(super) const fn head(&self) -> Head {
        self.head
    }

    /// Puts a ban in force, before it is durable.
    pub(super) fn put(&mut self, signed: &SignedBan) {
        self.insert(signed);
    }

    /// Takes in a ban whose record is in the log.
    pub(super) fn advance(&mut self, record: &[u8], signed: &SignedBan) {
        let sequence = self.head.sequence + 1;
        self.head = Head {
            sequence,
            hash: link(self.head.hash, record),
        };
        self.insert(signed).place = Some(sequence);
    }

    fn insert(&mut self, signed: &SignedBan) -> &mut Entry {
        let ban = &signed.ban;
        self.bans.entry(key_of(ban)).or_insert_with(|| {
            let pair = (ban.reported_by.clone(), ban.peer.clone());
            *self.reports.entry(pair).or_default() += 1;
            Entry {
                signed: signed.clone(),
                place: None,
            }
        })
    }

    /// Whether `of` is banned by `by`, durably or not yet.
    pub(super) fn holds(&self, generation: Digest32, of: &NodeId, by: &NodeId) -> bool {
        let key = (generation, of.clone(), by.clone());
        self.bans.contains_key(&key)
    }

    /// Generations that one of two nodes was banned for by the other, durably or not yet.
    pub(super) fn of_pair(&self, one: &NodeId, other: &NodeId) -> Vec<Digest32> {
        let binds =
            |by: &NodeId, of: &NodeId| (by == one && of == other) || (by == other && of == one);
        let of_pair = self.bans.keys().filter(|(_, of, by)| binds(by, of));
        let mut generations: Vec<Digest32> = of_pair.map(|(generation, ..)| *generation).collect();
        generations.dedup();
        generations
    }

    /// Whether this very ban is in force here, durably or not yet.
    pub(super) fn is_in_force(&self, ban: &Ban) -> bool {
        self.bans.contains_key(&key_of(ban))
    }

    pub(super) fn is_in_log(&self, ban: &Ban) -> bool {
        let entry = self.bans.get(&key_of(ban));
        entry.is_some_and(|entry| entry.place.is_some())
    }

    /// How many bans of `peer` by `reporter` are known.
    pub(super) fn reports(&self, reporter: &NodeId, peer: &NodeId) -> usize {
        let pair = (reporter.clone(), peer.clone());
        self.reports.get(&pair).copied().unwrap_or(0)
    }

    /// Those in the log that `rank` gives a rank, the lowest rank first, in a rank the newest first.
    pub(super) fn ranked<R: Ord>(
        &self,
        limit: usize,
        rank: impl Fn(&Ban) -> Option<R>,
    ) -> Vec<SignedBan> {
        let placed = self.bans.values().filter_map(|entry| {
            let rank = rank(&entry.signed.ban)?;
            Some((rank, Reverse(entry.place?), &entry.signed))
        });
        let mut chosen: Vec<_> = placed.collect();
        chosen.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
        let first = chosen.into_iter().take(limit);
        first.map(|(_, _, signed)| signed.clone()).collect()
    }

    /// All in the log, in the order of their identities.
    pub(super) fn all(&self) -> Vec<SignedBan> {
        let in_log = self.bans.values().filter(|entry| entry.place.is_some());
        in_log.map(|entry| entry.signed.clone()).collect()
    }
}

fn link(previous: Digest32, record: &[u8]) -> Digest32 {
    Digest32::of(b"quorate ban list link v1", &[previous.as_bytes(), record])
}
