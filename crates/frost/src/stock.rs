//! Nonces that are committed to before there is anything to sign. `docs/protocols/frost.md` §7.
//!
//! A signer that does not lead its set of signers draws nonces ahead and announces their commitments to
//! the leader, over the link that both share. It keeps the nonces ([`OwnStocks`]), the leader the
//! commitments ([`HeldStocks`]), both in memory only. Times are given from outside: how long after an
//! arbitrary start something happens.

mod held;
mod own;
mod streak;

use quorate_protocol::Abort;
use quorate_types::{
    Canonical, Curve, DecodeError, Epoch, KeyId, PartyIndex, Reader, SignerSet, Writer,
};
use rand_core::CryptoRng;
use thiserror::Error;

pub use held::{HeldEntry, HeldStocks, Unwelcome};
pub use own::{OwnStocks, TakeNonces, Unannounced, Untaken};

use crate::scheme::{Bip340, Ed25519, Scheme};
use crate::share::{CheckedShare, Keys, SigningKey};
use crate::sign::nonces::{Announced, Nonces};

/// Most entries of one stock, which is one announcement.
pub const MAX_STOCK_ENTRIES: u16 = 64;

/// What an entry costs in memory, in bytes, rounded up: points, encodings, and its place in a table.
const ENTRY_BYTES: usize = 768;

/// What a set costs beside its entries, in bytes, rounded up: its signers, its places in tables, and what
/// the node around the tables remembers of it.
const SET_BYTES: usize = 2_048;

/// Names of stocks that are remembered of one link session.
const REMEMBERED_STOCKS: usize = 65_536;

/// Limits of stocks at one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StockLimits {
    /// Entries of one set of signers that one other node may have with us.
    pub entries_per_set: usize,
    /// Bytes of all entries that one other node may have with us.
    pub bytes_per_peer: usize,
    /// Bytes of all entries. Of what others announce, one has an equal share of these at most.
    pub bytes: usize,
    /// How long an attempt may wait for its first round. An opening comes within this time, but
    /// for one of many signatures of a session that moves: that may come later, and find nothing.
    pub round: std::time::Duration,
    /// How long an entry is good for, from when it was made.
    pub lifetime: std::time::Duration,
    /// How much earlier a leader stops using an entry: longer than any attempt waits for its first
    /// round, so that the other signer still has it.
    pub margin: std::time::Duration,
}

/// What stocked nonces may be used for: one key, in one epoch, signed with by exactly these signers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SigningSet {
    /// The key.
    pub key: KeyId,
    /// The sharing of the key.
    pub epoch: Epoch,
    /// All signers.
    pub signers: SignerSet,
}

impl SigningSet {
    /// The signer with the lowest index, which holds everybody else's commitments.
    ///
    /// # Panics
    /// Never: a set has signers.
    #[must_use]
    pub fn leader(&self) -> PartyIndex {
        self.signers.iter().next().expect("a set has signers")
    }
}

impl Canonical for SigningSet {
    fn write(&self, out: &mut Writer) {
        out.value(&self.key).value(&self.epoch).value(&self.signers);
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            key: KeyId::read(input)?,
            epoch: Epoch::read(input)?,
            signers: SignerSet::read(input)?,
        })
    }
}

/// One session of the link between two nodes: never repeated, the same at both. A stock dies with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LinkSession([u8; 32]);

impl LinkSession {
    /// From the hash of its handshake.
    #[must_use]
    pub const fn from_array(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl Canonical for LinkSession {
    fn write(&self, out: &mut Writer) {
        out.fixed(&self.0);
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self(input.array("link session")?))
    }
}

/// Name of a stock: 16 random bytes of the node that made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StockId([u8; 16]);

impl StockId {
    /// From random bytes.
    #[must_use]
    pub const fn from_array(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

/// Name of an entry: its stock, and its number in it from 0. 18 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EntryName {
    /// The stock.
    pub stock: StockId,
    /// The number.
    pub number: u16,
}

impl EntryName {
    pub(crate) const LENGTH: usize = 18;
}

impl Canonical for EntryName {
    fn write(&self, out: &mut Writer) {
        out.fixed(&self.stock.0).u16(self.number);
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            stock: StockId(input.array("stock")?),
            number: input.u16("entry")?,
        })
    }
}

/// A pair of nonces that nobody has seen a share of, and its commitments.
///
/// # Security
/// Rows C1, C3, C7: no `Clone`, no `Debug`, no encoding; wiped on drop. [`Sign`](crate::Sign) consumes
/// it before it computes anything.
///
/// ```compile_fail,E0599
/// fn copy(nonces: &quorate_frost::StockedNonces) -> quorate_frost::StockedNonces {
///     nonces.clone()
/// }
/// ```
///
/// ```compile_fail,E0277
/// fn show(nonces: &quorate_frost::StockedNonces) {
///     println!("{nonces:?}");
/// }
/// ```
pub struct StockedNonces(pub(crate) Own);

pub(crate) enum Own {
    Ed25519(Nonces<Ed25519>, Announced<Ed25519>),
    Bip340(Nonces<Bip340>, Announced<Bip340>),
}

