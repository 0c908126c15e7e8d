//! OT set-up between all pairs of parties. `docs/protocols/dkls23.md` §1.
//! Source: eprint 2023/765 Functionalities 3.4 and 3.5, by the `dkls23` crate.

mod ids;
mod message;
mod round1;
mod round2;

use quorate_protocol::{Abort, Next, Outbox, Phases, Roster, RoundInput, RoundSpec, Traffic};
use quorate_types::Digest32;
use rand_core::CryptoRng;

use crate::pair::PairSetups;
use round1::Round1;
use round2::Round2;

/// One run of the set-up at one party.
///
/// Makes pair state for shares that exist already, or are made in the same session: nothing of a
/// share goes in, and no share is re-randomised. Nothing that a run made may be used unless every
/// party finished it.
pub struct Setup(State);

enum State {
    Round1(Box<Round1>),
    Round2(Box<Round2>),
}

impl Setup {
    /// Starts a set-up with all other parties of `roster` (step 1.1).
    ///
    /// - `context`: digest of session, roster identities and key ([`Roster::context`]). Every
    ///   engine id is derived from it, so it must be fresh for each run.
    #[must_use]
    pub fn start(roster: &Roster, context: Digest32) -> (Self, Outbox) {
        let (round1, outbox) = Round1::start(roster, context);
        (Self(State::Round1(Box::new(round1))), outbox)
    }
}

impl Phases for Setup {
    type Output = PairSetups;
    const ROUNDS: u8 = 2;
    const SIGNED: bool = true;
    const MAX_BODY_BYTES: usize = message::SEED_COMMITMENT + message::MAX_PAIR_INIT;

    fn round(&self) -> RoundSpec {
        let (number, name, max_bytes) = match &self.0 {
            State::Round1(_) => (1, "seed commitment", message::SEED_COMMITMENT),
            State::Round2(_) => (2, "pair initialisation", message::MAX_PAIR_INIT),
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
