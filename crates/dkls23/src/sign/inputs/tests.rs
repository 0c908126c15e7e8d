//! One check for two inputs: what passes, what fails, and that it all hangs on the challenge.

use k256::elliptic_curve::PrimeField;
use quorate_kernels::Residue;
use quorate_types::Reader;

use super::*;
use crate::product::{MESSAGE, TAU};
use crate::wire::residue;

fn corrections(eta: u8, mu: u8) -> Corrections {
    let mut bytes = vec![0; MESSAGE];
    (bytes[TAU + 31], bytes[TAU + 32]) = (eta, mu);
    Corrections::read(&mut Reader::new(&bytes)).unwrap_or_else(|_| panic!("it is valid"))
}

fn id(label: &[u8]) -> Digest32 {
    Digest32::of(label, &[])
}

fn shares(numbers: [Scalar; 2], transcript: Digest32) -> Shares {
    let numbers: [Residue; 2] = numbers.map(|number| residue(&number));
    Shares {
        numbers,
        transcript,
    }
}

fn scalar(n: u64) -> Scalar {
    Scalar::from(n).invert().unwrap()
}

/// Whether the check holds where a sender multiplies its inputs plus `errors`.
fn holds(errors: impl FnOnce(&Scalar) -> [Scalar; 2]) -> bool {
    let (chi, inputs, own) = (
        scalar(7),
        [scalar(11), scalar(13)],
        [scalar(17), scalar(19)],
    );
    let [nonce_point, public_share] = inputs.map(|input| curve::base(&input).unwrap());
    let (id, transcript, corrections) = (id(b"product"), id(b"tau"), corrections(1, 2));
    let own_shares = shares(own, transcript);
    let statement = Statement::new(&id, &own_shares, &corrections, &nonce_point, &public_share);
    let [error_u, error_v] = errors(statement.challenge.number());
    let [input_u, input_v] = inputs;
    let theirs = [
        chi * (input_u + error_u) - own[0],
        chi * (input_v + error_v) - own[1],
    ];
    let gamma = statement.gamma(&own_shares).unwrap();
    let theirs = shares(theirs, transcript);
    let statement = Statement::new(&id, &theirs, &corrections, &nonce_point, &public_share);
    statement.holds(&chi, &theirs, &gamma)
}

#[test]
fn statement__should_hold_for_the_inputs_and_no_others() {
    let (zero, one) = (Scalar::ZERO, Scalar::ONE);
    assert!(holds(|_| [zero, zero]));
    for errors in [
        [one, zero],
        [zero, one],
        [one, one],
        [one, -one],
        [-one, one],
    ] {
        assert!(!holds(|_| errors));
    }
    // Who knows the challenge beforehand can make two errors cancel: all hangs on its being a hash
    // of everything that fixes them.
    assert!(holds(|challenge| [-*challenge, one]));
    assert!(!holds(|challenge| [-*challenge - one, one]));
}

#[test]
fn a13_challenge__must_change_with_everything_it_stands_for() {
    let points: [Point; 3] = [2, 3, 4].map(|n| curve::base(&scalar(n)).unwrap());
    let of = |product: &[u8], tau: &[u8], corrections: &Corrections, nonce: usize, share: usize| {
        let shares = shares([Scalar::ONE; 2], id(tau));
        let (nonce, share) = (&points[nonce], &points[share]);
        Statement::new(&id(product), &shares, corrections, nonce, share).challenge
    };
    let all = [
        of(b"product", b"tau", &corrections(1, 2), 0, 1),
        of(b"another", b"tau", &corrections(1, 2), 0, 1),
        of(b"product", b"another", &corrections(1, 2), 0, 1),
        of(b"product", b"tau", &corrections(3, 2), 0, 1),
        of(b"product", b"tau", &corrections(1, 3), 0, 1),
        of(b"product", b"tau", &corrections(1, 2), 2, 1),
        of(b"product", b"tau", &corrections(1, 2), 0, 2),
        of(b"product", b"tau", &corrections(1, 2), 1, 0),
    ];
    for (at, challenge) in all.iter().enumerate() {
        assert!(!all[..at].contains(challenge), "{at}");
    }
}

