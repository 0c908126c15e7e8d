//! Our own nonces, announced to the leaders of sets that we sign in. Steps 7.1 and 7.4.

use std::collections::HashMap;
use std::time::Duration;

use thiserror::Error;

use super::{
    Batch, ENTRY_BYTES, EntryName, LinkSession, SigningSet, StockId, StockLimits, StockedNonces,
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
    set: SigningSet,
    link: LinkSession,
    /// `None` where it was taken. Boxed, so that what is used takes no room.
    entries: Vec<Option<Box<StockedNonces>>>,
    left: usize,
    expires_at: Duration,
    /// When it was announced, or an entry was taken last.
    touched_at: Duration,
}

/// The nonces that this node has announced, in memory only.
///
/// # Security
/// Rows C1, C3, C7: an entry leaves by [`OwnStocks::take`], once. Everything is wiped when its stock
/// goes: with the link session, by time, or with the process.
pub struct OwnStocks {
    limits: StockLimits,
    stocks: HashMap<StockId, OwnStock>,
    of_sets: HashMap<SigningSet, Vec<StockId>>,
    of_links: HashMap<LinkSession, usize>,
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
            of_sets: HashMap::new(),
            of_links: HashMap::new(),
            entries: 0,
            next_expiry: Duration::MAX,
        }
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
        self.expire(now);
        let count = batch.nonces.len();
        let of_link = self.of_links.get(&link).copied().unwrap_or(0);
        let fits = self.left(set, now) + count <= self.limits.entries_per_set
            && (of_link + count) * ENTRY_BYTES <= self.limits.bytes_per_peer
            && (self.entries + count) * ENTRY_BYTES <= self.limits.bytes;
        if !fits || count == 0 || self.stocks.contains_key(&stock) {
            return Err(Unannounced);
        }
        let entries = batch.nonces.into_iter();
        let own = OwnStock {
            set: set.clone(),
            link,
            entries: entries.map(|nonces| Some(Box::new(nonces))).collect(),
            left: count,
            expires_at: now + self.limits.lifetime,
            touched_at: now,
        };
        self.next_expiry = self.next_expiry.min(own.expires_at);
        self.stocks.insert(stock, own);
        self.of_sets.entry(set.clone()).or_default().push(stock);
        *self.of_links.entry(link).or_default() += count;
        self.entries += count;
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
        if own.set != *set {
            return Err(Untaken::Misplaced);
        }
        let place = own.entries.get_mut(usize::from(name.number));
        let nonces = place
            .ok_or(Untaken::Misplaced)?
            .take()
            .ok_or(Untaken::Used)?;
        own.left -= 1;
        own.touched_at = now;
        self.entries -= 1;
        let link = own.link;
        self.give_back(link, 1);
        Ok(*nonces)
    }

    /// How many entries of a set are announced and not used.
    #[must_use]
    pub fn left(&self, set: &SigningSet, now: Duration) -> usize {
        let stocks = self.of_sets.get(set).into_iter().flatten();
        let live = stocks.filter_map(|stock| self.stocks.get(stock));
        live.filter(|own| own.expires_at > now)
            .map(|own| own.left)
            .sum()
    }

    /// Entries of all sets.
    #[must_use]
    pub const fn entries(&self) -> usize {
        self.entries
    }

    /// Drops the stocks of a set of which nothing was heard since `before`: its leader does not have
    /// them, or does not use them.
    pub fn drop_idle(&mut self, set: &SigningSet, before: Duration) {
        self.retain(|own| own.set != *set || own.touched_at >= before);
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
        self.stocks.retain(|_, own| {
            let kept = keep(own);
            if !kept {
                gone.push((own.link, own.left));
            }
            kept
        });
        for (link, left) in gone {
            self.entries -= left;
            self.give_back(link, left);
        }
        let stocks = &self.stocks;
        self.of_sets.retain(|_, ids| {
            ids.retain(|id| stocks.contains_key(id));
            !ids.is_empty()
        });
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
