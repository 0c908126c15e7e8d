//! What several steps share in their tests; what each hash covers; a group commitment that is none.

use std::collections::BTreeMap;

use frost_core::{Field, Scalar};
use quorate_crypto::{
    FeldmanCommitment, Group as Curves, KeyShare, Polynomial, PublicKeyPackage, PublicSharing,
};
use quorate_protocol::Member;
use quorate_types::{NodeId, SessionId, Threshold};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use zeroize::Zeroizing;

use super::challenge::{Challenged, List};
use super::given::{GROUP_COMMITMENT, Given};
use super::nonces::{Commitments, Nonces};
use super::*;
use crate::share::SigningKey;

pub(super) const ME: u8 = 1;
pub(super) const OTHER: u8 = 2;

pub(super) fn index(number: u8) -> PartyIndex {
    PartyIndex::new(number).unwrap()
}

/// Our share of a key that a dealer made: 2 of 2.
fn dealt<G: Curves>(rng: &mut ChaCha20Rng) -> CheckedShare {
    let mut sharing = || {
        let secret = Polynomial::<G>::random(2, rng);
        let public = FeldmanCommitment::to(&secret);
        let point = |n| G::point_to_bytes(&public.evaluate(index(n)));
        let sharing = PublicSharing {
            public_key: G::point_to_bytes(public.constant_term()),
            verifying_shares: vec![point(ME), point(OTHER)],
        };
        (secret.evaluate(index(ME)), sharing)
    };
    let ((own, x), (second, k)) = (sharing(), sharing());
    let package = PublicKeyPackage {
        curve: G::CURVE,
        threshold: Threshold::new(2, 2).unwrap(),
        x,
        k,
        chain_code: [3; 32],
    };
    let share = KeyShare::new(index(ME), &own, &second, package).unwrap();
    CheckedShare::new(&share).unwrap()
}

/// One key of each scheme.
pub(super) fn keys(rng: &mut ChaCha20Rng) -> (Arc<SigningKey<Ed25519>>, Arc<SigningKey<Bip340>>) {
    let ed25519 = dealt::<quorate_crypto::Ed25519>(rng).keys;
    let bip340 = dealt::<quorate_crypto::Secp256k1>(rng).keys;
    match (ed25519, bip340) {
        (Keys::Ed25519(ed25519), Keys::Bip340 { plain, .. }) => (ed25519, plain),
        _ => panic!("keys of other schemes"),
    }
}

fn attempt_in<S: Scheme>(
    context: Digest32,
    key: Arc<SigningKey<S>>,
    signers: &[u8],
    message: &[u8],
) -> Attempt<S> {
    let member = |party: &u8| {
        let node = NodeId::new(&format!("p{party}")).unwrap();
        let identity = [*party; 32];
        (index(*party), Member { node, identity })
    };
    let members = signers.iter().map(member).collect();
    let session = SessionId::from_array([1; 16]);
    let roster = Roster::new(session, index(ME), 2, members).unwrap();
    Attempt::new(&roster, context, key, message)
}

pub(super) fn attempt<S: Scheme>(
    key: Arc<SigningKey<S>>,
    signers: &[u8],
    message: &[u8],
) -> Attempt<S> {
    attempt_in(Digest32::from_array([2; 32]), key, signers, message)
}

/// Everything that an attempt hashes.
#[derive(Clone)]
struct Fields {
    context: [u8; 32],
    output_key: Vec<u8>,
    signers: Vec<u8>,
    message: Vec<u8>,
    /// Both commitments of each signer, encoded.
    commitments: Vec<Vec<u8>>,
}

/// Binding, hash of the list, binding factors, challenge.
type Hashes = [Option<Vec<u8>>; 4];

