//! The scripts that addresses stand for.

use quorate_chains::{BitcoinNetwork, Chain};
use sha2::{Digest as _, Sha256};

/// The script of an address of this network; none for what is no address of it that is known here.
///
/// Witness programs of version 0 and 1, and hashes of keys and scripts. Checksums are checked.
pub(super) fn script_of(network: BitcoinNetwork, address: &str) -> Option<Vec<u8>> {
    witness_program(network, address).or_else(|| hash(network, address))
}

/// BIP173 and BIP350.
fn witness_program(network: BitcoinNetwork, address: &str) -> Option<Vec<u8>> {
    let (prefix, version, program) = bech32::segwit::decode(address).ok()?;
    let expected = match network {
        BitcoinNetwork::Mainnet => bech32::hrp::BC,
        BitcoinNetwork::Regtest => bech32::hrp::BCRT,
        _ => bech32::hrp::TB,
    };
    if prefix != expected {
        return None;
    }
    let (opcode, length) = match (version.to_u8(), program.len()) {
        (0, length @ (20 | 32)) => (0x00, length),
        (1, length @ 32) => (0x51, length),
        _ => return None,
    };
    let length = u8::try_from(length).ok()?;
    Some([&[opcode, length], program.as_slice()].concat())
}

/// Base58 of a prefix, a hash, and 4 bytes of their double SHA-256.
fn hash(network: BitcoinNetwork, address: &str) -> Option<Vec<u8>> {
    let mut bytes = [0; 25];
    if bs58::decode(address).onto(&mut bytes) != Ok(25) {
        return None;
    }
    let (payload, checksum) = bytes.split_at(21);
    let expected = Sha256::digest(Sha256::digest(payload));
    if !expected.starts_with(checksum) {
        return None;
    }
    let (prefix, hash) = payload.split_first()?;
    let (of_keys, of_scripts) = match network {
        BitcoinNetwork::Mainnet => (0x00, 0x05),
        _ => (0x6f, 0xc4),
    };
    let (before, after): (&[u8], &[u8]) = if *prefix == of_keys {
        (&[0x76, 0xa9, 20], &[0x88, 0xac])
    } else if *prefix == of_scripts {
        (&[0xa9, 20], &[0x87])
    } else {
        return None;
    };
    Some([before, hash, after].concat())
}

/// The network of a chain, if it is one of Bitcoin's.
pub(super) const fn network_of(chain: Chain) -> Option<BitcoinNetwork> {
    match chain {
        Chain::Bitcoin(network) => Some(network),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Addresses of BIP173 and BIP350 and of the generator's key.
    #[test]
    fn script__should_be_that_of_the_address() {
        let hash = "751e76e8199196d454941c45d1b3a323f1433bd6";
        let key = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
        let (main, test) = (BitcoinNetwork::Mainnet, BitcoinNetwork::Testnet);
        for (network, address, script) in [
            (
                main,
                "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
                format!("0014{hash}"),
            ),
            (
                main,
                "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4",
                format!("0014{hash}"),
            ),
            (
                test,
                "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx",
                format!("0014{hash}"),
            ),
            (
                main,
                "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
                format!("5120{key}"),
            ),
            (
                main,
                "1BgGZ9tcN4rm9KBzDn7KprQz87SZ26SAMH",
                format!("76a914{hash}88ac"),
            ),
            (
                test,
                "mrCDrCybB6J1vRfbwM5hemdJz73FwDBC8r",
                format!("76a914{hash}88ac"),
            ),
        ] {
            let found = script_of(network, address).map(hex::encode);
            assert_eq!(found, Some(script), "{address}");
        }
    }

    #[test]
    fn address__must_be_one_of_the_network_without_a_typing_error() {
        let main = BitcoinNetwork::Mainnet;
        for bad in [
            "",
            "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx",
            "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5",
            "mrCDrCybB6J1vRfbwM5hemdJz73FwDBC8r",
            "1BgGZ9tcN4rm9KBzDn7KprQz87SZ26SAMh",
            // Version 1 with the checksum of version 0, and a version that nobody uses yet.
            "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqh2y7hd",
            "bc1sw50qgdz25j",
        ] {
            assert_eq!(script_of(main, bad), None, "{bad}");
        }
    }
}
