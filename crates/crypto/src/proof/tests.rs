use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

use super::*;
use crate::group::{Ed25519, Secp256k1};

fn statement(context: &Digest32, dealer: u8, secret: SecretName) -> Statement<'_> {
    let dealer = PartyIndex::new(dealer).unwrap();
    Statement {
        context,
        dealer,
        secret,
    }
}

fn check_binding<G: Group>() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let [here, there] = [[1; 32], [2; 32]].map(Digest32::from_array);
    let x = SecretName::SigningKey;
    let secret = SecretScalar::<G>::random(&mut rng);
    let point = secret.public();
    let proof = ProofOfPossession::prove(statement(&here, 1, x), &secret, &mut rng);
    assert!(proof.verifies(statement(&here, 1, x), &point));
    assert!(!proof.verifies(statement(&there, 1, x), &point), "run");
    assert!(!proof.verifies(statement(&here, 2, x), &point), "dealer");
    let k = SecretName::DerivationKey;
    assert!(!proof.verifies(statement(&here, 1, k), &point), "secret");
    let other = SecretScalar::<G>::random(&mut rng).public();
    assert!(!proof.verifies(statement(&here, 1, x), &other), "point");
}

/// Each field of a proof changed alone: either it does not decode, or it does not verify.
fn check_every_byte<G: Group>() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let context = Digest32::from_array([1; 32]);
    let statement = statement(&context, 1, SecretName::SigningKey);
    let secret = SecretScalar::<G>::random(&mut rng);
    let bytes = ProofOfPossession::prove(statement, &secret, &mut rng).encode();
    assert_eq!(bytes.len(), ProofOfPossession::<G>::LENGTH);
    for position in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[position] ^= 1;
        let verifies = ProofOfPossession::<G>::decode(&changed)
            .is_some_and(|proof| proof.verifies(statement, &secret.public()));
        assert!(!verifies, "byte {position}");
    }
    assert!(ProofOfPossession::<G>::decode(&bytes[1..]).is_none());
    let longer = [bytes.as_slice(), &[0]].concat();
    assert!(ProofOfPossession::<G>::decode(&longer).is_none());
}

#[test]
fn a7_proof__must_be_bound_to_run_dealer_secret_and_point() {
    check_binding::<Secp256k1>();
    check_binding::<Ed25519>();
}

#[test]
fn a13_proof__must_fail_when_any_byte_changes() {
    check_every_byte::<Secp256k1>();
    check_every_byte::<Ed25519>();
}
