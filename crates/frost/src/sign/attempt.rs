//! What stays the same during one attempt. `docs/protocols/frost.md` §1.

use std::sync::Arc;

use quorate_protocol::{Abort, Reason, Roster};
use quorate_types::{Digest32, PartyIndex};

use crate::scheme::Scheme;
use crate::share::{CheckedShare, SigningKey};

/// One attempt as one signer sees it.
pub(crate) struct Attempt<S: Scheme> {
    pub(crate) me: PartyIndex,
    /// All signers, ascending.
    pub(crate) signers: Vec<PartyIndex>,
    pub(crate) key: Arc<SigningKey<S>>,
    pub(crate) message: Vec<u8>,
    /// Step 1.2: what the signers must agree on before a nonce is used.
    pub(crate) binding: Digest32,
}

/// Step 1.1: the signers are exactly `t` holders of the key, and we are the share's owner.
pub(crate) fn check_signers(roster: &Roster, share: &CheckedShare) -> Result<(), Abort> {
    if share.index() != roster.me() {
        return Err(Abort::local("the share is another party's"));
    }
    let threshold = share.threshold();
    if roster.size() != usize::from(threshold.min_signers()) {
        return Err(Abort::local(
            "the signers are not exactly as many as needed",
        ));
    }
    if roster
        .parties()
        .any(|party| party.get() > threshold.max_signers())
    {
        return Err(Abort::local("a signer is not a holder of the key"));
    }
    Ok(())
}

impl<S: Scheme> Attempt<S> {
    pub(crate) fn new(
        roster: &Roster,
        context: Digest32,
        key: Arc<SigningKey<S>>,
        message: &[u8],
    ) -> Self {
        let signers: Vec<PartyIndex> = roster.parties().collect();
        let indices: Vec<u8> = signers.iter().map(|party| party.get()).collect();
        let binding = Digest32::of(
            b"quorate frost attempt v1",
            &[
                context.as_bytes(),
                S::ALGORITHM.as_str().as_bytes(),
                &key.output_key,
                &indices,
                message,
            ],
        );
        Self {
            me: roster.me(),
            signers,
            key,
            message: message.to_vec(),
            binding,
        }
    }

    /// The signer with the lowest index: it speaks first where nonces are stocked.
    pub(crate) fn leader(&self) -> PartyIndex {
        self.signers.first().copied().unwrap_or(self.me)
    }

    /// All signers but the leader, ascending.
    pub(crate) fn others(&self) -> impl Iterator<Item = PartyIndex> + '_ {
        self.signers.iter().skip(1).copied()
    }

    /// Our place among those who do not lead, from 0.
    pub(crate) fn others_place(&self) -> Option<usize> {
        self.others().position(|party| party == self.me)
    }

    /// An abort that can name one of several signers only if there is one other.
    pub(crate) fn unattributable(&self, reason: Reason) -> Abort {
        let mut others = self.signers.iter().filter(|party| **party != self.me);
        match (others.next(), others.next()) {
            (Some(only), None) => Abort::new(reason, [*only]),
            _ => Abort::new(reason, []),
        }
    }
}
