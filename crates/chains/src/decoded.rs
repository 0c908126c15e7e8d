//! What a payload does, in words that a person and a policy can judge.

use std::fmt;

use quorate_types::UnixSeconds;
use serde::Serialize;

use crate::Uint256;

/// What signing a payload would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Decoded {
    /// The act as a whole.
    pub kind: EffectKind,
    /// Address that pays, if the payload names it. Ethereum's payloads do not.
    pub from: Option<String>,
    /// What leaves, and where to.
    pub outputs: Vec<Output>,
    /// Most that can be paid as a fee, in the smallest native unit (wei).
    pub fee: Option<Uint256>,
    /// Position of the transaction in its account's sequence.
    pub nonce: Option<u64>,
    /// When the payload stops being valid, if it does.
    pub valid_until: Option<UnixSeconds>,
    /// What a person should look at.
    pub warnings: Vec<Warning>,
}

/// The act as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EffectKind {
    /// The native coin moves.
    Transfer,
    /// ERC-20 `transfer`: tokens of the contract move, if the contract is a token.
    TokenTransfer,
    /// ERC-20 `approve`: somebody else may take tokens of the contract later.
    TokenApproval,
    /// Code of a contract runs, with an effect that is not decoded.
    ContractCall,
    /// A new contract is deployed, with an effect that is not decoded.
    ContractCreation,
    /// A digest of unknown meaning is signed.
    RawHash,
    /// Bytes of unknown meaning are signed.
    RawMessage,
}

/// One amount that leaves the signer, or that somebody may take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Output {
    /// Receiver, or spender of an approval; none for a contract that does not exist yet.
    pub to: Option<String>,
    /// What is moved.
    pub asset: Asset,
    /// How much, in the smallest unit of the asset.
    pub amount: Uint256,
}

/// What is moved.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Asset {
    /// The coin of the chain, in its smallest unit (wei).
    Native,
    /// Tokens of the contract with this address.
    ///
    /// Nobody here knows what the contract does: judge it by its address.
    Token(String),
}

impl fmt::Display for Asset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Native => f.write_str("native"),
            Self::Token(contract) => f.write_str(contract),
        }
    }
}

impl Serialize for Asset {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

/// What a person should look at before approving.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Warning {
    /// Code of a contract runs, with data that is not decoded.
    ContractCall,
    /// A contract is deployed.
    ContractCreation,
    /// Somebody may take tokens later, without a further signature.
    TokenApproval,
    /// An approval of 2²⁵⁵ or more: whatever the account holds, now and later.
    UnlimitedApproval,
    /// The native coin goes to a token contract, beside the token call.
    ValueToToken,
    /// The receiver is the zero address: what is sent there is gone.
    ZeroAddress,
    /// The meaning of what is signed is not known.
    MeaningUnknown,
}

impl Warning {
    /// Name in APIs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ContractCall => "contract_call",
            Self::ContractCreation => "contract_creation",
            Self::TokenApproval => "token_approval",
            Self::UnlimitedApproval => "unlimited_approval",
            Self::ValueToToken => "value_to_token",
            Self::ZeroAddress => "zero_address",
            Self::MeaningUnknown => "meaning_unknown",
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl EffectKind {
    /// Name in APIs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Transfer => "transfer",
            Self::TokenTransfer => "token_transfer",
            Self::TokenApproval => "token_approval",
            Self::ContractCall => "contract_call",
            Self::ContractCreation => "contract_creation",
            Self::RawHash => "raw_hash",
            Self::RawMessage => "raw_message",
        }
    }
}

impl fmt::Display for EffectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
