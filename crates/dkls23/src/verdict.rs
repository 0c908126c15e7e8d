//! What an abort of the engine means for us: reason, culprits, sanction.
//! `docs/protocols/dkls23.md` §3.

use quorate_protocol::{Abort, Reason, Sanction};
use quorate_types::{Digest32, PartyIndex};

use crate::engine::{self, AbortKind, AbortReason};
use crate::pair::PairSetups;

/// Which step of signing the engine was in: it reports two failures under one name.
#[derive(Clone, Copy)]
pub(crate) enum Step {
    /// §2.2: making our first messages, from our own state alone.
    Start,
    /// §2.3: checking OT extensions.
    Extension,
    /// §2.4: checking products.
    Product,
}

/// Translates an abort of the engine. `others` are the other signers.
///
/// A verdict of the engine that a counterparty must be banned is always kept, whatever its reason.
pub(crate) fn verdict(abort: &engine::Abort, step: Step, others: &[PartyIndex]) -> Abort {
    if let AbortKind::BanCounterparty(culprit) = abort.kind {
        let reason = Reason::Check {
            name: banned_check(&abort.reason, step),
            sanction: Sanction::Ban,
        };
        return Abort::new(reason, engine::party(culprit));
    }
    match &abort.reason {
        AbortReason::SessionBindingMismatch { counterparty } => {
            blame("session_binding", *counterparty)
        }
        AbortReason::CommitmentMismatch { counterparty } => blame("commitment", *counterparty),
        AbortReason::TrivialInstancePoint { counterparty } => {
            blame("instance_point", *counterparty)
        }
        AbortReason::PolynomialInconsistency => unattributable("public_share_sum", others),
        // The driver's checks make the rest impossible but for our own state.
        AbortReason::MissingMulState { .. } | AbortReason::InvalidLocalState { .. } => {
            Abort::local("the pair set-up is missing or damaged")
        }
        _ => Abort::local("the signing engine refused its input"),
    }
}

/// An abort that cannot name one of several signers. With one other signer, it was that one.
pub(crate) fn unattributable(name: &'static str, others: &[PartyIndex]) -> Abort {
    match others {
        [only] => Abort::new(Reason::check(name), [*only]),
        _ => Abort::new(Reason::check(name), []),
    }
}

/// Pairs that must never be used again because of this abort: the counterparty, and the generation
/// of the pair state that it attacked (row C12).
///
/// The caller makes the ban durable before it answers anybody. Every key and session that uses this
/// generation is affected; only a new set-up of the pair lifts the ban.
#[must_use]
pub fn ban_targets(abort: &Abort, setups: &PairSetups) -> Vec<(PartyIndex, Digest32)> {
    if abort.sanction() != Sanction::Ban {
        return Vec::new();
    }
    let target = |peer: &PartyIndex| Some((*peer, setups.generation(*peer)?));
    abort.culprits.iter().filter_map(target).collect()
}

fn banned_check(reason: &AbortReason, step: Step) -> &'static str {
    match (reason, step) {
        (AbortReason::MultiplicationVerificationFailed { .. }, Step::Extension) => "ot_extension",
        (AbortReason::MultiplicationVerificationFailed { .. }, _) => "multiplication",
        (AbortReason::GammaUInconsistency { .. }, _) => "gamma_u",
        (AbortReason::OtConsistencyCheckFailed { .. }, _) => "gamma_v",
        _ => "engine_ban",
    }
}

fn blame(name: &'static str, culprit: engine::Index) -> Abort {
    Abort::new(Reason::check(name), engine::party(culprit))
}
