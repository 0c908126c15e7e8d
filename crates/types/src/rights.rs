use std::collections::BTreeSet;

use crate::canonical::{Canonical, DecodeError, Reader, Writer};

/// A dangerous use that a key allows only if it was created with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Right {
    /// Sign a 32-byte digest whose meaning nobody can check (row D1).
    RawHash,
    /// Sign arbitrary bytes.
    RawMessage,
    /// The key was imported.
    Import,
    /// The key may be exported.
    Export,
}

impl Right {
    const ALL: [Self; 4] = [Self::RawHash, Self::RawMessage, Self::Import, Self::Export];

    /// Name in APIs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RawHash => "raw_hash",
            Self::RawMessage => "raw_message",
            Self::Import => "import",
            Self::Export => "export",
        }
    }

    /// The right of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|right| right.as_str() == name)
    }

    const fn bit(self) -> u32 {
        match self {
            Self::RawHash => 1,
            Self::RawMessage => 2,
            Self::Import => 4,
            Self::Export => 8,
        }
    }
}

/// The rights of a key; none by default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Rights(BTreeSet<Right>);

impl Rights {
    /// Whether the key has this right.
    #[must_use]
    pub fn allows(&self, right: Right) -> bool {
        self.0.contains(&right)
    }

    /// The rights, in a fixed order.
    pub fn iter(&self) -> impl Iterator<Item = Right> + '_ {
        self.0.iter().copied()
    }
}

impl FromIterator<Right> for Rights {
    fn from_iter<I: IntoIterator<Item = Right>>(rights: I) -> Self {
        Self(rights.into_iter().collect())
    }
}

impl Canonical for Rights {
    fn write(&self, out: &mut Writer) {
        out.u32(self.iter().map(Right::bit).sum());
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let bits = input.u32("rights")?;
        let rights: Self = Right::ALL
            .into_iter()
            .filter(|r| bits & r.bit() != 0)
            .collect();
        let known: u32 = rights.iter().map(Right::bit).sum();
        if known == bits {
            Ok(rights)
        } else {
            Err(DecodeError::Unknown { what: "right" })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights__must_refuse_unknown_bits() {
        assert_eq!(
            Rights::from_bytes(&16u32.to_be_bytes()),
            Err(DecodeError::Unknown { what: "right" })
        );
        let rights: Rights = [Right::Export, Right::RawHash].into_iter().collect();
        assert_eq!(rights.to_bytes(), 9u32.to_be_bytes());
        assert_eq!(Rights::from_bytes(&rights.to_bytes()).unwrap(), rights);
    }
}
