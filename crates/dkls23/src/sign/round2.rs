//! Signing round 2: products and opened commitments. `docs/protocols/dkls23.md` §2.4.
//! Source: eprint 2023/765 Protocol 3.6 steps 8 and 9.

use std::collections::BTreeMap;

use quorate_protocol::{Abort, Inbox, Outbox};

use crate::engine::Index;
use crate::engine::signing::{KeepPhase2to3, TransmitPhase2to3, UniqueKeep2to3};
use crate::sign::attempt::Attempt;
use crate::sign::message::{Product, SignatureShare};
use crate::sign::round3::{Round3, x_coordinate};
use crate::verdict::Step;

/// Has sent its products; waits for those of the others.
pub(crate) struct Round2 {
    pub(crate) attempt: Attempt,
    pub(crate) nonces: UniqueKeep2to3,
    pub(crate) kept: BTreeMap<Index, KeepPhase2to3>,
}

impl Round2 {
    /// Step 2.4: checks commitments and products, makes our share of the signature.
    ///
    /// - In: one [`Product`] of every other signer.
    /// - Out: one [`SignatureShare`] to all. The nonces are consumed here and zeroized.
    ///
    /// # Errors
    /// `session_binding`, `commitment`, `instance_point` (retry, named); `multiplication`,
    /// `gamma_u`, `gamma_v` (ban, named); `public_share_sum` (retry, named if there is one other).
    pub(crate) fn proceed(self, inbox: Inbox<Product>) -> Result<(Round3, Outbox), Abort> {
        let Self {
            attempt,
            nonces,
            kept,
        } = self;
        let received: Vec<TransmitPhase2to3> = inbox
            .into_map()
            .into_iter()
            .map(|(from, message)| message.addressed(from, attempt.me))
            .collect();
        let (x, broadcast) = attempt
            .party
            .sign_phase3(&attempt.data, nonces, kept, &received)
            .map_err(attempt.verdict(Step::Product))?;
        let own = SignatureShare::from(&broadcast);
        let outbox = Outbox::empty().broadcast(&own);
        let round = Round3 {
            others: attempt.others,
            public_key: attempt.public_key,
            digest: attempt.digest,
            r: x_coordinate(&x)?,
            own,
        };
        Ok((round, outbox))
    }
}
