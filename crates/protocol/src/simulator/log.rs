//! Everything that happened in a run, in order.

use std::fmt;

use quorate_types::{Canonical, Digest32, PartyIndex};

use crate::abort::Abort;
use crate::envelope::{Envelope, Slot};

/// A message, as far as a log may show it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct MessageLabel {
    /// Round and slot; `None` if it does not decode.
    pub place: Option<(u8, Slot)>,
    /// Length in bytes.
    pub length: usize,
    /// Start of its digest.
    pub digest: [u8; 4],
}

impl MessageLabel {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let digest = Digest32::of(b"simulated message", &[bytes]);
        let start = digest.as_bytes().first_chunk();
        Self {
            place: Envelope::from_bytes(bytes)
                .ok()
                .map(|envelope| (envelope.round, envelope.slot)),
            length: bytes.len(),
            digest: *start.expect("a digest has 32 bytes"),
        }
    }
}

impl fmt::Debug for MessageLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Some((round, slot)) => write!(f, "round {round} {slot:?}")?,
            None => f.write_str("undecodable")?,
        }
        let number = u32::from_be_bytes(self.digest);
        write!(f, ", {} bytes, #{number:08x}", self.length)
    }
}

/// One thing that happened.
#[derive(Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "from, to, party and message say what they are")]
pub enum Event {
    /// A party handed a message to the network.
    Sent {
        from: PartyIndex,
        to: PartyIndex,
        message: MessageLabel,
    },
    /// The network lost it.
    Lost { from: PartyIndex, to: PartyIndex },
    /// It arrived; `tampered` if it is the lie of a byzantine party.
    Delivered {
        from: PartyIndex,
        to: PartyIndex,
        message: MessageLabel,
        tampered: bool,
    },
    /// A party stopped for good.
    Crashed { party: PartyIndex },
    /// A party's time is up.
    Expired { party: PartyIndex },
    /// A party has a result, with this public digest.
    Finished { party: PartyIndex, result: Digest32 },
    /// A party has none.
    Aborted { party: PartyIndex, abort: Abort },
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sent { from, to, message } => write!(f, "{from} -> {to} sent {message:?}"),
            Self::Lost { from, to } => write!(f, "{from} -> {to} lost"),
            Self::Delivered {
                from,
                to,
                message,
                tampered,
            } => {
                let lie = if *tampered { " (tampered)" } else { "" };
                write!(f, "{from} -> {to} delivered {message:?}{lie}")
            }
            Self::Crashed { party } => write!(f, "{party} crashed"),
            Self::Expired { party } => write!(f, "{party} ran out of time"),
            Self::Finished { party, result } => write!(f, "{party} finished with {result}"),
            Self::Aborted { party, abort } => write!(f, "{party} {abort}"),
        }
    }
}

/// The events of one run with their virtual times, and the seed that makes them again.
#[derive(Clone, PartialEq, Eq)]
pub struct Log {
    /// The seed of the run.
    pub seed: u64,
    /// Virtual milliseconds and event, in order.
    pub events: Vec<(u64, Event)>,
}

/// Where a replay went another way.
#[derive(Clone, PartialEq, Eq)]
pub struct Divergence {
    /// Position of the first event that differs, or the length of the shorter log.
    pub position: usize,
    /// Seed of the run.
    pub seed: u64,
}

impl fmt::Debug for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { position, seed } = self;
        write!(f, "seed {seed} does not replay: event {position} differs")
    }
}

impl Log {
    /// Runs the seed again and compares every event.
    ///
    /// # Errors
    /// [`Divergence`]: the code under test is not deterministic.
    pub fn replay(&self, scenario: impl FnOnce(u64) -> Self) -> Result<(), Divergence> {
        let again = scenario(self.seed);
        let pairs = self.events.iter().zip(&again.events);
        let common = pairs.take_while(|(first, second)| first == second).count();
        if common == self.events.len() && common == again.events.len() {
            return Ok(());
        }
        Err(Divergence {
            position: common,
            seed: self.seed,
        })
    }
}

impl fmt::Display for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}", self.seed)?;
        for (at_ms, event) in &self.events {
            writeln!(f, "{at_ms:>8} ms  {event}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
