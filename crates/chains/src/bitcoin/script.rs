//! The scripts that outputs have, and their addresses (`docs/protocols/bitcoin.md` §1).

use sha2::{Digest, Sha256};

use super::network::BitcoinNetwork;

const OP_0: u8 = 0x00;
const OP_1: u8 = 0x51;
const OP_RETURN: u8 = 0x6a;
const PUSH_20: u8 = 20;
const PUSH_32: u8 = 32;

/// What an output's script demands of whoever spends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lock<'a> {
    /// A signature by the key with this hash.
    KeyHash(&'a [u8; 20]),
    /// The script with this hash, and what satisfies it.
    ScriptHash(&'a [u8; 20]),
    /// As `KeyHash`, in a witness.
    WitnessKeyHash(&'a [u8; 20]),
    /// As `ScriptHash`, in a witness.
    WitnessScriptHash(&'a [u8; 32]),
    /// A signature by this key, or a script that it commits to.
    Taproot(&'a [u8; 32]),
    /// Cannot be spent; carries data.
    Data,
    /// Anything else.
    Other,
}

impl<'a> Lock<'a> {
    /// Recognises a script by its exact form.
    pub(super) fn of(script: &'a [u8]) -> Self {
        match script {
            [0x76, 0xa9, PUSH_20, hash @ .., 0x88, 0xac] => {
                hash.try_into().map_or(Self::Other, Self::KeyHash)
            }
            [0xa9, PUSH_20, hash @ .., 0x87] => {
                hash.try_into().map_or(Self::Other, Self::ScriptHash)
            }
            [OP_0, PUSH_20, hash @ ..] => hash.try_into().map_or(Self::Other, Self::WitnessKeyHash),
            [OP_0, PUSH_32, hash @ ..] => {
                hash.try_into().map_or(Self::Other, Self::WitnessScriptHash)
            }
            [OP_1, PUSH_32, key @ ..] => key.try_into().map_or(Self::Other, Self::Taproot),
            [OP_RETURN, ..] => Self::Data,
            _ => Self::Other,
        }
    }

    /// Its address, if it has one that everybody writes alike.
    pub(super) fn address(self, network: BitcoinNetwork) -> Option<String> {
        let hrp = network.bech32_prefix();
        let witness_0 = |program: &[u8]| bech32::segwit::encode_v0(hrp, program).ok();
        match self {
            Self::KeyHash(hash) => Some(base58_check(network.key_hash_prefix(), hash)),
            Self::ScriptHash(hash) => Some(base58_check(network.script_hash_prefix(), hash)),
            Self::WitnessKeyHash(hash) => witness_0(hash),
            Self::WitnessScriptHash(hash) => witness_0(hash),
            Self::Taproot(key) => bech32::segwit::encode_v1(hrp, key).ok(),
            Self::Data | Self::Other => None,
        }
    }

    /// Whether what spends it stands in the witness, at a quarter of the price.
    pub(super) const fn is_witness(self) -> bool {
        matches!(
            self,
            Self::WitnessKeyHash(_) | Self::WitnessScriptHash(_) | Self::Taproot(_)
        )
    }
}

/// `0 <hash>`: spent by the key with this hash (BIP141).
pub(super) fn witness_key_hash(hash: &[u8; 20]) -> Vec<u8> {
    [&[OP_0, PUSH_20], hash.as_slice()].concat()
}

/// `1 <key>`: spent by this output key (BIP341).
pub(super) fn taproot(output_key: &[u8]) -> Vec<u8> {
    [&[OP_1, PUSH_32], output_key].concat()
}

/// Base58 of prefix, payload, and 4 bytes of their double SHA-256.
fn base58_check(prefix: u8, payload: &[u8; 20]) -> String {
    let mut bytes = vec![prefix];
    bytes.extend_from_slice(payload);
    let checksum = Sha256::digest(Sha256::digest(&bytes));
    bytes.extend(checksum.iter().take(4));
    bs58::encode(bytes).into_string()
}
