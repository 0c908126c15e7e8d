//! Each check of §4 by itself: the index is left out, and the forger may even have the node's
//! signing key where that is what it takes to get past the earlier checks.

use ed25519_dalek::SigningKey;
use quorate_types::{Algorithm, Epoch, KeyId, NodeId, PartyIndex, Tenant, Threshold, UnixSeconds};

use super::*;
use crate::seal::DataKey;

struct Master(DataKey, &'static str);

impl WrapKey for Master {
    fn key_id(&self) -> &str {
        self.1
    }
    fn wrap(&self, data_key: &DataKey, binding: &[u8]) -> Result<Vec<u8>, WrapError> {
        seal::wrap(&self.0, data_key, binding)
    }
    fn unwrap_key(&self, wrapped: &[u8], binding: &[u8]) -> Result<DataKey, WrapError> {
        seal::unwrap_key(&self.0, wrapped, binding)
    }
}

fn master(seed: u8) -> Master {
    Master(Zeroizing::new([seed; 32]), "m1")
}

fn signer() -> NodeSigner {
    NodeSigner::new(NodeId::new("p1").unwrap(), SigningKey::from_bytes(&[1; 32]))
}

fn share() -> ShareMetadata {
    ShareMetadata {
        tenant: Tenant::new("acme").unwrap(),
        key_id: KeyId::from_array([1; 16]),
        node_id: NodeId::new("p1").unwrap(),
        share_index: PartyIndex::new(1).unwrap(),
        threshold: Threshold::new(2, 3).unwrap(),
        algorithm: Algorithm::Ecdsa,
        epoch: Epoch::FIRST,
        created_at: UnixSeconds(1),
    }
}

fn sealed() -> ShareFiles {
    let mut files = ShareFiles::seal(&share(), b"payload", &master(1), &signer()).unwrap();
    files.certify(b"certificate", &signer());
    files
}

fn failure(files: ShareFiles) -> Failed {
    files.check(None, &signer()).err().expect("the files pass")
}

/// The files after an edit of their metadata by somebody who has the node's signing key.
fn resigned(edit: impl FnOnce(&mut SealedMetadata)) -> CheckedFiles {
    let mut files = sealed();
    let mut metadata = SealedMetadata::parse(&files.metadata).unwrap();
    edit(&mut metadata);
    files.metadata = metadata.to_json();
    files.sign(&signer());
    let checked = files.check(None, &signer());
    checked.unwrap_or_else(|failed| panic!("{failed:?}"))
}

#[test]
fn files__should_open_what_was_sealed() {
    let checked = sealed()
        .check(None, &signer())
        .unwrap_or_else(|f| panic!("{f:?}"));
    assert_eq!(*checked.share(), share());
    assert_eq!(checked.certificate().unwrap(), b"certificate");
    assert_eq!(&checked.open(&master(1)).unwrap()[..], b"payload");
}

#[test]
fn files__should_be_sealed_afresh_each_time() {
    let (one, two) = (sealed(), sealed());
    assert_ne!(one.ciphertext, two.ciphertext);
    let iv = |files: &ShareFiles| SealedMetadata::parse(&files.metadata).unwrap().iv;
    assert_ne!(iv(&one), iv(&two));
}

#[test]
fn b11_check_4_4__must_refuse_metadata_in_another_spelling_or_of_another_node() {
    let mut spaced = sealed();
    spaced.metadata.push(b' ');
    assert_eq!(failure(spaced), (METADATA, Check::MetadataForm));
    for (from, to) in [
        ("\"version\": 1", "\"version\": 2"),
        ("AES-256-GCM", "AES-128-GCM"),
        ("SHA-256", "SHA-1"),
        ("\"secp256k1\"", "\"ed25519\""),
        ("\"threshold\": 2", "\"threshold\": 4"),
        ("\"share_index\": 1", "\"share_index\": 0"),
    ] {
        let mut edited = sealed();
        let text = String::from_utf8(edited.metadata.clone()).unwrap();
        assert!(text.contains(from), "{text}");
        edited.metadata = text.replace(from, to).into_bytes();
        edited.sign(&signer());
        assert_eq!(failure(edited), (METADATA, Check::MetadataForm), "{to}");
    }
    let mut foreign = share();
    foreign.node_id = NodeId::new("p2").unwrap();
    let files = ShareFiles::seal(&foreign, b"payload", &master(1), &signer()).unwrap();
    assert_eq!(failure(files), (METADATA, Check::MetadataOwner));
}

#[test]
fn b11_check_4_5__must_refuse_a_seal_in_another_form() {
    let edits: [fn(&mut Vec<u8>); 4] = [
        |seal| seal[0] ^= 1,
        |seal| seal[9] = 2,
        |seal| seal[10] = 2,
        |seal| seal.push(0),
    ];
    for edit in edits {
        let mut files = sealed();
        edit(&mut files.seal);
        assert_eq!(failure(files), (SEAL, Check::SealForm));
    }
}

#[test]
fn b11_check_4_6_and_4_7__must_refuse_another_ciphertext_or_certificate() {
    let mut files = sealed();
    files.ciphertext = sealed().ciphertext;
    assert_eq!(failure(files), (CIPHERTEXT, Check::CiphertextHash));
    let mut files = sealed();
    files.certificate = Some(b"another".to_vec());
    assert_eq!(failure(files), (CERTIFICATE, Check::CertificateHash));
    let mut files = sealed();
    files.certificate = None;
    assert_eq!(failure(files), (CERTIFICATE, Check::Present));
}

#[test]
fn b11_check_4_8__must_refuse_what_the_node_did_not_sign() {
    let mut edited = sealed();
    let mut metadata = SealedMetadata::parse(&edited.metadata).unwrap();
    metadata.share.threshold = Threshold::new(3, 3).unwrap();
    edited.metadata = metadata.to_json();
    assert_eq!(failure(edited), (SEAL, Check::Signature));

    let other = NodeSigner::new(NodeId::new("p1").unwrap(), SigningKey::from_bytes(&[2; 32]));
    let mut forged = sealed();
    forged.sign(&other);
    assert_eq!(failure(forged), (SEAL, Check::Signature));

    // A seal of the pending share does not cover a certificate, nor the other way round.
    let mut files = ShareFiles::seal(&share(), b"payload", &master(1), &signer()).unwrap();
    let (_, signature) = parse_seal(&files.seal).unwrap();
    files.certificate = Some(b"certificate".to_vec());
    files.seal = seal_bytes(Some(certificate_digest(b"certificate")), &signature);
    assert_eq!(failure(files), (SEAL, Check::Signature));
}

#[test]
fn b11_check_4_9__must_refuse_a_ciphertext_that_disagrees_with_its_metadata() {
    let mut files = sealed();
    let mut metadata = SealedMetadata::parse(&files.metadata).unwrap();
    metadata.iv[0] ^= 1;
    files.metadata = metadata.to_json();
    files.sign(&signer());
    assert_eq!(failure(files), (CIPHERTEXT, Check::CiphertextForm));
}

#[test]
fn b11_check_4_10__must_refuse_the_data_key_of_another_binding_or_master() {
    let edits: [fn(&mut ShareMetadata); 7] = [
        |share| share.tenant = Tenant::new("evil").unwrap(),
        |share| share.key_id = KeyId::from_array([2; 16]),
        |share| share.share_index = PartyIndex::new(2).unwrap(),
        |share| share.epoch = Epoch::new(2).unwrap(),
        |share| share.threshold = Threshold::new(3, 3).unwrap(),
        |share| share.algorithm = Algorithm::Schnorr,
        |share| share.created_at = UnixSeconds(2),
    ];
    let refused = Some((CIPHERTEXT, Check::DataKey));
    for edit in edits {
        let checked = resigned(|metadata| edit(&mut metadata.share));
        assert_eq!(checked.open(&master(1)).err(), refused);
    }
    let checked = resigned(|metadata| metadata.master_key_id = "m2".into());
    assert_eq!(checked.open(&master(1)).err(), refused);
    let checked = resigned(|_| ());
    assert_eq!(checked.open(&master(2)).err(), refused);
    assert_eq!(
        checked.open(&Master(Zeroizing::new([1; 32]), "m2")).err(),
        refused
    );
}

#[test]
fn b11_check_4_11__must_refuse_a_changed_payload_with_everything_else_made_to_fit() {
    let length = sealed().ciphertext.len();
    let payload = b"payload".len() + 16;
    for place in length - payload..length {
        let mut files = sealed();
        files.ciphertext[place] ^= 1;
        let mut metadata = SealedMetadata::parse(&files.metadata).unwrap();
        metadata.ciphertext_hash = hash(&files.ciphertext);
        files.metadata = metadata.to_json();
        files.sign(&signer());
        let checked = files
            .check(None, &signer())
            .unwrap_or_else(|f| panic!("{f:?}"));
        assert_eq!(
            checked.open(&master(1)).err(),
            Some((CIPHERTEXT, Check::Payload))
        );
    }
}
