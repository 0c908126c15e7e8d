//! Keys and golden files.

use std::sync::LazyLock;

use quorate_chains::{
    Chain, DEFAULT_ADDRESS_KIND, Effect, EthereumNetwork, KeyContext, MessageType, Refusal,
    effect_of,
};
use quorate_types::{Algorithm, ChainId, Rights};
use serde_json::Value;

pub(crate) const ETHEREUM: Chain = Chain::Ethereum(EthereumNetwork::Mainnet);

/// A key on secp256k1: the generator.
pub(crate) const GENERATOR: [u8; 33] = [
    0x02, 0x79, 0xbe, 0x66, 0x7e, 0xf9, 0xdc, 0xbb, 0xac, 0x55, 0xa0, 0x62, 0x95, 0xce, 0x87, 0x0b,
    0x07, 0x02, 0x9b, 0xfc, 0xdb, 0x2d, 0xce, 0x28, 0xd9, 0x59, 0xf2, 0x81, 0x5b, 0x16, 0xf8, 0x17,
    0x98,
];

static NO_RIGHTS: LazyLock<Rights> = LazyLock::new(Rights::default);

/// A key as it was created, without rights.
pub(crate) fn key(chain: Chain, algorithm: Algorithm, public_key: &[u8]) -> KeyContext<'_> {
    KeyContext {
        chain,
        algorithm,
        rights: &NO_RIGHTS,
        address_kind: DEFAULT_ADDRESS_KIND,
        public_key,
    }
}

/// What signing a transaction with an Ethereum key means.
pub(crate) fn ethereum_effect(chain: Chain, payload: &[u8]) -> Result<Effect, Refusal> {
    let key = key(chain, Algorithm::Ecdsa, &GENERATOR);
    effect_of(&key, MessageType::Transaction, payload)
}

/// A file of `vectors/`.
pub(crate) fn vectors(name: &str) -> Vec<Value> {
    let root = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let path = format!("{root}/../../vectors/{name}");
    let text = std::fs::read_to_string(path).expect("the vectors are in the repository");
    serde_json::from_str(&text).expect("the vectors are JSON")
}

pub(crate) fn text<'a>(vector: &'a Value, field: &str) -> &'a str {
    vector[field].as_str().expect("the field is a text")
}

pub(crate) fn bytes(vector: &Value, field: &str) -> Vec<u8> {
    hex::decode(text(vector, field)).expect("the field is hex")
}

pub(crate) fn chain(vector: &Value) -> Chain {
    let id = ChainId::new(text(vector, "chain")).expect("the vector names a chain");
    Chain::parse(&id).expect("the chain is known")
}
