//! The shape that a protocol has for the driver.

use std::collections::BTreeMap;

use quorate_types::{Canonical, PartyIndex};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::abort::Abort;
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
    pub(crate) directs: BTreeMap<PartyIndex, Zeroizing<Vec<u8>>>,
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
                .insert(to, Zeroizing::new(message(to).to_bytes()));
        }
        self
    }

    /// Adds one direct message.
    #[must_use]
    pub fn direct(mut self, to: PartyIndex, message: &impl Canonical) -> Self {
        self.directs.insert(to, Zeroizing::new(message.to_bytes()));
        self
    }

    /// Replaces a message on its way out: for byzantine test doubles.
    #[cfg(any(test, feature = "simulator"))]
    pub fn tamper(
        &mut self,
        change: impl FnOnce(&mut Option<Vec<u8>>, &mut BTreeMap<PartyIndex, Zeroizing<Vec<u8>>>),
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

/// A protocol: an enum of its rounds, each waiting for messages.
pub trait Phases: Sized {
    /// What the run produces.
    type Output;

    /// Number of rounds.
    const ROUNDS: u8;

    /// Whether every broadcast and direct message is signed by its sender's node identity, so that
    /// blame can be proved to others. Echoed rounds need it.
    const SIGNED: bool;

    /// What the current round waits for.
    fn round(&self) -> RoundSpec;

    /// Consumes the round and its messages.
    ///
    /// # Errors
    /// [`Abort`] naming everyone who failed a check.
    fn proceed(self, input: RoundInput, rng: &mut dyn CryptoRng) -> Result<Next<Self>, Abort>;
}
