use std::fmt;
use std::str::FromStr;

use crate::canonical::{Canonical, DecodeError, Reader, Writer};

/// What the payload of a sign intent is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum MessageType {
    /// Bytes without a meaning known here; needs the right `raw_message`.
    Raw,
    /// A 32-byte digest; needs the right `raw_hash`.
    Hash,
    /// Typed data (EIP-712).
    TypedData,
    /// An unsigned transaction of the key's chain.
    Transaction,
}

impl MessageType {
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
}

impl fmt::Display for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for MessageType {
    type Err = DecodeError;
    fn from_str(text: &str) -> Result<Self, DecodeError> {
        [Self::Raw, Self::Hash, Self::TypedData, Self::Transaction]
            .into_iter()
            .find(|known| known.as_str() == text)
            .ok_or(DecodeError::Unknown {
                what: "message type",
            })
    }
}

impl Canonical for MessageType {
    fn write(&self, out: &mut Writer) {
        out.u8(match self {
            Self::Raw => 1,
            Self::Hash => 2,
            Self::TypedData => 3,
            Self::Transaction => 4,
        });
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.u8("message type")? {
            1 => Ok(Self::Raw),
            2 => Ok(Self::Hash),
            3 => Ok(Self::TypedData),
            4 => Ok(Self::Transaction),
            _ => Err(DecodeError::Unknown {
                what: "message type",
            }),
        }
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
        for (known, (code, name)) in [
            MessageType::Raw,
            MessageType::Hash,
            MessageType::TypedData,
            MessageType::Transaction,
        ]
        .into_iter()
        .zip(expected)
        {
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
