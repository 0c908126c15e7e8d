//! Our share of the signature, and what comes of it with those of the others. Steps 2.3, 2.5, 2.6.

use std::collections::BTreeMap;

use frost_core::{Field, Group, Scalar};
use quorate_protocol::{Abort, Reason};
use quorate_types::{Digest32, PartyIndex};
use quorate_verify::Signature;
use zeroize::Zeroizing;

use super::attempt::Attempt;
use super::blame::blame;
use super::challenge::{Challenged, List};
use super::nonces::{Nonces, scalar};
use crate::scheme::Scheme;

/// The commitments add up to no point that can be signed under.
pub(crate) const GROUP_COMMITMENT: Reason = Reason::check("group_commitment");

/// A share was made for another list of commitments than everybody's.
pub(crate) const COMMITMENT_LIST: Reason = Reason::check("commitment_list");

/// Our share is made; no secret of the attempt is left.
pub(crate) struct Given<S: Scheme> {
    pub(crate) attempt: Attempt<S>,
    /// Hash of the list of commitments.
    pub(crate) list_digest: Digest32,
    /// Our share, encoded.
    pub(crate) own: [u8; 32],
    list: List<S>,
    challenged: Challenged<S>,
}

impl<S: Scheme> Given<S> {
    /// Step 2.3. Uses the nonces up.
    pub(crate) fn new(
        attempt: Attempt<S>,
        list: List<S>,
        nonces: Nonces<S>,
    ) -> Result<Self, Abort> {
        let made = share(&attempt, &list, nonces);
        let (challenged, own) = made.map_err(|fault| fault.abort(&attempt))?;
        let list_digest = list.digest(&attempt.binding);
        Ok(Self {
            attempt,
            list_digest,
            own,
            list,
            challenged,
        })
    }

    /// Steps 2.5 and 2.6, with the shares of all other signers.
    pub(crate) fn finish(
        self,
        others: &BTreeMap<PartyIndex, [u8; 32]>,
    ) -> Result<Signature, Abort> {
        // 2.5 The sum is a signature, or nothing leaves.
        if let Some(signature) = self.aggregate(others) {
            return Ok(signature);
        }
        // 2.6 Only then each share is checked.
        Err(blame(&self.attempt, &self.list, &self.challenged, others))
    }

    fn aggregate(&self, others: &BTreeMap<PartyIndex, [u8; 32]>) -> Option<Signature> {
        let mut sum: Scalar<S> = scalar::<S>(&self.own)?;
        for theirs in others.values() {
            sum = sum + scalar::<S>(theirs)?;
        }
        let sum = <<S::Group as Group>::Field as Field>::serialize(&sum);
        let parts = [self.challenged.nonce_point()?.as_slice(), sum.as_ref()];
        let bytes = parts.concat().try_into().ok()?;
        let (key, message) = (&self.attempt.key.output_key, &self.attempt.message);
        S::verified(key, message, bytes).ok()
    }
}

/// Why there is no share of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// The sum of all commitments is the identity: they were chosen so.
    GroupCommitment,
    /// Nothing that another party can bring about.
    Local(&'static str),
}

impl Fault {
    fn abort<S: Scheme>(self, attempt: &Attempt<S>) -> Abort {
        match self {
            Self::GroupCommitment => attempt.unattributable(GROUP_COMMITMENT),
            Self::Local(what) => Abort::local(what),
        }
    }
}

/// Step 2.3: `z_i = ±(d_i + ρ_i·e_i) + λ_i·x_i·c`.
fn share<S: Scheme>(
    attempt: &Attempt<S>,
    list: &List<S>,
    nonces: Nonces<S>,
) -> Result<(Challenged<S>, [u8; 32]), Fault> {
    let factors = list.binding_factors(attempt);
    let mut places = list.entries.iter().zip(&factors);
    let (_, factor) = places
        .find(|(entry, _)| entry.party == attempt.me)
        .ok_or(Fault::Local("we are not in our own list"))?;
    let nonce = nonces.spend(factor);
    // Row C7: our own part of R comes from our nonces, not from the list, so that no other
    // commitment can stand in its place.
    let own = nonce.point();
    let own = own.ok_or(Fault::Local("our own nonces cancel out"))?;
    let challenged = Challenged::new(attempt, list, &factors, own);
    let challenged = challenged.ok_or(Fault::GroupCommitment)?;
    let key = Zeroizing::new(attempt.key.own.signing_share().to_scalar());
    let weight = list.weight(attempt.me);
    let weight = weight.ok_or(Fault::Local("the list has a signer twice"))?;
    let public = weight * challenged.challenge;
    let term = Zeroizing::new(*key * public);
    let share = nonce.hide(&term, S::negates_nonces(&challenged.group_commitment));
    let encoded = <<S::Group as Group>::Field as Field>::serialize(&share);
    let encoded = encoded.as_ref().try_into();
    let encoded = encoded.map_err(|_| Fault::Local("a scalar is not 32 bytes long"))?;
    Ok((challenged, encoded))
}
