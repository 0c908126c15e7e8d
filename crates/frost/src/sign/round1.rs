//! Our commitments are out; waiting for everybody's. `docs/protocols/frost.md` §2.1 to §2.3.

use quorate_protocol::{Abort, Heard, Inbox, Outbox, Reason};
use rand_core::CryptoRng;

use super::answered;
use super::attempt::Attempt;
use super::challenge::List;
use super::given::Given;
use super::message::{Answer, Commitment, Kind, Share};
use super::nonces::Nonces;
use super::round2::Round2;
use crate::scheme::Scheme;

/// The signers do not mean to sign the same thing: somebody told them different things.
pub(crate) const OUT_OF_STEP: Reason = Reason::check("out_of_step");

/// Our nonces, before anybody's commitment is known.
pub(crate) struct Round1<S: Scheme> {
    pub(crate) attempt: Attempt<S>,
    nonces: Nonces<S>,
    own: Commitment<S>,
}

impl<S: Scheme> Round1<S> {
    /// Step 2.1.
    pub(crate) fn start(
        attempt: Attempt<S>,
        rng: &mut dyn CryptoRng,
    ) -> Result<(Self, Outbox), Abort> {
        let (nonces, commitments) = Nonces::draw(&attempt.key, rng)?;
        let binding = attempt.binding;
        let own = Commitment {
            binding,
            commitments,
        };
        let outbox = Outbox::empty().broadcast(&own);
        let round = Self {
            attempt,
            nonces,
            own,
        };
        Ok((round, outbox))
    }

    /// Step 7.6: whether somebody took the stocked way, which we did not.
    pub(crate) fn check(&self, heard: &Heard<'_>) -> Result<(), Abort> {
        let (leader, signers) = (self.attempt.leader(), self.attempt.signers.len());
        if self.attempt.me == leader {
            return Ok(()); // we opened nothing, and who answers all the same is malformed
        }
        let Some(led) = heard.broadcast(leader) else {
            return Ok(());
        };
        if Kind::of::<S>(led, signers) == Kind::Opening {
            // It holds an entry of ours that we do not know: of before a restart, or expired.
            return Err(Abort::new(answered::NO_STOCK, []));
        }
        for (from, body) in heard.broadcasts().filter(|(from, _)| *from != leader) {
            if let (Kind::Answer, Some(quote)) =
                (Kind::of::<S>(body, signers), Answer::<S>::quoted(body))
            {
                // It answers an opening, and we got none: who of the two lies?
                heard.compare(from, leader, &quote)?;
                return Err(Abort::new(Reason::Malformed, [from]));
            }
        }
        Ok(())
    }

    /// Steps 2.2 and 2.3.
    pub(crate) fn proceed(
        self,
        received: &Inbox<Commitment<S>>,
    ) -> Result<(Round2<S>, Outbox), Abort> {
        let Self {
            attempt,
            nonces,
            own,
        } = self;
        // 2.2 Everybody means the same session, key, signers and message. Who does not may have
        // been told so by a dishonest coordinator: nobody is blamed (row C14).
        let differing = received.failing(|_, theirs| theirs.binding == attempt.binding);
        if !differing.is_empty() {
            return Err(Abort::new(OUT_OF_STEP, []));
        }
        // 2.3 Our own commitments as we made them, all others as they came (row C7).
        let commitments = |party| {
            if party == attempt.me {
                Some(&own.commitments)
            } else {
                received.get(party).map(|theirs| &theirs.commitments)
            }
        };
        let list = List::new(&attempt, commitments)
            .ok_or_else(|| Abort::local("the list of commitments is not complete"))?;
        let given = Given::new(attempt, list, nonces)?;
        let outbox = Outbox::empty().broadcast(&Share::<S>::new(given.list_digest, given.own));
        Ok((Round2(given), outbox))
    }
}
