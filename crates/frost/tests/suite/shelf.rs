//! Stocks of one set of signers, as their nodes would hold them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use quorate_frost::{
    Ahead, Announcement, Batch, EntryName, HeldEntry, HeldStocks, LinkSession, OwnStocks,
    SigningSet, StockId, StockLimits, StockedNonces, TakeNonces, Untaken,
};
use quorate_types::{Epoch, KeyId, PartyIndex, SignerSet};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::committee::Committee;
use crate::pump;

pub(crate) const LIMITS: StockLimits = StockLimits {
    entries_per_set: 600,
    bytes_per_peer: 1 << 20,
    bytes: 4 << 20,
    lifetime: Duration::from_secs(300),
    margin: Duration::from_secs(60),
    round: Duration::from_secs(3),
};

pub(crate) fn set(key: u8, epoch: u64, signers: &[PartyIndex]) -> SigningSet {
    SigningSet {
        key: KeyId::from_array([key; 16]),
        epoch: Epoch::new(epoch).unwrap(),
        signers: SignerSet::new(signers.to_vec()).unwrap(),
    }
}

pub(crate) fn link(number: u8) -> LinkSession {
    LinkSession::from_array([number; 32])
}

pub(crate) fn name(stock: u8, number: u16) -> EntryName {
    let stock = StockId::from_array([stock; 16]);
    EntryName { stock, number }
}

pub(crate) fn batch(committee: &Committee, party: PartyIndex, count: u16) -> Batch {
    let mut rng = ChaCha20Rng::from_seed(pump::fresh_seed());
    Batch::draw(&committee.shares[&party], count, &mut rng).unwrap()
}

pub(crate) fn announcement(
    set: &SigningSet,
    link: LinkSession,
    stock: u8,
    commitments: &[u8],
) -> Announcement {
    Announcement {
        link,
        stock: StockId::from_array([stock; 16]),
        set: set.clone(),
        commitments: commitments.to_vec(),
    }
}

/// The stocks of one set at all its signers. Stock and link session of a party have its number.
pub(crate) struct Shelf {
    pub(crate) set: SigningSet,
    pub(crate) held: RefCell<HeldStocks>,
    pub(crate) own: BTreeMap<PartyIndex, Arc<Mutex<OwnStocks>>>,
}

impl Shelf {
    pub(crate) fn new(signers: &[PartyIndex]) -> Self {
        let own = || Arc::new(Mutex::new(OwnStocks::new(LIMITS)));
        Self {
            set: set(1, 1, signers),
            held: RefCell::new(HeldStocks::new(LIMITS)),
            own: signers.iter().map(|party| (*party, own())).collect(),
        }
    }

    /// With so many entries of each signer that does not lead.
    pub(crate) fn filled(committee: &Committee, signers: &[PartyIndex], count: u16) -> Self {
        let shelf = Self::new(signers);
        let leader = shelf.set.leader();
        for party in signers.iter().filter(|party| **party != leader) {
            shelf.announce(committee, *party, batch(committee, *party, count));
        }
        shelf
    }

    pub(crate) fn announce(&self, committee: &Committee, party: PartyIndex, batch: Batch) {
        let (stock, link) = (party.get(), link(party.get()));
        let told = announcement(&self.set, link, stock, batch.announced());
        let now = Duration::ZERO;
        let mut own = self.own[&party].lock().unwrap();
        own.add(told.stock, &self.set, link, batch, now).unwrap();
        let checked = told.check(committee.curve).unwrap();
        self.held.borrow_mut().add(party, checked, now).unwrap();
    }

    /// What the leader takes for one attempt.
    pub(crate) fn take(&self) -> Option<Vec<HeldEntry>> {
        self.held.borrow_mut().take(&self.set, Duration::ZERO)
    }

    pub(crate) fn taker(&self, party: PartyIndex) -> Box<dyn TakeNonces + Send> {
        let (own, set) = (Arc::clone(&self.own[&party]), self.set.clone());
        Box::new(Taker { own, set })
    }

    /// As a node decides at the start of an attempt.
    pub(crate) fn ahead(&self, me: PartyIndex) -> Ahead {
        if me == self.set.leader() {
            return self.take().map_or(Ahead::Nothing, Ahead::Lead);
        }
        let mut own = self.own[&me].lock().unwrap();
        if own.left(&self.set, Duration::ZERO) == 0 {
            return Ahead::Nothing;
        }
        drop(own);
        Ahead::Follow(self.taker(me))
    }

    pub(crate) fn left(&self, party: PartyIndex) -> usize {
        let mut own = self.own[&party].lock().unwrap();
        own.left(&self.set, Duration::ZERO)
    }
}

struct Taker {
    own: Arc<Mutex<OwnStocks>>,
    set: SigningSet,
}

impl TakeNonces for Taker {
    fn take(&self, name: &EntryName) -> Result<StockedNonces, Untaken> {
        let mut own = self.own.lock().unwrap();
        own.take(name, &self.set, Duration::ZERO)
    }
}
