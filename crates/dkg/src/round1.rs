//! Round 1: commit to everything public before anybody shows anything.
//! Source: our spec `docs/protocols/dkg.md` §1; Feldman 1987, Schnorr 1991.

use std::collections::BTreeMap;

use quorate_crypto::{
    FeldmanCommitment, Group, Polynomial, ProofOfPossession, SecretName, Statement,
};
use quorate_protocol::{Abort, Inbox, Roster};
use quorate_types::{Digest32, PartyIndex};
use rand_core::CryptoRng;

use crate::dealer::Dealer;
use crate::message::{Commitment, Opening, SecretOpening};
use crate::round2::Round2;
use crate::run::Run;

/// Our polynomials; zeroized when the shares are dealt.
pub(crate) struct Polynomials<G: Group> {
    pub(crate) x: Polynomial<G>,
    pub(crate) k: Polynomial<G>,
}

/// Has broadcast its own commitment; waits for the other `n - 1`.
pub struct Round1<G: Group> {
    run: Run,
    polynomials: Polynomials<G>,
    dealer: Dealer<G>,
    opening: Opening,
}

impl<G: Group> Round1<G> {
    pub(crate) fn start(
        roster: Roster,
        context: &Digest32,
        rng: &mut dyn CryptoRng,
    ) -> Result<(Self, Commitment), Abort> {
        let run = Run::new::<G>(roster, context)?;
        // 1.1 Draw two polynomials of degree exactly t - 1.
        let t = run.threshold.min_signers();
        let polynomials = Polynomials {
            x: Polynomial::random(t, rng),
            k: Polynomial::random(t, rng),
        };
        // 1.2, 1.3 Commit to each, and prove that we know its constant term.
        let dealer = Dealer {
            x: FeldmanCommitment::to(&polynomials.x),
            k: FeldmanCommitment::to(&polynomials.k),
        };
        let (x, k) = (SecretName::SigningKey, SecretName::DerivationKey);
        let mut opening = Opening {
            x: open(&run, x, &polynomials.x, &dealer.x, rng)?,
            k: open(&run, k, &polynomials.k, &dealer.k, rng)?,
            chain_code: [0; 32],
            salt: [0; 32],
        };
        rng.fill_bytes(&mut opening.chain_code);
        rng.fill_bytes(&mut opening.salt);
        // 1.4 Show only the hash.
        let commitment = opening.commitment(&run.context, run.me());
        let round = Self {
            run,
            polynomials,
            dealer,
            opening,
        };
        Ok((round, commitment))
    }

    /// Shows what we committed to, now that everybody is committed.
    ///
    /// - In: `n - 1` [`Commitment`]s by echo broadcast.
    /// - Out: our [`Opening`], by echo broadcast.
    pub(crate) fn proceed(self, commitments: Inbox<Commitment>) -> (Round2<G>, Opening) {
        let Self {
            run,
            polynomials,
            dealer,
            opening,
        } = self;
        let commitments: BTreeMap<PartyIndex, Commitment> = commitments.into_map();
        let next = Round2 {
            run,
            polynomials,
            dealer,
            opening: opening.clone(),
            commitments,
        };
        (next, opening)
    }
}

fn open<G: Group>(
    run: &Run,
    secret: SecretName,
    polynomial: &Polynomial<G>,
    commitment: &FeldmanCommitment<G>,
    rng: &mut dyn CryptoRng,
) -> Result<SecretOpening, Abort> {
    let statement = Statement {
        context: &run.context,
        dealer: run.me(),
        secret,
    };
    let commitments = commitment.encode();
    let constant_term = commitments
        .first()
        .ok_or_else(|| Abort::local("a polynomial without coefficients"))?;
    let contribution = polynomial.contribution();
    let proof =
        ProofOfPossession::prove_encoded(statement, contribution, constant_term, rng).encode();
    Ok(SecretOpening { commitments, proof })
}
