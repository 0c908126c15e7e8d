//! Who spoiled a signature. `docs/protocols/frost.md` §2.6.

use frost_core::verify_signature_share_precomputed;
use quorate_protocol::{Abort, Inbox, Reason};
use quorate_types::PartyIndex;

use super::attempt::Attempt;
use super::challenge::Challenged;
use super::message::Share;
use crate::scheme::Scheme;
use crate::share::identifier;

/// A signature share is not the one that its sender committed to.
pub(crate) const SIGNATURE_SHARE: Reason = Reason::check("signature_share");

/// Checks each share against its sender's commitments and verifying share, and names all that
/// fail. A share that passes is right, so that an honest signer is never named.
pub(crate) fn blame<S: Scheme>(
    attempt: &Attempt<S>,
    challenged: &Challenged<S>,
    received: &Inbox<Share<S>>,
) -> Abort {
    let culprits =
        received.failing(|party, share| holds(attempt, challenged, party, share).unwrap_or(false));
    if culprits.is_empty() {
        // All others are right: the fault is ours.
        return Abort::local("our own signature share is wrong");
    }
    Abort::new(SIGNATURE_SHARE, culprits)
}

fn holds<S: Scheme>(
    attempt: &Attempt<S>,
    challenged: &Challenged<S>,
    party: PartyIndex,
    share: &Share<S>,
) -> Option<bool> {
    let identifier = identifier::<S>(party);
    let verifying_share = attempt.key.shares.verifying_shares().get(&identifier)?;
    let checked = verify_signature_share_precomputed(
        identifier,
        &challenged.package,
        &challenged.factors,
        &challenged.group_commitment,
        &share.to_engine()?,
        verifying_share,
        challenged.challenge,
    );
    Some(checked.is_ok())
}
