//! Golden vectors made by eth-account: `vectors/ethereum/make.py`.

use quorate_chains::{
    Asset, Chain, DEFAULT_ADDRESS_KIND, Decoded, EffectKind, Warning, assemble, assemble_verified,
};
use quorate_types::{Algorithm, ChainId};
use quorate_verify::EcdsaSignature;
use serde_json::Value;

use crate::fixture::{bytes, chain, ethereum_effect, key, text, vectors};

fn signature(vector: &Value) -> EcdsaSignature {
    let rs = bytes(vector, "signature").try_into().expect("64 bytes");
    let id = vector["recovery_id"].as_u64().expect("a recovery id");
    let id = u8::try_from(id).expect("a small number");
    EcdsaSignature::new(rs, id).expect("eth-account makes low s")
}

fn check_meaning(vector: &Value, decoded: &Decoded) {
    let name = text(vector, "name");
    assert_eq!(decoded.kind.as_str(), text(vector, "kind"), "{name}");
    let nonce = decoded.nonce.map(|n| n.to_string());
    assert_eq!(nonce.as_deref(), vector["nonce"].as_str(), "{name}");
    let fee = decoded.fee.map(|fee| fee.to_string());
    assert_eq!(fee.as_deref(), vector["max_fee"].as_str(), "{name}");
    let (to, value) = (vector["to"].as_str(), text(vector, "value"));
    let native = decoded.outputs.iter().find(|o| o.asset == Asset::Native);
    let token = decoded.outputs.iter().find(|o| o.asset != Asset::Native);
    if let Some(output) = native {
        assert_eq!(output.to.as_deref(), to, "{name}");
        assert_eq!(output.amount.to_string(), value, "{name}");
    } else {
        assert_eq!(value, "0", "{name}: no output takes the value");
    }
    let is_token = matches!(
        decoded.kind,
        EffectKind::TokenTransfer | EffectKind::TokenApproval
    );
    assert_eq!(token.is_some(), is_token, "{name}");
    if let Some(output) = token {
        assert_eq!(Some(output.asset.to_string().as_str()), to, "{name}");
    }
}

#[test]
fn transactions__should_have_the_meaning_digest_and_signed_form_of_eth_account() {
    let all = vectors("ethereum/transactions.json");
    assert!(all.len() >= 60);
    for vector in &all {
        let name = text(vector, "name");
        let (chain, payload) = (chain(vector), bytes(vector, "payload"));
        let effect = ethereum_effect(chain, &payload).expect(name);
        check_meaning(vector, &effect.decoded);
        let [target] = effect.targets.as_slice() else {
            panic!("{name}: one digest is signed");
        };
        assert_eq!(
            target.digest().to_string(),
            text(vector, "digest"),
            "{name}"
        );

        let public_key = bytes(vector, "public_key");
        let signature = signature(vector).into();
        target.verify(&public_key, &signature).expect(name);
        let key = key(chain, Algorithm::Ecdsa, &public_key);
        let signed = assemble(&key, &payload, &[signature]).expect(name);
        assert_eq!(signed.bytes, bytes(vector, "signed"), "{name}");
        assert_eq!(signed.tx_id, text(vector, "tx_id"), "{name}");
        assert_eq!(signed.from, text(vector, "from"), "{name}");
        let verified = assemble_verified(&key, &payload, &[signature]);
        assert_eq!(verified, Ok(signed), "{name}");
        let address = key.address().expect(name);
        assert_eq!(address.as_deref(), vector["from"].as_str(), "{name}");
    }
}

#[test]
fn transactions__should_carry_their_warnings() {
    let all = vectors("ethereum/transactions.json");
    let warnings = |name: &str| {
        let vector = all.iter().find(|vector| text(vector, "name") == name);
        let vector = vector.expect("the vector exists");
        let effect = ethereum_effect(chain(vector), &bytes(vector, "payload"));
        effect.expect("the vector decodes").decoded.warnings
    };
    for (name, expected) in [
        ("1559 transfer", vec![]),
        ("legacy transfer", vec![]),
        ("1559 contract call", vec![Warning::ContractCall]),
        ("legacy one byte of data", vec![Warning::ContractCall]),
        ("1559 contract creation", vec![Warning::ContractCreation]),
        ("1559 to the zero address", vec![Warning::ZeroAddress]),
        ("1559 token transfer", vec![]),
        (
            "1559 token transfer with value",
            vec![Warning::ValueToToken],
        ),
        ("1559 approval", vec![Warning::TokenApproval]),
        (
            "1559 unlimited approval",
            vec![Warning::TokenApproval, Warning::UnlimitedApproval],
        ),
    ] {
        assert_eq!(warnings(name), expected, "{name}");
    }
}

#[test]
fn addresses__should_equal_those_of_eth_keys_for_100_keys() {
    let all = vectors("ethereum/addresses.json");
    assert_eq!(all.len(), 100);
    for id in [
        "ethereum",
        "ethereum-sepolia",
        "ethereum-holesky",
        "ethereum-local",
    ] {
        let chain = Chain::parse(&ChainId::new(id).expect("an id")).expect("a chain");
        for vector in &all {
            let key = bytes(vector, "public_key");
            assert_eq!(
                chain.address(Algorithm::Ecdsa, &key, DEFAULT_ADDRESS_KIND),
                Ok(Some(text(vector, "address").to_owned()))
            );
        }
    }
}

#[test]
fn d5_payloads_of_other_forms__must_be_refused_with_their_code() {
    let all = vectors("ethereum/refused.json");
    assert!(all.len() >= 12);
    for vector in &all {
        let refusal = ethereum_effect(chain(vector), &bytes(vector, "payload"))
            .expect_err("the vector is to be refused");
        assert_eq!(refusal.code(), text(vector, "code"), "{refusal}");
    }
}
