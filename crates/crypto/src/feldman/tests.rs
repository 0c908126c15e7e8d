use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

use super::*;
use crate::group::{Ed25519, Secp256k1};

fn party(index: u8) -> PartyIndex {
    PartyIndex::new(index).unwrap()
}

fn deal<G: Group>(min_signers: u8, seed: u64) -> (Polynomial<G>, FeldmanCommitment<G>) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let polynomial = Polynomial::random(min_signers, &mut rng);
    let commitment = FeldmanCommitment::to(&polynomial);
    (polynomial, commitment)
}

fn check_shares<G: Group>() {
    for t in 2..=20 {
        let (polynomial, commitment) = deal::<G>(t, t.into());
        let points = commitment.encode();
        assert_eq!(points.len(), usize::from(t));
        assert!(FeldmanCommitment::<G>::decode(&points, t) == Ok(commitment.clone()));
        for index in (1..=20).map(party) {
            let share = polynomial.evaluate(index);
            assert!(commitment.verifies(index, &share));
            let wrong = SecretScalar::new(*share.expose() + G::scalar_from_u8(1));
            assert!(!commitment.verifies(index, &wrong));
        }
        let moved = polynomial.evaluate(party(1));
        assert!(!commitment.verifies(party(2), &moved));
    }
}

fn check_degree<G: Group>() {
    let (_, commitment) = deal::<G>(3, 1);
    let points = commitment.encode();
    let refusal = |points: &[Vec<u8>]| FeldmanCommitment::<G>::decode(points, 3).err();
    assert_eq!(refusal(&points[..2]), Some(CommitmentFault::WrongDegree));
    assert_eq!(refusal(&[]), Some(CommitmentFault::WrongDegree));
    let longer = [points.as_slice(), &points[..1]].concat();
    assert_eq!(refusal(&longer), Some(CommitmentFault::WrongDegree));
    let identity = G::point_to_bytes(&G::identity());
    for (position, fault) in [
        (0, CommitmentFault::InvalidPoint),
        (1, CommitmentFault::InvalidPoint),
        (2, CommitmentFault::WrongDegree),
    ] {
        let mut points = points.clone();
        points[position].clone_from(&identity);
        assert_eq!(refusal(&points), Some(fault), "identity at {position}");
    }
}

fn check_sum<G: Group>() {
    let (f, of_f) = deal::<G>(3, 1);
    let (g, of_g) = deal::<G>(3, 2);
    let sum = FeldmanCommitment::sum([&of_f, &of_g]).unwrap();
    let share = f.evaluate(party(4)).plus(&g.evaluate(party(4)));
    assert!(sum.verifies(party(4), &share));
    assert!(!sum.is_degenerate());
    let (_, longer) = deal::<G>(4, 2);
    assert!(FeldmanCommitment::sum([&of_f, &longer]).is_none());
    assert!(FeldmanCommitment::<G>::sum([]).is_none());
    let negated = FeldmanCommitment {
        points: of_f.points.iter().map(|p| G::identity() - *p).collect(),
    };
    let nothing = FeldmanCommitment::sum([&of_f, &negated]).unwrap();
    assert!(nothing.is_degenerate());
}

#[test]
fn b6_commitment__must_verify_exactly_the_share_of_an_index() {
    check_shares::<Secp256k1>();
    check_shares::<Ed25519>();
}

#[test]
fn b1_commitment__must_have_exactly_t_points() {
    check_degree::<Secp256k1>();
    check_degree::<Ed25519>();
}

#[test]
fn sum__should_commit_to_the_sum_of_the_polynomials() {
    check_sum::<Secp256k1>();
    check_sum::<Ed25519>();
}
