//! Round 3: check every share, add them up.
//! Source: our spec `docs/protocols/dkg.md` §3; Feldman 1987.

use std::collections::BTreeMap;

use quorate_crypto::{Group, KeyShare, SecretName, SecretScalar};
use quorate_protocol::{Abort, Inbox};
use quorate_types::{Digest32, PartyIndex};

use crate::dealer::Dealer;
use crate::message::Share;
use crate::output::DkgOutput;
use crate::reason;
use crate::round2::Sums;
use crate::run::Run;

/// Has dealt its shares; waits for its own from the other `n - 1`.
pub struct Round3<G: Group> {
    pub(crate) run: Run,
    pub(crate) dealers: BTreeMap<PartyIndex, Dealer<G>>,
    pub(crate) sums: Sums<G>,
    pub(crate) own_x: SecretScalar<G>,
    pub(crate) own_k: SecretScalar<G>,
    pub(crate) chain_code: [u8; 32],
    pub(crate) transcript: Digest32,
}

impl<G: Group> Round3<G> {
    /// Checks our share of every dealer and adds them up.
    ///
    /// - In: `n - 1` [`Share`]s over confidential links.
    /// - Consumes `self`: the dealers' shares are zeroized, their sum is kept.
    ///
    /// # Errors
    /// [`Abort`] naming every dealer whose share is wrong.
    pub(crate) fn proceed(self, shares: &Inbox<Share>) -> Result<DkgOutput, Abort> {
        let me = self.run.me();
        // 3.1 Each share is a scalar below the group order.
        let is_scalar = |_, share: &Share| {
            SecretName::ALL
                .into_iter()
                .all(|secret| share.secret::<G>(secret).is_some())
        };
        Abort::if_any(shares.failing(is_scalar), reason::INVALID_SCALAR)?;
        // 3.2 Each share is the value at our index of the polynomial that the dealer committed to.
        let fits = |from: PartyIndex, share: &Share| {
            self.dealers.get(&from).is_some_and(|dealer| {
                SecretName::ALL.into_iter().all(|secret| {
                    share
                        .secret(secret)
                        .is_some_and(|value| dealer.commitment(secret).verifies(me, &value))
                })
            })
        };
        Abort::if_any(shares.failing(fits), reason::WRONG_SHARE)?;
        // 3.3 Our share of the key is the sum of our shares of all dealers.
        let [x_points, k_points] = self.public_points()?;
        let x = add_up(self.own_x, shares, SecretName::SigningKey)?;
        let k = add_up(self.own_k, shares, SecretName::DerivationKey)?;
        let parts = [(&x, x_points.as_slice()), (&k, k_points.as_slice())];
        let key_share = KeyShare::of_points::<G>(me, self.run.threshold, parts, self.chain_code)
            .map_err(|_| Abort::local("the sum of checked shares is not a valid key share"))?;
        Ok(DkgOutput {
            key_share,
            transcript: self.transcript,
        })
    }

    /// 3.4 Public keys and public shares, from the sum of all commitments.
    fn public_points(&self) -> Result<[Vec<G::Point>; 2], Abort> {
        let last = PartyIndex::new(self.run.threshold.max_signers())
            .ok_or_else(|| Abort::local("a committee has members"))?;
        Ok([&self.sums.x, &self.sums.k].map(|sum| sum.values_to(last)))
    }
}

fn add_up<G: Group>(
    own: SecretScalar<G>,
    shares: &Inbox<Share>,
    secret: SecretName,
) -> Result<SecretScalar<G>, Abort> {
    shares.iter().try_fold(own, |sum, (_, share)| {
        share
            .secret(secret)
            .map(|value| sum.plus(&value))
            .ok_or_else(|| Abort::local("a checked share does not decode"))
    })
}
