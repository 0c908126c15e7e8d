//! What several steps share in their tests; a group commitment that is none.

use std::collections::BTreeMap;

use frost_core::{Field, Scalar};
use quorate_crypto::{
    FeldmanCommitment, Group as Curves, KeyShare, Polynomial, PublicKeyPackage, PublicSharing,
};
use quorate_protocol::Member;
use quorate_types::{NodeId, SessionId, Threshold};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use zeroize::Zeroizing;

use super::challenge::List;
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

pub(super) fn attempt<S: Scheme>(
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
    Attempt::new(&roster, Digest32::from_array([2; 32]), key, message)
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
