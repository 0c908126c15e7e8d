//! What all rounds of one run share.

use quorate_crypto::Group;
use quorate_protocol::{Abort, Roster};
use quorate_types::{Digest32, PartyIndex, Threshold};

/// Parties, threshold and context of one run; fixed before its first message.
pub(crate) struct Run {
    pub(crate) roster: Roster,
    pub(crate) threshold: Threshold,
    /// Digest that commitments, proofs, chain code and transcript are bound to.
    pub(crate) context: Digest32,
}

impl Run {
    /// 0.1 The parties are exactly 1 to n (row B2), with 2 ≤ t ≤ n ≤ 20.
    pub(crate) fn new<G: Group>(roster: Roster, context: &Digest32) -> Result<Self, Abort> {
        let n = u8::try_from(roster.size())
            .map_err(|_| Abort::local("key generation has at most 20 parties"))?;
        let threshold = Threshold::new(roster.min_signers().into(), n.into())
            .map_err(|_| Abort::local("key generation needs 2 <= t <= n <= 20"))?;
        if !roster.parties().map(PartyIndex::get).eq(1..=n) {
            return Err(Abort::local("the parties of key generation are 1 to n"));
        }
        // 0.2 The run's context covers session, identities and t; here n and the curve join.
        let context = Digest32::of(
            b"quorate dkg v1",
            &[
                context.as_bytes(),
                G::CURVE.as_str().as_bytes(),
                &[threshold.min_signers(), n],
            ],
        );
        Ok(Self {
            roster,
            threshold,
            context,
        })
    }

    pub(crate) fn me(&self) -> PartyIndex {
        self.roster.me()
    }
}

/// The digest that the proofs of one run are bound to; for whoever checks its transcript again.
///
/// - In: the roster, and the context that [`Dkg::start`](crate::Dkg::start) was given.
///
/// # Errors
/// [`Abort`] that blames nobody, if the roster cannot generate a key.
pub fn run_context<G: Group>(roster: Roster, context: &Digest32) -> Result<Digest32, Abort> {
    Run::new::<G>(roster, context).map(|run| run.context)
}
