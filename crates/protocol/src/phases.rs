//! The shape that a protocol has for the driver.

use std::collections::BTreeMap;

use quorate_types::{Canonical, PartyIndex, SecretBytes};
use rand_core::CryptoRng;

use crate::abort::Abort;
use crate::echo::MAX_ECHO;
use crate::envelope::{ENVELOPE_OVERHEAD, MAX_ENVELOPE};
use crate::heard::Heard;
use crate::inbox::RoundInput;

/// What a round waits for in one slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traffic {
    /// Longest body in bytes.
    pub max_bytes: usize,
}

/// What a round waits for, from every other party.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoundSpec {
    /// From 1, one more each round.
    pub number: u8,
    /// Name in progress reports and metrics.
    pub name: &'static str,
    /// One broadcast of each party.
    pub broadcast: Option<Traffic>,
    /// Whether the broadcasts are echoed before the round may see them.
    pub echo: bool,
    /// One direct message of each party.
    pub direct: Option<Traffic>,
}

/// What a party sends for a round.
#[derive(Default)]
pub struct Outbox {
    pub(crate) broadcast: Option<Vec<u8>>,
    pub(crate) directs: BTreeMap<PartyIndex, SecretBytes>,
}

impl Outbox {
    /// Nothing to send.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// Adds the broadcast.
    #[must_use]
    pub fn broadcast(mut self, message: &impl Canonical) -> Self {
        self.broadcast = Some(message.to_bytes());
        self
    }

    /// Adds one direct message to each of `recipients`.
    #[must_use]
    pub fn to_each<M: Canonical>(
        mut self,
        recipients: impl Iterator<Item = PartyIndex>,
        message: impl Fn(PartyIndex) -> M,
    ) -> Self {
        for to in recipients {
            self.directs
                .insert(to, SecretBytes::new(message(to).to_bytes()));
        }
        self
    }

    /// Adds one direct message.
    #[must_use]
    pub fn direct(mut self, to: PartyIndex, message: &impl Canonical) -> Self {
        self.directs
            .insert(to, SecretBytes::new(message.to_bytes()));
        self
    }

    /// Replaces a message on its way out: for byzantine test doubles.
    #[cfg(any(test, feature = "simulator"))]
    pub fn tamper(
        &mut self,
        change: impl FnOnce(&mut Option<Vec<u8>>, &mut BTreeMap<PartyIndex, SecretBytes>),
    ) {
        change(&mut self.broadcast, &mut self.directs);
    }
}

/// What a round leads to.
pub enum Next<P: Phases> {
    /// The next round, and what we send for it.
    Round(P, Outbox),
    /// The run is over.
    Done(P::Output),
}

/// Most that one party may send to another in a whole run. Whoever sends more is hostile or broken,
/// whatever it sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// Messages: a broadcast, a direct message and an echo in each round, and one abort.
    pub messages: usize,
    /// Encoded envelopes, in bytes.
    pub bytes: usize,
}

impl Allowance {
    /// What a party of this protocol may send.
    #[must_use]
    pub const fn of<P: Phases>() -> Self {
        let rounds = P::ROUNDS as usize;
        let messages = 3 * rounds + 1;
        let bytes = P::MAX_BODY_BYTES + rounds * MAX_ECHO + messages * ENVELOPE_OVERHEAD;
        Self { messages, bytes }
    }
}

/// A protocol: an enum of its rounds, each waiting for messages.
pub trait Phases: Sized {
    /// What the run produces.
    type Output;

    /// Number of rounds.
    const ROUNDS: u8;

    /// Whether every broadcast and direct message is signed by its sender's node identity, so that
    /// blame can be proved to others. Echoed rounds need it.
    const SIGNED: bool;

    /// Longest bodies of broadcasts and direct messages that one other party may send in a whole run,
    /// in sum, in bytes: the limits of its rounds added up. Bounds what waits in memory
    /// ([`Allowance`]). The default is what envelopes can hold; a protocol says what it needs.
    const MAX_BODY_BYTES: usize = 2 * MAX_ENVELOPE * Self::ROUNDS as usize;

    /// Whether [`Phases::hear`] has anything to do.
    const HEARS: bool = false;

    /// What the current round waits for.
    fn round(&self) -> RoundSpec;

    /// Whether the round waits for this other party now. A round in which one party speaks first waits
    /// for nobody else until [`Phases::hear`] has heard it: the others may be silent for want of the
    /// same message, and a time-out must not name them. What they send all the same is kept.
    fn awaits(&self, _from: PartyIndex) -> bool {
        true
    }

    /// Looks at the broadcasts of the round that are there already: called after each message, before
    /// the round is complete, and often more than once with the same messages. Most rounds see their
    /// messages complete or not at all, and leave this as it is.
    ///
    /// - Out: our own broadcast, where the round began without one since another party speaks first.
    /// - State: a round that [waits](Phases::awaits) for one party only, and hears it, must wait for the
    ///   others from then on, or end: it is complete otherwise.
    ///
    /// # Errors
    /// [`Abort`] where a message that is there ends the run, whatever the others say.
    ///
    /// # Security
    /// Nothing here is echoed yet, and other parties may have been told something else.
    fn hear(self, _heard: &Heard<'_>, _rng: &mut dyn CryptoRng) -> Result<(Self, Outbox), Abort> {
        Ok((self, Outbox::empty()))
    }

    /// Consumes the round and its messages.
    ///
    /// # Errors
    /// [`Abort`] naming everyone who failed a check.
    fn proceed(self, input: RoundInput, rng: &mut dyn CryptoRng) -> Result<Next<Self>, Abort>;
}
