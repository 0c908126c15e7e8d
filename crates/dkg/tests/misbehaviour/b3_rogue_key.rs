//! B3: the last dealer chooses its contribution from the others', and copies their proofs.

use quorate_crypto::{FeldmanCommitment, Group, Polynomial, ProofOfPossession, SecretName};
use quorate_dkg::reason;

use crate::attack::{attack, foresee, plan, random_scalar};
use crate::stage::party;

/// `target − Σ A_j`: with it, the sum would be a key whose secret the attacker chose.
fn rogue_term<G: Group>(seed: u64, target: G::Point) -> Vec<u8> {
    let others = foresee::<G>(seed).into_values().map(|opening| {
        G::point_from_bytes(&opening.x.commitments[0]).expect("honest points are valid")
    });
    G::point_to_bytes(&others.fold(target, |rest, term| rest - term))
}

/// The attacker even knows the others' openings before it commits, so that the commitment fits;
/// only the proof of possession is left to stop it.
fn b3_rogue_contribution_with_a_forged_proof__must_be_blamed<G: Group>() {
    let seed = 31;
    let aftermath = attack::<G>(plan(seed), |dealer, rng| {
        let target = random_scalar::<G>(rng);
        let rogue = rogue_term::<G>(seed, target.public());
        // The best proof that it can make: of the target, whose secret it knows.
        let statement = dealer.statement(SecretName::SigningKey);
        let forged = ProofOfPossession::prove(statement, &target, rng).encode();
        dealer.open(|opening| {
            opening.x.commitments[0].clone_from(&rogue);
            opening.x.proof.clone_from(&forged);
        });
    });
    aftermath.must_blame_evil_everywhere::<G>(&reason::BAD_PROOF);
}

/// Without foresight: it committed to something else before it saw the others.
fn b3_rogue_contribution_after_the_reveal__must_be_blamed<G: Group>() {
    let seed = 32;
    let aftermath = attack::<G>(plan(seed), |dealer, rng| {
        let target = random_scalar::<G>(rng);
        dealer.shown.x.commitments[0] = rogue_term::<G>(seed, target.public());
    });
    aftermath.must_blame_evil_everywhere::<G>(&reason::OPENING);
}

/// A copy of another dealer's whole part: commitments and proof.
fn b3_copied_commitments_and_proof__must_be_blamed<G: Group>() {
    let seed = 33;
    let aftermath = attack::<G>(plan(seed), |dealer, _| {
        let copied = foresee::<G>(seed).remove(&party(1)).unwrap().x;
        dealer.open(|opening| opening.x = copied.clone());
    });
    aftermath.must_blame_evil_everywhere::<G>(&reason::BAD_PROOF);
}

/// The proof for x in the place of the proof for k, of the same polynomial.
fn b3_proof_of_the_other_secret__must_be_blamed<G: Group>() {
    let aftermath = attack::<G>(plan(34), |dealer, _| {
        let x = dealer.committed.x.clone();
        dealer.open(|opening| opening.k = x.clone());
    });
    aftermath.must_blame_evil_everywhere::<G>(&reason::BAD_PROOF);
}

/// A proof of length 0, and one with a byte changed, for each secret.
fn b3_damaged_proof__must_be_blamed<G: Group>() {
    for damage in [
        |proof: &mut Vec<u8>| proof.clear(),
        |proof: &mut Vec<u8>| {
            proof[40] ^= 1;
        },
    ] {
        let of_x = attack::<G>(plan(35), |dealer, _| {
            dealer.open(|opening| damage(&mut opening.x.proof));
        });
        of_x.must_blame_evil_everywhere::<G>(&reason::BAD_PROOF);
        let of_k = attack::<G>(plan(36), |dealer, _| {
            dealer.open(|opening| damage(&mut opening.k.proof));
        });
        of_k.must_blame_evil_everywhere::<G>(&reason::BAD_PROOF);
    }
}

/// Sanity: the attacker's tools make a run that everybody accepts, if it does nothing wrong.
fn b3_evil_dealer_that_does_no_evil__should_be_accepted<G: Group>() {
    let aftermath = attack::<G>(plan(37), |dealer, rng| {
        dealer.x = Polynomial::random(2, rng);
        assert!(
            dealer.x.contribution().public() == *FeldmanCommitment::to(&dealer.x).constant_term()
        );
        dealer.x = Polynomial::random(2, rng);
        let name = SecretName::SigningKey;
        let opening =
            crate::attack::secret_opening(&dealer.context, dealer.me, name, &dealer.x, rng);
        dealer.open(|all| all.x = opening.clone());
        for (to, share) in &mut dealer.shares {
            share[..32].copy_from_slice(dealer.x.evaluate(*to).to_bytes().as_slice());
        }
    });
    assert_eq!(aftermath.outcome.outputs.len(), 2, "both honest parties");
}

crate::on_both_curves!(
    b3_rogue_contribution_with_a_forged_proof__must_be_blamed,
    b3_rogue_contribution_after_the_reveal__must_be_blamed,
    b3_copied_commitments_and_proof__must_be_blamed,
    b3_proof_of_the_other_secret__must_be_blamed,
    b3_damaged_proof__must_be_blamed,
    b3_evil_dealer_that_does_no_evil__should_be_accepted,
);