fn hashes<S: Scheme>(key: &SigningKey<S>, fields: &Fields) -> Hashes {
    let key = SigningKey {
        own: key.own.clone(),
        shares: key.shares.clone(),
        output_key: fields.output_key.clone(),
    };
    let context = Digest32::from_array(fields.context);
    let attempt = attempt_in(context, key.into(), &fields.signers, &fields.message);
    let field = <<S::Group as frost_core::Group>::Field as Field>::serialize;
    let point = |n: u8| S::mul_base(&S::H1(&[n])).unwrap();
    let commitments: BTreeMap<PartyIndex, Commitments<S>> = fields
        .signers
        .iter()
        .zip(&fields.commitments)
        .map(|(party, encoded)| {
            let commitments = Commitments {
                encoded: encoded.clone(),
                hiding: point(1),
                binding: point(2),
            };
            (index(*party), commitments)
        })
        .collect();
    let list = List::new(&attempt, |party| commitments.get(&party)).unwrap();
    let factors = list.binding_factors(&attempt);
    let challenged = Challenged::new(&attempt, &list, &factors, point(3));
    let encoded = factors
        .iter()
        .flat_map(|factor| field(factor).as_ref().to_vec());
    [
        Some(attempt.binding.as_bytes().to_vec()),
        Some(list.digest(&attempt.binding).as_bytes().to_vec()),
        Some(encoded.collect()),
        challenged.map(|challenged| field(&challenged.challenge).as_ref().to_vec()),
    ]
}

type Change = fn(&mut Fields);

/// What it does, the change, and which hashes are of what is changed.
const CHANGES: [(&str, Change, [bool; 4]); 14] = {
    let all = [true; 4];
    let of_list = [false, true, true, true];
    [
        // The context binds an attempt, not a signature.
        (
            "context",
            |f| f.context[31] ^= 1,
            [true, true, false, false],
        ),
        ("output key", |f| f.output_key[9] ^= 1, all),
        ("message", |f| f.message[0] ^= 1, all),
        ("longer message", |f| f.message.push(0), all),
        ("empty message", |f| f.message.clear(), all),
        ("another signer", |f| f.signers[1] = 4, all),
        ("hiding commitment", |f| f.commitments[1][0] ^= 1, of_list),
        (
            "binding commitment",
            |f| *f.commitments[1].last_mut().unwrap() ^= 1,
            of_list,
        ),
        (
            "commitments of two signers",
            |f| f.commitments.swap(1, 2),
            of_list,
        ),
        // Bytes that move over a boundary; all else stays as it is.
        (
            "output key to message",
            |f| {
                let byte = f.output_key.pop().unwrap();
                f.message.insert(0, byte);
            },
            all,
        ),
        (
            "message to output key",
            |f| {
                let byte = f.message.remove(0);
                f.output_key.push(byte);
            },
            all,
        ),
        (
            "signers to message",
            |f| {
                let byte = f.signers.pop().unwrap();
                f.message.insert(0, byte);
            },
            all,
        ),
        (
            "one signer's commitments to the next",
            |f| {
                let byte = f.commitments[1].pop().unwrap();
                f.commitments[2].insert(0, byte);
            },
            of_list,
        ),
        (
            "message to commitments",
            |f| {
                let byte = f.message.pop().unwrap();
                f.commitments[0].insert(0, byte);
            },
            all,
        ),
    ]
};

fn check_hashes<S: Scheme>(key: &SigningKey<S>) {
    let length = crate::scheme::point_length::<S>();
    let fields = Fields {
        context: [1; 32],
        output_key: key.output_key.clone(),
        signers: vec![ME, OTHER, 3],
        message: b"a message".to_vec(),
        commitments: (1..=3).map(|byte| vec![byte; 2 * length]).collect(),
    };
    let before = hashes(key, &fields);
    assert!(before.iter().all(Option::is_some));
    for (name, change, expected) in CHANGES {
        let mut changed = fields.clone();
        change(&mut changed);
        let after = hashes(key, &changed);
        let found: Vec<bool> = before.iter().zip(&after).map(|(a, b)| a != b).collect();
        assert_eq!(found, expected, "{}: {name}", S::ALGORITHM);
    }
    // Any split of the same bytes.
    let mut rng = ChaCha20Rng::seed_from_u64(5);
    let mut seen = std::collections::BTreeSet::new();
    let mut bytes = [0; 100];
    rng.fill_bytes(&mut bytes);
    for at in 0..=bytes.len() {
        let (output_key, message) = bytes.split_at(at);
        let split = Fields {
            output_key: output_key.to_vec(),
            message: message.to_vec(),
            ..fields.clone()
        };
        for (kind, hash) in hashes(key, &split).into_iter().enumerate() {
            // A key that is shorter than a point has no challenge.
            assert!(hash.is_none() || seen.insert((kind, hash)), "{kind}, {at}");
        }
    }
}

