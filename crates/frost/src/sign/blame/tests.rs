use std::sync::Arc;

use quorate_crypto::{
    FeldmanCommitment, Group as Curves, KeyShare, Polynomial, PublicKeyPackage, PublicSharing,
};
use quorate_protocol::{Member, Roster};
use quorate_types::{Digest32, NodeId, SessionId, Threshold};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use super::*;
use crate::scheme::{Bip340, Ed25519};
use crate::share::{CheckedShare, Keys, SigningKey};
use crate::sign::nonces::{Commitments, Nonces};

const ME: u8 = 1;
const OTHER: u8 = 2;

fn index(number: u8) -> PartyIndex {
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

fn attempt<S: Scheme>(key: Arc<SigningKey<S>>) -> Attempt<S> {
    let member = |party| {
        let node = NodeId::new(&format!("p{party}")).unwrap();
        let identity = [party; 32];
        (index(party), Member { node, identity })
    };
    let members = [ME, OTHER].map(member).into_iter().collect();
    let session = SessionId::from_array([1; 16]);
    let roster = Roster::new(session, index(ME), 2, members).unwrap();
    Attempt::new(&roster, Digest32::from_array([2; 32]), key, &[7; 32])
}

/// Whom a wrong share of the other signer is blamed on where our group commitment is the right one,
/// and where it is another.
fn blamed<S: Scheme>(key: Arc<SigningKey<S>>, rng: &mut ChaCha20Rng) -> [Abort; 2] {
    let attempt = attempt(Arc::clone(&key));
    let drawn = [ME, OTHER].map(|_| Nonces::draw(&key, rng).unwrap());
    let [(nonces, ours), (_, theirs)] = drawn;
    let commitments: BTreeMap<PartyIndex, Commitments<S>> =
        [(index(ME), ours), (index(OTHER), theirs)].into();
    let list = List::new(&attempt, |party| commitments.get(&party)).unwrap();
    let factors = list.binding_factors(&attempt);
    let right = nonces.spend(&factors[0]).point().unwrap();
    let (another, _) = Nonces::draw(&key, rng).unwrap();
    let wrong = another.spend(&factors[0]).point().unwrap();
    [right, wrong].map(|own| {
        let challenged = Challenged::new(&attempt, &list, &factors, own).unwrap();
        let shares = [(index(OTHER), [0; 32])].into();
        blame(&attempt, &list, &challenged, &shares)
    })
}

#[test]
fn c14_blame__must_name_nobody_where_our_group_commitment_is_not_the_engines() {
    let mut rng = ChaCha20Rng::from_seed([5; 32]);
    let rng = &mut rng;
    let (ed25519, bip340) = (
        dealt::<quorate_crypto::Ed25519>(rng).keys,
        dealt::<quorate_crypto::Secp256k1>(rng).keys,
    );
    let (Keys::Ed25519(ed25519), Keys::Bip340 { plain, .. }) = (ed25519, bip340) else {
        panic!("keys of other schemes")
    };
    let found = [
        blamed::<Ed25519>(ed25519, rng),
        blamed::<Bip340>(plain, rng),
    ];
    for [right, wrong] in found {
        assert_eq!(right.reason, SIGNATURE_SHARE);
        assert_eq!(right.culprits, [index(OTHER)]);
        assert!(
            matches!(wrong.reason, Reason::LocalState { .. }),
            "{wrong:?}"
        );
        assert!(wrong.culprits.is_empty(), "{wrong:?}");
    }
}
