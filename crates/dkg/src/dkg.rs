use quorate_crypto::Group;
use quorate_protocol::{Abort, Next, Outbox, Phases, Roster, RoundInput, RoundSpec, Traffic};
use quorate_types::Digest32;
use rand_core::CryptoRng;

use crate::message::{COMMITMENT_BYTES, MAX_OPENING_BYTES, SHARE_BYTES};
use crate::output::DkgOutput;
use crate::round1::Round1;
use crate::round2::Round2;
use crate::round3::Round3;

/// Key generation, by what it waits for.
pub enum Dkg<G: Group> {
    /// For everybody's commitment.
    Round1(Round1<G>),
    /// For everybody's opening.
    Round2(Round2<G>),
    /// For our share from everybody.
    Round3(Round3<G>),
}

impl<G: Group> Dkg<G> {
    /// Starts key generation: draws the polynomials and commits to them.
    ///
    /// - In: a roster of the parties 1 to n; the digest of what they agreed to do
    ///   ([`Roster::context`]), which all proofs are bound to.
    /// - Out: our [`Commitment`](crate::Commitment), by echo broadcast.
    ///
    /// # Errors
    /// [`Abort`] that blames nobody, if the roster cannot generate a key.
    pub fn start(
        roster: Roster,
        context: Digest32,
        rng: &mut dyn CryptoRng,
    ) -> Result<(Self, Outbox), Abort> {
        let (round, commitment) = Round1::start(roster, &context, rng)?;
        Ok((Self::Round1(round), Outbox::empty().broadcast(&commitment)))
    }
}

impl<G: Group> Phases for Dkg<G> {
    type Output = DkgOutput;
    const ROUNDS: u8 = 3;
    const SIGNED: bool = true;
    const MAX_BODY_BYTES: usize = COMMITMENT_BYTES + MAX_OPENING_BYTES + SHARE_BYTES;

    fn round(&self) -> RoundSpec {
        let echoed = |number, name, max_bytes| RoundSpec {
            number,
            name,
            broadcast: Some(Traffic { max_bytes }),
            echo: true,
            direct: None,
        };
        match self {
            Self::Round1(_) => echoed(1, "commit", COMMITMENT_BYTES),
            Self::Round2(_) => echoed(2, "reveal", MAX_OPENING_BYTES),
            Self::Round3(_) => RoundSpec {
                number: 3,
                name: "shares",
                broadcast: None,
                echo: false,
                direct: Some(Traffic {
                    max_bytes: SHARE_BYTES,
                }),
            },
        }
    }

    fn proceed(self, input: RoundInput, _rng: &mut dyn CryptoRng) -> Result<Next<Self>, Abort> {
        match self {
            Self::Round1(round) => {
                let (next, opening) = round.proceed(input.broadcasts()?);
                let outbox = Outbox::empty().broadcast(&opening);
                Ok(Next::Round(Self::Round2(next), outbox))
            }
            Self::Round2(round) => {
                let (next, outbox) = round.proceed(&input.broadcasts()?)?;
                Ok(Next::Round(Self::Round3(next), outbox))
            }
            Self::Round3(round) => round.proceed(&input.directs()?).map(Next::Done),
        }
    }
}
