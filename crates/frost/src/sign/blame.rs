//! Who spoiled a signature. `docs/protocols/frost.md` §2.6.

use std::collections::BTreeMap;

use frost_core::round2::SignatureShare;
use frost_core::{
    BindingFactorList, Error, SigningPackage, compute_binding_factor_list,
    verify_signature_share_precomputed,
};
use quorate_protocol::{Abort, Reason};
use quorate_types::PartyIndex;

use super::attempt::Attempt;
use super::challenge::{Challenged, List};
use crate::scheme::Scheme;
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
    let Ok(inquiry) = Inquiry::new(attempt, list, challenged) else {
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
struct Inquiry<'a, S: Scheme> {
    attempt: &'a Attempt<S>,
    challenged: &'a Challenged<S>,
    package: SigningPackage<S>,
    factors: BindingFactorList<S>,
}

impl<'a, S: Scheme> Inquiry<'a, S> {
    fn new(
        attempt: &'a Attempt<S>,
        list: &List<S>,
        challenged: &'a Challenged<S>,
    ) -> Result<Self, Error<S>> {
        let entries = list.entries.iter();
        let commitments = entries.map(|entry| (identifier(entry.party), entry.points));
        let package = SigningPackage::new(commitments.collect(), &attempt.message);
        let key = attempt.key.own.verifying_key();
        let factors = compute_binding_factor_list(&package, key, &[])?;
        Ok(Self {
            attempt,
            challenged,
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
            &self.challenged.group_commitment,
            &SignatureShare::deserialize(share).ok()?,
            shares.get(&identifier)?,
            self.challenged.challenge,
        );
        Some(checked.is_ok())
    }
}
