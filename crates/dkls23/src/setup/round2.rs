//! Set-up round 2: checks, and the pair state. `docs/protocols/dkls23.md` §1.3 and §1.4.

use std::collections::BTreeMap;

use quorate_protocol::{Abort, Inbox, Reason};
use quorate_types::{Digest32, PartyIndex};
use zeroize::Zeroizing;

use crate::engine::{self, HASH, MulReceiver, MulSender, ZeroShare};
use crate::pair::{PairSetup, PairSetups, State};
use crate::setup::ids;
use crate::setup::message::{MultiplicationInit, PairInit};
use crate::setup::round1::BaseOts;

/// Has opened its seeds and sent its base OTs; waits for those of the others.
pub(crate) struct Round2 {
    pub(crate) me: PartyIndex,
    pub(crate) context: Digest32,
    pub(crate) pending: BTreeMap<PartyIndex, Pending>,
}

/// One pair between its two rounds.
pub(crate) struct Pending {
    pub(crate) own_seed: Zeroizing<[u8; HASH]>,
    pub(crate) their_commitment: [u8; HASH],
    pub(crate) ours: ids::Sent,
    pub(crate) secrets: BaseOts,
}

impl Round2 {
    /// Steps 1.3 and 1.4: checks opened seeds and proofs of all parties, finishes every pair.
    ///
    /// - In: one [`PairInit`] of every other party.
    /// - Out: the [`PairSetups`].
    ///
    /// # Errors
    /// `seed_opening`, `base_ot_proof`: all culprits, to be retried. A failed set-up leaves no
    /// state that could leak, so nobody is banned.
    pub(crate) fn proceed(self, inbox: &Inbox<PairInit>) -> Result<PairSetups, Abort> {
        let Self {
            me,
            context,
            pending,
        } = self;

        // 1.3 Every seed is the committed one.
        let opens = |peer: PartyIndex, init: &PairInit| {
            pending.get(&peer).is_some_and(|pair| {
                ZeroShare::verify_bound_seed(
                    &init.seed,
                    ids::seed(&context, peer, me).as_bytes(),
                    &pair.their_commitment,
                    &init.salt,
                )
            })
        };
        Abort::if_any(inbox.failing(opens), Reason::check("seed_opening"))?;

        // 1.4 Every proof holds; each pair gets its state and its generation.
        let (mut setups, mut culprits) = (Vec::new(), Vec::new());
        for (peer, pair) in pending {
            let init = inbox
                .get(peer)
                .ok_or_else(|| Abort::local("a pair initialisation is missing"))?;
            match finish(&context, me, peer, pair, init) {
                Some(setup) => setups.push(setup),
                None => culprits.push(peer),
            }
        }
        Abort::if_any(culprits, Reason::check("base_ot_proof"))?;
        PairSetups::new(me, setups).map_err(|_| Abort::local("the engine made no pair state"))
    }
}

/// `None` if a proof of `peer` fails.
fn finish(
    context: &Digest32,
    me: PartyIndex,
    peer: PartyIndex,
    pair: Pending,
    init: &PairInit,
) -> Option<PairSetup> {
    let Pending {
        own_seed,
        their_commitment,
        ours,
        mut secrets,
    } = pair;
    let theirs = ids::Sent {
        party: peer,
        commitment: their_commitment,
        multiplication: init.multiplication.digest(),
    };
    let (index, counterparty) = (engine::index(me), engine::index(peer));
    let state = State {
        zero_share: ZeroShare::generate_seed_pair(index, counterparty, &own_seed, &init.seed),
        receiver: receiver(context, me, peer, &secrets, &init.multiplication)?,
        sender: sender(context, me, peer, &mut secrets, &init.multiplication)?,
    };
    let generation = ids::generation(context, &ours, &theirs);
    PairSetup::new(generation, me, peer, state).ok()
}

/// Our state as receiver of the multiplication: checks the encrypted choices of `peer`.
fn receiver(
    context: &Digest32,
    me: PartyIndex,
    peer: PartyIndex,
    secrets: &BaseOts,
    theirs: &MultiplicationInit,
) -> Option<MulReceiver> {
    let id = ids::multiplication(context, me, peer);
    MulReceiver::init_phase2(
        &secrets.ot_sender,
        id.as_bytes(),
        &theirs.seed,
        &theirs.enc_proofs,
        &secrets.nonce,
    )
    .ok()
}

/// Our state as sender of the multiplication: checks the base OT key of `peer`.
fn sender(
    context: &Digest32,
    me: PartyIndex,
    peer: PartyIndex,
    secrets: &mut BaseOts,
    theirs: &MultiplicationInit,
) -> Option<MulSender> {
    let id = ids::multiplication(context, peer, me);
    MulSender::init_phase2(
        &secrets.ot_receiver,
        id.as_bytes(),
        std::mem::take(&mut secrets.correlation),
        &secrets.vec_r,
        &theirs.dlog_proof,
        &theirs.nonce,
    )
    .ok()
}
