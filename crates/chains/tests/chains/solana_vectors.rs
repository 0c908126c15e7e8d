//! Golden vectors made by solders: `vectors/solana/make.py`.

use quorate_chains::{
    Asset, DEFAULT_ADDRESS_KIND, Decoded, Effect, Fact, Signature, SigningTarget, assemble,
    effect_of,
};
use quorate_types::{Algorithm, ChainId, MessageType};
use serde_json::Value;

use crate::fixture::{bytes, chain, key, text, vectors};

/// What the payload of a vector means for its key.
fn effect(vector: &Value) -> Result<Effect, quorate_chains::Refusal> {
    let public_key = bytes(vector, "public_key");
    let key = key(chain(vector), Algorithm::EdDsa, &public_key);
    effect_of(&key, MessageType::Transaction, &bytes(vector, "payload"))
}

fn check_meaning(vector: &Value, decoded: &Decoded) {
    let name = text(vector, "name");
    assert_eq!(decoded.kind.as_str(), text(vector, "kind"), "{name}");
    assert_eq!(decoded.from.as_deref(), vector["from"].as_str(), "{name}");
    let fee = decoded.fee.map(|fee| fee.to_string());
    assert_eq!(fee.as_deref(), vector["max_fee"].as_str(), "{name}");
    let outputs = decoded.outputs.iter().map(|output| {
        assert_eq!(output.asset, Asset::Native, "{name}");
        assert!(!output.is_change, "{name}");
        let amount = output.amount.to_string();
        serde_json::json!({"to": output.to, "amount": amount})
    });
    assert_eq!(Value::Array(outputs.collect()), vector["outputs"], "{name}");
    let warnings = decoded.warnings.iter().map(|warning| warning.as_str());
    let expected = vector["warnings"].as_array().expect("a list");
    assert!(
        warnings.eq(expected.iter().filter_map(Value::as_str)),
        "{name}"
    );
    let blockhash = text(vector, "recent_blockhash").to_owned();
    assert_eq!(
        decoded.facts.first(),
        Some(&Fact {
            name: "recent_blockhash",
            value: blockhash
        })
    );
    assert_eq!((decoded.nonce, decoded.valid_until), (None, None));
}

#[test]
fn solana_transactions__should_have_the_meaning_and_signed_form_of_solders() {
    let all = vectors("solana/transactions.json");
    assert!(all.len() >= 60);
    for vector in &all {
        let (name, payload) = (text(vector, "name"), bytes(vector, "payload"));
        let effect = effect(vector).expect(name);
        check_meaning(vector, &effect.decoded);
        assert_eq!(
            effect.targets,
            [SigningTarget::whole_message(&payload)],
            "{name}"
        );

        let public_key = bytes(vector, "public_key");
        let key = key(chain(vector), Algorithm::EdDsa, &public_key);
        let signature = bytes(vector, "signature").try_into().expect("64 bytes");
        let signed = assemble(&key, &payload, &[Signature::EdDsa(signature)]).expect(name);
        assert_eq!(signed.bytes, bytes(vector, "signed"), "{name}");
        assert_eq!(signed.tx_id, text(vector, "tx_id"), "{name}");
        assert_eq!(signed.from, text(vector, "from"), "{name}");
        assert_eq!(key.address(), Ok(Some(signed.from)), "{name}");
    }
}

#[test]
fn solana_memo__should_be_shown() {
    let memos: Vec<String> = vectors("solana/transactions.json")
        .iter()
        .flat_map(|vector| effect(vector).expect("a golden vector").decoded.facts)
        .filter(|fact| fact.name == "memo")
        .map(|fact| fact.value)
        .collect();
    let expected = ["invoice 7, Zoë", "invoice 7, Zoë", "mine"];
    assert_eq!(memos, [expected, expected].concat());
}

#[test]
fn solana_addresses__should_equal_those_of_solders_for_100_keys() {
    let all = vectors("solana/addresses.json");
    assert_eq!(all.len(), 100);
    for id in ["solana", "solana-devnet", "solana-testnet", "solana-local"] {
        let id = ChainId::new(id).expect("an id");
        let chain = quorate_chains::Chain::parse(&id).expect("a chain");
        for vector in &all {
            let public_key = bytes(vector, "public_key");
            let key = key(chain, Algorithm::EdDsa, &public_key);
            let expected = text(vector, "address").to_owned();
            assert_eq!(key.address_kind, DEFAULT_ADDRESS_KIND);
            assert_eq!(key.address(), Ok(Some(expected)));
        }
    }
}

#[test]
fn d5_solana_payloads_of_other_forms__must_be_refused_with_their_code() {
    let all = vectors("solana/refused.json");
    assert!(all.len() >= 18);
    for vector in &all {
        let name = text(vector, "name");
        let refusal = effect(vector).expect_err(name);
        assert_eq!(refusal.code(), text(vector, "code"), "{name}: {refusal}");
    }
}