#[test]
fn a5_hashes__must_change_with_every_field_and_every_boundary() {
    let (ed25519, bip340) = keys(&mut ChaCha20Rng::from_seed([5; 32]));
    check_hashes(&ed25519);
    check_hashes(&bip340);
}

#[test]
fn a5_binding__must_cover_the_scheme() {
    let (ed25519, bip340) = keys(&mut ChaCha20Rng::from_seed([5; 32]));
    let same = SigningKey {
        own: bip340.own.clone(),
        shares: bip340.shares.clone(),
        output_key: ed25519.output_key.clone(),
    };
    let signers = [ME, OTHER];
    let of_ed25519 = attempt(Arc::clone(&ed25519), &signers, b"").binding;
    let of_bip340 = attempt(Arc::new(same), &signers, b"").binding;
    assert_ne!(of_ed25519, of_bip340);
}

/// A list in which the others' commitments cancel out what we are to add. Nobody can make one, as
/// the binding factors depend on every commitment: here the points are not those that are hashed.
fn cancelled<S: Scheme>(key: &Arc<SigningKey<S>>, signers: &[u8]) -> Abort {
    type Numbers<S> = <<S as frost_core::Ciphersuite>::Group as frost_core::Group>::Field;
    let attempt = attempt(Arc::clone(key), signers, &[7; 32]);
    // The same nonces twice: one pair is spent to learn what the other will add.
    let draw = || Nonces::draw(key, &mut ChaCha20Rng::from_seed([9; 32])).unwrap();
    let (known, ours) = draw();
    let mut commitments: BTreeMap<PartyIndex, Commitments<S>> = [(index(ME), ours)].into();
    let point = |scalar: &Scalar<S>| S::mul_base(scalar).unwrap();
    for (party, number) in signers.iter().skip(1).zip(10..) {
        let commitment = point(&S::H1(&[number]));
        let theirs = Commitments {
            encoded: vec![*party; 2 * crate::scheme::point_length::<S>()],
            hiding: commitment,
            binding: commitment,
        };
        commitments.insert(index(*party), theirs);
    }
    let list = List::new(&attempt, |party| commitments.get(&party)).unwrap();
    let factors = list.binding_factors(&attempt);
    let zero = Zeroizing::new(Numbers::<S>::zero());
    let mut missing = known.spend(&factors[0]).hide(&zero, true);
    for (number, factor) in (10..).zip(&factors[2..]) {
        // Those after the second stay as they are.
        let theirs = S::H1(&[number + 1]);
        missing = missing - theirs - *factor * theirs;
    }
    let binding = S::H1(b"binding");
    let hiding = missing - factors[1] * binding;
    let second = commitments.get_mut(&index(OTHER)).unwrap();
    (second.hiding, second.binding) = (point(&hiding), point(&binding));
    let list = List::new(&attempt, |party| commitments.get(&party)).unwrap();
    let (nonces, _) = draw();
    Given::new(attempt, list, nonces).err().unwrap()
}

#[test]
fn group_commitment__must_not_be_the_identity_and_name_only_a_single_other() {
    let (ed25519, bip340) = keys(&mut ChaCha20Rng::from_seed([5; 32]));
    for (signers, culprits) in [
        (&[ME, OTHER][..], vec![index(OTHER)]),
        (&[ME, OTHER, 3], vec![]),
    ] {
        for abort in [
            cancelled::<Ed25519>(&ed25519, signers),
            cancelled::<Bip340>(&bip340, signers),
        ] {
            assert_eq!(abort.reason, GROUP_COMMITMENT);
            assert_eq!(abort.culprits, culprits);
        }
    }
}
