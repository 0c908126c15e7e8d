//! Set-up of a pair of nodes. `docs/protocols/dkls23.md` §1.
//! Source: eprint 2023/765 Functionalities 3.4 and 3.5; base OTs by eprint 2019/706.

mod message;
mod round1;
mod round2;

use quorate_protocol::{Abort, Next, Outbox, Phases, Roster, RoundInput, RoundSpec, Traffic};
use quorate_types::Digest32;
use rand_core::CryptoRng;

use crate::pair::PairState;
use round1::Round1;
use round2::Round2;

/// One run of the set-up at one node of a pair.
///
/// Nothing that a run made may be used unless both nodes finished it.
pub struct PairSetup(State);

enum State {
    Round1(Box<Round1>),
    Round2(Box<Round2>),
}

impl PairSetup {
    /// Starts a set-up with the other node of `roster` (step 1.1).
    ///
    /// - `roster`: two parties, 1 and 2; the lower node id is 1.
    /// - `context`: digest of session and identities ([`Roster::context`]), fresh for each run.
    ///
    /// # Errors
    /// [`Abort`] without culprits if the roster is not such a pair.
    pub fn start(
        roster: &Roster,
        context: Digest32,
        rng: &mut dyn CryptoRng,
    ) -> Result<(Self, Outbox), Abort> {
        let (round1, outbox) = Round1::start(roster, context, rng)?;
        Ok((Self(State::Round1(Box::new(round1))), outbox))
    }
}

impl Phases for PairSetup {
    type Output = PairState;
    const ROUNDS: u8 = 2;
    const SIGNED: bool = true;
    const MAX_BODY_BYTES: usize = message::OFFER + message::CONFIRMATION;

    fn round(&self) -> RoundSpec {
        let (number, name, max_bytes) = match &self.0 {
            State::Round1(_) => (1, "base OTs", message::OFFER),
            State::Round2(_) => (2, "confirmation", message::CONFIRMATION),
        };
        RoundSpec {
            number,
            name,
            broadcast: None,
            echo: false,
            direct: Some(Traffic { max_bytes }),
        }
    }

    fn proceed(self, input: RoundInput, _rng: &mut dyn CryptoRng) -> Result<Next<Self>, Abort> {
        match self.0 {
            State::Round1(round) => {
                let (next, outbox) = round.proceed(&input.directs()?)?;
                Ok(Next::Round(Self(State::Round2(Box::new(next))), outbox))
            }
            State::Round2(round) => round.proceed(&input.directs()?).map(Next::Done),
        }
    }
}
