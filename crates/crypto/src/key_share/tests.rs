use quorate_types::MAX_PARTIES;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

use super::*;
use crate::feldman::FeldmanCommitment;
use crate::polynomial::Polynomial;
use crate::public_key_package::PublicSharing;

fn party(index: u8) -> PartyIndex {
    PartyIndex::new(index).unwrap()
}

fn sharing<G: Group>(polynomial: &Polynomial<G>, n: u8) -> PublicSharing {
    let commitment = FeldmanCommitment::to(polynomial);
    PublicSharing {
        public_key: G::point_to_bytes(commitment.constant_term()),
        verifying_shares: (1..=n)
            .map(|index| G::point_to_bytes(&commitment.evaluate(party(index))))
            .collect(),
    }
}

/// A share as a dealer would make it: for tests of the format only.
fn share<G: Group>(index: u8, t: u8, n: u8) -> KeyShare {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let [x, k] = [0, 1].map(|_| Polynomial::<G>::random(t, &mut rng));
    let package = PublicKeyPackage {
        curve: G::CURVE,
        threshold: Threshold::new(t.into(), n.into()).unwrap(),
        x: sharing(&x, n),
        k: sharing(&k, n),
        chain_code: [5; 32],
    };
    let (own_x, own_k) = (x.evaluate(party(index)), k.evaluate(party(index)));
    KeyShare::new(party(index), &own_x, &own_k, package).unwrap()
}

/// Re-encodes a share with one thing changed; `new` checks nothing here.
fn changed<G: Group>(change: impl FnOnce(&mut KeyShare)) -> Option<InvalidKeyShare> {
    let mut damaged = share::<G>(2, 2, 3);
    change(&mut damaged);
    let bytes = damaged.to_bytes();
    KeyShare::from_bytes(&bytes).err()
}

fn check_round_trip<G: Group>() {
    for (t, n) in [
        (2, 2),
        (2, 3),
        (3, 3),
        (2, MAX_PARTIES),
        (MAX_PARTIES, MAX_PARTIES),
    ] {
        let original = share::<G>(2, t, n);
        let bytes = original.to_bytes();
        assert!(bytes.len() <= MAX_KEY_SHARE_BYTES);
        let read = KeyShare::from_bytes(&bytes).unwrap();
        assert_eq!(read.to_bytes(), bytes);
        assert_eq!(read.package(), original.package());
        assert_eq!((read.index(), read.min_signers()), (party(2), t));
    }
    assert!(
        share::<G>(1, 2, 3).to_bytes().len() < 512,
        "a few hundred bytes"
    );
}

fn check_damage<G: Group>() {
    use InvalidKeyShare as E;
    let x = SecretName::SigningKey;
    let k = SecretName::DerivationKey;
    let one = SecretScalar::<G>::new(G::scalar_from_u8(1)).to_bytes();
    let base = G::point_to_bytes(&G::mul_base(&G::scalar_from_u8(1)));

    let mismatch = |secret| Some(E::ShareMismatch { secret });
    assert_eq!(changed::<G>(|s| s.x = one.clone()), mismatch(x));
    assert_eq!(changed::<G>(|s| s.k = one.clone()), mismatch(k));
    assert_eq!(
        changed::<G>(|s| std::mem::swap(&mut s.x, &mut s.k)),
        mismatch(x)
    );
    assert_eq!(changed::<G>(|s| s.index = party(3)), mismatch(x));
    let out_of_range = changed::<G>(|s| s.index = party(4));
    assert_eq!(out_of_range, Some(E::IndexOutOfRange { index: party(4) }));
    let not_reduced = changed::<G>(|s| *s.x = [0xff; 32]);
    assert_eq!(not_reduced, Some(E::ScalarOutOfRange { secret: x }));

    // A public share, or the public key, that is valid but not on the polynomial.
    let bent = |secret| Some(E::NotOnePolynomial { secret });
    let point = base.clone();
    let wrong_share = changed::<G>(|s| s.package.x.verifying_shares[2] = point);
    assert_eq!(wrong_share, bent(x));
    let point = base.clone();
    assert_eq!(changed::<G>(|s| s.package.x.public_key = point), bent(x));
    let point = base;
    assert_eq!(changed::<G>(|s| s.package.k.public_key = point), bent(k));
    let lower = Threshold::new(3, 3).unwrap();
    assert_eq!(changed::<G>(|s| s.package.threshold = lower), bent(x), "b1");

    let identity = G::point_to_bytes(&G::identity());
    let invalid = changed::<G>(|s| s.package.k.verifying_shares[0] = identity);
    assert_eq!(invalid, Some(E::InvalidPoint { secret: k }));
}

