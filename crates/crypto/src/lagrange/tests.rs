//! The only place beside the tests of protocols where shares become the secret again.

use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

use super::*;
use crate::group::{Ed25519, Secp256k1};
use crate::polynomial::Polynomial;

fn set(indices: &[u8]) -> SignerSet {
    let indices = indices.iter().map(|i| PartyIndex::new(*i).unwrap());
    SignerSet::new(indices.collect()).unwrap()
}

fn weighted_sum<G: Group>(polynomial: &Polynomial<G>, signers: &SignerSet) -> G::Scalar {
    signers.iter().fold(G::scalar_from_u8(0), |sum, index| {
        let weight = lagrange_at_zero::<G>(signers, index).unwrap();
        sum + weight * *polynomial.evaluate(index).expose()
    })
}

fn check<G: Group>() {
    let polynomial = Polynomial::<G>::random(3, &mut ChaCha8Rng::seed_from_u64(1));
    let secret = *polynomial.contribution().expose();
    for signers in [set(&[1, 2, 3]), set(&[2, 9, 20]), set(&[1, 2, 3, 4, 5])] {
        assert!(weighted_sum(&polynomial, &signers) == secret);
    }
    assert!(weighted_sum(&polynomial, &set(&[1, 2])) != secret);
    let two = PartyIndex::new(2).unwrap();
    assert!(lagrange_at_zero::<G>(&set(&[1, 3]), two).is_none());
}

#[test]
fn lagrange__should_weight_shares_of_any_t_signers() {
    check::<Secp256k1>();
    check::<Ed25519>();
}
