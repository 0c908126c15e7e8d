use quorate_crypto::{Ed25519, Polynomial, Secp256k1};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

use super::*;
use crate::message::SecretOpening;

fn party(index: u8) -> PartyIndex {
    PartyIndex::new(index).unwrap()
}

fn opening(tag: u8) -> Opening {
    let part = |label: u8| SecretOpening {
        commitments: vec![vec![tag, label], vec![0]],
        proof: Vec::new(),
    };
    Opening {
        x: part(0),
        k: part(1),
        chain_code: [tag; 32],
        salt: [tag; 32],
    }
}

#[test]
fn repeated_contribution__must_abort_and_blame_only_who_repeats_ours() {
    let copies: [fn(&mut Opening, &Opening); 4] = [
        |copy, of| copy.chain_code = of.chain_code,
        |copy, of| copy.salt = of.salt,
        |copy, of| copy.x.commitments[0].clone_from(&of.x.commitments[0]),
        |copy, of| copy.k.commitments[0].clone_from(&of.k.commitments[0]),
    ];
    for make_copy in copies {
        let (one, two, mut three) = (opening(1), opening(2), opening(3));
        let seen_by = |me: u8, three: &Opening| {
            let openings = [(party(1), &one), (party(2), &two), (party(3), three)];
            refuse_repeated(&BTreeMap::from(openings), party(me))
                .map_err(|abort| (abort.reason, abort.culprits))
        };
        assert_eq!(seen_by(1, &three), Ok(()));
        make_copy(&mut three, &two);
        assert_eq!(seen_by(2, &three), Err((reason::REPEATED, vec![party(3)])));
        assert_eq!(seen_by(3, &three), Err((reason::REPEATED, vec![party(2)])));
        assert_eq!(seen_by(1, &three), Err((reason::REPEATED, vec![])));
    }
}

/// Contributions that cancel: nobody can make them (they prove and commit first), but if a sum ever
/// were the identity, there must be no key.
fn check_degenerate<G: Group>() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut dealer = || {
        let [x, k] = [0, 1].map(|_| FeldmanCommitment::to(&Polynomial::<G>::random(2, &mut rng)));
        Dealer { x, k }
    };
    let (one, two) = (dealer(), dealer());
    assert!(add_up([&one, &two].into_iter()).is_ok());
    let negative = |commitment: &FeldmanCommitment<G>| {
        let points = commitment.encode().into_iter().map(|bytes| {
            let point = G::point_from_bytes(&bytes).unwrap();
            G::point_to_bytes(&(G::identity() - point))
        });
        FeldmanCommitment::<G>::decode(&points.collect::<Vec<_>>(), 2).ok()
    };
    let cancelling = Dealer {
        x: two.x.clone(),
        k: negative(&one.k).unwrap(),
    };
    let abort = add_up([&one, &cancelling].into_iter()).err().unwrap();
    assert_eq!(abort.reason, reason::DEGENERATE);
    assert!(abort.culprits.is_empty());
}

#[test]
fn degenerate_sum__must_abort_and_blame_nobody() {
    check_degenerate::<Secp256k1>();
    check_degenerate::<Ed25519>();
}

#[test]
fn a5_transcript__must_change_with_every_field_and_owner() {
    let context = Digest32::from_array([1; 32]);
    let (one, two) = (opening(1), opening(2));
    let of = |a: &Opening, b: &Opening| {
        transcript(&context, &BTreeMap::from([(party(1), a), (party(2), b)]))
    };
    let original = of(&one, &two);
    assert_ne!(original, of(&two, &one));
    let changes: [fn(&mut Opening); 5] = [
        |o| o.x.commitments[0][0] ^= 1,
        |o| o.x.commitments.swap(0, 1),
        |o| o.k.proof.push(0),
        |o| o.chain_code[0] ^= 1,
        |o| o.salt[0] ^= 1,
    ];
    for change in changes {
        let mut changed = opening(2);
        change(&mut changed);
        assert_ne!(original, of(&one, &changed));
    }
    // A byte that moves from one commitment to the next.
    let mut moved = opening(2);
    let byte = moved.x.commitments[0].pop().unwrap();
    moved.x.commitments[1].insert(0, byte);
    assert_ne!(original, of(&one, &moved));
}
