//! Waiting for everybody's commitments. `docs/protocols/frost.md` §2.1 to §2.3.

use frost_core::{Error, Field, Group};
use quorate_protocol::{Abort, Inbox, Outbox, Reason};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::attempt::Attempt;
use super::challenge::{Challenged, List};
use super::message::{Commitment, Share};
use super::nonces::Nonces;
use super::round2::Round2;
use crate::scheme::Scheme;

/// The signers do not mean to sign the same thing: somebody told them different things.
pub(crate) const OUT_OF_STEP: Reason = Reason::check("out_of_step");
/// The commitments add up to no point that can be signed under.
pub(crate) const GROUP_COMMITMENT: Reason = Reason::check("group_commitment");

/// Our nonces, before anybody's commitment is known.
pub(crate) struct Round1<S: Scheme> {
    attempt: Attempt<S>,
    nonces: Nonces<S>,
    own: Commitment<S>,
}

impl<S: Scheme> Round1<S> {
    /// Step 2.1.
    pub(crate) fn start(
        attempt: Attempt<S>,
        rng: &mut dyn CryptoRng,
    ) -> Result<(Self, Outbox), Abort> {
        let (nonces, own) = Nonces::draw(&attempt.key, attempt.binding, rng)?;
        let outbox = Outbox::empty().broadcast(&own);
        let round = Self {
            attempt,
            nonces,
            own,
        };
        Ok((round, outbox))
    }

    pub(crate) const fn signers(&self) -> usize {
        self.attempt.signers.len()
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
        let list = List::new(&attempt, &own, received)
            .ok_or_else(|| Abort::local("the list of commitments is not complete"))?;
        let (challenged, share) =
            share(&attempt, &list, nonces).map_err(|fault| fault.abort(&attempt))?;
        let digest = list.digest(&attempt.binding);
        let outbox = Outbox::empty().broadcast(&Share::<S>::new(digest, share));
        let round = Round2::new(attempt, list, digest, challenged, share);
        Ok((round, outbox))
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
    const ENGINE: Self = Self::Local("the engine refuses what was checked before");

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
    let factors = factors.map_err(|_| Fault::ENGINE)?;
    let mut places = list.entries.iter().zip(&factors);
    let (_, factor) = places
        .find(|(entry, _)| entry.party == attempt.me)
        .ok_or(Fault::Local("we are not in our own list"))?;
    let nonce = nonces.spend(factor);
    // Row C7: our own part of R comes from our nonces, not from the list, so that no other
    // commitment can stand in its place.
    let own = nonce.point();
    let own = own.ok_or(Fault::Local("our own nonces cancel out"))?;
    let challenged = Challenged::new(attempt, list, &factors, own).map_err(|e| match e {
        Error::IdentityCommitment => Fault::GroupCommitment,
        _ => Fault::ENGINE,
    })?;
    let key = Zeroizing::new(attempt.key.own.signing_share().to_scalar());
    let public =
        list.weight(attempt.me).map_err(|_| Fault::ENGINE)? * challenged.challenge.to_scalar();
    let term = Zeroizing::new(*key * public);
    let share = nonce.hide(&term, S::negates_nonces(&challenged.group_commitment));
    let encoded = <<S::Group as Group>::Field as Field>::serialize(&share);
    let encoded = encoded.as_ref().try_into();
    let encoded = encoded.map_err(|_| Fault::Local("a scalar is not 32 bytes long"))?;
    Ok((challenged, encoded))
}
