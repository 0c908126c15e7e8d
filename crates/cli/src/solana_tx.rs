//! Unsigned Solana transfers, as `quorate tx solana` builds them.
//!
//! What the bytes mean is read back by `quorate-chains`, the code that participants decide with.

use quorate_chains::{Chain, DEFAULT_ADDRESS_KIND, Decoded, KeyContext, MessageType, effect_of};
use quorate_types::{Algorithm, Rights};

use crate::amount;
use crate::error::CliError;

/// The program that moves lamports.
const SYSTEM_PROGRAM: [u8; 32] = [0; 32];
/// Its instruction `Transfer`.
const TRANSFER: u32 = 2;
/// First byte of a message of version 0.
const VERSION_0: u8 = 0x80;

/// The form of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum MessageVersion {
    /// Without a version byte
    Legacy,
    /// Version 0, here without address tables
    #[value(name = "0")]
    Zero,
}

/// A transfer of lamports.
#[derive(Debug, Clone)]
pub(crate) struct Transfer {
    pub(crate) chain: Chain,
    pub(crate) version: MessageVersion,
    pub(crate) from: [u8; 32],
    pub(crate) to: [u8; 32],
    pub(crate) lamports: u64,
    pub(crate) recent_blockhash: [u8; 32],
}

impl Transfer {
    /// The message that is signed: the sender signs and pays, the system program moves the lamports.
    pub(crate) fn encode(&self) -> Vec<u8> {
        // Each account stands there once: whoever sends to itself is both.
        let mut accounts = vec![self.from];
        if self.to != self.from {
            accounts.push(self.to);
        }
        let receiver = u8::from(self.to != self.from);
        accounts.push(SYSTEM_PROGRAM);
        let count = receiver + 2;
        let mut out = match self.version {
            MessageVersion::Legacy => Vec::new(),
            MessageVersion::Zero => vec![VERSION_0],
        };
        // One signs; of the others the program is not written to.
        out.extend([1, 0, 1, count]);
        out.extend_from_slice(accounts.as_flattened());
        out.extend_from_slice(&self.recent_blockhash);
        let data = [
            TRANSFER.to_le_bytes().as_slice(),
            &self.lamports.to_le_bytes(),
        ]
        .concat();
        // One instruction: program, accounts, data. Every length here is below 128: one byte.
        out.extend([1, count - 1, 2, 0, receiver, 12]);
        out.extend_from_slice(&data);
        if self.version == MessageVersion::Zero {
            out.push(0);
        }
        out
    }

    /// What the message means to whoever signs it.
    pub(crate) fn decoded(&self) -> Result<Decoded, CliError> {
        let key = KeyContext {
            chain: self.chain,
            algorithm: Algorithm::EdDsa,
            rights: &Rights::default(),
            address_kind: DEFAULT_ADDRESS_KIND,
            public_key: &self.from,
        };
        let effect = effect_of(&key, MessageType::Transaction, &self.encode());
        effect.map(|effect| effect.decoded).map_err(|refusal| {
            CliError::invalid(refusal.to_string(), "change the fields of the transaction")
        })
    }
}

/// An address: 32 bytes in Base58.
pub(crate) fn parse_address(text: &str) -> Result<[u8; 32], String> {
    parse_32(text, "an address")
}

/// A receiver: an address that can hold lamports of somebody.
pub(crate) fn parse_receiver(text: &str) -> Result<[u8; 32], String> {
    let address = parse_address(text)?;
    if address == SYSTEM_PROGRAM {
        return Err("the system program cannot receive lamports".to_owned());
    }
    Ok(address)
}

/// A block's hash, in Base58.
pub(crate) fn parse_blockhash(text: &str) -> Result<[u8; 32], String> {
    parse_32(text, "a block's hash")
}

fn parse_32(text: &str, what: &str) -> Result<[u8; 32], String> {
    let mut bytes = [0; 32];
    // A longer text would not fit, a shorter one leaves bytes over.
    match bs58::decode(text).onto(&mut bytes) {
        Ok(32) => Ok(bytes),
        _ => Err(format!("{what} is 32 bytes in Base58")),
    }
}

/// An amount in lamports: `123`, `1.5sol`, `7lamport`.
pub(crate) fn parse_amount(text: &str) -> Result<u64, String> {
    let units = [("sol", 9), ("lamport", 0)];
    let form = "an amount is a number of lamports, or a number with sol behind it";
    amount::parse_u64(text, &units, "lamport", form)
}

#[cfg(test)]
mod tests {
    use quorate_chains::{EffectKind, SolanaNetwork, Uint256};

    use super::*;

    const FROM: [u8; 32] = [0x11; 32];

    fn transfer(version: MessageVersion, to: [u8; 32], lamports: u64) -> Transfer {
        // A point of the curve: the generator's.
        let mut from = [0x66; 32];
        from[0] = 0x58;
        Transfer {
            chain: Chain::Solana(SolanaNetwork::Local),
            version,
            from,
            to,
            lamports,
            recent_blockhash: [7; 32],
        }
    }

    #[test]
    fn message__should_be_what_the_participants_read() {
        for version in [MessageVersion::Legacy, MessageVersion::Zero] {
            for lamports in [0, 1, 1_000_000_000, u64::MAX] {
                let decoded = transfer(version, FROM, lamports).decoded().unwrap();
                assert_eq!(decoded.kind, EffectKind::Transfer);
                let [sent] = decoded.outputs.as_slice() else {
                    panic!("{decoded:?}");
                };
                assert_eq!(sent.amount, Uint256::from(lamports));
                let to = bs58::encode(FROM).into_string();
                assert_eq!(sent.to.as_deref(), Some(to.as_str()));
            }
        }
    }

    #[test]
    fn transfer_to_oneself__should_name_each_account_once() {
        let own = transfer(MessageVersion::Legacy, FROM, 5).from;
        let decoded = transfer(MessageVersion::Zero, own, 5).decoded().unwrap();
        assert_eq!(decoded.kind, EffectKind::Transfer);
        assert_eq!(decoded.from, decoded.outputs[0].to);
    }

    #[test]
    fn address__must_be_32_bytes_in_base58() {
        let text = bs58::encode(FROM).into_string();
        assert_eq!(parse_address(&text), Ok(FROM));
        assert_eq!(parse_address(&"1".repeat(32)), Ok(SYSTEM_PROGRAM));
        assert!(parse_receiver(&"1".repeat(32)).is_err());
        for bad in ["", "1", "0OIl", &format!("1{text}"), &text[4..]] {
            assert!(parse_address(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn amount__should_be_read_in_lamports_and_sol() {
        for (text, lamports) in [("0", 0), ("7lamport", 7), ("1.5sol", 1_500_000_000)] {
            assert_eq!(parse_amount(text), Ok(lamports), "{text}");
        }
        for bad in ["", "1.5", "0.0000000001sol", "sol", "18446744074sol"] {
            assert!(parse_amount(bad).is_err(), "{bad}");
        }
    }
}
