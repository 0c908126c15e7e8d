//! What others have announced to us, as the leader of sets that we sign in. Steps 7.2 and 7.3.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::time::Duration;

use quorate_types::PartyIndex;
use thiserror::Error;

use super::{
    Announcement, AnyAnnounced, CheckedAnnouncement, ENTRY_BYTES, EntryName, LinkSession,
    REMEMBERED_STOCKS, SET_BYTES, SigningSet, StockId, StockLimits,
};

/// What was not used for so long makes room for what its maker announces now. Not earlier: checking
/// points costs time, and a peer must not gain more of it by announcing without end.
const EVICT_AFTER: Duration = Duration::from_secs(30);

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

/// What one signer has announced for one set.
struct OfParty {
    entries: VecDeque<Held>,
    /// Whose room the set itself takes.
    link: LinkSession,
    touched_at: Duration,
}

impl OfParty {
    fn bytes(&self) -> usize {
        self.entries.len() * ENTRY_BYTES + SET_BYTES
    }
}

/// Names of the stocks of one link session, the latest of them.
#[derive(Default)]
struct Names {
    known: HashSet<StockId>,
    order: VecDeque<StockId>,
}

impl Names {
    fn remember(&mut self, stock: StockId) {
        if self.known.insert(stock) {
            self.order.push_back(stock);
        }
        if self.order.len() > REMEMBERED_STOCKS
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

/// What other signers have announced, in memory only.
pub struct HeldStocks {
    limits: StockLimits,
    /// How many other nodes share all bytes.
    peers: usize,
    sets: HashMap<SigningSet, BTreeMap<PartyIndex, OfParty>>,
    /// Bytes of each link session.
    of_links: HashMap<LinkSession, usize>,
    names: HashMap<LinkSession, Names>,
    bytes: usize,
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
            peers: 1,
            sets: HashMap::new(),
            of_links: HashMap::new(),
            names: HashMap::new(),
            bytes: 0,
            entries: 0,
            next_expiry: Duration::MAX,
        }
    }

    /// How many other nodes there are: none may have more than its share of all bytes.
    pub fn share_among(&mut self, peers: usize) {
        self.peers = peers.max(1);
    }

    /// Whether a stock of this name was kept before, over the same link session. Names are random: an
    /// honest node announces none twice. One that did could have us ask for an entry that was used, and
    /// say so.
    #[must_use]
    pub fn is_repeated(&self, announcement: &Announcement) -> bool {
        self.is_known(announcement.link, announcement.stock)
    }

    fn is_known(&self, link: LinkSession, stock: StockId) -> bool {
        let names = self.names.get(&link);
        names.is_some_and(|names| names.known.contains(&stock))
    }

    /// Whether an announcement of so many entries would be kept, asked before its points are checked.
    ///
    /// - `from`: the party behind the link that it came over.
    #[must_use]
    pub fn has_room(
        &self,
        from: PartyIndex,
        announcement: &Announcement,
        count: usize,
        now: Duration,
    ) -> bool {
        let Announcement {
            link, stock, set, ..
        } = announcement;
        let idle = self.idle(*link, set, now);
        let room = idle.map(|(_, _, held)| held.bytes()).sum();
        self.is_welcome(from, set, *link, *stock, count)
            && self.has_bytes(*link, self.cost(from, set, count), room)
    }

    /// Everything but bytes.
    fn is_welcome(
        &self,
        from: PartyIndex,
        set: &SigningSet,
        link: LinkSession,
        stock: StockId,
        count: usize,
    ) -> bool {
        set.signers.contains(from)
            && from != set.leader()
            && !self.is_known(link, stock)
            && self.left(set, from) + count <= self.limits.entries_per_set
    }

    /// What so many entries more would take.
    fn cost(&self, from: PartyIndex, set: &SigningSet, count: usize) -> usize {
        let is_new = self.left(set, from) == 0;
        count * ENTRY_BYTES + if is_new { SET_BYTES } else { 0 }
    }

    /// Whether so many bytes more are allowed, once `freed` are gone.
    fn has_bytes(&self, link: LinkSession, bytes: usize, freed: usize) -> bool {
        let of_link = self.of_links.get(&link).copied().unwrap_or(0);
        let share = (self.limits.bytes / self.peers).min(self.limits.bytes_per_peer);
        (of_link + bytes).saturating_sub(freed) <= share
            && (self.bytes + bytes).saturating_sub(freed) <= self.limits.bytes
    }

    /// What a link session has of other sets than one, and nobody used for a while.
    fn idle(
        &self,
        link: LinkSession,
        but: &SigningSet,
        now: Duration,
    ) -> impl Iterator<Item = (&SigningSet, PartyIndex, &OfParty)> {
        let all = self.sets.iter().flat_map(|(set, parties)| {
            let of_set = parties.iter();
            of_set.map(move |(party, held)| (set, *party, held))
        });
        all.filter(move |(set, _, held)| {
            held.link == link && *set != but && held.touched_at + EVICT_AFTER <= now
        })
    }

