//! What is signed in a measurement, by the scheme of the key.

use quorate_chains::MessageType;
use quorate_types::Algorithm;

use crate::check::CertifiedKey;
use crate::commands::Payload;
use crate::error::CliError;
use crate::ethereum_tx::bench_transfer;

/// Chain of ECDSA keys that are measured: no real money can be moved by what is signed.
const ETHEREUM: &str = "ethereum-local";
/// Keys of other schemes sign raw messages, for which they need the right.
const NO_CHAIN: &str = "none";

/// What a key of one scheme signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Subject {
    algorithm: Algorithm,
}

impl Subject {
    pub(super) const fn new(algorithm: Algorithm) -> Self {
        Self { algorithm }
    }

    /// The subject of an existing key.
    pub(super) fn of(key: &CertifiedKey) -> Result<Self, CliError> {
        let found = Self::new(key.statement().algorithm);
        if key.statement().chain.as_str() == found.chain() {
            return Ok(found);
        }
        let what = format!(
            "this key is for {}, measurements with {} keys sign for {}",
            key.chain(),
            found.algorithm,
            found.chain()
        );
        Err(CliError::invalid(what, "leave --key out"))
    }

    pub(super) const fn algorithm(self) -> Algorithm {
        self.algorithm
    }

    pub(super) const fn chain(self) -> &'static str {
        match self.algorithm {
            Algorithm::Ecdsa => ETHEREUM,
            _ => NO_CHAIN,
        }
    }

    /// Rights that a key needs to sign it.
    pub(super) fn rights(self) -> Vec<String> {
        match self.algorithm {
            Algorithm::Ecdsa => Vec::new(),
            _ => vec!["raw_message".to_owned()],
        }
    }

    /// A message that no other number gives.
    pub(super) fn payload(self, number: u64) -> Payload {
        match self.algorithm {
            Algorithm::Ecdsa => Payload {
                message_type: MessageType::Transaction,
                bytes: bench_transfer(number),
            },
            _ => Payload {
                message_type: MessageType::Raw,
                bytes: format!("quorate bench message {number:020}").into_bytes(),
            },
        }
    }

    /// For the report.
    pub(super) const fn description(self) -> &'static str {
        match self.algorithm {
            Algorithm::Ecdsa => {
                "EIP-1559 transfers on ethereum-local, one intent and one HMAC each, every \
                 signature verified with the certified key"
            }
            Algorithm::EdDsa => {
                "Ed25519 over raw messages of 42 bytes, one intent and one HMAC each, every \
                 signature verified with the certified key"
            }
            _ => {
                "BIP340 over SHA-256 of raw messages of 42 bytes, one intent and one HMAC each, \
                 every signature verified with the certified key"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payload__should_differ_for_every_number() {
        for algorithm in [Algorithm::Ecdsa, Algorithm::EdDsa, Algorithm::Schnorr] {
            let subject = Subject::new(algorithm);
            assert_ne!(subject.payload(1).bytes, subject.payload(2).bytes);
            assert_eq!(subject.rights().is_empty(), subject.chain() == ETHEREUM);
        }
        assert_eq!(Subject::new(Algorithm::EdDsa).payload(7).bytes.len(), 42);
    }
}
