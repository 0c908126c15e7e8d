//! What all signers compute from one list of commitments. RFC 9591 §4.4 to §4.6.
//!
//! The engine has functions for this; these do the same with fewer multiplications, since the
//! signer's own part of the group commitment is a multiple of the generator. `docs/protocols/frost.md`
//! §6 says how they are compared.

use frost_core::Scalar;
use quorate_types::{Digest32, PartyIndex};

use super::attempt::Attempt;
use super::nonces::Commitments;
use crate::scheme::{Bound, Scheme};
use crate::share::identifier;

/// All signers' commitments.
pub(crate) struct List<S: Scheme> {
    pub(crate) entries: Vec<Entry<S>>,
    /// RFC 9591 §4.3: identifier, hiding and binding commitment of each, ascending.
    encoded: Vec<u8>,
}

/// One signer's place in the list.
pub(crate) struct Entry<S: Scheme> {
    pub(crate) party: PartyIndex,
    /// Both points as RFC 9591 encodes them, hiding first.
    pub(crate) encoded: Vec<u8>,
    hiding: S::Point,
    binding: S::Point,
}

impl<S: Scheme> List<S> {
    /// Step 2.3: the commitments of each signer; `None` if one is missing.
    pub(crate) fn new<'a>(
        attempt: &Attempt<S>,
        commitments: impl Fn(PartyIndex) -> Option<&'a Commitments<S>>,
    ) -> Option<Self> {
        let mut list = Self {
            entries: Vec::with_capacity(attempt.signers.len()),
            encoded: Vec::new(),
        };
        for party in attempt.signers.iter().copied() {
            let Commitments {
                encoded,
                hiding,
                binding,
            } = commitments(party)?;
            list.encoded.extend(identifier::<S>(party).serialize());
            list.encoded.extend_from_slice(encoded);
            list.entries.push(Entry {
                party,
                encoded: encoded.clone(),
                hiding: *hiding,
                binding: *binding,
            });
        }
        Some(list)
    }

    /// The hash that goes with a share (row C7).
    pub(crate) fn digest(&self, binding: &Digest32) -> Digest32 {
        Digest32::of(
            b"quorate frost commitments v1",
            &[binding.as_bytes(), &self.encoded],
        )
    }

    /// `ρ_j` of each signer, in the order of the list. RFC 9591 §4.4.
    pub(crate) fn binding_factors(&self, attempt: &Attempt<S>) -> Vec<Scalar<S>> {
        let mut prefix = attempt.key.output_key.clone();
        prefix.extend_from_slice(S::H4(&attempt.message).as_ref());
        prefix.extend_from_slice(S::H5(&self.encoded).as_ref());
        let factor = |entry: &Entry<S>| {
            let mut input = prefix.clone();
            input.extend(identifier::<S>(entry.party).serialize());
            S::H1(&input)
        };
        self.entries.iter().map(factor).collect()
    }

    /// `λ_i`.
    pub(crate) fn weight(&self, party: PartyIndex) -> Option<Scalar<S>> {
        let signers = self.entries.iter().map(|entry| entry.party);
        S::small().lagrange_at_zero(party, signers)
    }
}

/// The nonce point of the signature, and the challenge to it.
pub(crate) struct Challenged<S: Scheme> {
    /// As RFC 9591 encodes it.
    pub(crate) group_commitment: Vec<u8>,
    pub(crate) challenge: Scalar<S>,
}

impl<S: Scheme> Challenged<S> {
    /// - `own`: our effective nonce, in the exponent: `(d + ρ·e)·G`.
    ///
    /// `None` if the commitments add up to the identity.
    ///
    /// Public data only: takes time that depends on nothing secret.
    pub(crate) fn new(
        attempt: &Attempt<S>,
        list: &List<S>,
        factors: &[Scalar<S>],
        own: S::Point,
    ) -> Option<Self> {
        let places = list.entries.iter().zip(factors);
        let others = places.filter(|(entry, _)| entry.party != attempt.me);
        let others = others.map(|(entry, factor)| Bound {
            hiding: entry.hiding,
            binding: entry.binding,
            factor: *factor,
        });
        let group_commitment = S::group_commitment(own, &others.collect::<Vec<_>>())?;
        // RFC 9591 §4.6; BIP340 has the x-coordinates alone.
        let mut preimage = in_signature(&group_commitment)?.to_vec();
        preimage.extend(in_signature(&attempt.key.output_key)?);
        preimage.extend_from_slice(&attempt.message);
        Some(Self {
            challenge: S::H2(&preimage),
            group_commitment,
        })
    }

    /// The nonce point as the signature has it.
    pub(crate) fn nonce_point(&self) -> Option<&[u8; 32]> {
        in_signature(&self.group_commitment)
    }
}

/// A point as signatures and challenges have it: for BIP340 without the sign of y.
fn in_signature(encoded: &[u8]) -> Option<&[u8; 32]> {
    encoded.last_chunk()
}
