//! Waiting for everybody's signature share. `docs/protocols/frost.md` §2.4 to §2.6.

use frost_core::{Scalar, Signature as EngineSignature};
use quorate_protocol::{Abort, Inbox, Reason};
use quorate_types::Digest32;
use quorate_verify::Signature;

use super::attempt::Attempt;
use super::blame::blame;
use super::challenge::{Challenged, List};
use super::message::Share;
use super::nonces::scalar;
use crate::scheme::Scheme;

/// A share was made for another list of commitments than everybody's.
pub(crate) const COMMITMENT_LIST: Reason = Reason::check("commitment_list");

/// Our share is out; no secret of the attempt is left.
pub(crate) struct Round2<S: Scheme> {
    attempt: Attempt<S>,
    list: List<S>,
    list_digest: Digest32,
    challenged: Challenged<S>,
    own: [u8; 32],
}

impl<S: Scheme> Round2<S> {
    pub(crate) const fn new(
        attempt: Attempt<S>,
        list: List<S>,
        list_digest: Digest32,
        challenged: Challenged<S>,
        own: [u8; 32],
    ) -> Self {
        Self {
            attempt,
            list,
            list_digest,
            challenged,
            own,
        }
    }

    /// Steps 2.4 to 2.6.
    pub(crate) fn proceed(self, received: &Inbox<Share<S>>) -> Result<Signature, Abort> {
        // 2.4 Everybody signed for the list that we know. All lists are the same: with two signers
        // because each knows both commitments, with more because they were echoed. So who names
        // another list contradicts itself.
        let differing = received.failing(|_, theirs| theirs.list == self.list_digest);
        Abort::if_any(differing, COMMITMENT_LIST)?;
        // 2.5 The sum is a signature, or nothing leaves.
        if let Some(signature) = self.aggregate(received) {
            return Ok(signature);
        }
        // 2.6 Only then each share is checked.
        Err(blame(&self.attempt, &self.list, &self.challenged, received))
    }

    fn aggregate(&self, received: &Inbox<Share<S>>) -> Option<Signature> {
        let mut sum: Scalar<S> = scalar::<S>(&self.own)?;
        for (_, theirs) in received.iter() {
            sum = sum + scalar::<S>(&theirs.share)?;
        }
        let point = self.challenged.group_commitment.clone().to_element();
        let bytes = S::serialize_signature(&EngineSignature::new(point, sum)).ok()?;
        let bytes = bytes.try_into().ok()?;
        let (key, message) = (&self.attempt.key.output_key, &self.attempt.message);
        S::verified(key, message, bytes).ok()
    }
}
