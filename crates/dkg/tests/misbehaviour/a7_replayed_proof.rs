//! A7: an honest proof of one session, shown in another, or by another party.

use quorate_crypto::{Group, ProofOfPossession, SecretName, Statement};
use quorate_dkg::reason;
use quorate_types::Digest32;

use crate::attack::{attack, foresee, plan};
use crate::stage::party;

/// The dealer's own polynomial and a proof that was valid in another session.
fn a7_proof_of_another_session__must_be_blamed<G: Group>() {
    let aftermath = attack::<G>(plan(71), |dealer, rng| {
        let other_session = Digest32::of(b"another session", &[dealer.context.as_bytes()]);
        let elsewhere = Statement {
            context: &other_session,
            ..dealer.statement(SecretName::SigningKey)
        };
        let proof = ProofOfPossession::prove(elsewhere, dealer.x.contribution(), rng).encode();
        dealer.open(|opening| opening.x.proof.clone_from(&proof));
    });
    aftermath.must_blame_evil_everywhere::<G>(&reason::BAD_PROOF);
}

/// The dealer's own polynomial and a proof made for another party of the same session.
fn a7_proof_of_another_party__must_be_blamed<G: Group>() {
    let aftermath = attack::<G>(plan(72), |dealer, rng| {
        let for_one = Statement {
            dealer: party(1),
            ..dealer.statement(SecretName::SigningKey)
        };
        let proof = ProofOfPossession::prove(for_one, dealer.x.contribution(), rng).encode();
        dealer.open(|opening| opening.x.proof.clone_from(&proof));
    });
    aftermath.must_blame_evil_everywhere::<G>(&reason::BAD_PROOF);
}

/// Another party's commitment of round 1, and then its opening, as the own: with foresight, since a
/// commitment shows nothing that could be copied.
fn a7_commitment_and_opening_of_another_party__must_be_blamed<G: Group>() {
    let seed = 73;
    let aftermath = attack::<G>(plan(seed), |dealer, _| {
        let copied = foresee::<G>(seed).remove(&party(1)).unwrap();
        dealer.replayed = Some(copied.commitment(&dealer.context, party(1)));
        dealer.open(|opening| opening.clone_from(&copied));
    });
    aftermath.must_blame_evil_everywhere::<G>(&reason::OPENING);
}

crate::on_both_curves!(
    a7_proof_of_another_session__must_be_blamed,
    a7_proof_of_another_party__must_be_blamed,
    a7_commitment_and_opening_of_another_party__must_be_blamed,
);
