//! Golden vectors made by embit (`vectors/bitcoin/make.py`), and the rules of the network itself.

use quorate_chains::{
    Asset, Chain, Decoded, Effect, KeyContext, Refusal, Signature, assemble, effect_of,
};
use quorate_types::{Algorithm, ChainId, MessageType};
use serde_json::{Value, json};

use crate::consensus::{Coin, check_spends};
use crate::fixture::{bytes, chain, key, text, vectors};

fn algorithm(vector: &Value) -> Algorithm {
    text(vector, "algorithm").parse().expect("a scheme")
}

fn with_key<T>(vector: &Value, act: impl FnOnce(&KeyContext<'_>) -> T) -> T {
    let public_key = bytes(vector, "public_key");
    act(&key(chain(vector), algorithm(vector), &public_key))
}

fn effect(vector: &Value) -> Result<Effect, Refusal> {
    let payload = bytes(vector, "payload");
    with_key(vector, |key| {
        effect_of(key, MessageType::Transaction, &payload)
    })
}

fn list(vector: &Value, field: &str) -> Vec<Vec<u8>> {
    let items = vector[field].as_array().expect("a list").iter();
    items
        .map(|item| hex::decode(item.as_str().expect("a text")).expect("hex"))
        .collect()
}

fn coins(vector: &Value) -> Vec<Coin> {
    let coins = vector["coins"].as_array().expect("a list").iter();
    coins
        .map(|coin| Coin {
            amount: text(coin, "amount").parse().expect("a number"),
            script: bytes(coin, "script"),
        })
        .collect()
}

fn check_meaning(vector: &Value, decoded: &Decoded) {
    let name = text(vector, "name");
    assert_eq!(decoded.kind.as_str(), "transfer", "{name}");
    assert_eq!(decoded.from.as_deref(), vector["from"].as_str(), "{name}");
    let fee = decoded.fee.map(|fee| fee.to_string());
    assert_eq!(fee.as_deref(), vector["fee"].as_str(), "{name}");
    assert_eq!(
        decoded.virtual_size,
        vector["virtual_size"].as_u64(),
        "{name}"
    );
    let outputs = decoded.outputs.iter().map(|output| {
        assert_eq!(output.asset, Asset::Native, "{name}");
        let amount = output.amount.to_string();
        json!({"to": output.to, "amount": amount, "is_change": output.is_change})
    });
    assert_eq!(Value::Array(outputs.collect()), vector["outputs"], "{name}");
    let warnings = decoded.warnings.iter().map(|warning| warning.as_str());
    let expected = vector["warnings"].as_array().expect("a list").iter();
    assert!(warnings.eq(expected.filter_map(Value::as_str)), "{name}");
    assert_eq!((decoded.nonce, decoded.valid_until), (None, None), "{name}");
}

fn signatures(vector: &Value, effect: &Effect) -> Vec<Signature> {
    let public_key = bytes(vector, "public_key");
    let found = list(vector, "signatures").into_iter().zip(&effect.targets);
    found
        .map(|(bytes, target)| {
            let verifying_key = target.verifying_key(&public_key).expect("a key");
            let bytes = bytes.try_into().expect("64 bytes");
            Signature::find(algorithm(vector), &verifying_key, target.message(), bytes)
                .expect("embit signed this digest")
        })
        .collect()
}

#[test]
fn bitcoin_transactions__should_have_the_meaning_and_signed_form_of_embit() {
    let all = vectors("bitcoin/transactions.json");
    assert!(all.len() >= 110);
    for vector in &all {
        let (name, payload) = (text(vector, "name"), bytes(vector, "payload"));
        let effect = effect(vector).expect(name);
        check_meaning(vector, &effect.decoded);
        let digests = effect.digests().into_iter().map(|d| d.as_bytes().to_vec());
        assert!(digests.eq(list(vector, "digests")), "{name}");

        let signatures = signatures(vector, &effect);
        with_key(vector, |key| {
            let signed = assemble(key, &payload, &signatures).expect(name);
            assert_eq!(hex::encode(&signed.bytes), text(vector, "signed"), "{name}");
            assert_eq!(signed.tx_id, text(vector, "tx_id"), "{name}");
            assert_eq!(signed.from, text(vector, "from"), "{name}");
            assert_eq!(
                check_spends(&signed.bytes, &coins(vector)),
                Ok(()),
                "{name}"
            );
        });
    }
}

#[test]
fn bitcoin_facts__should_name_id_inputs_rate_and_lock_time() {
    let all = vectors("bitcoin/transactions.json");
    let facts = |name: &str| {
        let vector = all.iter().find(|vector| text(vector, "name") == name);
        let decoded = effect(vector.expect("the vector exists"))
            .expect(name)
            .decoded;
        let pairs = decoded
            .facts
            .into_iter()
            .map(|fact| (fact.name, fact.value));
        pairs.collect::<Vec<_>>()
    };
    for (name, locked) in [
        ("p2wpkh on bitcoin", None),
        ("p2tr lock time in blocks", Some("block 850000")),
        ("p2wpkh lock time in seconds", Some("unix time 1800000000")),
        ("p2tr lock time without effect", None),
    ] {
        let facts = facts(name);
        let names: Vec<_> = facts.iter().map(|(name, _)| *name).collect();
        assert_eq!(names[..3], ["tx_id", "inputs", "fee_rate"], "{name}");
        assert_eq!(
            facts.get(3),
            locked.map(|l| ("lock_time", l.to_owned())).as_ref()
        );
    }
    // 10 000 satoshi for each of 30 inputs, 250 000 paid.
    assert_eq!(facts("p2tr thirty inputs")[1].1, "30");
    assert_eq!(facts("p2wpkh on bitcoin")[2].1, "2.7 sat/vB");
}

#[test]
fn d1_bitcoin_digests__should_follow_from_the_payload_alone() {
    for name in ["p2wpkh pays p2tr with change", "p2tr pays p2tr with change"] {
        let all = vectors("bitcoin/transactions.json");
        let vector = all.iter().find(|vector| text(vector, "name") == name);
        let vector = vector.expect("the vector exists");
        let shown = effect(vector).expect(name);
        let payload = bytes(vector, "payload");
        // Whoever changes who is paid, or how much, gets other digests, and shows it.
        let paid = text(&vector["outputs"][0], "amount").parse::<u64>();
        let paid = paid.expect("a number").to_le_bytes();
        let place = payload.windows(8).position(|part| part == paid);
        let place = place.expect("the amount is in the transaction");
        for offset in [0, 11] {
            let mut changed = payload.clone();
            changed[place + offset] ^= 1;
            let changed = with_key(vector, |key| {
                effect_of(key, MessageType::Transaction, &changed).expect("a valid change")
            });
            assert_ne!(changed.digests(), shown.digests());
            assert_ne!(changed.decoded.outputs, shown.decoded.outputs);
        }
    }
}

#[test]
fn bitcoin_addresses__should_equal_those_of_embit_for_100_keys() {
    let all = vectors("bitcoin/addresses.json");
    assert_eq!(all.len(), 100);
    for vector in &all {
        let public_key = bytes(vector, "public_key");
        let chains = vector["addresses"].as_object().expect("an object");
        assert_eq!(chains.len(), 4);
        for (id, kinds) in chains {
            let id = ChainId::new(id).expect("an id");
            let chain = Chain::parse(&id).expect("a chain");
            for (algorithm, kind) in [(Algorithm::Ecdsa, "p2wpkh"), (Algorithm::Schnorr, "p2tr")] {
                let expected = Ok(Some(text(kinds, kind).to_owned()));
                for asked in [kind, "default", ""] {
                    assert_eq!(chain.address(algorithm, &public_key, asked), expected);
                }
                assert_eq!(chain.named_address_kind(algorithm, "default"), Ok(kind));
            }
        }
    }
}

#[test]
fn d6_bitcoin_payloads__must_be_refused_with_their_code() {
    let all = vectors("bitcoin/refused.json");
    assert!(all.len() >= 30);
    for vector in &all {
        let name = text(vector, "name");
        let refusal = effect(vector).expect_err(name);
        assert_eq!(refusal.code(), text(vector, "code"), "{name}: {refusal}");
    }
}