/// Commitments of either scheme that were checked.
pub(crate) enum AnyAnnounced {
    Ed25519(Announced<Ed25519>),
    Bip340(Announced<Bip340>),
}

/// Nonces of one stock, before anybody knows their commitments.
pub struct Batch {
    nonces: Vec<StockedNonces>,
    announced: Vec<u8>,
}

impl Batch {
    /// Draws `count` pairs of nonces, each with fresh randomness, hedged with the share (step 7.1).
    ///
    /// # Errors
    /// [`Abort`] without culprits: the random generator failed.
    pub fn draw(share: &CheckedShare, count: u16, rng: &mut dyn CryptoRng) -> Result<Self, Abort> {
        match &share.keys {
            Keys::Ed25519(key) => Self::of(key, count, rng),
            Keys::Bip340 { plain, .. } => Self::of(plain, count, rng),
        }
    }

    fn of<S: Scheme>(
        key: &SigningKey<S>,
        count: u16,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, Abort> {
        let count = count.min(MAX_STOCK_ENTRIES);
        let (mut nonces, mut announced) = (Vec::with_capacity(count.into()), Vec::new());
        for (own, commitments) in Nonces::draw_many(key, count.into(), rng)? {
            announced.extend_from_slice(&commitments.bytes);
            nonces.push(S::stocked(own, commitments));
        }
        Ok(Self { nonces, announced })
    }

    /// The commitments of all entries in order, as an [`Announcement`] has them.
    #[must_use]
    pub fn announced(&self) -> &[u8] {
        &self.announced
    }
}

/// What a signer tells the leader of a set: commitments to nonces that it keeps for it (step 7.1).
#[derive(Clone, PartialEq, Eq)]
pub struct Announcement {
    /// The link session that it is for, and dies with.
    pub link: LinkSession,
    /// Name of the stock.
    pub stock: StockId,
    /// What the entries may be used for.
    pub set: SigningSet,
    /// Two points of each entry, in order ([`Batch::announced`]).
    pub commitments: Vec<u8>,
}

/// An [`Announcement`] all of whose points were checked.
pub struct CheckedAnnouncement {
    link: LinkSession,
    stock: StockId,
    set: SigningSet,
    entries: Vec<AnyAnnounced>,
}

/// Commitments that no honest node announces. Names its sender: it came over an authenticated link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BadAnnouncement {
    /// No entries, too many, or a part of one.
    #[error("the announced commitments are not those of 1 to {MAX_STOCK_ENTRIES} entries")]
    Length,
    /// Row C10: not a canonical encoding, not of the prime-order group, or its identity.
    #[error("entry {0} is not made of canonical points of the prime-order group")]
    Point(u16),
    /// No key of this curve signs with FROST.
    #[error("keys of curve {0} have no stocked nonces")]
    Curve(Curve),
}

impl Announcement {
    /// How many entries it has; 0 if its length is not that of any number of them.
    #[must_use]
    pub fn entries(&self, curve: Curve) -> usize {
        let (count, rest) = (
            self.commitments.len() / (2 * curve.point_length()),
            self.commitments.len() % (2 * curve.point_length()),
        );
        if rest == 0 { count } else { 0 }
    }

    /// Checks every point (row C10). For Ed25519 an announced point stands for its multiple by the
    /// cofactor, so that this costs a sixth of checking that each is in the prime-order group.
    ///
    /// # Errors
    /// [`BadAnnouncement`].
    pub fn check(self, curve: Curve) -> Result<CheckedAnnouncement, BadAnnouncement> {
        let entries = match curve {
            Curve::Ed25519 => self.check_of::<Ed25519>(),
            Curve::Secp256k1 => self.check_of::<Bip340>(),
            _ => Err(BadAnnouncement::Curve(curve)),
        }?;
        let Self {
            link, stock, set, ..
        } = self;
        Ok(CheckedAnnouncement {
            link,
            stock,
            set,
            entries,
        })
    }

    fn check_of<S: Scheme>(&self) -> Result<Vec<AnyAnnounced>, BadAnnouncement> {
        let count = self.entries(S::ALGORITHM.curve());
        if count == 0 || count > MAX_STOCK_ENTRIES.into() {
            return Err(BadAnnouncement::Length);
        }
        let entries = Announced::<S>::read_many(&self.commitments).map_err(|place| {
            let number = u16::try_from(place).unwrap_or(MAX_STOCK_ENTRIES);
            BadAnnouncement::Point(number)
        })?;
        Ok(entries.into_iter().map(S::any).collect())
    }
}

impl Canonical for Announcement {
    fn write(&self, out: &mut Writer) {
        out.value(&self.link).fixed(&self.stock.0);
        out.value(&self.set).bytes(&self.commitments);
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        const LONGEST: usize = MAX_STOCK_ENTRIES as usize * 2 * 33;
        Ok(Self {
            link: LinkSession::read(input)?,
            stock: StockId(input.array("stock")?),
            set: SigningSet::read(input)?,
            commitments: input.bytes("commitments", LONGEST)?.to_vec(),
        })
    }
}
