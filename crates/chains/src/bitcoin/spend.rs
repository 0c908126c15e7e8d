//! How the key's own coins are spent, and what its signature covers.

use quorate_types::Algorithm;
use quorate_verify::{check_secp256k1_point, taproot_output_key};

use super::{hash, script};
use crate::Refusal;

/// Longest DER signature with low s, and its sighash byte.
const DER_SIGNATURE: u64 = 72;
/// A BIP340 signature.
const SCHNORR_SIGNATURE: u64 = 64;

/// The form of the key's own coins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SpendKind {
    /// Witness version 0, ECDSA over BIP143.
    WitnessKeyHash,
    /// Witness version 1 by key path, BIP340 over BIP341.
    TaprootKeyPath,
}

/// What a signature covers: always all inputs and all outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SighashType {
    /// Said by leaving it out (BIP341).
    Default,
    /// Said by a byte behind the signature.
    All,
}

impl SpendKind {
    /// The form that keys of a scheme have.
    pub(crate) const fn of(algorithm: Algorithm) -> Option<Self> {
        match algorithm {
            Algorithm::Ecdsa => Some(Self::WitnessKeyHash),
            Algorithm::Schnorr => Some(Self::TaprootKeyPath),
            _ => None,
        }
    }

    /// The script of the key's own coins.
    ///
    /// # Errors
    /// [`Refusal::InvalidPublicKey`].
    pub(super) fn own_script(self, public_key: &[u8]) -> Result<Vec<u8>, Refusal> {
        match self {
            Self::WitnessKeyHash => {
                check_secp256k1_point(public_key).map_err(Refusal::InvalidPublicKey)?;
                Ok(script::witness_key_hash(&hash::hash160(public_key)))
            }
            Self::TaprootKeyPath => {
                let output = taproot_output_key(public_key).map_err(Refusal::InvalidPublicKey)?;
                let (_, x) = output.split_at(1);
                Ok(script::taproot(x))
            }
        }
    }

    /// The sighash type that an input asks for, if it is one that covers everything.
    ///
    /// # Errors
    /// [`Refusal::SighashType`] naming the input (row D6).
    pub(super) fn sighash_type(
        self,
        input: usize,
        asked: Option<u32>,
    ) -> Result<SighashType, Refusal> {
        match (self, asked) {
            (Self::WitnessKeyHash, None | Some(1)) | (Self::TaprootKeyPath, Some(1)) => {
                Ok(SighashType::All)
            }
            (Self::TaprootKeyPath, None | Some(0)) => Ok(SighashType::Default),
            (_, Some(code)) => Err(Refusal::SighashType {
                input,
                code,
                name: sighash_name(code),
            }),
        }
    }

    /// Most bytes of an input's witness.
    pub(super) const fn witness_size(self, sighash: SighashType) -> u64 {
        match self {
            Self::WitnessKeyHash => 1 + (1 + DER_SIGNATURE) + (1 + 33),
            Self::TaprootKeyPath => 1 + 1 + SCHNORR_SIGNATURE + sighash.suffix().len() as u64,
        }
    }
}

impl SighashType {
    /// Its byte in digests.
    pub(super) const fn code(self) -> u8 {
        match self {
            Self::Default => 0,
            Self::All => 1,
        }
    }

    /// What follows the signature.
    pub(super) const fn suffix(self) -> &'static [u8] {
        match self {
            Self::Default => &[],
            Self::All => &[1],
        }
    }
}

const fn sighash_name(code: u32) -> &'static str {
    match code {
        0 => "DEFAULT",
        2 => "NONE",
        3 => "SINGLE",
        0x81 => "ALL|ANYONECANPAY",
        0x82 => "NONE|ANYONECANPAY",
        0x83 => "SINGLE|ANYONECANPAY",
        _ => "unknown",
    }
}
