use std::fmt;
use std::str::FromStr;

use crate::canonical::{Canonical, DecodeError, Reader, Writer};

/// Group over which a key lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Curve {
    /// SEC 2 secp256k1: ECDSA and BIP340.
    Secp256k1,
    /// The prime-order subgroup of edwards25519.
    Ed25519,
}

impl Curve {
    /// Length of a compressed point in bytes.
    #[must_use]
    pub const fn point_length(self) -> usize {
        match self {
            Self::Secp256k1 => 33,
            Self::Ed25519 => 32,
        }
    }

    /// Name in APIs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Secp256k1 => "secp256k1",
            Self::Ed25519 => "ed25519",
        }
    }
}

/// Signature scheme of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Algorithm {
    /// ECDSA over secp256k1.
    Ecdsa,
    /// Ed25519 (RFC 8032).
    EdDsa,
    /// BIP340 Schnorr over secp256k1.
    Schnorr,
}

impl Algorithm {
    /// Name in APIs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ecdsa => "ECDSA",
            Self::EdDsa => "EdDSA",
            Self::Schnorr => "Schnorr",
        }
    }

    /// The one curve that this scheme is used with here.
    #[must_use]
    pub const fn curve(self) -> Curve {
        match self {
            Self::Ecdsa | Self::Schnorr => Curve::Secp256k1,
            Self::EdDsa => Curve::Ed25519,
        }
    }
}

macro_rules! coded {
    ($type:ident, $what:literal, $($variant:ident = $code:literal),+) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
        impl FromStr for $type {
            type Err = DecodeError;
            fn from_str(text: &str) -> Result<Self, DecodeError> {
                [$(Self::$variant),+]
                    .into_iter()
                    .find(|known| known.as_str() == text)
                    .ok_or(DecodeError::Unknown { what: $what })
            }
        }
        impl Canonical for $type {
            fn write(&self, out: &mut Writer) {
                out.u8(match self { $(Self::$variant => $code),+ });
            }
            fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
                match input.u8($what)? {
                    $($code => Ok(Self::$variant),)+
                    _ => Err(DecodeError::Unknown { what: $what }),
                }
            }
        }
    };
}
coded!(Curve, "curve", Secp256k1 = 1, Ed25519 = 2);
coded!(Algorithm, "algorithm", Ecdsa = 1, EdDsa = 2, Schnorr = 3);
