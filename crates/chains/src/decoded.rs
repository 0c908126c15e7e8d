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
    /// Address that pays, where it follows from the payload. Ethereum's payloads do not name it.
    pub from: Option<String>,
    /// What leaves, and where to.
    pub outputs: Vec<Output>,
    /// Most that can be paid as a fee, in the smallest native unit (wei, satoshi, lamport).
    pub fee: Option<Uint256>,
    /// Size that the fee is paid for, in virtual bytes (Bitcoin).
    pub virtual_size: Option<u64>,
    /// Position of the transaction in its account's sequence.
    pub nonce: Option<u64>,
    /// When the payload stops being valid, if it does.
    pub valid_until: Option<UnixSeconds>,
    /// What a person should look at.
    pub warnings: Vec<Warning>,
    /// What else the payload says, by name.
    pub facts: Vec<Fact>,
}

impl Decoded {
    /// An act about which nothing else is known.
    pub(crate) const fn new(kind: EffectKind) -> Self {
        Self {
            kind,
            from: None,
            outputs: Vec::new(),
            fee: None,
            virtual_size: None,
            nonce: None,
            valid_until: None,
            warnings: Vec::new(),
            facts: Vec::new(),
        }
    }

    /// Adds a warning, once.
    pub(crate) fn warn(&mut self, warning: Warning) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }
}

/// Something that a payload says and that is neither an amount nor a warning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fact {
    /// What it is, such as `memo` or `lock_time`.
    pub name: &'static str,
    /// What it says. Control characters are escaped, so that it can be shown anywhere.
    pub value: String,
}

impl Fact {
    /// Escapes what a terminal would obey: the payload chose this text.
    pub(crate) fn new(name: &'static str, value: impl AsRef<str>) -> Self {
        let is_plain = |c: &char| !c.is_control() && !is_invisible(*c);
        let written = value.as_ref().chars().map(|c| match c {
            '\\' => "\\\\".to_owned(),
            _ if is_plain(&c) => c.to_string(),
            _ => c.escape_unicode().to_string(),
        });
        Self {
            name,
            value: written.collect(),
        }
    }
}

/// Characters that change how their neighbours look: marks of direction and of no width.
const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}')
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
    /// Code of a contract or program runs, with an effect that is not decoded.
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
    /// Whether it comes back to the key itself (Bitcoin).
    pub is_change: bool,
}

/// What is moved.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Asset {
    /// The coin of the chain, in its smallest unit (wei, satoshi, lamport).
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
    /// Code of a contract or program runs, with data that is not decoded.
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
    /// The transaction stays valid until a nonce on the chain changes, not for about a minute
    /// (Solana).
    DurableNonce,
    /// Accounts of a call stand in a table on the chain, not in the payload (Solana).
    AddressTable,
    /// An output's script has no address, so nobody can say here who may spend it (Bitcoin).
    UnknownScript,
    /// Coins go to an output that nobody can ever spend (Bitcoin).
    ValueBurned,
    /// An output is worth less than spending it costs; nodes do not relay it (Bitcoin).
    Dust,
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
            Self::DurableNonce => "durable_nonce",
            Self::AddressTable => "address_table",
            Self::UnknownScript => "unknown_script",
            Self::ValueBurned => "value_burned",
            Self::Dust => "dust",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fact__must_not_reach_a_terminal_as_a_command() {
        for (said, shown) in [
            ("Lunch, Zoë 🍜", "Lunch, Zoë 🍜"),
            ("\u{1b}[2Jgone", "\\u{1b}[2Jgone"),
            ("a\r\nb", "a\\u{d}\\u{a}b"),
            ("to \u{202e}ecila", "to \\u{202e}ecila"),
            ("\\u{1b}", "\\\\u{1b}"),
        ] {
            assert_eq!(Fact::new("memo", said).value, shown);
        }
    }
}
