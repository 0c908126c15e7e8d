//! What an abort means for pairs: who is blamed, who is banned. `docs/protocols/dkls23.md` §3.

use quorate_protocol::{Abort, Reason, Sanction};
use quorate_types::{Digest32, PartyIndex};

use crate::pair::Pairs;

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
pub fn ban_targets(abort: &Abort, pairs: &Pairs) -> Vec<(PartyIndex, Digest32)> {
    if abort.sanction() != Sanction::Ban {
        return Vec::new();
    }
    let target = |peer: &PartyIndex| Some((*peer, pairs.get(peer)?.generation()));
    abort.culprits.iter().filter_map(target).collect()
}