/// Every single bit flipped: refused, or the chain code, which only the store's seal protects.
fn check_bit_flips<G: Group>() {
    let original = share::<G>(1, 2, 3);
    let bytes = original.to_bytes();
    let chain_code = bytes.len() - 32;
    for position in 0..chain_code {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[position] ^= 1 << bit;
            assert!(KeyShare::from_bytes(&flipped).is_err(), "{position}.{bit}");
        }
    }
    for cut in 0..bytes.len() {
        assert!(KeyShare::from_bytes(&bytes[..cut]).is_err(), "cut at {cut}");
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert!(KeyShare::from_bytes(&longer).is_err());
}

#[test]
fn key_share__should_round_trip_on_both_curves() {
    check_round_trip::<Secp256k1>();
    check_round_trip::<Ed25519>();
}

#[test]
fn b11_key_share__must_refuse_what_does_not_fit_together() {
    check_damage::<Secp256k1>();
    check_damage::<Ed25519>();
}

#[test]
fn b11_key_share__must_refuse_every_flipped_bit() {
    check_bit_flips::<Secp256k1>();
    check_bit_flips::<Ed25519>();
}

#[test]
fn key_share__must_not_hand_out_scalars_of_another_curve() {
    let share = share::<Secp256k1>(1, 2, 2);
    assert!(share.secret::<Ed25519>(SecretName::SigningKey).is_none());
    assert!(share.secret::<Secp256k1>(SecretName::SigningKey).is_some());
}

/// What key generation computes, with one thing changed, must meet the checks of a decoded share.
fn check_points<G: Group>() {
    use InvalidKeyShare as E;
    let (n, t) = (3, 2);
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let [x, k] = [0, 1].map(|_| Polynomial::<G>::random(t, &mut rng));
    let [x_points, k_points] = [&x, &k].map(|f| FeldmanCommitment::to(f).values_to(party(n)));
    let threshold = Threshold::new(t.into(), n.into()).unwrap();
    let (own_x, own_k) = (x.evaluate(party(2)), k.evaluate(party(2)));
    let make = |index: u8, x: &SecretScalar<G>, x_points: &[G::Point]| {
        let parts = [(x, x_points), (&own_k, k_points.as_slice())];
        KeyShare::of_points::<G>(party(index), threshold, parts, [5; 32])
    };
    let made = make(2, &own_x, &x_points).unwrap();
    assert_eq!(made.to_bytes(), share::<G>(2, t, n).to_bytes());

    let fault = |made: Result<KeyShare, E>| made.err().unwrap();
    let secret = SecretName::SigningKey;
    let index = party(4);
    assert_eq!(
        fault(make(4, &own_x, &x_points)),
        E::IndexOutOfRange { index }
    );
    let mismatch = E::ShareMismatch { secret };
    assert_eq!(fault(make(1, &own_x, &x_points)), mismatch);
    assert_eq!(fault(make(2, &own_k, &x_points)), mismatch);
    let few = E::WrongNumberOfShares { secret };
    assert_eq!(fault(make(2, &own_x, &x_points[..3])), few);
    for place in 0..x_points.len() {
        let mut bent = x_points.clone();
        bent[place] = bent[place] + bent[place];
        assert_eq!(
            fault(make(2, &own_x, &bent)),
            E::NotOnePolynomial { secret }
        );
        bent[place] = G::identity();
        assert_eq!(fault(make(2, &own_x, &bent)), E::InvalidPoint { secret });
    }
    let constant = vec![x_points[2]; x_points.len()];
    assert_eq!(
        fault(make(2, &own_x, &constant)),
        E::NotOnePolynomial { secret }
    );
}

#[test]
fn share_of_points__must_meet_every_check_of_a_decoded_one() {
    check_points::<Secp256k1>();
    check_points::<Ed25519>();
}
