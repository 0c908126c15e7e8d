//! Committees with shares dealt by the test (never outside tests) and pair states made by `PairSetup`.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use ed25519_dalek::SigningKey;
use k256::elliptic_curve::PrimeField;
use k256::elliptic_curve::group::GroupEncoding;
use k256::elliptic_curve::ops::Reduce;
use k256::{FieldBytes, ProjectivePoint, Scalar};
use quorate_dkls23::{CheckedShare, PairSetup, PairState, Pairs, ShareInput};
use quorate_protocol::{Member, Roster};
use quorate_types::{Digest32, NodeId, PartyIndex, SessionId, Threshold};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use zeroize::Zeroizing;

use crate::pump;

pub(crate) struct Committee {
    pub(crate) threshold: Threshold,
    pub(crate) public_key: [u8; 33],
    pub(crate) shares: BTreeMap<PartyIndex, CheckedShare>,
    pub(crate) pairs: BTreeMap<PartyIndex, Pairs>,
}

pub(crate) static TWO_OF_THREE: LazyLock<Committee> = LazyLock::new(|| Committee::new(2, 3));
pub(crate) static THREE_OF_THREE: LazyLock<Committee> = LazyLock::new(|| Committee::new(3, 3));
pub(crate) static THREE_OF_FIVE: LazyLock<Committee> = LazyLock::new(|| Committee::new(3, 5));

impl Committee {
    pub(crate) fn new(t: u64, n: u64) -> Self {
        let inputs = deal(t, n, 7);
        let checked =
            |(i, input): (&PartyIndex, &ShareInput)| (*i, CheckedShare::new(input).unwrap());
        let mut pairs: BTreeMap<PartyIndex, Pairs> = BTreeMap::new();
        for high in inputs.keys() {
            for low in inputs.keys().take_while(|low| *low < high) {
                let [first, second] = set_up_pair([narrow(t), narrow(n), low.get(), high.get()]);
                pairs.entry(*low).or_default().insert(*high, first);
                pairs.entry(*high).or_default().insert(*low, second);
            }
        }
        Self {
            threshold: Threshold::new(t, n).unwrap(),
            public_key: inputs.values().next().unwrap().public_key,
            shares: inputs.iter().map(checked).collect(),
            pairs,
        }
    }

    pub(crate) fn min_signers(&self) -> u64 {
        self.threshold.min_signers().into()
    }
}

fn narrow(number: u64) -> u8 {
    u8::try_from(number).unwrap()
}

/// The states of the first and the second of a pair; `name` makes its session another.
pub(crate) fn set_up_pair(name: [u8; 4]) -> [Arc<PairState>; 2] {
    let mut session = [1; 16];
    session[..4].copy_from_slice(&name);
    let (seed, members) = (u64::from(u32::from_be_bytes(name)), [index(1), index(2)]);
    let none = BTreeMap::new();
    let start = |roster: &Roster, context, rng: &mut ChaCha20Rng| {
        PairSetup::start(roster, context, rng).unwrap()
    };
    let outcomes = pump::run_from(seed, &members, 2, session, &none, start);
    let mut states = outcomes.into_values().map(|state| Arc::new(state.unwrap()));
    std::array::from_fn(|_| states.next().unwrap())
}

pub(crate) fn index(number: u8) -> PartyIndex {
    PartyIndex::new(number).unwrap()
}

/// Shamir shares of a random key, of a dealer that knows everything.
pub(crate) fn deal(t: u64, n: u64, seed: u64) -> BTreeMap<PartyIndex, ShareInput> {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let mut random = || {
        let mut bytes = [0; 32];
        rng.fill_bytes(&mut bytes);
        <Scalar as Reduce<FieldBytes>>::reduce(&bytes.into())
    };
    let polynomial: Vec<Scalar> = (0..t).map(|_| random()).collect();
    let at = |x: u64| {
        let value = |sum, c: &Scalar| sum * Scalar::from(x) + c;
        polynomial.iter().rev().fold(Scalar::ZERO, value)
    };
    let point = |scalar: Scalar| -> [u8; 33] {
        (ProjectivePoint::GENERATOR * scalar)
            .to_affine()
            .to_bytes()
            .into()
    };
    let indices = || (1..=n).map(|i| (index(u8::try_from(i).unwrap()), i));
    let verifying_shares: BTreeMap<_, _> = indices().map(|(i, x)| (i, point(at(x)))).collect();
    let share = |(i, x): (PartyIndex, u64)| {
        let input = ShareInput {
            index: i,
            threshold: Threshold::new(t, n).unwrap(),
            share: Zeroizing::new(at(x).to_repr().into()),
            public_key: point(at(0)),
            verifying_shares: verifying_shares.clone(),
            chain_code: [9; 32],
        };
        (i, input)
    };
    indices().map(share).collect()
}

pub(crate) fn identity(party: PartyIndex) -> SigningKey {
    SigningKey::from_bytes(&[party.get(); 32])
}

pub(crate) fn roster(me: PartyIndex, members: &[PartyIndex], t: u64, session: [u8; 16]) -> Roster {
    let member = |party: &PartyIndex| {
        let node = NodeId::new(&format!("p{party}")).unwrap();
        let identity = identity(*party).verifying_key().to_bytes();
        (*party, Member { node, identity })
    };
    let members = members.iter().map(member).collect();
    let t = u8::try_from(t).unwrap();
    Roster::new(SessionId::from_array(session), me, t, members).unwrap()
}

pub(crate) fn digest(text: &str) -> [u8; 32] {
    *Digest32::of(b"test message", &[text.as_bytes()]).as_bytes()
}
