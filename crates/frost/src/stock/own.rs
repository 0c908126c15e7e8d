//! Our own nonces, announced to the leaders of sets that we sign in. Steps 7.1 and 7.4.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use super::streak::Streak;
use super::{
    Batch, ENTRY_BYTES, EntryName, LinkSession, SET_BYTES, SigningSet, StockId, StockLimits,
    StockedNonces,
};

/// Why an entry cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Untaken {
    /// No such stock: of another link session or process, or expired. Nobody's fault.
    #[error("there is no such stock, or none any more")]
    Unknown,
    /// It was taken before: a leader that names it again is at fault.
    #[error("the entry was used before")]
    Used,
    /// The stock is for another key, epoch or set of signers, or has no entry of this number: an
    /// honest leader knows that.
    #[error("the entry was announced for something else, or never")]
    Misplaced,
}

/// Why a stock may not be announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the stocks of this set, of this peer or of the node are full")]
pub struct Unannounced;

/// Gives a signing attempt the nonces that its leader asks for.
pub trait TakeNonces {
    /// Takes an entry out of its stock for ever: whatever becomes of the attempt, nothing puts it back.
    ///
    /// # Errors
    /// [`Untaken`].
    fn take(&self, name: &EntryName) -> Result<StockedNonces, Untaken>;

    /// The leader spoke, and used no entry of ours.
    fn declined(&self) {}
}

struct OwnStock {
    set: Arc<SigningSet>,
    link: LinkSession,
    /// `None` where it was taken. Empty once all were: what is left is the name.
    entries: Vec<Option<Box<StockedNonces>>>,
    /// How many entries it had.
    count: u16,
    left: usize,
    expires_at: Duration,
    /// Since when the leader speaks without it.
    declined: Streak,
    /// The leader has asked for an entry of a later one: it has none of this any more.
    is_passed: bool,
}

/// What there is of one set.
struct OwnSet {
    /// Those with entries left, in the order in which they were made.
    stocks: Vec<StockId>,
    left: usize,
    /// Whose room the set itself takes.
    link: LinkSession,
}

/// The nonces that this node has announced, in memory only.
///
/// # Security
/// Rows C1, C3, C7: an entry leaves by [`OwnStocks::take`], once. Everything is wiped when its stock
/// goes: with the link session, by time, or with the process.
pub struct OwnStocks {
    limits: StockLimits,
    /// With those that are used up, so that who asks for them again is named.
    stocks: HashMap<StockId, OwnStock>,
    sets: HashMap<Arc<SigningSet>, OwnSet>,
    /// Bytes of each link session, with what is reserved.
    of_links: HashMap<LinkSession, usize>,
    bytes: usize,
    entries: usize,
    /// Nothing expires before.
    next_expiry: Duration,
}

impl OwnStocks {
    /// None yet.
    #[must_use]
    pub fn new(limits: StockLimits) -> Self {
        Self {
            limits,
            stocks: HashMap::new(),
            sets: HashMap::new(),
            of_links: HashMap::new(),
            bytes: 0,
            entries: 0,
            next_expiry: Duration::MAX,
        }
    }

    /// Sets room apart for a stock that is to be made, so that nothing is drawn in vain. `true` is
    /// followed by one [`OwnStocks::release`].
    ///
    /// - `first`: of a set that may never sign again. Such stocks get half of all room only: however
    ///   many keys sign once, those that sign often find room for more.
    #[must_use]
    pub fn reserve(
        &mut self,
        set: &SigningSet,
        link: LinkSession,
        count: u16,
        first: bool,
        now: Duration,
    ) -> bool {
        let count = usize::from(count);
        let fits = self.reliable(set, now) + count <= self.limits.entries_per_set
            && self.has_bytes(link, reserved(count), if first { 2 } else { 1 });
        if fits {
            self.charge(link, reserved(count));
        }
        fits
    }

    /// Gives back what was set apart.
    pub fn release(&mut self, link: LinkSession, count: u16) {
        self.give_back(link, reserved(count.into()));
    }

    /// Keeps nonces for a set, under a name of fresh random bytes, before they are announced.
    ///
    /// # Errors
    /// [`Unannounced`]: a limit is reached; the nonces are wiped.
    pub fn add(
        &mut self,
        stock: StockId,
        set: &SigningSet,
        link: LinkSession,
        batch: Batch,
        now: Duration,
    ) -> Result<(), Unannounced> {
        let left = self.reliable(set, now);
        let count = u16::try_from(batch.nonces.len()).map_err(|_| Unannounced)?;
        let is_new = !self.sets.contains_key(set);
        let bytes = usize::from(count) * ENTRY_BYTES + if is_new { SET_BYTES } else { 0 };
        let fits = left + usize::from(count) <= self.limits.entries_per_set
            && self.has_bytes(link, bytes, 1);
        if !fits || count == 0 || self.stocks.contains_key(&stock) {
            return Err(Unannounced);
        }
        let known = self.sets.get_key_value(set);
        let set = known.map_or_else(|| Arc::new(set.clone()), |(set, _)| Arc::clone(set));
        let entries = batch.nonces.into_iter();
        let own = OwnStock {
            set: Arc::clone(&set),
            link,
            entries: entries.map(|nonces| Some(Box::new(nonces))).collect(),
            count,
            left: count.into(),
            expires_at: now + self.limits.lifetime,
            declined: Streak::default(),
            is_passed: false,
        };
        self.next_expiry = self.next_expiry.min(own.expires_at);
        self.stocks.insert(stock, own);
        let place = self.sets.entry(set).or_insert(OwnSet {
            stocks: Vec::new(),
            left: 0,
            link,
        });
        place.stocks.push(stock);
        place.left += usize::from(count);
        self.charge(link, bytes);
        self.entries += usize::from(count);
        Ok(())
    }

