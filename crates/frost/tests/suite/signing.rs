//! Every signer set signs; every signature is checked by libraries that are not ours.

use std::collections::{BTreeMap, BTreeSet};

use quorate_frost::{Payload, Sign, TaprootTweak};
use quorate_protocol::{Abort, Reason};
use quorate_types::{Curve, PartyIndex};
use quorate_verify::{Signature, taproot_output_key};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use secp256k1::XOnlyPublicKey;
use sha2::{Digest, Sha256};

use crate::committee::{self, Both, Committee, THREE_OF_FIVE, TWO_OF_THREE, digest, index, roster};
use crate::pump::{self, Lie, Outcomes};

pub(crate) fn sign(
    committee: &Committee,
    signers: &[PartyIndex],
    session: [u8; 16],
    payload: Payload<'_>,
) -> Outcomes<Signature> {
    sign_with(committee, signers, session, payload, &BTreeMap::new())
}

pub(crate) fn sign_with(
    committee: &Committee,
    signers: &[PartyIndex],
    session: [u8; 16],
    payload: Payload<'_>,
    lies: &BTreeMap<PartyIndex, Lie>,
) -> Outcomes<Signature> {
    let t = committee.min_signers();
    pump::run_with(signers, t, session, lies, |roster, context| {
        let me = roster.me();
        let mut rng = ChaCha20Rng::from_seed(pump::fresh_seed());
        let share = &committee.shares[&me];
        Sign::start(roster, context, share, payload, &mut rng).unwrap()
    })
}

/// All signers got one signature, and an independent library accepts it.
pub(crate) fn must_be_one_valid_signature(
    committee: &Committee,
    outcomes: Outcomes<Signature>,
    text: &str,
    tweak: TaprootTweak,
) -> Signature {
    let signatures: Vec<Signature> = outcomes.into_values().map(|o| o.unwrap()).collect();
    assert_eq!(signatures.len() as u64, committee.min_signers());
    assert!(signatures.windows(2).all(|pair| pair[0] == pair[1]));
    let signature = signatures[0];
    must_verify(committee, &signature, text, tweak);
    signature
}

fn must_verify(committee: &Committee, signature: &Signature, text: &str, tweak: TaprootTweak) {
    if committee.curve == Curve::Ed25519 {
        let key = committee.public_key.as_slice().try_into().unwrap();
        let key = ed25519_dalek::VerifyingKey::from_bytes(key).unwrap();
        let parsed = ed25519_dalek::Signature::from_bytes(signature.as_bytes());
        key.verify_strict(text.as_bytes(), &parsed).unwrap();
        return;
    }
    let key = output_key(&committee.public_key, tweak);
    let parsed = secp256k1::schnorr::Signature::from_byte_array(*signature.as_bytes());
    secp256k1::schnorr::verify(&parsed, &digest(text), &key).unwrap();
}

/// The output key by libsecp256k1.
fn output_key(public_key: &[u8], tweak: TaprootTweak) -> XOnlyPublicKey {
    let key = secp256k1::PublicKey::from_slice(public_key).unwrap();
    let (internal, _) = key.x_only_public_key();
    let tag = Sha256::digest(b"TapTweak");
    let mut hash = Sha256::new();
    hash.update(tag);
    hash.update(tag);
    hash.update(internal.to_byte_array());
    match tweak {
        TaprootTweak::None => return internal,
        TaprootTweak::KeyPath => {}
        TaprootTweak::ScriptTree(root) => hash.update(root),
    }
    let scalar = secp256k1::Scalar::from_be_bytes(hash.finalize().into()).unwrap();
    internal.add_tweak(&scalar).unwrap().0
}

fn check_signer_sets(committees: &Both, at_most: usize) {
    for committee in committees {
        let (t, n) = (
            u32::from(committee.threshold.min_signers()),
            committee.threshold.max_signers(),
        );
        let sets = (0..1u32 << n).filter(|set| set.count_ones() == t);
        // The last sets have the highest indices.
        for set in sets.collect::<Vec<_>>().into_iter().rev().take(at_most) {
            let signers: Vec<_> = (1..=n)
                .filter(|i| set >> (i - 1) & 1 == 1)
                .map(index)
                .collect();
            let text = format!("set {set}");
            for tweak in [
                TaprootTweak::None,
                TaprootTweak::KeyPath,
                TaprootTweak::ScriptTree(digest("root")),
            ] {
                let payload = committee.payload(&text, tweak);
                let outcomes = sign(committee, &signers, [7; 16], payload);
                must_be_one_valid_signature(committee, outcomes, &text, tweak);
            }
        }
    }
}

#[test]
fn sign__should_work_with_any_two_of_three() {
    check_signer_sets(&committee::TWO_OF_THREE, usize::MAX);
}

