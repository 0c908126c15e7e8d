//! Each check of a key certificate can fail. Rows C9, D12.

use quorate_intent::{CertificateError, KeyCertificate, KeyStatement, pairs_of};
use quorate_types::{
    Canonical as _, ClusterId, Committee, DecodeError, Digest32, Epoch, PartyIndex,
};

use crate::fixture;

fn verify(certificate: &KeyCertificate) -> Result<(), CertificateError> {
    certificate.verify(&fixture::manifest())
}

/// A certificate that all nodes signed after the change.
fn changed(change: impl FnOnce(&mut KeyStatement)) -> KeyCertificate {
    use ed25519_dalek::Signer as _;
    let mut certificate = fixture::certificate();
    change(&mut certificate.statement);
    let bytes = certificate.statement.signing_bytes();
    let sign = |number: u8| fixture::key(fixture::NODE + number).sign(&bytes).to_bytes();
    certificate.signatures = (1..=3).map(sign).collect();
    certificate
}

#[test]
fn certificate__should_verify_and_round_trip() {
    let certificate = fixture::certificate();
    assert_eq!(verify(&certificate), Ok(()));
    assert_eq!(
        KeyCertificate::from_bytes(&certificate.to_bytes()).unwrap(),
        certificate
    );
}

#[test]
fn certificate_of_another_cluster__must_be_refused() {
    let other = changed(|s| s.cluster = ClusterId::new("other").unwrap());
    assert_eq!(verify(&other), Err(CertificateError::WrongCluster));
}

#[test]
fn d12_certificate_with_an_unknown_node__must_be_refused() {
    let members = [1, 2, 9].map(fixture::node_id).to_vec();
    let other = changed(|s| s.committee = Committee::new(members).unwrap());
    let unknown = CertificateError::UnknownNode(fixture::node_id(9));
    assert_eq!(verify(&other), Err(unknown));
}

#[test]
fn certificate__must_be_signed_by_every_node() {
    let bad = |number| Err(CertificateError::BadSignature(fixture::node_id(number)));
    let mut missing = fixture::certificate();
    missing.signatures.pop();
    assert_eq!(verify(&missing), bad(3));
    let mut crossed = fixture::certificate();
    crossed.signatures.swap(1, 2);
    assert_eq!(verify(&crossed), bad(2));
    let mut flipped = fixture::certificate();
    flipped.signatures[2][5] ^= 1;
    assert_eq!(verify(&flipped), bad(3));
}

#[test]
fn c9_certificate_with_another_public_key__must_be_refused() {
    let edits: [fn(&mut KeyStatement); 7] = [
        |s| s.public_key = s.derivation_key.clone(),
        |s| s.address = "0x000000000000000000000000000000000000dEaD".to_owned(),
        |s| s.verifying_shares.swap(0, 1),
        |s| s.epoch = Epoch::new(2).unwrap(),
        |s| s.intent = Digest32::from_array([1; 32]),
        |s| s.chain_code[0] ^= 1,
        |s| s.pair_generations.swap(0, 1),
    ];
    for edit in edits {
        let mut certificate = fixture::certificate();
        edit(&mut certificate.statement);
        let bad = CertificateError::BadSignature(fixture::node_id(1));
        assert_eq!(verify(&certificate), Err(bad));
    }
}

#[test]
fn certificate_with_an_invalid_point__must_be_refused() {
    let spoil: [fn(&mut KeyStatement); 4] = [
        |s| s.public_key[0] = 4,
        |s| s.derivation_key = vec![0; 33],
        |s| s.verifying_shares[1] = vec![2; 32],
        |s| s.derivation_shares[2] = vec![0xff; 33],
    ];
    for spoil in spoil {
        assert_eq!(verify(&changed(spoil)), Err(CertificateError::BadPoint));
    }
}

#[test]
fn certificate__must_be_refused_as_malformed() {
    let malformed = |certificate: &KeyCertificate| {
        let decoded = KeyCertificate::from_bytes(&certificate.to_bytes());
        match decoded.map_err(CertificateError::from) {
            Err(CertificateError::Malformed(DecodeError::Invalid { field, .. })) => field,
            other => panic!("must be malformed: {other:?}"),
        }
    };
    let mut certificate = fixture::certificate();
    certificate.signatures.pop();
    assert_eq!(malformed(&certificate), "signatures");
    let mut certificate = fixture::certificate();
    certificate.statement.verifying_shares.pop();
    assert_eq!(malformed(&certificate), "public shares");
    let mut certificate = fixture::certificate();
    let two = [1, 2].map(fixture::node_id).to_vec();
    certificate.statement.committee = Committee::new(two).unwrap();
    assert_eq!(malformed(&certificate), "committee");

    for count in [1, 2, 4] {
        let mut certificate = fixture::certificate();
        let generations = &mut certificate.statement.pair_generations;
        generations.resize(count, Digest32::from_array([1; 32]));
        assert_eq!(malformed(&certificate), "pair generations", "{count}");
    }

    let mut other_version = fixture::statement().to_bytes();
    other_version[4 + "quorate key statement".len() + 1] = 2;
    assert!(KeyStatement::from_bytes(&other_version).is_err());
}

#[test]
fn pair_generations__should_be_found_by_the_indices_of_the_pair_in_any_order() {
    let index = |n| PartyIndex::new(n).unwrap();
    let pairs: Vec<_> = pairs_of(3).map(|(a, b)| (a.get(), b.get())).collect();
    assert_eq!(pairs, [(1, 2), (1, 3), (2, 3)]);
    assert_eq!(pairs_of(20).count(), 190);
    assert_eq!(pairs_of(1).count(), 0);
    let statement = fixture::statement();
    let of = |a, b| statement.pair_generation(index(a), index(b));
    let third = Some(Digest32::from_array([0xa3; 32]));
    assert_eq!((of(2, 3), of(3, 2)), (third, third));
    assert_eq!((of(1, 1), of(1, 4)), (None, None));
    // A protocol without pair state has none, and its certificate is as good.
    let without = changed(|s| s.pair_generations.clear());
    assert_eq!(verify(&without), Ok(()));
    assert_eq!(
        KeyCertificate::from_bytes(&without.to_bytes()).unwrap(),
        without
    );
    let (one, other) = (index(1), index(2));
    assert_eq!(without.statement.pair_generation(one, other), None);
}
