//! B1, threshold raising: a polynomial of another degree than t − 1.

use quorate_crypto::{Ed25519, FeldmanCommitment, Group, Polynomial};
use quorate_dkg::{Opening, SecretOpening, reason};

use crate::attack::{attack, plan};

type Part = fn(&mut Opening) -> &mut SecretOpening;

const PARTS: [Part; 2] = [|opening| &mut opening.x, |opening| &mut opening.k];

/// Vectors of length t + 1, t + 5, t − 1 and 0, for x and for k; all else is as it should be.
fn b1_commitments_of_another_length__must_be_blamed<G: Group>() {
    for part in PARTS {
        for length in [3u8, 7, 1, 0] {
            let aftermath = attack::<G>(plan(1), |dealer, rng| {
                let longer = FeldmanCommitment::to(&Polynomial::<G>::random(8, rng)).encode();
                dealer.open(|opening| {
                    let commitments = &mut part(opening).commitments;
                    commitments.extend_from_slice(&longer);
                    commitments.truncate(length.into());
                });
            });
            aftermath.must_blame_evil_everywhere::<G>(&reason::WRONG_DEGREE);
        }
    }
}

/// A real polynomial of degree t, with proof and shares that fit it.
fn b1_consistent_polynomial_of_higher_degree__must_be_blamed<G: Group>() {
    let aftermath = attack::<G>(plan(2), |dealer, rng| {
        dealer.x = Polynomial::random(3, rng);
        let name = quorate_crypto::SecretName::SigningKey;
        let opening =
            crate::attack::secret_opening(&dealer.context, dealer.me, name, &dealer.x, rng);
        dealer.open(|all| all.x = opening.clone());
        for (to, share) in &mut dealer.shares {
            share[..32].copy_from_slice(dealer.x.evaluate(*to).to_bytes().as_slice());
        }
    });
    aftermath.must_blame_evil_everywhere::<G>(&reason::WRONG_DEGREE);
}

/// t commitments, but the leading one is the identity: a polynomial of degree t − 2.
fn b1_identity_as_leading_coefficient__must_be_blamed<G: Group>() {
    for part in PARTS {
        let aftermath = attack::<G>(plan(3), |dealer, _| {
            dealer.open(|opening| {
                *part(opening).commitments.last_mut().unwrap() = G::point_to_bytes(&G::identity());
            });
        });
        aftermath.must_blame_evil_everywhere::<G>(&reason::WRONG_DEGREE);
    }
}

crate::on_both_curves!(
    b1_commitments_of_another_length__must_be_blamed,
    b1_consistent_polynomial_of_higher_degree__must_be_blamed,
    b1_identity_as_leading_coefficient__must_be_blamed,
);

#[test]
fn b1_more_commitments_than_any_threshold__must_be_blamed_as_malformed() {
    let aftermath = attack::<Ed25519>(plan(4), |dealer, _| {
        let point = dealer.committed.x.commitments[0].clone();
        dealer.open(|opening| opening.x.commitments = vec![point.clone(); 41]);
    });
    aftermath.must_blame_evil_everywhere::<Ed25519>(&quorate_protocol::Reason::Malformed);
}
