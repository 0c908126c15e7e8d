//! What a pair of nodes keeps from its set-up. `docs/protocols/dkls23.md` §1.3.

use std::collections::BTreeMap;
use std::sync::Arc;

use quorate_types::{Canonical, DecodeError, Digest32, PartyIndex, Reader};
use zeroize::Zeroizing;

use crate::ot::{BASE_OTS, ReceiverSeeds, SenderSeeds};
use crate::product::Gadget;

const VERSION: u8 = 2;

/// Bytes of the encoding of a [`PairState`].
pub const MAX_PAIR_STATE: usize = 1 + 32 + 1 + 32 + 16 * (3 * BASE_OTS + 1);

/// OT and zero-sharing seeds that two nodes share, in one generation. Secret; zeroized on drop.
///
/// Belongs to the pair, not to a key: every key and committee that both are in uses it.
pub struct PairState {
    generation: Digest32,
    me: PartyIndex,
    pub(crate) zero_seed: Zeroizing<[u8; 32]>,
    pub(crate) receiver: ReceiverSeeds,
    pub(crate) sender: SenderSeeds,
    pub(crate) receiving: Gadget,
    pub(crate) sending: Gadget,
}

/// The pair states of one attempt, by the other signer's index in the key.
pub type Pairs = BTreeMap<PartyIndex, Arc<PairState>>;

/// The two places of a pair's roster; the lower node id is first.
pub(crate) fn places() -> (PartyIndex, PartyIndex) {
    let place = |number| PartyIndex::new(number).expect("1 and 2 are indices");
    (place(1), place(2))
}

/// The other place of a pair.
pub(crate) fn other(me: PartyIndex) -> PartyIndex {
    let (first, second) = places();
    if me == first { second } else { first }
}

impl PairState {
    pub(crate) fn new(
        generation: Digest32,
        me: PartyIndex,
        zero_seed: Zeroizing<[u8; 32]>,
        receiver: ReceiverSeeds,
        sender: SenderSeeds,
    ) -> Self {
        Self {
            generation,
            me,
            zero_seed,
            receiver,
            sender,
            receiving: Gadget::new(&generation, me),
            sending: Gadget::new(&generation, other(me)),
        }
    }

    /// Names this state at both nodes; public.
    #[must_use]
    pub const fn generation(&self) -> Digest32 {
        self.generation
    }

    /// Our place in the pair: 1 for the lower node id, 2 for the other.
    #[must_use]
    pub const fn me(&self) -> PartyIndex {
        self.me
    }

    /// Encoding to be sealed. Secret.
    #[must_use]
    pub fn to_secret_bytes(&self) -> Zeroizing<Vec<u8>> {
        // One allocation that is large enough: growing would leave copies behind.
        let mut out = Zeroizing::new(Vec::with_capacity(MAX_PAIR_STATE));
        out.push(VERSION);
        out.extend_from_slice(self.generation.as_bytes());
        out.push(self.me.get());
        out.extend_from_slice(self.zero_seed.as_slice());
        let (receiver, sender) = (&self.receiver, &self.sender);
        let seeds = receiver.zeros.iter().chain(receiver.ones.iter());
        let seeds = seeds.chain([&sender.delta]).chain(sender.chosen.iter());
        for seed in seeds {
            out.extend_from_slice(&seed.to_le_bytes());
        }
        debug_assert_eq!(out.len(), MAX_PAIR_STATE);
        out
    }

    /// Decodes [`Self::to_secret_bytes`], and nothing else.
    ///
    /// # Errors
    /// [`DecodeError`]: unknown version, wrong length, a place that is not 1 or 2.
    pub fn from_secret_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut input = Reader::new(bytes);
        if input.u8("version")? != VERSION {
            return Err(DecodeError::Unknown {
                what: "pair state version",
            });
        }
        let generation = Digest32::read(&mut input)?;
        let me = PartyIndex::read(&mut input)?;
        let (first, second) = places();
        if me != first && me != second {
            return Err(DecodeError::Invalid {
                field: "place",
                why: "not 1 or 2",
            });
        }
        let zero_seed = Zeroizing::new(input.array("zero seed")?);
        // Made before they are read: what bytes that are cut short leave is wiped too.
        let mut receiver = ReceiverSeeds {
            zeros: Box::new([0; BASE_OTS]),
            ones: Box::new([0; BASE_OTS]),
        };
        let mut sender = SenderSeeds {
            delta: 0,
            chosen: Box::new([0; BASE_OTS]),
        };
        read_seeds(&mut input, &mut receiver.zeros)?;
        read_seeds(&mut input, &mut receiver.ones)?;
        sender.delta = u128::from_le_bytes(input.array("correlation")?);
        read_seeds(&mut input, &mut sender.chosen)?;
        input.finish()?;
        Ok(Self::new(generation, me, zero_seed, receiver, sender))
    }
}

fn read_seeds(input: &mut Reader<'_>, seeds: &mut [u128; BASE_OTS]) -> Result<(), DecodeError> {
    for seed in seeds {
        *seed = u128::from_le_bytes(input.array("seed")?);
    }
    Ok(())
}