    /// Takes an entry that a leader of `set` asks for, for ever (step 7.4.1).
    ///
    /// # Errors
    /// [`Untaken`].
    pub fn take(
        &mut self,
        name: &EntryName,
        set: &SigningSet,
        now: Duration,
    ) -> Result<StockedNonces, Untaken> {
        self.expire(now);
        let own = self.stocks.get_mut(&name.stock).ok_or(Untaken::Unknown)?;
        if *own.set != *set || name.number >= own.count {
            return Err(Untaken::Misplaced);
        }
        let place = own.entries.get_mut(usize::from(name.number));
        let nonces = place.and_then(Option::take).ok_or(Untaken::Used)?;
        own.left -= 1;
        let (link, is_used_up) = (own.link, own.left == 0);
        if is_used_up {
            own.entries = Vec::new();
        }
        self.entries -= 1;
        self.give_back(link, ENTRY_BYTES);
        if let Some(place) = self.sets.get_mut(set) {
            place.left -= 1;
            let mut is_earlier = true;
            for stock in &place.stocks {
                is_earlier &= *stock != name.stock;
                if let Some(own) = self.stocks.get_mut(stock) {
                    own.declined = Streak::default();
                    // What the leader asked for before may still be on the way.
                    if is_earlier && !own.is_passed {
                        own.is_passed = true;
                        own.expires_at = own.expires_at.min(now + 2 * self.limits.round);
                        self.next_expiry = self.next_expiry.min(own.expires_at);
                    }
                }
            }
            if is_used_up {
                place.stocks.retain(|stock| *stock != name.stock);
                self.drop_empty(set);
            }
        }
        Ok(*nonces)
    }

    /// How many entries of a set are announced and not used.
    #[must_use]
    pub fn left(&mut self, set: &SigningSet, now: Duration) -> usize {
        self.expire(now);
        self.sets.get(set).map_or(0, |place| place.left)
    }

    /// Entries of all sets.
    #[must_use]
    pub const fn entries(&self) -> usize {
        self.entries
    }

    /// How many of these the leader seems to have: not those of stocks that it passed over, or declines
    /// for long. They stay, since it may have them all the same.
    #[must_use]
    pub fn reliable(&mut self, set: &SigningSet, now: Duration) -> usize {
        self.expire(now);
        let most = 4 * self.limits.round;
        let stocks = self.sets.get(set).into_iter().flat_map(|set| &set.stocks);
        let live = stocks.filter_map(|stock| self.stocks.get(stock));
        live.filter(|own| !own.is_passed && own.declined.length() <= most)
            .map(|own| own.left)
            .sum()
    }

    /// The leader of a set spoke without stock, though it was told of some (step 7.6).
    pub fn declined(&mut self, set: &SigningSet, now: Duration) {
        self.expire(now);
        let round = self.limits.round;
        for stock in self.sets.get(set).into_iter().flat_map(|set| &set.stocks) {
            if let Some(own) = self.stocks.get_mut(stock) {
                own.declined.note(now, round);
            }
        }
    }

    /// Drops all stocks of a set.
    pub fn drop_set(&mut self, set: &SigningSet) {
        self.retain(|own| *own.set != *set);
    }

    /// Drops what was announced over a link session that ended.
    pub fn end_link(&mut self, link: LinkSession) {
        if self.stocks.values().any(|own| own.link == link) {
            self.retain(|own| own.link != link);
        }
    }

    /// Drops what is too old.
    pub fn expire(&mut self, now: Duration) {
        if self.next_expiry <= now {
            self.retain(|own| own.expires_at > now);
            let left = self.stocks.values().map(|own| own.expires_at);
            self.next_expiry = left.min().unwrap_or(Duration::MAX);
        }
    }

    fn retain(&mut self, keep: impl Fn(&OwnStock) -> bool) {
        let mut gone = Vec::new();
        self.stocks.retain(|stock, own| {
            let kept = keep(own);
            if !kept {
                gone.push((*stock, Arc::clone(&own.set), own.link, own.left));
            }
            kept
        });
        for (stock, set, link, left) in gone {
            self.entries -= left;
            self.give_back(link, left * ENTRY_BYTES);
            if let Some(place) = self.sets.get_mut(&set) {
                place.stocks.retain(|other| *other != stock);
                place.left -= left;
                self.drop_empty(&set);
            }
        }
    }

    /// A set without entries takes no room.
    fn drop_empty(&mut self, set: &SigningSet) {
        if self.sets.get(set).is_some_and(|set| set.stocks.is_empty())
            && let Some(place) = self.sets.remove(set)
        {
            self.give_back(place.link, SET_BYTES);
        }
    }

    /// Whether so many bytes more are within one part of all that are allowed.
    fn has_bytes(&self, link: LinkSession, bytes: usize, part: usize) -> bool {
        let of_link = self.of_links.get(&link).copied().unwrap_or(0);
        of_link + bytes <= self.limits.bytes_per_peer / part
            && self.bytes + bytes <= self.limits.bytes / part
    }

    fn charge(&mut self, link: LinkSession, bytes: usize) {
        *self.of_links.entry(link).or_default() += bytes;
        self.bytes += bytes;
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

/// What a stock may take at most, whether its set is known or not.
fn reserved(count: usize) -> usize {
    count * ENTRY_BYTES + SET_BYTES
}
