use std::fmt;
use std::str::FromStr;

use quorate_types::{Canonical, DecodeError, Reader, Writer};

/// What the bytes to sign are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum MessageType {
    /// Any bytes, hashed before they are signed. Needs the right `raw_message`.
    Raw,
    /// A 32-byte digest whose meaning nobody can check. Needs the right `raw_hash`.
    Hash,
    /// Structured data of a chain, such as EIP-712.
    TypedData,
    /// An unsigned transaction of a chain.
    Transaction,
}

impl MessageType {
    const ALL: [Self; 4] = [Self::Raw, Self::Hash, Self::TypedData, Self::Transaction];

    /// Name in APIs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Hash => "hash",
            Self::TypedData => "typed_data",
            Self::Transaction => "transaction",
        }
    }

    const fn code(self) -> u8 {
        match self {
            Self::Raw => 1,
            Self::Hash => 2,
            Self::TypedData => 3,
            Self::Transaction => 4,
        }
    }
}

impl fmt::Display for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for MessageType {
    type Err = DecodeError;
    fn from_str(text: &str) -> Result<Self, DecodeError> {
        let what = "message type";
        Self::ALL
            .into_iter()
            .find(|known| known.as_str() == text)
            .ok_or(DecodeError::Unknown { what })
    }
}

impl Canonical for MessageType {
    fn write(&self, out: &mut Writer) {
        out.u8(self.code());
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let what = "message type";
        let code = input.u8(what)?;
        Self::ALL
            .into_iter()
            .find(|known| known.code() == code)
            .ok_or(DecodeError::Unknown { what })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_type__should_keep_its_codes_and_names() {
        let expected = [
            (1, "raw"),
            (2, "hash"),
            (3, "typed_data"),
            (4, "transaction"),
        ];
        for (known, (code, name)) in MessageType::ALL.into_iter().zip(expected) {
            assert_eq!(known.to_bytes(), [code]);
            assert_eq!(MessageType::from_bytes(&[code]), Ok(known));
            assert_eq!(name.parse(), Ok(known));
            assert_eq!(known.to_string(), name);
        }
        for code in (0..=255).filter(|code| !(1..=4).contains(code)) {
            assert!(MessageType::from_bytes(&[code]).is_err());
        }
        assert!("RAW".parse::<MessageType>().is_err());
    }
}
