//! Stocked nonces: what a signature finds, and what making and checking them costs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result};
use quorate_frost::{
    Ahead, Announcement, Batch, CheckedShare, EntryName, HeldStocks, LinkSession,
    MAX_STOCK_ENTRIES, OwnStocks, SigningSet, StockId, StockLimits, StockedNonces, TakeNonces,
    Untaken,
};
use quorate_types::{Curve, Epoch, KeyId, PartyIndex, SignerSet};
use rand_chacha::ChaCha20Rng;

use super::{scheme, subject};
use crate::cpu::{Effort, measure_loop};
use crate::report::{EngineReport, OURS};

const LIMITS: StockLimits = StockLimits {
    entries_per_set: 64,
    bytes_per_peer: 1 << 20,
    bytes: 1 << 20,
    lifetime: Duration::from_secs(300),
    margin: Duration::from_secs(60),
    round: Duration::from_secs(3),
};

const NOW: Duration = Duration::ZERO;

struct Taker(Mutex<OwnStocks>, Arc<SigningSet>);

impl TakeNonces for Taker {
    fn take(&self, name: &EntryName) -> Result<StockedNonces, Untaken> {
        let mut own = self.0.lock().map_err(|_| Untaken::Unknown)?;
        own.take(name, &self.1, NOW)
    }
}

/// What each signer has ahead of one signature: one entry of each that does not lead.
///
/// # Errors
/// If the shares are of no set of signers.
pub(super) fn for_one(
    curve: Curve,
    shares: &BTreeMap<PartyIndex, CheckedShare>,
    rng: &mut ChaCha20Rng,
) -> Result<BTreeMap<PartyIndex, Ahead>> {
    let signers = SignerSet::new(shares.keys().copied().collect());
    let set = Arc::new(SigningSet {
        key: KeyId::from_array([1; 16]),
        epoch: Epoch::FIRST,
        signers: signers.context("signers")?,
    });
    let mut held = HeldStocks::new(LIMITS);
    let mut ahead = BTreeMap::new();
    for (party, share) in shares.iter().skip(1) {
        let batch = Batch::draw(share, 1, rng)?;
        let told = announced(&set, *party, &batch);
        let mut own = OwnStocks::new(LIMITS);
        own.add(told.stock, &set, told.link, batch, NOW)?;
        held.add(*party, told.check(curve)?, NOW)?;
        let taker = Taker(Mutex::new(own), Arc::clone(&set));
        ahead.insert(*party, Ahead::Follow(Box::new(taker)));
    }
    let taken = held.take(&set, NOW).context("nothing is stocked")?;
    ahead.insert(set.leader(), Ahead::Lead(taken));
    Ok(ahead)
}

fn announced(set: &SigningSet, party: PartyIndex, batch: &Batch) -> Announcement {
    Announcement {
        link: LinkSession::from_array([party.get(); 32]),
        stock: StockId::from_array([party.get(); 16]),
        set: set.clone(),
        commitments: batch.announced().to_vec(),
    }
}

/// A stock of 64 entries, at who makes it and at who checks it.
///
/// # Errors
/// If there are no shares.
pub(super) fn measure(
    effort: Effort,
    report: &mut EngineReport,
    curve: Curve,
    shares: &BTreeMap<PartyIndex, CheckedShare>,
) -> Result<()> {
    use rand_chacha::rand_core::SeedableRng as _;
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    let (party, share) = shares.iter().nth(1).context("two signers")?;
    let set = SigningSet {
        key: KeyId::from_array([1; 16]),
        epoch: Epoch::FIRST,
        signers: SignerSet::new(shares.keys().copied().collect()).context("signers")?,
    };
    let batch = Batch::draw(share, MAX_STOCK_ENTRIES, &mut rng)?;
    let told = announced(&set, *party, &batch);
    let made = measure_loop(effort, || {
        drop(Batch::draw(share, MAX_STOCK_ENTRIES, &mut rng));
    })?;
    let scheme = scheme(curve);
    let what = format!("{scheme} stock of {MAX_STOCK_ENTRIES}, made");
    report.add(&subject(OURS, what, 1), &made);
    let checked = measure_loop(effort, || drop(told.clone().check(curve)))?;
    let what = format!("{scheme} stock of {MAX_STOCK_ENTRIES}, checked");
    report.add(&subject(OURS, what, 1), &checked);
    Ok(())
}
