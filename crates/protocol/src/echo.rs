//! Reliable broadcast by echo: everyone tells everyone which broadcast of whom it received, with
//! the sender's signature. `docs/protocols/rounds.md` §4.
//!
//! Two different broadcasts of one party for one round, both signed by it, convict that party; an
//! echo that claims something else without such a signature convicts the echoing party (row B5).

use quorate_types::{Canonical, DecodeError, Digest32, MAX_PARTIES, PartyIndex, Reader, Writer};

use crate::abort::{Abort, Evidence, Reason};
use crate::envelope::{Slot, statement};
use crate::roster::Roster;
use crate::round_state::RoundState;

/// Longest encoding of an [`Echo`] in bytes: a count, and index, digest and signature of each party.
pub(crate) const MAX_ECHO: usize = 4 + MAX_PARTIES as usize * (1 + 32 + 64);

/// What one party says it received from `from`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct EchoEntry {
    pub(crate) from: PartyIndex,
    pub(crate) digest: Digest32,
    pub(crate) signature: [u8; 64],
}

impl Canonical for EchoEntry {
    fn write(&self, out: &mut Writer) {
        out.value(&self.from)
            .value(&self.digest)
            .fixed(&self.signature);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            from: PartyIndex::read(input)?,
            digest: Digest32::read(input)?,
            signature: input.array("signature")?,
        })
    }
}

/// The whole echo of one party: an entry for every party of the run, ascending.
pub(crate) struct Echo(pub(crate) Vec<EchoEntry>);

impl Canonical for Echo {
    fn write(&self, out: &mut Writer) {
        out.list(self.0.iter());
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self(input.list("echo", usize::from(MAX_PARTIES))?))
    }
}

/// Our echo, once all broadcasts of the round are here.
pub(crate) fn own_echo(state: &RoundState, roster: &Roster) -> Option<Echo> {
    let entries = roster.parties().map(|from| {
        let broadcast = if from == roster.me() {
            state.own_broadcast.as_ref()?
        } else {
            state.broadcasts.get(&from)?
        };
        let signature = broadcast.signature?;
        Some(EchoEntry {
            from,
            digest: broadcast.digest,
            signature,
        })
    });
    entries.collect::<Option<Vec<_>>>().map(Echo)
}

/// Compares all echoes with what we received.
///
/// # Errors
/// [`Reason::Equivocation`] with both signed statements as evidence, else [`Reason::BadEcho`].
pub(crate) fn compare(
    state: &RoundState,
    roster: &Roster,
    round: u8,
    context: &Digest32,
) -> Result<(), Abort> {
    let Some(Echo(own)) = own_echo(state, roster) else {
        return Err(Abort::local(
            "echo compared before all broadcasts were received",
        ));
    };
    let (mut equivocators, mut liars, mut evidence) = (Vec::new(), Vec::new(), Vec::new());
    for (echoer, entries) in &state.echoes {
        if !entries.iter().map(|entry| entry.from).eq(roster.parties()) {
            liars.push(*echoer);
            continue;
        }
        for (mine, theirs) in own.iter().zip(entries) {
            if mine.digest == theirs.digest {
                continue;
            }
            let claim = Claim {
                round,
                context,
                roster,
            };
            // 4.4 Only a signature of the broadcaster itself can convict it. We never sign twice.
            if theirs.from != roster.me() && claim.is_signed(theirs) {
                equivocators.push(theirs.from);
                for statement in [claim.evidence(mine), claim.evidence(theirs)] {
                    if !evidence.contains(&statement) {
                        evidence.push(statement);
                    }
                }
            } else {
                liars.push(*echoer);
            }
        }
    }
    if !equivocators.is_empty() {
        return Err(Abort {
            evidence,
            ..Abort::new(Reason::Equivocation, equivocators)
        });
    }
    Abort::if_any(liars, Reason::BadEcho)
}

/// What is needed to tell whether a party signed a broadcast that somebody says it sent.
pub(crate) struct Claim<'a> {
    pub(crate) round: u8,
    pub(crate) context: &'a Digest32,
    pub(crate) roster: &'a Roster,
}

impl Claim<'_> {
    fn statement(&self, entry: &EchoEntry) -> Vec<u8> {
        let everyone = entry.from; // ignored for broadcasts
        statement(
            self.context,
            self.round,
            Slot::Broadcast,
            entry.from,
            everyone,
            &entry.digest,
        )
    }

    pub(crate) fn is_signed(&self, entry: &EchoEntry) -> bool {
        self.roster.member(entry.from).is_some_and(|member| {
            let statement = self.statement(entry);
            quorate_verify::verify_ed25519(&member.identity, &statement, &entry.signature).is_ok()
        })
    }

    pub(crate) fn evidence(&self, entry: &EchoEntry) -> Evidence {
        Evidence {
            culprit: entry.from,
            statement: self.statement(entry),
            signature: entry.signature,
        }
    }
}
