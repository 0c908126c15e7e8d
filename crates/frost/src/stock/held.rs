//! What others have announced to us, as the leader of sets that we sign in. Steps 7.2 and 7.3.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use quorate_types::PartyIndex;
use thiserror::Error;

use super::{
    Announcement, AnyAnnounced, CheckedAnnouncement, ENTRY_BYTES, EntryName, LinkSession,
    SigningSet, StockId, StockLimits,
};

/// Another signer's commitments, taken for one attempt.
///
/// # Security
/// No `Clone`: an entry is named in one opening and never again (row C7).
pub struct HeldEntry {
    pub(crate) party: PartyIndex,
    pub(crate) name: EntryName,
    pub(crate) announced: AnyAnnounced,
}

impl HeldEntry {
    /// Whose it is.
    #[must_use]
    pub const fn party(&self) -> PartyIndex {
        self.party
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> EntryName {
        self.name
    }
}

/// A limit is reached, the stock is known already, or its sender has no place in that set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("there is no room for what was announced")]
pub struct Unwelcome;

struct Held {
    name: EntryName,
    announced: AnyAnnounced,
    link: LinkSession,
    usable_until: Duration,
}

/// What other signers have announced, in memory only.
pub struct HeldStocks {
    limits: StockLimits,
    sets: HashMap<SigningSet, BTreeMap<PartyIndex, VecDeque<Held>>>,
    of_links: HashMap<LinkSession, usize>,
    entries: usize,
    /// Nothing expires before.
    next_expiry: Duration,
}

impl HeldStocks {
    /// None yet.
    #[must_use]
    pub fn new(limits: StockLimits) -> Self {
        Self {
            limits,
            sets: HashMap::new(),
            of_links: HashMap::new(),
            entries: 0,
            next_expiry: Duration::MAX,
        }
    }

    /// Whether an announcement of so many entries would be kept, asked before its points are checked.
    ///
    /// - `from`: the party behind the link that it came over.
    #[must_use]
    pub fn has_room(&self, from: PartyIndex, announcement: &Announcement, count: usize) -> bool {
        let Announcement {
            link, stock, set, ..
        } = announcement;
        self.fits(from, set, *link, *stock, count)
    }

    fn fits(
        &self,
        from: PartyIndex,
        set: &SigningSet,
        link: LinkSession,
        stock: StockId,
        count: usize,
    ) -> bool {
        let held = self.sets.get(set).and_then(|parties| parties.get(&from));
        let is_known = held.is_some_and(|held| held.iter().any(|entry| entry.name.stock == stock));
        let held = held.map_or(0, VecDeque::len);
        let of_link = self.of_links.get(&link).copied().unwrap_or(0);
        set.signers.contains(from)
            && from != set.leader()
            && !is_known
            && held + count <= self.limits.entries_per_set
            && (of_link + count) * ENTRY_BYTES <= self.limits.bytes_per_peer
            && (self.entries + count) * ENTRY_BYTES <= self.limits.bytes
    }

    /// Keeps what another signer announced (step 7.2). Returns how many entries it has.
    ///
    /// - `from`: as for [`Self::has_room`].
    ///
    /// # Errors
    /// [`Unwelcome`].
    ///
    /// # Security
    /// The caller has checked that the link session of the announcement is the one that stands with
    /// the node of `from`, that we lead the set, and that key, epoch and signers are of a key of ours.
    pub fn add(
        &mut self,
        from: PartyIndex,
        checked: CheckedAnnouncement,
        now: Duration,
    ) -> Result<usize, Unwelcome> {
        self.expire(now);
        let CheckedAnnouncement {
            link,
            stock,
            set,
            entries,
        } = checked;
        let count = entries.len();
        if !self.fits(from, &set, link, stock, count) {
            return Err(Unwelcome);
        }
        let usable_until = now + self.limits.lifetime.saturating_sub(self.limits.margin);
        self.next_expiry = self.next_expiry.min(usable_until);
        let held = entries
            .into_iter()
            .zip(0..)
            .map(|(announced, number)| Held {
                name: EntryName { stock, number },
                announced,
                link,
                usable_until,
            });
        let parties = self.sets.entry(set).or_default();
        parties.entry(from).or_default().extend(held);
        *self.of_links.entry(link).or_default() += count;
        self.entries += count;
        Ok(count)
    }

    /// Takes one entry of every other signer of a set, for ever: those that expire first. `None`, and
    /// nothing is taken, if anybody has none.
    pub fn take(&mut self, set: &SigningSet, now: Duration) -> Option<Vec<HeldEntry>> {
        self.expire(now);
        let parties = self.sets.get_mut(set)?;
        if parties.len() + 1 != set.signers.len() {
            return None;
        }
        let mut taken = Vec::with_capacity(parties.len());
        let mut links = Vec::with_capacity(parties.len());
        for (party, held) in parties.iter_mut() {
            // A party without entries is not in the map.
            let Held {
                name,
                announced,
                link,
                ..
            } = held.pop_front()?;
            links.push(link);
            taken.push(HeldEntry {
                party: *party,
                name,
                announced,
            });
        }
        parties.retain(|_, held| !held.is_empty());
        if parties.is_empty() {
            self.sets.remove(set);
        }
        for link in links {
            self.entries -= 1;
            self.give_back(link, 1);
        }
        Some(taken)
    }

    /// How many entries of a party are there for a set.
    #[must_use]
    pub fn left(&self, set: &SigningSet, party: PartyIndex) -> usize {
        let parties = self.sets.get(set);
        parties
            .and_then(|parties| parties.get(&party))
            .map_or(0, VecDeque::len)
    }

    /// Entries of all sets.
    #[must_use]
    pub const fn entries(&self) -> usize {
        self.entries
    }

    /// Drops what is held for a set: a signer turned out not to have it.
    pub fn drop_set(&mut self, set: &SigningSet) {
        self.retain(|held_set, _| held_set != set);
    }

    /// Drops what was announced over a link session that ended.
    pub fn end_link(&mut self, link: LinkSession) {
        if self.of_links.contains_key(&link) {
            self.retain(|_, held| held.link != link);
        }
    }

    /// Drops what an honest signer may have dropped before long.
    pub fn expire(&mut self, now: Duration) {
        if self.next_expiry <= now {
            self.retain(|_, held| held.usable_until > now);
            let parties = self.sets.values().flat_map(BTreeMap::values);
            // Entries of one party are in the order of their age.
            let fronts = parties.filter_map(VecDeque::front);
            let left = fronts.map(|held| held.usable_until);
            self.next_expiry = left.min().unwrap_or(Duration::MAX);
        }
    }

    fn retain(&mut self, keep: impl Fn(&SigningSet, &Held) -> bool) {
        let mut gone = Vec::new();
        self.sets.retain(|set, parties| {
            parties.retain(|_, entries| {
                entries.retain(|held| {
                    let kept = keep(set, held);
                    if !kept {
                        gone.push(held.link);
                    }
                    kept
                });
                !entries.is_empty()
            });
            !parties.is_empty()
        });
        for link in gone {
            self.entries -= 1;
            self.give_back(link, 1);
        }
    }

    fn give_back(&mut self, link: LinkSession, count: usize) {
        if let Some(used) = self.of_links.get_mut(&link) {
            *used -= count;
            if *used == 0 {
                self.of_links.remove(&link);
            }
        }
    }
}
