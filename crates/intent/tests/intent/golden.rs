//! The files of `vectors/intent/`: readable fields, canonical bytes, digest, signature. What is
//! signed must never change for a version that exists; `QUORATE_BLESS=1` writes new files.
//!
//! `vectors/intent/check.py` builds the same bytes from the same fields without any of our code.

use std::path::PathBuf;

use quorate_intent::{Act, Intent, KeyCertificate, KeyStatement, Manifest, SignedIntent};
use quorate_types::{Canonical as _, Rights};
use serde_json::{Value, json};

use crate::fixture;

fn path(name: &str) -> PathBuf {
    let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    root.join("../../vectors/intent")
        .join(format!("{name}.json"))
}

fn is_blessing() -> bool {
    std::env::var_os("QUORATE_BLESS").is_some()
}

fn must_equal_file(name: &str, value: &Value) {
    let text = serde_json::to_string_pretty(value).unwrap() + "\n";
    if is_blessing() {
        std::fs::write(path(name), &text).unwrap();
    }
    let golden = std::fs::read_to_string(path(name)).unwrap();
    assert_eq!(
        golden, text,
        "{name}: the bytes of an existing version changed"
    );
}

fn rights(rights: &Rights) -> Vec<&'static str> {
    rights.iter().map(quorate_types::Right::as_str).collect()
}

fn intent_fields(intent: &Intent) -> Value {
    let act = match &intent.act {
        Act::CreateKey(create) => json!({
            "algorithm": create.algorithm.as_str(),
            "curve": create.curve.as_str(),
            "protocol": create.protocol,
            "min_signers": create.threshold.min_signers(),
            "max_signers": create.threshold.max_signers(),
            "committee": create.committee.members().map(|(_, node)| node).collect::<Vec<_>>(),
            "chain": create.chain,
            "address_kind": create.address_kind,
            "rights": rights(&create.rights),
        }),
        Act::Sign(sign) => json!({
            "key": sign.key,
            "path": sign.path,
            "chain": sign.chain,
            "message_type": sign.message_type.as_str(),
            "payload": hex::encode(&sign.payload),
        }),
        Act::LiftBan(lift) => json!({
            "first": lift.first,
            "second": lift.second,
            "generation": lift.generation,
        }),
        act => panic!("no golden file for {:?}", act.kind()),
    };
    json!({
        "cluster": intent.cluster,
        "tenant": intent.tenant,
        "initiator": intent.initiator,
        "idempotency_key": intent.idempotency_key,
        "policy_version": intent.policy_version,
        "created_at": intent.created_at,
        "expires_at": intent.expires_at,
        "nonce": hex::encode(intent.nonce),
        "act": intent.act.kind().as_str(),
        intent.act.kind().as_str(): act,
    })
}

fn signer(seed: u8) -> Value {
    json!({ "seed": hex::encode([seed; 32]), "public": hex::encode(fixture::public(seed)) })
}

fn intent_file(intent: &Intent) -> Value {
    let signed = fixture::signed_intent(intent);
    let mut file = json!({
        "kind": "intent",
        "fields": intent_fields(intent),
        "canonical": hex::encode(&signed.bytes),
        "digest": signed.digest(),
        "signer": signer(fixture::signer_of(intent)),
        "signature": hex::encode(signed.signature),
    });
    if matches!(intent.act, Act::CreateKey(_)) {
        let key = quorate_types::KeyId::of_intent(&signed.digest());
        file["key_id"] = json!(key);
    }
    file
}

fn manifest_fields(manifest: &Manifest) -> Value {
    let owners = manifest
        .owners
        .iter()
        .map(|o| json!({"id": o.id, "key": hex::encode(o.key)}));
    let initiators = manifest.initiators.iter().map(|i| {
        json!({
            "id": i.id,
            "key": hex::encode(i.key),
            "tenants": i.tenants,
            "acts": i.acts.iter().map(|act| act.as_str()).collect::<Vec<_>>(),
        })
    });
    let nodes = manifest.nodes.iter().map(|n| {
        json!({
            "id": n.id,
            "identity": hex::encode(n.identity),
            "noise": hex::encode(n.noise),
        })
    });
    json!({
        "cluster": manifest.cluster,
        "version": manifest.version,
        "previous": manifest.previous,
        "owner_quorum": manifest.owner_quorum,
        "owners": owners.collect::<Vec<_>>(),
        "initiators": initiators.collect::<Vec<_>>(),
        "nodes": nodes.collect::<Vec<_>>(),
    })
}

