//! What all signers compute from one list of commitments. RFC 9591 §4.4 to §4.6.
//!
//! The engine has functions for this; these do the same with fewer multiplications, since the
//! signer's own part of the group commitment is a multiple of the generator. `docs/protocols/frost.md`
//! §6 says how they are compared.

use std::collections::BTreeSet;

use frost_core::round1::SigningCommitments;
use frost_core::{Challenge, Error, Group, GroupCommitment, Scalar, compute_lagrange_coefficient};
use quorate_types::{Digest32, PartyIndex};

use super::attempt::Attempt;
use super::nonces::Commitments;
use crate::scheme::Scheme;
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
    pub(crate) points: SigningCommitments<S>,
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
            let Commitments { encoded, points } = commitments(party)?;
            let points = *points;
            list.entries.push(Entry { party, points });
            list.encoded.extend(identifier::<S>(party).serialize());
            list.encoded.extend_from_slice(encoded);
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
    pub(crate) fn binding_factors(&self, attempt: &Attempt<S>) -> Result<Vec<Scalar<S>>, Error<S>> {
        let mut prefix = attempt.key.own.verifying_key().serialize()?;
        prefix.extend_from_slice(S::H4(&attempt.message).as_ref());
        prefix.extend_from_slice(S::H5(&self.encoded).as_ref());
        let factor = |entry: &Entry<S>| {
            let mut input = prefix.clone();
            input.extend(identifier::<S>(entry.party).serialize());
            S::H1(&input)
        };
        Ok(self.entries.iter().map(factor).collect())
    }

    /// `λ_i`.
    pub(crate) fn weight(&self, party: PartyIndex) -> Result<Scalar<S>, Error<S>> {
        let signers: BTreeSet<_> = self
            .entries
            .iter()
            .map(|entry| identifier(entry.party))
            .collect();
        compute_lagrange_coefficient(&signers, None, identifier(party))
    }
}

/// The nonce point of the signature, and the challenge to it.
pub(crate) struct Challenged<S: Scheme> {
    pub(crate) group_commitment: GroupCommitment<S>,
    pub(crate) challenge: Challenge<S>,
}

impl<S: Scheme> Challenged<S> {
    /// - `own`: our effective nonce, in the exponent: `(d + ρ·e)·G`.
    ///
    /// Public data only: takes time that depends on nothing secret.
    pub(crate) fn new(
        attempt: &Attempt<S>,
        list: &List<S>,
        factors: &[Scalar<S>],
        own: frost_core::Element<S>,
    ) -> Result<Self, Error<S>> {
        let mut sum = own;
        for (entry, factor) in list.entries.iter().zip(factors) {
            if entry.party != attempt.me {
                let Entry { points, .. } = entry;
                sum = sum + points.hiding().value() + points.binding().value() * *factor;
            }
        }
        if sum == <S::Group as Group>::identity() {
            return Err(Error::IdentityCommitment);
        }
        let key = attempt.key.own.verifying_key();
        let challenge = S::challenge(&sum, key, &attempt.message)?;
        Ok(Self {
            group_commitment: GroupCommitment::from_element(sum),
            challenge,
        })
    }
}
