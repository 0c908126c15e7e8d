//! The smallest protocol with every kind of traffic, for tests of driver and simulator.

use quorate_types::{Canonical, DecodeError, Digest32, PartyIndex, Reader, Writer};
use rand_core::CryptoRng;

use crate::abort::{Abort, Reason};
use crate::driver::{Driver, Effect};
use crate::inbox::{Inbox, RoundInput};
use crate::phases::{Next, Outbox, Phases, RoundSpec, Traffic};
use crate::simulator::Cast;

/// A number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Number(pub(crate) [u8; 4]);

impl Canonical for Number {
    fn write(&self, out: &mut Writer) {
        out.fixed(&self.0);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self(input.array("number")?))
    }
}

pub(crate) const LIED: Reason = Reason::check("toy_lied");

/// What everybody said, in order.
pub(crate) type Said = Vec<[u8; 4]>;

/// Everybody broadcasts a number, then repeats it to each other party alone.
pub(crate) enum Toy {
    Say { own: Number },
    Repeat { own: Number, said: Inbox<Number> },
}

impl Toy {
    pub(crate) fn start(cast: &Cast, me: PartyIndex) -> (Driver<Self>, Vec<Effect<Said>>) {
        let own = Number([me.get(), 0, 0, 7]);
        let outbox = Outbox::empty().broadcast(&own);
        let signer = cast.signer(me);
        let phase = Self::Say { own };
        Driver::start(cast.roster(me), cast.context(), signer, phase, outbox)
    }

    pub(crate) fn describe(output: &Said) -> Digest32 {
        Digest32::of(b"toy", &[&output.concat()])
    }
}

impl Phases for Toy {
    type Output = Said;
    const ROUNDS: u8 = 2;
    const SIGNED: bool = true;
    const MAX_BODY_BYTES: usize = 2 * 4;

    fn round(&self) -> RoundSpec {
        let traffic = Some(Traffic { max_bytes: 4 });
        match self {
            Self::Say { .. } => RoundSpec {
                number: 1,
                name: "say",
                broadcast: traffic,
                echo: true,
                direct: None,
            },
            Self::Repeat { .. } => RoundSpec {
                number: 2,
                name: "repeat",
                broadcast: None,
                echo: false,
                direct: traffic,
            },
        }
    }

    fn proceed(self, input: RoundInput, _: &mut dyn CryptoRng) -> Result<Next<Self>, Abort> {
        match self {
            Self::Say { own } => {
                let said: Inbox<Number> = input.broadcasts()?;
                let others: Vec<_> = said.iter().map(|(from, _)| from).collect();
                let outbox = Outbox::empty().to_each(others.into_iter(), |_| own);
                Ok(Next::Round(Self::Repeat { own, said }, outbox))
            }
            Self::Repeat { own, said } => {
                let repeated: Inbox<Number> = input.directs()?;
                let same = |from, number: &Number| said.get(from) == Some(number);
                Abort::if_any(repeated.failing(same), LIED)?;
                let mut all: Vec<_> = said.into_map().into_values().map(|n| n.0).collect();
                all.push(own.0);
                all.sort_unstable();
                Ok(Next::Done(all))
            }
        }
    }
}