#[test]
fn challenge__should_be_short_under_a_cube_root_of_one() {
    let lambda = short([0, 1]);
    assert_eq!(lambda * lambda * lambda, Scalar::ONE);
    assert_ne!(lambda, Scalar::ONE);
    assert_eq!(
        short([5, 7]),
        Scalar::from(5_u64) + Scalar::from(7_u64) * lambda
    );
    assert_eq!(short([1, 0]), Scalar::ONE);
}

/// λ as SEC 2 and libsecp256k1 have it, and what makes it one.
fn literal_lambda() -> Scalar {
    let bytes = hex::decode("5363ad4cc05c30e0a5261c028812645a122e22ea20816678df02967c1b23bd72");
    let bytes: [u8; 32] = bytes.unwrap().try_into().unwrap();
    let lambda = Scalar::from_repr(bytes.into()).unwrap();
    assert_eq!(lambda * lambda + lambda + Scalar::ONE, Scalar::ZERO);
    lambda
}

/// The specification, §4 and §5, byte by byte.
fn literal_rho(id: &[u8; 32], hashed: &[&[u8]]) -> Scalar {
    let key = Digest32::of(b"quorate dkls23 v2 oracle", &[b"rho", id]);
    let mut bytes = [0; 16];
    blake3::Hasher::new_keyed(key.as_bytes())
        .update(&hashed.concat())
        .finalize_xof()
        .fill(&mut bytes);
    let number = |bytes: &[u8]| {
        let byte = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        Scalar::from(bytes.iter().fold(0, byte))
    };
    number(&bytes[..8]) + number(&bytes[8..]) * literal_lambda()
}

#[test]
fn challenge__should_be_the_literal_one_and_that_of_the_golden_vector() {
    let bytes = |from: u8| std::array::from_fn(|k| from + u8::try_from(k).unwrap());
    let (id, transcript): ([u8; 32], [u8; 32]) = (bytes(0), bytes(32));
    let mut message = vec![0; MESSAGE];
    let (eta, mu): ([u8; 32], [u8; 32]) = (bytes(64), bytes(96));
    message[TAU..TAU + 32].copy_from_slice(&eta);
    message[TAU + 32..].copy_from_slice(&mu);
    let corrections = Corrections::read(&mut Reader::new(&message));
    let corrections = corrections.unwrap_or_else(|_| panic!("it is valid"));
    let sent = shares([scalar(3), scalar(5)], Digest32::from_array(transcript));
    // G and 2·G.
    let points = [1_u64, 2].map(|n| curve::base(&Scalar::from(n)).unwrap());
    let [nonce, share] = points.each_ref().map(Point::serialize_uncompressed);
    let expected = literal_rho(&id, &[&transcript, &eta, &mu, &nonce, &share]);
    let id = Digest32::from_array(id);
    let statement = Statement::new(&id, &sent, &corrections, &points[0], &points[1]);
    assert_eq!(*statement.challenge.number(), expected);
    // Computed by a script of its own, with its own BLAKE3.
    let golden = "a85ad7048de8af9467f29820104b18d09c113be1edbee1f94318fd3aaf0bf078";
    assert_eq!(hex::encode(expected.to_repr()), golden);

    // Γ = (cᵘ + ρ·cᵛ)·G, by another library.
    let gamma = k256::ProjectivePoint::GENERATOR * (scalar(3) + expected * scalar(5));
    let gamma = k256::elliptic_curve::sec1::ToSec1Point::to_sec1_point(&gamma.to_affine(), false);
    let found = statement.gamma(&sent).unwrap().serialize_uncompressed();
    assert_eq!(gamma.as_bytes(), found.as_slice());
}
