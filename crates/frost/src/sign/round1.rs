//! Waiting for everybody's commitments. `docs/protocols/frost.md` §2.1 to §2.3.

use std::collections::BTreeMap;

use frost_core::round1::SigningCommitments;
use frost_core::{Error, Field, Group, Identifier, SigningPackage};
use quorate_protocol::{Abort, Inbox, Outbox, Reason};
use quorate_types::{Digest32, PartyIndex};
use rand_core::CryptoRng;

use super::attempt::Attempt;
use super::challenge::Challenged;
use super::message::{Commitment, Share};
use super::nonces::Nonces;
use super::round2::Round2;
use crate::scheme::Scheme;
use crate::share::identifier;

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
        let list = List::new(&attempt, &own, received);
        let challenged = Challenged::new(&attempt, list.package(&attempt.message))
            .map_err(|_| attempt.unattributable(GROUP_COMMITMENT))?;
        // 2.3 Our own commitments are in the list, and its hash goes with our share (row C7).
        let share = share(&attempt, nonces, &own.points, &challenged)
            .map_err(|_| Abort::local("our commitments are not in the list"))?;
        let outbox = Outbox::empty().broadcast(&Share::<S>::new(list.digest, share));
        let round = Round2::new(attempt, challenged, list.digest, share);
        Ok((round, outbox))
    }
}

/// All commitments, by signer.
struct List<S: Scheme> {
    commitments: BTreeMap<Identifier<S>, SigningCommitments<S>>,
    digest: Digest32,
}

impl<S: Scheme> List<S> {
    fn new(attempt: &Attempt<S>, own: &Commitment<S>, others: &Inbox<Commitment<S>>) -> Self {
        let mut encoded = Vec::new();
        let mut commitments = BTreeMap::new();
        let of = |party: PartyIndex| match party == attempt.me {
            true => Some(own),
            false => others.get(party),
        };
        for party in &attempt.signers {
            if let Some(commitment) = of(*party) {
                encoded.push(party.get());
                encoded.extend_from_slice(&commitment.encoded);
                commitments.insert(identifier(*party), commitment.points);
            }
        }
        let digest = Digest32::of(
            b"quorate frost commitments v1",
            &[attempt.binding.as_bytes(), &encoded],
        );
        Self {
            commitments,
            digest,
        }
    }

    fn package(&self, message: &[u8]) -> SigningPackage<S> {
        SigningPackage::new(self.commitments.clone(), message)
    }
}

/// `z_i = (d_i + ρ_i·e_i) + λ_i·x_i·c`, the first part negated for BIP340 if `R` has odd y.
fn share<S: Scheme>(
    attempt: &Attempt<S>,
    nonces: Nonces<S>,
    own: &SigningCommitments<S>,
    challenged: &Challenged<S>,
) -> Result<[u8; 32], Error<S>> {
    let me = attempt.own_identifier();
    match challenged.package.signing_commitment(&me) {
        Some(listed) if listed == *own => {}
        Some(_) => return Err(Error::IncorrectCommitment),
        None => return Err(Error::MissingCommitment),
    }
    let negate = S::negates_nonces(&challenged.group_commitment);
    let nonce = nonces
        .spend(challenged.factor(&me)?, negate)
        .ok_or(Error::UnknownIdentifier)?;
    let key = attempt.key.own.signing_share().to_scalar();
    let share = nonce + challenged.weight(&me)? * key * challenged.challenge.to_scalar();
    let encoded = <<S::Group as Group>::Field as Field>::serialize(&share);
    encoded
        .as_ref()
        .try_into()
        .map_err(|_| Error::IncorrectNumberOfShares)
}
