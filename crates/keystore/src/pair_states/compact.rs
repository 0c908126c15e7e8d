//! What of the index of pair states must be remembered, and the shortest list of records that says it.
//! `docs/protocols/share-files.md` §11.
//!
//! A generation is forgotten only if it was destroyed, nobody banned it, and many were destroyed after
//! it. A ban of it that is heard of later stands like that of any unknown generation, until an owner
//! lifts it: to forget never allows anything.

use quorate_types::{Digest32, NodeId};

use super::record::{Generation, Pair, PairEvent, PairRecord, PairStateStatus};

impl Pair {
    /// Forgets what need not be remembered: all but the `past` newest destroyed generations that are
    /// neither banned nor lifted.
    pub(super) fn forget(&mut self, past: usize, banned: &[Digest32]) {
        let mut destroyed: Vec<(u64, Digest32)> = Vec::new();
        for (generation, known) in &self.generations {
            let counts = known.status == PairStateStatus::Destroyed
                && !banned.contains(generation)
                && !self.lifted.contains_key(generation);
            if counts {
                destroyed.push((known.changed, *generation));
            }
        }
        destroyed.sort_unstable();
        let forgotten = destroyed.len().saturating_sub(past);
        for (_, generation) in destroyed.into_iter().take(forgotten) {
            self.generations.remove(&generation);
        }
    }

    /// Records that lead to this state, from none. A program of before reads them like any others.
    pub(super) fn records(&self, peer: &NodeId) -> Vec<PairRecord> {
        let mut generations: Vec<(&Digest32, &Generation)> = self.generations.iter().collect();
        generations.sort_unstable_by_key(|(_, known)| (place_of(known.status), known.changed));
        let record = |generation: Digest32, event| PairRecord {
            peer: peer.clone(),
            generation,
            event,
        };
        let mut records = Vec::new();
        for (generation, known) in generations {
            records.push(record(*generation, PairEvent::Stored(known.file)));
            let then = match known.status {
                PairStateStatus::Stored => continue,
                PairStateStatus::Superseded | PairStateStatus::Current => PairEvent::Current,
                PairStateStatus::Destroyed => PairEvent::Destroyed,
            };
            records.push(record(*generation, then));
        }
        let lifted = self.lifted.iter();
        records.extend(lifted.map(|(of, intent)| record(*of, PairEvent::Lifted(*intent))));
        records
    }
}

/// One after the other becomes current, the one that is it last; what is stored is newer than all.
const fn place_of(status: PairStateStatus) -> u8 {
    match status {
        PairStateStatus::Destroyed => 0,
        PairStateStatus::Superseded => 1,
        PairStateStatus::Current => 2,
        PairStateStatus::Stored => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(n: u8) -> Digest32 {
        Digest32::from_array([n; 32])
    }

    /// Everything that the index says about a peer, in one text.
    fn facts(pair: &Pair) -> String {
        let generations = pair.generations.iter();
        let status =
            generations.map(|(of, known)| format!("{of} {:?} {}", known.status, known.file));
        let all: Vec<String> = status.collect();
        format!(
            "{all:?} {:?} {:?} {:?}",
            pair.current, pair.stored, pair.lifted
        )
    }

    fn replayed(records: &[PairRecord]) -> Pair {
        let mut pair = Pair::default();
        for record in records {
            pair.advance(record.generation, record.event);
        }
        pair
    }

    /// A life of a pair in which all that can happen to a generation happens.
    fn life() -> Vec<(u8, PairEvent)> {
        let stored = |n: u8| (n, PairEvent::Stored(digest(n + 100)));
        vec![
            stored(9),
            (9, PairEvent::Current),
            (9, PairEvent::Lifted(digest(200))),
            stored(8),
            (8, PairEvent::Destroyed),
            stored(7),
            (7, PairEvent::Current),
            (9, PairEvent::Destroyed),
            stored(3),
            (3, PairEvent::Current),
            stored(5),
            (5, PairEvent::Current),
            (50, PairEvent::Lifted(digest(201))),
            stored(1),
        ]
    }

    #[test]
    fn records__should_lead_to_what_they_were_made_from_after_every_change() {
        let (mut pair, peer) = (Pair::default(), NodeId::new("p2").unwrap());
        for (number, event) in life() {
            pair.advance(digest(number), event);
            let again = replayed(&pair.records(&peer));
            assert_eq!(facts(&again), facts(&pair), "after {number} {event:?}");
            // And so do those that are made from what was replayed.
            assert_eq!(facts(&replayed(&again.records(&peer))), facts(&pair));
        }
    }

    #[test]
    fn c12_forgetting__must_spare_what_is_in_use_banned_lifted_or_was_destroyed_of_late() {
        let mut pair = Pair::default();
        for (number, event) in life() {
            pair.advance(digest(number), event);
        }
        for number in 20..24 {
            pair.advance(digest(number), PairEvent::Stored(digest(number)));
            pair.advance(digest(number), PairEvent::Destroyed);
        }
        let before = pair.generations.len();
        let mut all = pair.clone();
        all.forget(5, &[]);
        assert_eq!(all.generations.len(), before, "9 is lifted, five are few");
        pair.forget(1, &[digest(20)]);
        let left: Vec<Digest32> = pair.generations.keys().copied().collect();
        assert_eq!(left, [1, 3, 5, 7, 9, 20, 23].map(digest));
        assert_eq!(pair.lifted.len(), 2);
        assert_eq!((pair.current, pair.stored), (Some(digest(5)), None));
    }
}
