//! Messages of signing: fixed layouts, no lengths, no indices. `docs/protocols/frost.md` §2.

use std::marker::PhantomData;

use frost_core::round1::{NonceCommitment, SigningCommitments};
use frost_core::round2::SignatureShare;
use quorate_types::{Canonical, DecodeError, Digest32, Reader, Writer};

use crate::scheme::{Scheme, point_length};

/// Bytes of a [`Share`].
pub(crate) const SHARE: usize = 64;

/// Bytes of a [`Commitment`].
pub(crate) const fn commitment_length<S: Scheme>() -> usize {
    32 + 2 * point_length::<S>()
}

/// Step 2.1: our nonces' commitments, and what we mean to sign with them.
pub(crate) struct Commitment<S: Scheme> {
    /// What the sender is about to sign, and with whom (step 1.2).
    pub(crate) binding: Digest32,
    /// Both points as they were encoded, hiding first.
    pub(crate) encoded: Vec<u8>,
    pub(crate) points: SigningCommitments<S>,
}

impl<S: Scheme> Canonical for Commitment<S> {
    fn write(&self, out: &mut Writer) {
        out.value(&self.binding).fixed(&self.encoded);
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
            encoded: encoded.to_vec(),
            points: SigningCommitments::new(point::<S>(hiding)?, point::<S>(binding_nonce)?),
        })
    }
}

fn point<S: Scheme>(encoded: &[u8]) -> Result<NonceCommitment<S>, DecodeError> {
    let refused = DecodeError::Invalid {
        field: "commitment",
        why: "not a canonical point of the prime-order group, or the identity",
    };
    if !S::is_canonical(encoded) {
        return Err(refused);
    }
    NonceCommitment::deserialize(encoded).map_err(|_| refused)
}

/// Step 2.2: our share of the signature, and the list of commitments that it was made for.
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

    pub(crate) fn to_engine(&self) -> Option<SignatureShare<S>> {
        SignatureShare::deserialize(&self.share).ok()
    }
}

impl<S: Scheme> Canonical for Share<S> {
    fn write(&self, out: &mut Writer) {
        out.value(&self.list).fixed(&self.share);
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let share = Self::new(Digest32::read(input)?, input.array("signature share")?);
        // Row C10: one encoding for each scalar.
        if share.to_engine().is_none() {
            return Err(DecodeError::Invalid {
                field: "signature share",
                why: "not below the group order",
            });
        }
        Ok(share)
    }
}
