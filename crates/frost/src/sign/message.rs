//! Messages of signing: fixed layouts, no lengths, no indices. `docs/protocols/frost.md` §2 and §7.

use std::marker::PhantomData;

use frost_core::round2::SignatureShare;
use quorate_protocol::Quote;
use quorate_types::{Canonical, DecodeError, Digest32, MAX_PARTIES, Reader, Writer};

use super::nonces::{Announced, Commitments};
use crate::scheme::{Bip340, Scheme, point_length};
use crate::stock::EntryName;

/// Bytes of a [`Share`].
pub(crate) const SHARE: usize = 64;

/// Bytes of a [`Quote`].
const QUOTE: usize = 96;

/// Bytes of a [`Commitment`].
pub(crate) const fn commitment_length<S: Scheme>() -> usize {
    32 + 2 * point_length::<S>()
}

/// Bytes of an [`Opening`] among so many signers.
pub(crate) const fn opening_length<S: Scheme>(signers: usize) -> usize {
    let named = signers.saturating_sub(1) * EntryName::LENGTH;
    32 + named + signers * Announced::<S>::length() + 32
}

/// Bytes of an [`Answer`] among so many signers.
pub(crate) const fn answer_length(signers: usize) -> usize {
    if signers > 2 { SHARE + QUOTE } else { SHARE }
}

/// The longest message of round 1 that any scheme and committee has.
pub(crate) const LONGEST: usize = opening_length::<Bip340>(MAX_PARTIES as usize);

/// The three messages of round 1. They have three lengths, which tell them apart: what is no opening
/// and no answer is read as a commitment, and refused if it is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Commitment,
    Opening,
    Answer,
}

impl Kind {
    pub(crate) const fn of<S: Scheme>(body: &[u8], signers: usize) -> Self {
        if body.len() == answer_length(signers) {
            Self::Answer
        } else if body.len() == opening_length::<S>(signers) {
            Self::Opening
        } else {
            Self::Commitment
        }
    }
}

/// Step 2.1: our nonces' commitments, and what we mean to sign with them.
pub(crate) struct Commitment<S: Scheme> {
    /// What the sender is about to sign, and with whom (step 1.2).
    pub(crate) binding: Digest32,
    pub(crate) commitments: Commitments<S>,
}

impl<S: Scheme> Canonical for Commitment<S> {
    fn write(&self, out: &mut Writer) {
        out.value(&self.binding).fixed(&self.commitments.encoded);
    }

    /// # Security
    /// Row C10: both points are of the prime-order group, in their one encoding, and not the
    /// identity.
    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let binding = Digest32::read(input)?;
        let encoded = input.take("commitments", 2 * point_length::<S>())?;
        let (hiding, binding_nonce) = encoded.split_at(point_length::<S>());
        Ok(Self {
            binding,
            commitments: Commitments {
                encoded: encoded.to_vec(),
                hiding: S::decode(hiding).ok_or(REFUSED)?,
                binding: S::decode(binding_nonce).ok_or(REFUSED)?,
            },
        })
    }
}

/// What a commitment is refused with.
pub(crate) const REFUSED: DecodeError = DecodeError::Invalid {
    field: "commitment",
    why: "not a canonical point of the prime-order group, or the identity",
};

/// Step 7.3: what the leader signs, with which stocked entries, and its share of the signature.
pub(crate) struct Opening<S: Scheme> {
    /// As in a [`Commitment`].
    pub(crate) binding: Digest32,
    /// Which entry of each other signer, ascending.
    pub(crate) entries: Vec<EntryName>,
    /// Commitments of all signers in the form that is announced, ascending; points are not checked.
    pub(crate) announced: Vec<u8>,
    /// The leader's share for exactly this list.
    pub(crate) share: [u8; 32],
    pub(crate) scheme: PhantomData<fn() -> S>,
}

impl<S: Scheme> Canonical for Opening<S> {
    fn write(&self, out: &mut Writer) {
        out.value(&self.binding);
        for entry in &self.entries {
            out.value(entry);
        }
        out.fixed(&self.announced).fixed(&self.share);
    }

    /// The length says how many signers there are.
    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let length = input.remaining();
        let mut counts = 2..=usize::from(MAX_PARTIES);
        let signers = counts.find(|signers| opening_length::<S>(*signers) == length);
        let signers = signers.ok_or(DecodeError::Invalid {
            field: "opening",
            why: "of no number of signers",
        })?;
        let binding = Digest32::read(input)?;
        let mut entries = Vec::with_capacity(signers);
        for _ in 1..signers {
            entries.push(EntryName::read(input)?);
        }
        let announced = input.take("commitments", signers * Announced::<S>::length())?;
        Ok(Self {
            binding,
            entries,
            announced: announced.to_vec(),
            share: Share::<S>::read_scalar(input)?,
            scheme: PhantomData,
        })
    }
}

/// Step 7.4: another signer's share for the list of an [`Opening`].
pub(crate) struct Answer<S: Scheme> {
    pub(crate) share: Share<S>,
    /// The opening that it answers, as the leader signed it: among three and more signers.
    pub(crate) opening: Option<Quote>,
}

impl<S: Scheme> Answer<S> {
    /// The opening that an answer quotes; `None` where answers quote none.
    pub(crate) fn quoted(body: &[u8]) -> Option<Quote> {
        let quote = body.get(SHARE..)?;
        Quote::from_bytes(quote).ok()
    }
}

impl<S: Scheme> Canonical for Answer<S> {
    fn write(&self, out: &mut Writer) {
        out.value(&self.share);
        if let Some(opening) = &self.opening {
            out.value(opening);
        }
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let share = Share::read(input)?;
        let opening = if input.remaining() == 0 {
            None
        } else {
            Some(Quote::read(input)?)
        };
        Ok(Self { share, opening })
    }
}

/// Step 2.3: our share of the signature, and the list of commitments that it was made for.
pub(crate) struct Share<S: Scheme> {
    pub(crate) list: Digest32,
    /// Encoded, below the group order.
    pub(crate) share: [u8; 32],
    scheme: PhantomData<fn() -> S>,
}

impl<S: Scheme> Share<S> {
    pub(crate) const fn new(list: Digest32, share: [u8; 32]) -> Self {
        Self {
            list,
            share,
            scheme: PhantomData,
        }
    }

    fn read_scalar(input: &mut Reader<'_>) -> Result<[u8; 32], DecodeError> {
        let share = input.array("signature share")?;
        // Row C10: one encoding for each scalar.
        if SignatureShare::<S>::deserialize(&share).is_err() {
            return Err(DecodeError::Invalid {
                field: "signature share",
                why: "not below the group order",
            });
        }
        Ok(share)
    }
}

impl<S: Scheme> Canonical for Share<S> {
    fn write(&self, out: &mut Writer) {
        out.value(&self.list).fixed(&self.share);
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let list = Digest32::read(input)?;
        Ok(Self::new(list, Self::read_scalar(input)?))
    }
}
