//! What stays the same during one attempt. `docs/protocols/dkls23.md` §2.1 and §4.

use std::collections::BTreeMap;

use quorate_protocol::{Abort, Roster};
use quorate_types::{Digest32, PartyIndex};

use crate::engine::{self, DerivData, Parameters, Party, SignData, ZeroShare};
use crate::pair::{PairSetup, PairSetups};
use crate::share::CheckedShare;
use crate::verdict::{Step, verdict};

/// The engine's view of us in one attempt. `Party` and `SignData` zeroize themselves.
pub(crate) struct Attempt {
    pub(crate) me: PartyIndex,
    pub(crate) others: Vec<PartyIndex>,
    pub(crate) generations: BTreeMap<PartyIndex, Digest32>,
    pub(crate) public_key: [u8; 33],
    pub(crate) digest: [u8; 32],
    pub(crate) party: Party,
    pub(crate) data: SignData,
}

impl Attempt {
    /// Step 2.1: roster, share and pair state fit; the engine gets only what it needs of them.
    pub(crate) fn new(
        roster: &Roster,
        context: Digest32,
        share: &CheckedShare,
        setups: &PairSetups,
        digest: [u8; 32],
    ) -> Result<Self, Abort> {
        let (me, threshold) = (roster.me(), share.threshold());
        let others: Vec<PartyIndex> = roster.others().collect();
        if share.index() != me || setups.me() != me {
            return Err(Abort::local(
                "the share or its pair set-up is another party's",
            ));
        }
        if roster.size() != usize::from(threshold.min_signers()) {
            return Err(Abort::local(
                "the signers are not exactly as many as needed",
            ));
        }
        if roster.parties().any(|p| p.get() > threshold.max_signers()) {
            return Err(Abort::local("a signer is not a holder of the key"));
        }
        let pair = |peer: &PartyIndex| setups.get(*peer);
        let pairs: Vec<&PairSetup> = others.iter().filter_map(pair).collect();
        if pairs.len() != others.len() {
            return Err(Abort::local("there is no pair set-up with a signer"));
        }
        let party = party(share, &pairs);
        let data = SignData {
            sign_id: context.as_bytes().to_vec(),
            counterparties: others.iter().map(|peer| engine::index(*peer)).collect(),
            message_hash: digest,
        };
        let generations = pairs.iter().map(|p| (p.peer(), p.generation())).collect();
        Ok(Self {
            me,
            others,
            generations,
            public_key: share.public_key(),
            digest,
            party,
            data,
        })
    }

    /// Translates an abort of the engine.
    pub(crate) fn verdict(&self, step: Step) -> impl Fn(engine::Abort) -> Abort + '_ {
        move |abort| verdict(&abort, step, &self.others)
    }
}

fn party(share: &CheckedShare, pairs: &[&PairSetup]) -> Party {
    let threshold = share.threshold();
    let keyed = |pair: &&PairSetup| engine::index(pair.peer());
    Party {
        parameters: Parameters {
            threshold: threshold.min_signers(),
            share_count: threshold.max_signers(),
        },
        party_index: engine::index(share.index()),
        // What is bound per run is in the sign id; this names our use of the engine.
        session_id: b"quorate dkls23 sign v1".to_vec(),
        poly_point: *share.scalar(),
        pk: *share.point(),
        zero_share: ZeroShare::initialize(
            pairs.iter().map(|p| p.state().zero_share.clone()).collect(),
        ),
        mul_senders: pairs
            .iter()
            .map(|p| (keyed(p), p.state().sender.clone()))
            .collect(),
        mul_receivers: pairs
            .iter()
            .map(|p| (keyed(p), p.state().receiver.clone()))
            .collect(),
        derivation_data: DerivData {
            depth: 0,
            child_number: 0,
            parent_fingerprint: [0; 4],
            poly_point: *share.scalar(),
            pk: *share.point(),
            chain_code: *share.chain_code(),
        },
        address: String::new(),
    }
}
