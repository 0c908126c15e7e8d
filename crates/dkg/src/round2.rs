//! Round 2: check what every dealer opened, then deal shares.
//! Source: our spec `docs/protocols/dkg.md` §2; Feldman 1987, Schnorr 1991.

use std::collections::BTreeMap;

use quorate_crypto::{CommitmentFault, FeldmanCommitment, Group, SecretName};
use quorate_protocol::{Abort, Inbox, Outbox};
use quorate_types::{Canonical, Digest32, PartyIndex, Writer};

use crate::dealer::Dealer;
use crate::message::{Commitment, Opening, Share};
use crate::reason;
use crate::round1::Polynomials;
use crate::round3::Round3;
use crate::run::Run;

/// Has broadcast its own opening; waits for the other `n - 1`.
pub struct Round2<G: Group> {
    pub(crate) run: Run,
    pub(crate) polynomials: Polynomials<G>,
    pub(crate) dealer: Dealer<G>,
    pub(crate) opening: Opening,
    pub(crate) commitments: BTreeMap<PartyIndex, Commitment>,
}

/// The public key of one secret, as the sum of all dealers' commitments.
pub(crate) struct Sums<G: Group> {
    pub(crate) x: FeldmanCommitment<G>,
    pub(crate) k: FeldmanCommitment<G>,
}

impl<G: Group> Round2<G> {
    /// Verifies all openings and deals one share to each other party.
    ///
    /// - In: `n - 1` [`Opening`]s by echo broadcast.
    /// - Out: `n - 1` [`Share`]s over confidential links.
    /// - Consumes `self`: the polynomials are zeroized once the shares are dealt.
    ///
    /// # Errors
    /// [`Abort`] naming every dealer that failed a check, not only the first.
    pub(crate) fn proceed(self, openings: &Inbox<Opening>) -> Result<(Round3<G>, Outbox), Abort> {
        let Self {
            run,
            polynomials,
            dealer: own_dealer,
            opening: own,
            commitments,
        } = self;
        // 2.1 Each dealer opens what it committed to.
        let opens = |dealer, opening: &Opening| {
            commitments.get(&dealer) == Some(&opening.commitment(&run.context, dealer))
        };
        Abort::if_any(openings.failing(opens), reason::OPENING)?;
        // 2.2, 2.3 Each polynomial has degree exactly t - 1, and each point is valid.
        let mut dealers = decode_all::<G>(openings, run.threshold.min_signers())?;
        // 2.4 Each dealer knows its constant terms.
        let proved = |from: PartyIndex, opening: &Opening| {
            dealers
                .get(&from)
                .is_some_and(|dealer| dealer.is_proved(&run, from, opening))
        };
        Abort::if_any(openings.failing(proved), reason::BAD_PROOF)?;
        // 2.5 No contribution is a copy of another.
        let mut everyone: BTreeMap<_, _> = openings.iter().collect();
        everyone.insert(run.me(), &own);
        refuse_repeated(&everyone, run.me())?;
        // 2.6 The sums are keys, and polynomials of degree exactly t - 1.
        let sums = add_up(dealers.values().chain([&own_dealer]))?;
        dealers.insert(run.me(), own_dealer);
        // 2.7 Deal f_i(j) to party j, keep f_i(i), drop f_i.
        let deal =
            |to: PartyIndex| Share::new(&polynomials.x.evaluate(to), &polynomials.k.evaluate(to));
        let outbox = Outbox::empty().to_each(run.roster.others(), deal);
        let next = Round3 {
            own_x: polynomials.x.evaluate(run.me()),
            own_k: polynomials.k.evaluate(run.me()),
            transcript: transcript(&run.context, &everyone),
            chain_code: chain_code(&run.context, &everyone),
            run,
            dealers,
            sums,
        };
        Ok((next, outbox))
    }
}

fn decode_all<G: Group>(
    openings: &Inbox<Opening>,
    min_signers: u8,
) -> Result<BTreeMap<PartyIndex, Dealer<G>>, Abort> {
    let (mut dealers, mut wrong_degree, mut invalid) = (BTreeMap::new(), Vec::new(), Vec::new());
    for (from, opening) in openings.iter() {
        match Dealer::decode(opening, min_signers) {
            Ok(dealer) => drop(dealers.insert(from, dealer)),
            Err(CommitmentFault::WrongDegree) => wrong_degree.push(from),
            Err(_) => invalid.push(from),
        }
    }
    Abort::if_any(wrong_degree, reason::WRONG_DEGREE)?;
    Abort::if_any(invalid, reason::INVALID_POINT)?;
    Ok(dealers)
}

/// Two equal contributions were agreed on, or come from two nodes without randomness of their own:
/// round 1 bound both before either was shown. We know of ourselves that we chose freely, so whoever
/// repeats ours is to blame; between two others nobody can tell.
pub(crate) fn refuse_repeated(
    openings: &BTreeMap<PartyIndex, &Opening>,
    me: PartyIndex,
) -> Result<(), Abort> {
    let own = openings.get(&me);
    let repeats_ours = |(from, opening): &(&PartyIndex, &&Opening)| {
        **from != me && own.is_some_and(|own| is_same(own, opening))
    };
    let culprits = openings.iter().filter(repeats_ours).map(|(from, _)| *from);
    Abort::if_any(culprits.collect(), reason::REPEATED)?;
    let is_copy = |(from, opening): (&PartyIndex, &&Opening)| {
        let mut others = openings.iter().filter(|(other, _)| *other != from);
        others.any(|(_, other)| is_same(opening, other))
    };
    if openings.iter().any(is_copy) {
        return Err(Abort::new(reason::REPEATED, []));
    }
    Ok(())
}

/// Whether two dealers share a chain code contribution, a salt or a constant term.
fn is_same(a: &Opening, b: &Opening) -> bool {
    let same_term =
        |secret| a.secret(secret).commitments.first() == b.secret(secret).commitments.first();
    a.chain_code == b.chain_code || a.salt == b.salt || SecretName::ALL.into_iter().any(same_term)
}

/// Adds all dealers' commitments; nobody can be blamed if the sum is degenerate.
pub(crate) fn add_up<'a, G: Group>(
    dealers: impl Iterator<Item = &'a Dealer<G>> + Clone,
) -> Result<Sums<G>, Abort> {
    let [x, k] = SecretName::ALL.map(|secret| {
        FeldmanCommitment::sum(dealers.clone().map(|dealer| dealer.commitment(secret)))
            .filter(|sum| !sum.is_degenerate())
            .ok_or_else(|| Abort::new(reason::DEGENERATE, []))
    });
    Ok(Sums { x: x?, k: k? })
}

/// 2.8 `H(context ‖ all contributions)`, in the order of the indices.
fn chain_code(context: &Digest32, openings: &BTreeMap<PartyIndex, &Opening>) -> [u8; 32] {
    let mut contributions = Writer::new();
    for (from, opening) in openings {
        contributions.value(from).fixed(&opening.chain_code);
    }
    let parts = [context.as_bytes().as_slice(), &contributions.finish()];
    *Digest32::of(b"quorate dkg chain code v1", &parts).as_bytes()
}

/// 2.9 Everything public of the run: the context, and each opening in the order of the indices.
fn transcript(context: &Digest32, openings: &BTreeMap<PartyIndex, &Opening>) -> Digest32 {
    let mut shown = Writer::new();
    for (from, opening) in openings {
        shown.value(from).bytes(&opening.to_bytes());
    }
    let parts = [context.as_bytes().as_slice(), &shown.finish()];
    Digest32::of(b"quorate dkg transcript v1", &parts)
}

#[cfg(test)]
mod tests;