    /// Drops what was not used for longest, until so many bytes more are allowed. Its maker keeps its
    /// side of it, and waits for us to speak first; that costs half a round trip.
    fn make_room(&mut self, link: LinkSession, but: &SigningSet, bytes: usize, now: Duration) {
        while !self.has_bytes(link, bytes, 0) {
            let idle = self.idle(link, but, now);
            let oldest = idle.min_by_key(|(_, _, held)| held.touched_at);
            let Some((set, party, _)) = oldest.map(|(set, party, held)| (set.clone(), party, held))
            else {
                return;
            };
            self.retain(|of, from, _| *of != set || from != party);
        }
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
        if !self.is_welcome(from, &set, link, stock, count) {
            return Err(Unwelcome);
        }
        let bytes = self.cost(from, &set, count);
        self.make_room(link, &set, bytes, now);
        if !self.has_bytes(link, bytes, 0) {
            return Err(Unwelcome);
        }
        let usable_until = now + self.limits.lifetime.saturating_sub(self.limits.margin);
        self.next_expiry = self.next_expiry.min(usable_until);
        let new = entries
            .into_iter()
            .zip(0..)
            .map(|(announced, number)| Held {
                name: EntryName { stock, number },
                announced,
                link,
                usable_until,
            });
        let parties = self.sets.entry(set).or_default();
        let held = parties.entry(from).or_insert_with(|| OfParty {
            entries: VecDeque::new(),
            link,
            touched_at: now,
        });
        held.entries.extend(new);
        held.touched_at = now;
        *self.of_links.entry(link).or_default() += bytes;
        self.bytes += bytes;
        self.entries += count;
        self.names.entry(link).or_default().remember(stock);
        Ok(count)
    }

    /// Takes one entry of every other signer of a set, for ever. `None`, and nothing is taken, if anybody
    /// has none.
    ///
    /// Entries of one signer are taken in the order in which they were announced: from what is asked
    /// for it knows what is not there any more ([`OwnStocks`](super::OwnStocks)).
    pub fn take(&mut self, set: &SigningSet, now: Duration) -> Option<Vec<HeldEntry>> {
        self.expire(now);
        let parties = self.sets.get_mut(set)?;
        if parties.len() + 1 != set.signers.len() {
            return None;
        }
        let mut taken = Vec::with_capacity(parties.len());
        let mut freed = Vec::with_capacity(parties.len());
        for (party, held) in parties.iter_mut() {
            held.touched_at = now;
            // A party without entries is not in the map.
            let Held {
                name,
                announced,
                link,
                ..
            } = held.entries.pop_front()?;
            freed.push((link, ENTRY_BYTES));
            if held.entries.is_empty() {
                freed.push((held.link, SET_BYTES));
            }
            taken.push(HeldEntry {
                party: *party,
                name,
                announced,
            });
        }
        parties.retain(|_, held| !held.entries.is_empty());
        if parties.is_empty() {
            self.sets.remove(set);
        }
        self.entries -= taken.len();
        for (link, bytes) in freed {
            self.give_back(link, bytes);
        }
        Some(taken)
    }

    /// How many entries of a party are there for a set.
    #[must_use]
    pub fn left(&self, set: &SigningSet, party: PartyIndex) -> usize {
        let parties = self.sets.get(set);
        parties
            .and_then(|parties| parties.get(&party))
            .map_or(0, |held| held.entries.len())
    }

    /// Entries of all sets.
    #[must_use]
    pub const fn entries(&self) -> usize {
        self.entries
    }

    /// Drops what is held for a set: a signer turned out not to have it.
    pub fn drop_set(&mut self, set: &SigningSet) {
        self.retain(|of, _, _| of != set);
    }

    /// Drops what was announced over a link session that ended.
    pub fn end_link(&mut self, link: LinkSession) {
        if self.of_links.contains_key(&link) {
            self.retain(|_, _, held| held.link != link);
        }
        self.names.remove(&link);
    }

    /// Drops what an honest signer may have dropped before long.
    pub fn expire(&mut self, now: Duration) {
        if self.next_expiry <= now {
            self.retain(|_, _, held| held.usable_until > now);
            let parties = self.sets.values().flat_map(BTreeMap::values);
            // Entries of one party are in the order of their age.
            let fronts = parties.filter_map(|held| held.entries.front());
            let left = fronts.map(|held| held.usable_until);
            self.next_expiry = left.min().unwrap_or(Duration::MAX);
        }
    }

    fn retain(&mut self, keep: impl Fn(&SigningSet, PartyIndex, &Held) -> bool) {
        let mut freed = Vec::new();
        let mut gone = 0;
        self.sets.retain(|set, parties| {
            parties.retain(|party, of_party| {
                of_party.entries.retain(|held| {
                    let kept = keep(set, *party, held);
                    if !kept {
                        freed.push((held.link, ENTRY_BYTES));
                        gone += 1;
                    }
                    kept
                });
                let is_empty = of_party.entries.is_empty();
                if is_empty {
                    freed.push((of_party.link, SET_BYTES));
                }
                !is_empty
            });
            !parties.is_empty()
        });
        self.entries -= gone;
        for (link, bytes) in freed {
            self.give_back(link, bytes);
        }
    }

    fn give_back(&mut self, link: LinkSession, bytes: usize) {
        self.bytes -= bytes;
        if let Some(used) = self.of_links.get_mut(&link) {
            *used -= bytes;
            if *used == 0 {
                self.of_links.remove(&link);
            }
        }
    }
}
