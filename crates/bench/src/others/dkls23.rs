//! The crate `dkls23`, with shares of our key generation.

use anyhow::{Context as _, Result, anyhow};
use dkls23::protocols::derivation::DerivData;
use dkls23::protocols::signing::{Broadcast3to4, SignData, TransmitPhase1to2, TransmitPhase2to3};
use dkls23::protocols::{Abort, Parameters, Party, PartyIndex};
use dkls23::utilities::multiplication::{MulReceiver, MulSender};
use dkls23::utilities::zero_shares::ZeroShare;
use k256::elliptic_curve::PrimeField as _;
use k256::elliptic_curve::group::GroupEncoding as _;
use k256::{AffinePoint, Scalar, Secp256k1};
use quorate_dkls23::ShareInput;

use crate::cpu::{Contestant, Effort, Parts, Run, measure_runs};
use crate::ecdsa::{Committee, digest, must_be_valid, subject};
use crate::report::{EngineReport, Subject};

const ENGINE: &str = "dkls23 0.6.2";

/// What one of a pair keeps: to multiply as sender, and as receiver.
pub(crate) type State = (MulSender<Secp256k1>, MulReceiver<Secp256k1>);
type Kept<U, K> = (U, std::collections::BTreeMap<PartyIndex, K>);

/// Measures the set-up of a pair, as the crate's key generation does it for each pair of each key.
///
/// # Errors
/// If the crate fails.
pub(crate) fn set_up(effort: Effort, report: &mut EngineReport) -> Result<[State; 2]> {
    let mut last = None;
    let measured = measure_runs(effort, || {
        let (run, states) = set_up_pair()?;
        last = Some(states);
        Ok(run)
    })?;
    let subject = subject(ENGINE, "set-up of a pair".to_owned(), 2);
    report.add(&subject, &measured);
    last.context("no pair was set up")
}

/// Signatures of a committee, to be measured.
///
/// - `states`: one for all pairs. Cost and signatures are the same as with one for each pair, which
///   would take most of a minute to make.
///
/// # Errors
/// If the crate does not take the shares.
pub(crate) fn contestant<'a>(
    committee: &'a Committee,
    states: &[State; 2],
) -> Result<(Subject, Contestant<'a>)> {
    let signers = Signers::new(committee, states)?;
    let what = format!("sign {}", committee.name());
    let mut number = 0;
    let run = move || {
        number += 1;
        let (run, signature) = signers.sign(number)?;
        must_be_valid(&committee.public_key, &digest(number), &signature)?;
        Ok(run)
    };
    let subject = subject(ENGINE, what, committee.min_signers);
    Ok((subject, Box::new(run)))
}

/// Both directions.
fn set_up_pair() -> Result<(Run, [State; 2])> {
    let mut parts = Parts::default();
    let (first, second) = parts.time("both directions", || {
        (one_way(b"first receives"), one_way(b"second receives"))
    });
    let ((sender_second, receiver_first), (sender_first, receiver_second)) = (first?, second?);
    let states = [
        (sender_first, receiver_first),
        (sender_second, receiver_second),
    ];
    let bytes_sent = None;
    Ok((Run { parts, bytes_sent }, states))
}

fn one_way(id: &[u8]) -> Result<State> {
    let (ot_sender, key_proof, nonce) = MulReceiver::init_phase1(id);
    let (ot_receiver, correlation, vec_r, proofs) = MulSender::init_phase1(id);
    let seed = ot_receiver.seed;
    let receiver = MulReceiver::init_phase2(&ot_sender, id, &seed, &proofs, &nonce);
    let sender = MulSender::init_phase2(&ot_receiver, id, correlation, &vec_r, &key_proof, &nonce);
    let failed = |_| anyhow!("the set-up of the crate failed");
    Ok((sender.map_err(failed)?, receiver.map_err(failed)?))
}

/// The first `t` parties of a key.
struct Signers(Vec<Party<Secp256k1>>);

impl Signers {
    fn new(committee: &Committee, states: &[State; 2]) -> Result<Self> {
        let indices: Vec<PartyIndex> = committee
            .inputs
            .values()
            .map(index_of)
            .collect::<Result<_>>()?;
        let parties = committee.inputs.values();
        let parties = parties.map(|input| party(input, &indices, states));
        Ok(Self(parties.collect::<Result<_>>()?))
    }