fn manifest_file(manifest: Manifest) -> Value {
    let signed = fixture::signed(manifest);
    let manifest = &signed.manifest;
    let signature =
        |(owner, bytes): &(_, [u8; 64])| json!({"owner": owner, "signature": hex::encode(bytes)});
    json!({
        "kind": "manifest",
        "fields": manifest_fields(manifest),
        "canonical": hex::encode(manifest.to_bytes()),
        "digest": manifest.digest(),
        "signing_bytes": hex::encode(manifest.signing_bytes()),
        "signatures": signed.signatures.iter().map(signature).collect::<Vec<_>>(),
    })
}

fn statement_fields(statement: &KeyStatement) -> Value {
    let all = |points: &[Vec<u8>]| points.iter().map(hex::encode).collect::<Vec<_>>();
    json!({
        "cluster": statement.cluster,
        "tenant": statement.tenant,
        "key": statement.key,
        "intent": statement.intent,
        "session": statement.session,
        "epoch": statement.epoch.get(),
        "previous": statement.previous,
        "algorithm": statement.algorithm.as_str(),
        "protocol": statement.protocol,
        "protocol_version": statement.protocol_version,
        "min_signers": statement.threshold.min_signers(),
        "max_signers": statement.threshold.max_signers(),
        "committee": statement.committee.members().map(|(_, node)| node).collect::<Vec<_>>(),
        "rights": rights(&statement.rights),
        "chain": statement.chain,
        "address_kind": statement.address_kind,
        "address": statement.address,
        "public_key": hex::encode(&statement.public_key),
        "derivation_key": hex::encode(&statement.derivation_key),
        "verifying_shares": all(&statement.verifying_shares),
        "derivation_shares": all(&statement.derivation_shares),
        "chain_code": hex::encode(statement.chain_code),
        "transcript": statement.transcript,
        "pair_generations": statement.pair_generations,
    })
}

#[test]
fn create_intent__should_have_the_bytes_of_the_golden_file() {
    must_equal_file("create-v1", &intent_file(&fixture::create_intent()));
}

#[test]
fn sign_intent__should_have_the_bytes_of_the_golden_file() {
    must_equal_file("sign-v1", &intent_file(&fixture::sign_intent()));
}

#[test]
fn lift_ban_intent__should_have_the_bytes_of_the_golden_file() {
    must_equal_file("lift-ban-v1", &intent_file(&fixture::lift_ban_intent()));
}

#[test]
fn manifest__should_have_the_bytes_of_the_golden_files() {
    must_equal_file("manifest-1", &manifest_file(fixture::manifest()));
    must_equal_file("manifest-2", &manifest_file(fixture::second_manifest()));
}

#[test]
fn certificate__should_have_the_bytes_of_the_golden_file() {
    let certificate = fixture::certificate();
    let statement = &certificate.statement;
    let file = json!({
        "kind": "key_certificate",
        "fields": statement_fields(statement),
        "statement": hex::encode(statement.to_bytes()),
        "signing_bytes": hex::encode(statement.signing_bytes()),
        "signatures": certificate.signatures.iter().map(hex::encode).collect::<Vec<_>>(),
        "canonical": hex::encode(certificate.to_bytes()),
        "digest": certificate.digest(),
    });
    must_equal_file("key-certificate-v1", &file);
}

fn bytes_in_file(name: &str, field: &str) -> Vec<u8> {
    let text = std::fs::read_to_string(path(name)).unwrap();
    let file: Value = serde_json::from_str(&text).unwrap();
    hex::decode(file[field].as_str().unwrap()).unwrap()
}

#[test]
fn golden_files__should_decode_and_verify() {
    if is_blessing() {
        return; // the files are being written
    }
    for name in ["create-v1", "sign-v1", "lift-ban-v1"] {
        let signed = SignedIntent {
            bytes: bytes_in_file(name, "canonical"),
            signature: bytes_in_file(name, "signature").try_into().unwrap(),
        };
        let (now, tolerance) = (fixture::now(), fixture::TOLERANCE_SECONDS);
        let verified = signed.verify(&fixture::manifest(), now, tolerance).unwrap();
        assert_eq!(verified.digest().to_string().len(), 64);
    }
    let bytes = bytes_in_file("key-certificate-v1", "canonical");
    let certificate = KeyCertificate::from_bytes(&bytes).unwrap();
    assert_eq!(certificate.verify(&fixture::manifest()), Ok(()));
    for name in ["manifest-1", "manifest-2"] {
        let bytes = bytes_in_file(name, "canonical");
        assert_eq!(Manifest::from_bytes(&bytes).unwrap().to_bytes(), bytes);
    }
}
