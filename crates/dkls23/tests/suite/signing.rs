//! Every signer set signs; every signature is checked by two libraries.

use std::collections::BTreeMap;

use k256::ecdsa::signature::hazmat::PrehashVerifier;
use k256::ecdsa::{RecoveryId, Signature, VerifyingKey};
use quorate_dkls23::Sign;
use quorate_types::PartyIndex;
use quorate_verify::EcdsaSignature;

use crate::committee::{self, Committee, digest, index};
use crate::pump::{self, Lie, Outcomes};

pub(crate) fn sign(
    committee: &Committee,
    signers: &[PartyIndex],
    session: [u8; 16],
    message: [u8; 32],
) -> Outcomes<EcdsaSignature> {
    sign_with(committee, signers, session, message, &BTreeMap::new())
}

pub(crate) fn sign_with(
    committee: &Committee,
    signers: &[PartyIndex],
    session: [u8; 16],
    message: [u8; 32],
    lies: &BTreeMap<PartyIndex, Lie>,
) -> Outcomes<EcdsaSignature> {
    pump::run_with(
        signers,
        committee.min_signers(),
        session,
        lies,
        |roster, context, rng| {
            let (share, pairs) = (
                &committee.shares[&roster.me()],
                &committee.pairs[&roster.me()],
            );
            Sign::start(roster, context, share, pairs, message, rng).unwrap()
        },
    )
}

/// All signers got one signature, and an independent library accepts it and recovers the key.
pub(crate) fn must_be_one_valid_signature(
    committee: &Committee,
    outcomes: Outcomes<EcdsaSignature>,
    message: [u8; 32],
) -> EcdsaSignature {
    let signatures: Vec<EcdsaSignature> = outcomes.into_values().map(|o| o.unwrap()).collect();
    assert!(signatures.windows(2).all(|pair| pair[0] == pair[1]));
    let signature = signatures[0];
    signature.verify(&committee.public_key, &message).unwrap();

    // Another library than the product's (rows C10, C11): k256, which also refuses high s here.
    let key = VerifyingKey::from_sec1_bytes(&committee.public_key).unwrap();
    let parsed = Signature::from_slice(signature.as_bytes()).unwrap();
    assert_eq!(parsed.normalize_s(), parsed);
    key.verify_prehash(&message, &parsed).unwrap();
    let id = RecoveryId::from_byte(signature.recovery_id()).unwrap();
    assert_eq!(
        VerifyingKey::recover_from_prehash(&message, &parsed, id).unwrap(),
        key
    );
    signature
}

fn check_all_signer_sets(committee: &Committee) {
    let (t, n) = (
        u32::from(committee.threshold.min_signers()),
        committee.threshold.max_signers(),
    );
    for set in 0..1u32 << n {
        if set.count_ones() != t {
            continue;
        }
        let signers: Vec<_> = (1..=n)
            .filter(|i| set >> (i - 1) & 1 == 1)
            .map(index)
            .collect();
        let message = digest(&format!("set {set}"));
        let session = [u8::try_from(set).unwrap(); 16];
        let outcomes = sign(committee, &signers, session, message);
        must_be_one_valid_signature(committee, outcomes, message);
    }
}

#[test]
fn sign__should_work_with_any_two_of_three() {
    check_all_signer_sets(&committee::TWO_OF_THREE);
}

#[test]
fn sign__should_work_with_any_three_of_five() {
    check_all_signer_sets(&committee::THREE_OF_FIVE);
}

#[test]
fn sign__should_work_with_three_of_three() {
    check_all_signer_sets(&committee::THREE_OF_THREE);
}
