//! What a pair of parties keeps from its set-up. `docs/protocols/dkls23.md` §1.4.

use std::collections::BTreeMap;

use quorate_types::{Canonical, DecodeError, Digest32, MAX_PARTIES, PartyIndex, Reader, Writer};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::engine::{self, MulReceiver, MulSender, SeedPair};

const VERSION: u8 = 1;

/// Longest encoding of one [`PairSetup`] in bytes (it has one length, about 51 KB).
pub const MAX_PAIR_SETUP: usize = 64 * 1024;

/// OT and zero-sharing seeds that we share with one counterparty. Secret; zeroized on drop.
///
/// Belongs to a pair of parties and a generation. Both parties know the same generation.
pub struct PairSetup {
    generation: Digest32,
    me: PartyIndex,
    peer: PartyIndex,
    state: State,
}

/// The engine's part. Each of the three types zeroizes itself when it is dropped.
#[derive(Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) zero_share: SeedPair,
    pub(crate) sender: MulSender,
    pub(crate) receiver: MulReceiver,
}

impl PairSetup {
    pub(crate) fn new(
        generation: Digest32,
        me: PartyIndex,
        peer: PartyIndex,
        state: State,
    ) -> Result<Self, DecodeError> {
        check_state(me, peer, &state)?;
        Ok(Self {
            generation,
            me,
            peer,
            state,
        })
    }

    /// Names this state at both parties; public.
    #[must_use]
    pub const fn generation(&self) -> Digest32 {
        self.generation
    }

    /// The counterparty.
    #[must_use]
    pub const fn peer(&self) -> PartyIndex {
        self.peer
    }

    pub(crate) const fn state(&self) -> &State {
        &self.state
    }

    /// Encoding for the sealed share file. Secret.
    #[must_use]
    pub fn to_secret_bytes(&self) -> Zeroizing<Vec<u8>> {
        // One allocation that is large enough: growing would leave copies behind.
        let mut out = Vec::with_capacity(MAX_PAIR_SETUP);
        out.push(VERSION);
        out.extend_from_slice(self.generation.as_bytes());
        out.extend_from_slice(&[self.me.get(), self.peer.get()]);
        let out = postcard::to_extend(&self.state, out).expect("a vector takes everything");
        debug_assert!(out.len() <= MAX_PAIR_SETUP);
        Zeroizing::new(out)
    }

    /// Decodes [`Self::to_secret_bytes`], and nothing else.
    ///
    /// # Errors
    /// [`DecodeError`]: unknown version, wrong lengths or dimensions, a second spelling, trailing
    /// bytes.
    pub fn from_secret_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut input = Reader::new(bytes);
        if input.u8("version")? != VERSION {
            return Err(DecodeError::Unknown {
                what: "pair set-up version",
            });
        }
        let generation = Digest32::read(&mut input)?;
        let (me, peer) = (PartyIndex::read(&mut input)?, PartyIndex::read(&mut input)?);
        let length = input.remaining();
        if length > MAX_PAIR_SETUP {
            return Err(DecodeError::TooLong {
                field: "pair set-up",
                length,
                limit: MAX_PAIR_SETUP,
            });
        }
        let (state, rest) = postcard::take_from_bytes(input.take("pair set-up", length)?)
            .map_err(|_| invalid("does not decode"))?;
        if !rest.is_empty() {
            return Err(DecodeError::TrailingBytes { count: rest.len() });
        }
        let setup = Self::new(generation, me, peer, state)?;
        if setup.to_secret_bytes().as_slice() != bytes {
            return Err(DecodeError::NotCanonical);
        }
        Ok(setup)
    }
}

/// Our own state, not a peer's: a failure means a damaged file or a bug.
fn check_state(me: PartyIndex, peer: PartyIndex, state: &State) -> Result<(), DecodeError> {
    let zero_share = &state.zero_share;
    let owner = zero_share.index_counterparty == engine::index(peer)
        && zero_share.lowest_index == (me < peer)
        && me != peer;
    if !owner {
        return Err(invalid("the seeds are those of another pair"));
    }
    let dimensions = state.sender.check_state().is_ok() && state.receiver.check_state(None).is_ok();
    if !dimensions {
        return Err(invalid("wrong dimensions"));
    }
    Ok(())
}

/// The pair state of one share: one [`PairSetup`] for every other party. Secret.
pub struct PairSetups {
    me: PartyIndex,
    pairs: BTreeMap<PartyIndex, PairSetup>,
}

impl PairSetups {
    /// Collects the set-ups of one party.
    ///
    /// # Errors
    /// [`DecodeError::Invalid`] if one belongs to another party, or a counterparty comes twice.
    pub fn new(
        me: PartyIndex,
        setups: impl IntoIterator<Item = PairSetup>,
    ) -> Result<Self, DecodeError> {
        let mut pairs = BTreeMap::new();
        for setup in setups {
            if setup.me != me || pairs.contains_key(&setup.peer) {
                return Err(invalid("set-ups of another party, or one pair twice"));
            }
            pairs.insert(setup.peer, setup);
        }
        Ok(Self { me, pairs })
    }

    /// Whose state this is.
    #[must_use]
    pub const fn me(&self) -> PartyIndex {
        self.me
    }

    /// The state shared with one party.
    #[must_use]
    pub fn get(&self, peer: PartyIndex) -> Option<&PairSetup> {
        self.pairs.get(&peer)
    }

    /// Generation of the state shared with one party; public.
    #[must_use]
    pub fn generation(&self, peer: PartyIndex) -> Option<Digest32> {
        self.get(peer).map(PairSetup::generation)
    }

    /// Every counterparty with the generation of the shared state, ascending.
    pub fn generations(&self) -> impl ExactSizeIterator<Item = (PartyIndex, Digest32)> + '_ {
        self.pairs
            .iter()
            .map(|(peer, setup)| (*peer, setup.generation))
    }

    /// Encoding for the sealed share file. Secret.
    #[must_use]
    pub fn to_secret_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Vec::with_capacity(2 + self.pairs.len() * (4 + MAX_PAIR_SETUP));
        let count = u8::try_from(self.pairs.len()).expect("at most 20 parties");
        out.extend_from_slice(&[self.me.get(), count]);
        for setup in self.pairs.values() {
            let bytes = setup.to_secret_bytes();
            let mut length = Writer::new();
            length.u32(u32::try_from(bytes.len()).expect("a set-up is about 51 KB"));
            out.extend_from_slice(&length.finish());
            out.extend_from_slice(&bytes);
        }
        Zeroizing::new(out)
    }

    /// Decodes [`Self::to_secret_bytes`], and nothing else.
    ///
    /// # Errors
    /// [`DecodeError`] as [`PairSetup::from_secret_bytes`], and for set-ups out of order.
    pub fn from_secret_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut input = Reader::new(bytes);
        let me = PartyIndex::read(&mut input)?;
        let count = input.u8("pairs")?;
        if count >= MAX_PARTIES {
            return Err(invalid("more pairs than parties"));
        }
        let mut setups: Vec<PairSetup> = Vec::with_capacity(usize::from(count));
        for _ in 0..count {
            let setup = PairSetup::from_secret_bytes(input.bytes("pair", MAX_PAIR_SETUP)?)?;
            if setups.last().is_some_and(|last| last.peer >= setup.peer) {
                return Err(DecodeError::NotCanonical);
            }
            setups.push(setup);
        }
        input.finish()?;
        Self::new(me, setups)
    }
}

const fn invalid(why: &'static str) -> DecodeError {
    DecodeError::Invalid {
        field: "pair set-up",
        why,
    }
}
