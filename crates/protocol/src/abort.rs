//! How a run ends badly: why, by whose fault, and what follows.

use std::fmt;

use quorate_types::{Digest32, PartyIndex};
use thiserror::Error;

/// What follows from an abort.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sanction {
    /// The attempt is over; another attempt may include the culprit.
    Retry,
    /// The failed check could leak key bits if it were tried again: the pair's seeds must never be
    /// used again, durably, on both sides (attack row C12).
    Ban,
}

/// Why a run was aborted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// A message does not decode, or is over its size limit.
    Malformed,
    /// A message names another sender than the link it came over, or another recipient.
    WrongSender,
    /// A message is for another session.
    WrongSession,
    /// A message is for a round that is not open, or of a kind that the round does not have.
    WrongRound,
    /// A second, different message for one place of one round.
    Duplicate,
    /// More messages or bytes than a whole run of the protocol has.
    Flooded,
    /// The sender's signature over a message does not verify.
    BadSignature,
    /// A party signed two different broadcasts for one round (row B5).
    Equivocation,
    /// A party's echo claims a broadcast without the proof that it was sent.
    BadEcho,
    /// A check of the protocol failed.
    Check {
        /// Name of the check, as in the specification of the protocol.
        name: &'static str,
        /// What a failure of this check means for the culprits.
        sanction: Sanction,
    },
    /// Another party aborted; it keeps its reasons to itself (row C13).
    PeerAborted,
    /// Somebody who may do so cancelled the run.
    Cancelled,
    /// The messages of the culprits did not come in time. No proof of guilt: a party that was cut off
    /// by another, or by the network, is awaited too.
    TimedOut,
    /// Our own state does not allow to go on; nobody else is to blame.
    LocalState {
        /// What is wrong, without any value.
        what: &'static str,
    },
}

impl Reason {
    /// A protocol check whose failure leaks nothing.
    #[must_use]
    pub const fn check(name: &'static str) -> Self {
        Self::Check {
            name,
            sanction: Sanction::Retry,
        }
    }

    /// What follows for the culprits.
    #[must_use]
    pub const fn sanction(&self) -> Sanction {
        match self {
            Self::Check { sanction, .. } => *sanction,
            _ => Sanction::Retry,
        }
    }

    /// Whether the culprits are at fault for certain, rather than only awaited.
    ///
    /// Our messages are ordered, authenticated and checked, so an honest party is never blamed for
    /// such a reason (`invariant_no_false_blame` of the simulator).
    #[must_use]
    pub const fn is_attributable(&self) -> bool {
        !matches!(
            self,
            Self::TimedOut | Self::Cancelled | Self::PeerAborted | Self::LocalState { .. }
        )
    }

    /// Stable name, for audit records and metrics.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::WrongSender => "wrong_sender",
            Self::WrongSession => "wrong_session",
            Self::WrongRound => "wrong_round",
            Self::Duplicate => "duplicate",
            Self::Flooded => "flooded",
            Self::BadSignature => "bad_signature",
            Self::Equivocation => "equivocation",
            Self::BadEcho => "bad_echo",
            Self::Check { name, .. } => name,
            Self::PeerAborted => "peer_aborted",
            Self::Cancelled => "cancelled",
            Self::TimedOut => "timed_out",
            Self::LocalState { .. } => "local_state",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            Self::LocalState { what } => write!(f, ": {what}"),
            _ => Ok(()),
        }
    }
}

/// A signed message of a culprit: anyone with the manifest can check that it was sent.
///
/// The body is not kept: a dealt share is evidence too, and evidence goes into audit logs. Who must
/// convince a third party discloses the body beside this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// Who signed.
    pub culprit: PartyIndex,
    /// The bytes that the signature covers (they hold a digest of the body).
    pub statement: Vec<u8>,
    /// Ed25519 signature by the culprit's node identity.
    pub signature: [u8; 64],
}

/// A run that ended without a result.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("aborted: {reason}; culprits: {}", culprit_list(culprits))]
pub struct Abort {
    /// Why.
    pub reason: Reason,
    /// Everyone who failed, not only the first; empty if nobody can be blamed.
    pub culprits: Vec<PartyIndex>,
    /// What proves it to others, where messages are signed.
    pub evidence: Vec<Evidence>,
    /// Who told us that it stops ([`Reason::PeerAborted`]). Not a culprit: it may have seen the fault
    /// of another. Counted per peer all the same, so that biasing a key by aborting shows (row B4).
    pub reported_by: Option<PartyIndex>,
    /// Digest of the run's context, for the audit record.
    pub context: Option<Digest32>,
}

impl Abort {
    /// An abort that blames `culprits`.
    #[must_use]
    pub fn new(reason: Reason, culprits: impl IntoIterator<Item = PartyIndex>) -> Self {
        let mut culprits: Vec<_> = culprits.into_iter().collect();
        culprits.sort_unstable();
        culprits.dedup();
        Self {
            reason,
            culprits,
            evidence: Vec::new(),
            reported_by: None,
            context: None,
        }
    }

    /// An abort for which nobody else is to blame.
    #[must_use]
    pub fn local(what: &'static str) -> Self {
        Self::new(Reason::LocalState { what }, [])
    }

    /// Aborts if `culprits` is not empty.
    ///
    /// # Errors
    /// `reason` with all the culprits.
    pub fn if_any(culprits: Vec<PartyIndex>, reason: Reason) -> Result<(), Self> {
        if culprits.is_empty() {
            Ok(())
        } else {
            Err(Self::new(reason, culprits))
        }
    }

    /// What follows for the culprits.
    #[must_use]
    pub const fn sanction(&self) -> Sanction {
        self.reason.sanction()
    }
}

fn culprit_list(culprits: &[PartyIndex]) -> String {
    if culprits.is_empty() {
        return "unattributable".to_owned();
    }
    culprits
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}
