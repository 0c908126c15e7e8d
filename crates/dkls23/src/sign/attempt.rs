//! What stays the same during one attempt. `docs/protocols/dkls23.md` §2.1 and §4.

use std::sync::LazyLock;

use k256::Scalar;
use quorate_protocol::{Abort, Roster};
use quorate_types::{Digest32, MAX_PARTIES, PartyIndex};
use zeroize::Zeroizing;

use crate::ids;
use crate::pair::Pairs;
use crate::share::CheckedShare;

/// Our view of one attempt.
pub(crate) struct Attempt {
    pub(crate) me: PartyIndex,
    pub(crate) others: Vec<PartyIndex>,
    pub(crate) pairs: Pairs,
    pub(crate) session: Digest32,
    pub(crate) public_key: [u8; 33],
    pub(crate) digest: [u8; 32],
    /// `λ_i · x_i`: our additive share of the secret key among these signers.
    pub(crate) key_part: Zeroizing<Scalar>,
}

impl Attempt {
    /// Step 2.1: roster, share and pair states fit.
    pub(crate) fn new(
        roster: &Roster,
        context: &Digest32,
        share: &CheckedShare,
        pairs: &Pairs,
        digest: [u8; 32],
    ) -> Result<Self, Abort> {
        let (me, threshold) = (roster.me(), share.threshold());
        let others: Vec<PartyIndex> = roster.others().collect();
        if share.index() != me {
            return Err(Abort::local("the share is another party's"));
        }
        if roster.size() != usize::from(threshold.min_signers()) {
            return Err(Abort::local(
                "the signers are not exactly as many as needed",
            ));
        }
        if roster.parties().any(|p| p.get() > threshold.max_signers()) {
            return Err(Abort::local("a signer is not a holder of the key"));
        }
        let pair = |peer: &PartyIndex| Some((*peer, pairs.get(peer)?.clone()));
        let pairs: Pairs = others.iter().filter_map(pair).collect();
        if pairs.len() != others.len() {
            return Err(Abort::local("there is no pair state with a signer"));
        }
        let public_key = share.public_key();
        let signers: Vec<u8> = roster.parties().map(PartyIndex::get).collect();
        let chain_code = share.chain_code();
        let session = ids::session(context, &public_key, chain_code, &digest, &signers);
        let weight = weight(me, &others).ok_or_else(|| Abort::local("two signers are one"))?;
        Ok(Self {
            me,
            others,
            pairs,
            session,
            public_key,
            digest,
            key_part: Zeroizing::new(weight * share.scalar()),
        })
    }

    /// Binding of a message of `round` from `from` to `to`.
    pub(crate) fn binding(
        &self,
        round: u8,
        from: PartyIndex,
        to: PartyIndex,
        nonces: &[&[u8; 32]],
    ) -> Digest32 {
        ids::binding(&self.session, round, (from, to), nonces)
    }
}

/// `1/d` for each distance `d` of two indices, from 1 on: an inversion costs more than all other
/// arithmetic of an attempt with scalars.
static INVERSES: LazyLock<Vec<Scalar>> = LazyLock::new(|| {
    #[expect(clippy::disallowed_methods, reason = "public: numbers from 1 on")]
    let inverse = |distance| Scalar::from(distance).invert_vartime();
    let inverse = |distance: u64| Option::from(inverse(distance)).unwrap_or_default();
    (1..u64::from(MAX_PARTIES)).map(inverse).collect()
});

/// `λ_i = Π x_j / (x_j − x_i)`: the weight of our own share at 0.
fn weight(me: PartyIndex, others: &[PartyIndex]) -> Option<Scalar> {
    let mut weight = Scalar::ONE;
    for other in others {
        let distance = me.get().abs_diff(other.get());
        let inverse = INVERSES.get(usize::from(distance).checked_sub(1)?)?;
        weight *= Scalar::from(u64::from(other.get()));
        weight *= if *other > me { *inverse } else { -*inverse };
    }
    Some(weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weight__should_be_that_of_lagrange_for_any_signers() {
        let index = |n| PartyIndex::new(n).unwrap();
        for (me, others) in [
            (1, vec![2]),
            (2, vec![1]),
            (3, vec![1, MAX_PARTIES, 7]),
            (MAX_PARTIES, vec![1, MAX_PARTIES - 1]),
        ] {
            let others: Vec<_> = others.into_iter().map(index).collect();
            let scalar = |index: PartyIndex| Scalar::from(u64::from(index.get()));
            let mut expected = Scalar::ONE;
            for other in &others {
                let denominator = scalar(*other) - scalar(index(me));
                expected *= scalar(*other) * denominator.invert().unwrap();
            }
            assert_eq!(weight(index(me), &others), Some(expected));
        }
        assert_eq!(weight(index(4), &[index(5), index(4)]), None);
    }
}