#[test]
fn sign__should_work_with_any_three_of_five() {
    check_signer_sets(&committee::THREE_OF_FIVE, usize::MAX);
}

#[test]
fn sign__should_work_with_three_of_three() {
    check_signer_sets(&committee::THREE_OF_THREE, usize::MAX);
}

#[test]
fn sign__should_work_with_two_of_twenty() {
    check_signer_sets(&committee::TWO_OF_TWENTY, 40);
}

#[test]
fn sign__should_work_for_either_parity_of_key_and_output_key() {
    let mut seen = BTreeSet::new();
    for seed in 2..40 {
        let committee = Committee::new::<quorate_crypto::Secp256k1>(2, 2, seed);
        let parity = committee.public_key[0];
        let output_parity = taproot_output_key(&committee.public_key).unwrap()[0];
        seen.insert((parity, output_parity));
        for tweak in [TaprootTweak::None, TaprootTweak::KeyPath] {
            let payload = committee.payload("parity", tweak);
            let outcomes = sign(&committee, &[index(1), index(2)], [7; 16], payload);
            must_be_one_valid_signature(&committee, outcomes, "parity", tweak);
        }
        if seen.len() == 4 {
            return;
        }
    }
    panic!("only {seen:?}");
}

#[test]
fn sign__should_sign_messages_of_any_length_with_ed25519() {
    let committee = &TWO_OF_THREE[0];
    for length in [0, 1, 31, 32, 33, 1000, 100_000] {
        let text = "x".repeat(length);
        let payload = Payload::EdDsa(text.as_bytes());
        let outcomes = sign(committee, &[index(1), index(3)], [7; 16], payload);
        must_be_one_valid_signature(committee, outcomes, &text, TaprootTweak::None);
    }
}

#[test]
fn taproot_signature__must_verify_under_its_output_key_only() {
    let committee = &TWO_OF_THREE[1];
    let tweak = TaprootTweak::KeyPath;
    let outcomes = sign(
        committee,
        &[index(1), index(2)],
        [7; 16],
        committee.payload("tweak", tweak),
    );
    let signature = must_be_one_valid_signature(committee, outcomes, "tweak", tweak);
    let output = taproot_output_key(&committee.public_key).unwrap();
    signature.verify(&output, &digest("tweak")).unwrap();
    assert!(
        signature
            .verify(&committee.public_key, &digest("tweak"))
            .is_err()
    );
}

#[test]
fn c8_sign__must_use_another_nonce_each_time_the_same_message_is_signed() {
    for committee in TWO_OF_THREE.iter() {
        let mut points = BTreeSet::new();
        for _ in 0..16 {
            // Even where a caller repeats session and context, which it must not.
            let payload = committee.payload("same", TaprootTweak::None);
            let outcomes = sign(committee, &[index(1), index(2)], [8; 16], payload);
            let signature =
                must_be_one_valid_signature(committee, outcomes, "same", TaprootTweak::None);
            assert!(points.insert(signature.as_bytes()[..32].to_vec()));
        }
    }
}

fn refused(committee: &Committee, me: u8, members: &[u8], t: u64, payload: Payload<'_>) -> Abort {
    let members: Vec<PartyIndex> = members.iter().copied().map(index).collect();
    let roster = roster(index(me), &members, t, [7; 16]);
    let mut rng = ChaCha20Rng::from_seed([1; 32]);
    let share = &committee.shares[&index(1)];
    let refused = Sign::start(&roster, roster.context(b""), share, payload, &mut rng);
    refused.err().expect("it does not fit")
}

#[test]
fn b2_sign__must_refuse_signers_and_payloads_that_do_not_fit_the_share() {
    for (committees, me, members, t) in [
        (&TWO_OF_THREE, 1, &[1, 2, 3][..], 2),
        (&THREE_OF_FIVE, 1, &[1, 2], 2),
        (&TWO_OF_THREE, 1, &[1, 4], 2),
        (&TWO_OF_THREE, 2, &[1, 2], 2),
    ] {
        for committee in committees.iter() {
            let payload = committee.payload("fits", TaprootTweak::None);
            let abort = refused(committee, me, members, t, payload);
            assert!(matches!(abort.reason, Reason::LocalState { .. }));
            assert!(abort.culprits.is_empty());
        }
    }
    for (own, other) in [(0, 1), (1, 0)] {
        let payload = TWO_OF_THREE[other].payload("other scheme", TaprootTweak::None);
        let abort = refused(&TWO_OF_THREE[own], 1, &[1, 2], 2, payload);
        assert!(matches!(abort.reason, Reason::LocalState { .. }));
    }
}
