//! A round's broadcasts before it is complete. `docs/protocols/rounds.md` §5.3.

use quorate_types::{Canonical, DecodeError, Digest32, PartyIndex, Reader, Writer};

use crate::abort::{Abort, Reason};
use crate::echo::{Claim, EchoEntry};
use crate::roster::Roster;
use crate::round_state::RoundState;

/// A broadcast as somebody else quotes it: its digest, and the broadcaster's signature.
///
/// 96 bytes. Claims nothing by itself: whoever quotes may lie ([`Heard::compare`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quote {
    digest: Digest32,
    signature: [u8; 64],
}

impl Canonical for Quote {
    fn write(&self, out: &mut Writer) {
        out.value(&self.digest).fixed(&self.signature);
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            digest: Digest32::read(input)?,
            signature: input.array("signature")?,
        })
    }
}

/// The broadcasts of the current round that are there, each checked by itself: sender, session,
/// round, duplicates, signature. They are encoded, may be too few, and were not echoed.
pub struct Heard<'a> {
    state: &'a RoundState,
    claim: Claim<'a>,
}

impl<'a> Heard<'a> {
    pub(crate) const fn new(
        state: &'a RoundState,
        roster: &'a Roster,
        round: u8,
        context: &'a Digest32,
    ) -> Self {
        let claim = Claim {
            round,
            context,
            roster,
        };
        Self { state, claim }
    }

    /// The broadcast of another party, if it is there.
    #[must_use]
    pub fn broadcast(&self, from: PartyIndex) -> Option<&'a [u8]> {
        let broadcast = self.state.broadcasts.get(&from)?;
        Some(broadcast.body.as_slice())
    }

    /// All that are there, ascending by sender; ours is not among them.
    pub fn broadcasts(&self) -> impl Iterator<Item = (PartyIndex, &'a [u8])> {
        let broadcasts = self.state.broadcasts.iter();
        broadcasts.map(|(from, broadcast)| (*from, broadcast.body.as_slice()))
    }

    /// What to tell others of a broadcast that is there; of our own, if it is sent. None where the
    /// protocol signs nothing.
    #[must_use]
    pub fn quote(&self, from: PartyIndex) -> Option<Quote> {
        let broadcast = if from == self.claim.roster.me() {
            self.state.own_broadcast.as_ref()?
        } else {
            self.state.broadcasts.get(&from)?
        };
        Some(Quote {
            digest: broadcast.digest,
            signature: broadcast.signature?,
        })
    }

    /// Compares what `quoting` says that `broadcaster` broadcast with what it told us.
    ///
    /// # Errors
    /// - [`Reason::Equivocation`] of the broadcaster with both statements as evidence, if it signed
    ///   both (row B5).
    /// - [`Reason::BadEcho`] of `quoting` if the signature does not hold, or we are the broadcaster:
    ///   we never sign twice.
    pub fn compare(
        &self,
        quoting: PartyIndex,
        broadcaster: PartyIndex,
        quote: &Quote,
    ) -> Result<(), Abort> {
        let ours = self.quote(broadcaster);
        let ours = ours.ok_or_else(|| Abort::local("a quoted broadcast is not there"))?;
        if ours == *quote {
            return Ok(());
        }
        let entry = |quote: &Quote| EchoEntry {
            from: broadcaster,
            digest: quote.digest,
            signature: quote.signature,
        };
        let theirs = entry(quote);
        if broadcaster == self.claim.roster.me() || !self.claim.is_signed(&theirs) {
            return Err(Abort::new(Reason::BadEcho, [quoting]));
        }
        // As with echoes: that one message may carry two valid signatures does not matter.
        if ours.digest == quote.digest {
            return Ok(());
        }
        let statements = [entry(&ours), theirs].map(|entry| self.claim.evidence(&entry));
        Err(Abort {
            evidence: statements.into(),
            ..Abort::new(Reason::Equivocation, [broadcaster])
        })
    }
}
