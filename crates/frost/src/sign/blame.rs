//! Who spoiled a signature. `docs/protocols/frost.md` §2.6.

use std::collections::BTreeMap;

use frost_core::round1::{NonceCommitment, SigningCommitments};
use frost_core::round2::SignatureShare;
use frost_core::{
    BindingFactorList, Challenge, Error, Group, GroupCommitment, SigningPackage,
    compute_binding_factor_list, compute_group_commitment, verify_signature_share_precomputed,
};
use quorate_protocol::{Abort, Reason};
use quorate_types::PartyIndex;

use super::attempt::Attempt;
use super::challenge::{Challenged, List};
use crate::scheme::{Scheme, point_length};
use crate::share::identifier;

/// A signature share is not the one that its sender committed to.
pub(crate) const SIGNATURE_SHARE: Reason = Reason::check("signature_share");

/// Checks each share against its sender's commitments and verifying share, and names all that
/// fail. A share that passes is right, so that an honest signer is never named.
pub(crate) fn blame<S: Scheme>(
    attempt: &Attempt<S>,
    list: &List<S>,
    challenged: &Challenged<S>,
    shares: &BTreeMap<PartyIndex, [u8; 32]>,
) -> Abort {
    let Some(inquiry) = Inquiry::new(attempt, list, challenged) else {
        return Abort::local("the commitments cannot be checked");
    };
    let fails = |(party, share): &(&PartyIndex, &[u8; 32])| {
        !inquiry.clears(**party, share).unwrap_or(false)
    };
    let culprits = shares.iter().filter(fails).map(|(party, _)| *party);
    let culprits: Vec<PartyIndex> = culprits.collect();
    if culprits.is_empty() {
        // All others are right: the fault is ours.
        return Abort::local("our own signature share is wrong");
    }
    Abort::new(SIGNATURE_SHARE, culprits)
}

/// What the engine's check of one share needs.
///
/// The engine's own functions and types throughout: whoever is named was weighed by other code than
/// that which found the sum wrong.
struct Inquiry<'a, S: Scheme> {
    attempt: &'a Attempt<S>,
    group_commitment: GroupCommitment<S>,
    challenge: Challenge<S>,
    package: SigningPackage<S>,
    factors: BindingFactorList<S>,
}

impl<'a, S: Scheme> Inquiry<'a, S> {
    fn new(attempt: &'a Attempt<S>, list: &List<S>, challenged: &Challenged<S>) -> Option<Self> {
        let commitments = list.entries.iter().map(|entry| {
            let (hiding, binding) = entry.encoded.split_at(point_length::<S>());
            let hiding = NonceCommitment::deserialize(hiding)?;
            let binding = NonceCommitment::deserialize(binding)?;
            let points = SigningCommitments::new(hiding, binding);
            Ok((identifier(entry.party), points))
        });
        let commitments = commitments.collect::<Result<_, Error<S>>>().ok()?;
        let package = SigningPackage::new(commitments, &attempt.message);
        let key = attempt.key.own.verifying_key();
        let factors = compute_binding_factor_list(&package, key, &[]).ok()?;
        let group_commitment = compute_group_commitment(&package, &factors).ok()?;
        let sum = group_commitment.clone().to_element();
        // Where ours is another one, no share fits it: that is our fault, and nobody's else.
        let encoded = <S::Group as Group>::serialize(&sum).ok()?;
        if encoded.as_ref() != challenged.group_commitment {
            return None;
        }
        Some(Self {
            attempt,
            challenge: S::challenge(&sum, key, &attempt.message).ok()?,
            group_commitment,
            package,
            factors,
        })
    }

    fn clears(&self, party: PartyIndex, share: &[u8; 32]) -> Option<bool> {
        let identifier = identifier::<S>(party);
        let shares = self.attempt.key.shares.verifying_shares();
        let checked = verify_signature_share_precomputed(
            identifier,
            &self.package,
            &self.factors,
            &self.group_commitment,
            &SignatureShare::deserialize(share).ok()?,
            shares.get(&identifier)?,
            self.challenge,
        );
        Some(checked.is_ok())
    }
}

#[cfg(test)]
mod tests;
