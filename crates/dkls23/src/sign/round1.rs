//! Signing round 1: OT extensions and commitments. `docs/protocols/dkls23.md` §2.2 and §2.3.
//! Source: eprint 2023/765 Protocol 3.6 steps 4 to 7.

use std::collections::BTreeMap;

use quorate_protocol::{Abort, Inbox, Outbox, Reason};
use quorate_types::PartyIndex;

use crate::engine::signing::{KeepPhase1to2, TransmitPhase1to2, UniqueKeep1to2};
use crate::engine::{self, Index};
use crate::sign::attempt::Attempt;
use crate::sign::message::{Extension, Product};
use crate::sign::round2::Round2;
use crate::verdict::Step;

/// Has sampled its nonces and sent its extensions; waits for those of the others.
pub(crate) struct Round1 {
    attempt: Attempt,
    nonces: UniqueKeep1to2,
    kept: BTreeMap<Index, KeepPhase1to2>,
}

impl Round1 {
    /// Step 2.2: samples instance key and inversion mask, extends the OTs with every other signer.
    pub(crate) fn start(attempt: Attempt) -> Result<(Self, Outbox), Abort> {
        let (nonces, kept, transmits) = attempt
            .party
            .sign_phase1(&attempt.data)
            .map_err(attempt.verdict(Step::Start))?;
        let mut outbox = Outbox::empty();
        for transmit in transmits {
            let to = recipient(transmit.parties.receiver)?;
            let generation = *attempt
                .generations
                .get(&to)
                .ok_or_else(|| Abort::local("there is no pair set-up with a signer"))?;
            outbox = outbox.direct(to, &Extension::new(generation, transmit));
        }
        let round = Self {
            attempt,
            nonces,
            kept,
        };
        Ok((round, outbox))
    }

    /// Step 2.3: checks every extension, multiplies as sender, opens our commitments.
    ///
    /// - In: one [`Extension`] of every other signer.
    /// - Out: one [`Product`] to each.
    ///
    /// # Errors
    /// `pair_generation` and `session_binding` (retry): the other signer does something else.
    /// `ot_extension` (ban): its check vector does not fit its matrix.
    pub(crate) fn proceed(self, inbox: Inbox<Extension>) -> Result<(Round2, Outbox), Abort> {
        let Self {
            attempt,
            nonces,
            kept,
        } = self;

        // Compared before any check that bans: a pair whose states differ is out of step.
        Abort::if_any(
            inbox.failing(|from, message| {
                attempt.generations.get(&from) == Some(&message.generation)
            }),
            Reason::check("pair_generation"),
        )?;

        let received: Vec<TransmitPhase1to2> = inbox
            .into_map()
            .into_iter()
            .map(|(from, message)| message.addressed(from, attempt.me))
            .collect();
        let (nonces, kept, transmits) = attempt
            .party
            .sign_phase2(&attempt.data, nonces, kept, &received)
            .map_err(attempt.verdict(Step::Extension))?;
        let mut outbox = Outbox::empty();
        for transmit in transmits {
            let to = recipient(transmit.parties.receiver)?;
            outbox = outbox.direct(to, &Product::new(transmit));
        }
        let round = Round2 {
            attempt,
            nonces,
            kept,
        };
        Ok((round, outbox))
    }
}

fn recipient(index: Index) -> Result<PartyIndex, Abort> {
    engine::party(index).ok_or_else(|| Abort::local("the signing engine named an unknown party"))
}