    /// One signature `r ‖ s`: the crate's four phases, each by all signers.
    fn sign(&self, number: u64) -> Result<(Run, [u8; 64])> {
        let Self(parties) = self;
        let all: Vec<SignData> = parties.iter().map(|me| self.data(me, number)).collect();
        let each = || parties.iter().zip(&all);
        let mut parts = Parts::default();
        let mut bytes = 0;

        let (mut kept, mut sent): (Vec<Kept<_, _>>, Vec<TransmitPhase1to2>) = Default::default();
        for (party, data) in each() {
            let (unique, keep, messages) = parts
                .time("phase 1", || party.sign_phase1(data))
                .map_err(refused)?;
            kept.push((unique, keep));
            sent.extend(messages);
        }
        bytes += encoded(&sent)?;

        let mut kept_later: Vec<Kept<_, _>> = Vec::new();
        let mut sent_later: Vec<TransmitPhase2to3<Secp256k1>> = Vec::new();
        for ((party, data), (unique, keep)) in each().zip(kept) {
            let mine = |m: &&TransmitPhase1to2| m.parties.receiver == party.party_index;
            let received: Vec<_> = sent.iter().filter(mine).cloned().collect();
            let act = || party.sign_phase2(data, unique, keep, &received);
            let (unique, keep, messages) = parts.time("phase 2", act).map_err(refused)?;
            kept_later.push((unique, keep));
            sent_later.extend(messages);
        }
        bytes += encoded(&sent_later)?;

        let mut shares: Vec<Broadcast3to4<Secp256k1>> = Vec::new();
        let mut x = String::new();
        for ((party, data), (unique, keep)) in each().zip(kept_later) {
            let mine = |m: &&TransmitPhase2to3<Secp256k1>| m.parties.receiver == party.party_index;
            let received: Vec<_> = sent_later.iter().filter(mine).cloned().collect();
            let act = || party.sign_phase3(data, unique, keep, &received);
            let (coordinate, share) = parts.time("phase 3", act).map_err(refused)?;
            x = coordinate;
            shares.push(share);
        }
        bytes += encoded(&shares)? * (parties.len() - 1);

        let mut s = String::new();
        for (party, data) in each() {
            let act = || party.sign_phase4(data, &x, &shares, true);
            (s, _) = parts.time("phase 4", act).map_err(refused)?;
        }
        let mut signature = [0; 64];
        hex::decode_to_slice(x + &s, &mut signature)?;
        let bytes_sent = Some(bytes);
        Ok((Run { parts, bytes_sent }, signature))
    }

    fn data(&self, me: &Party<Secp256k1>, number: u64) -> SignData {
        let others = self.0.iter().map(|party| party.party_index);
        SignData {
            sign_id: number.to_be_bytes().to_vec(),
            counterparties: others.filter(|other| *other != me.party_index).collect(),
            message_hash: digest(number),
        }
    }
}

fn refused(abort: Abort) -> anyhow::Error {
    anyhow!("the crate stopped: {}", abort.reason)
}

/// Bytes of messages in the encoding that the crate itself uses.
fn encoded<T: serde::Serialize>(messages: &[T]) -> Result<usize> {
    let sizes = messages.iter().map(|message| {
        let bytes = postcard::to_stdvec(message)?;
        anyhow::Ok(bytes.len())
    });
    sizes.sum()
}

fn index_of(input: &ShareInput) -> Result<PartyIndex> {
    PartyIndex::new(input.index.get()).map_err(|_| anyhow!("not an index of the crate"))
}

fn party(
    input: &ShareInput,
    signers: &[PartyIndex],
    [first, second]: &[State; 2],
) -> Result<Party<Secp256k1>> {
    let scalar: Option<Scalar> = Scalar::from_repr((*input.share).into()).into();
    let key: Option<AffinePoint> = AffinePoint::from_bytes(&input.public_key.into()).into();
    let poly_point = scalar.context("not a scalar")?;
    let pk = key.context("not a point")?;
    let me = index_of(input)?;
    let others = || signers.iter().copied().filter(|other| *other != me);
    // Of a pair, the lower index is the first.
    let state = |other| if me < other { first } else { second };
    let zeros = others().map(|other| {
        let (mine, theirs) = ([me.as_u8(); 32], [other.as_u8(); 32]);
        ZeroShare::generate_seed_pair(me, other, &mine, &theirs)
    });
    Ok(Party {
        parameters: Parameters {
            threshold: input.threshold.min_signers(),
            share_count: input.threshold.max_signers(),
        },
        party_index: me,
        session_id: b"quorate bench".to_vec(),
        poly_point,
        pk,
        zero_share: ZeroShare::initialize(zeros.collect()),
        mul_senders: others()
            .map(|other| (other, state(other).0.clone()))
            .collect(),
        mul_receivers: others()
            .map(|other| (other, state(other).1.clone()))
            .collect(),
        derivation_data: DerivData {
            depth: 0,
            child_number: 0,
            parent_fingerprint: [0; 4],
            poly_point,
            pk,
            chain_code: input.chain_code,
        },
        address: String::new(),
    })
}
