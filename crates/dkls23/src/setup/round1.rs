//! Set-up round 1: commitments to zero-sharing seeds. `docs/protocols/dkls23.md` §1.1 and §1.2.

use std::collections::BTreeMap;

use k256::Scalar;
use quorate_protocol::{Abort, Inbox, Outbox, Roster};
use quorate_types::{Digest32, PartyIndex};
use zeroize::{Zeroize, Zeroizing};

use crate::engine::{HASH, MulReceiver, MulSender, OtReceiver, OtSender, ZeroShare};
use crate::setup::ids;
use crate::setup::message::{MultiplicationInit, PairInit, SeedCommitment};
use crate::setup::round2::{Pending, Round2};

/// Has committed to its seeds; waits for the commitments of the others.
pub(crate) struct Round1 {
    me: PartyIndex,
    context: Digest32,
    seeds: BTreeMap<PartyIndex, OwnSeed>,
}

/// Our half of one pair's seed.
struct OwnSeed {
    seed: Zeroizing<[u8; HASH]>,
    commitment: [u8; HASH],
    salt: Vec<u8>,
}

impl Round1 {
    /// Step 1.1: samples and commits to one seed for every other party.
    pub(crate) fn start(roster: &Roster, context: Digest32) -> (Self, Outbox) {
        let me = roster.me();
        let commit = |peer| {
            let bound = ids::seed(&context, me, peer);
            let (mut seed, commitment, salt) =
                ZeroShare::generate_seed_with_bound_commitment(bound.as_bytes());
            let own = OwnSeed {
                seed: Zeroizing::new(seed),
                commitment,
                salt,
            };
            // An array is copied, not moved.
            seed.zeroize();
            (peer, own)
        };
        let seeds: BTreeMap<_, _> = roster.others().map(commit).collect();
        let outbox = seeds.iter().fold(Outbox::empty(), |outbox, (peer, own)| {
            outbox.direct(*peer, &SeedCommitment(own.commitment))
        });
        let round = Self { me, context, seeds };
        (round, outbox)
    }

    /// Step 1.2: opens our seeds and starts both multiplications with every other party.
    ///
    /// - In: one [`SeedCommitment`] of every other party.
    /// - Out: one [`PairInit`] to each. This is where most of the time goes (512 proofs a pair).
    ///
    /// # Errors
    /// None but a missing message, which the driver excludes.
    pub(crate) fn proceed(self, inbox: &Inbox<SeedCommitment>) -> Result<(Round2, Outbox), Abort> {
        let Self { me, context, seeds } = self;
        let mut outbox = Outbox::empty();
        let mut pending = BTreeMap::new();
        for (peer, own) in seeds {
            let theirs = inbox
                .get(peer)
                .ok_or_else(|| Abort::local("a commitment is missing"))?;
            let (secrets, multiplication) = initialise(&context, me, peer);
            let ours = ids::Sent {
                party: me,
                commitment: own.commitment,
                multiplication: multiplication.digest(),
            };
            let init = PairInit {
                seed: own.seed.clone(),
                salt: own.salt,
                multiplication,
            };
            outbox = outbox.direct(peer, &init);
            let pair = Pending {
                own_seed: own.seed,
                their_commitment: theirs.0,
                ours,
                secrets,
            };
            pending.insert(peer, pair);
        }
        let round = Round2 {
            me,
            context,
            pending,
        };
        Ok((round, outbox))
    }
}

/// What we keep of a pair's base OTs until the other side's messages are here. Zeroized on drop:
/// the engine's types for it are not.
pub(crate) struct BaseOts {
    pub(crate) ot_sender: OtSender,
    pub(crate) nonce: Scalar,
    pub(crate) ot_receiver: OtReceiver,
    pub(crate) correlation: Vec<bool>,
    pub(crate) vec_r: Vec<Scalar>,
}

impl Drop for BaseOts {
    fn drop(&mut self) {
        self.ot_sender.s.zeroize();
        self.correlation.zeroize();
        self.vec_r.zeroize();
    }
}

/// The first messages of both multiplications with `peer`.
pub(crate) fn initialise(
    context: &Digest32,
    me: PartyIndex,
    peer: PartyIndex,
) -> (BaseOts, MultiplicationInit) {
    let as_receiver = ids::multiplication(context, me, peer);
    let (ot_sender, dlog_proof, nonce) = MulReceiver::init_phase1(as_receiver.as_bytes());
    let as_sender = ids::multiplication(context, peer, me);
    let (ot_receiver, correlation, vec_r, enc_proofs) =
        MulSender::init_phase1(as_sender.as_bytes());
    let message = MultiplicationInit {
        dlog_proof,
        nonce,
        enc_proofs,
        seed: ot_receiver.seed,
    };
    let secrets = BaseOts {
        ot_sender,
        nonce,
        ot_receiver,
        correlation,
        vec_r,
    };
    (secrets, message)
}
