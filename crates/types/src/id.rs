//! Names of things. Every id is checked when it is made, so that it is safe in paths, logs and SQL.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::canonical::{Canonical, DecodeError, Reader, Writer};

/// A text that is not a valid id.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("invalid {kind}: {rule}")]
pub struct InvalidId {
    /// Which kind of id.
    pub kind: &'static str,
    /// The rule it must follow.
    pub rule: &'static str,
}

macro_rules! name_id {
    ($(#[$doc:meta])* $type:ident, $kind:literal, $max:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $type(String);

        impl $type {
            /// Checks and wraps a name.
            ///
            /// # Errors
            /// [`InvalidId`] unless it is 1 to the maximum of `a-z 0-9 - _ .`, starting with a
            /// letter or digit.
            pub fn new(text: &str) -> Result<Self, InvalidId> {
                let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
                let inner = |b: u8| allowed(b) || matches!(b, b'-' | b'_' | b'.');
                let starts_well = text.bytes().next().is_some_and(allowed);
                if text.len() <= $max && starts_well && text.bytes().all(inner) {
                    return Ok(Self(text.to_owned()));
                }
                Err(InvalidId {
                    kind: $kind,
                    rule: concat!(
                        "1 to ", stringify!($max),
                        " of a-z 0-9 - _ . starting with a letter or digit"
                    ),
                })
            }

            /// The name.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $type {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }

        impl Canonical for $type {
            fn write(&self, out: &mut Writer) {
                out.text(&self.0);
            }
            fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Self::new(input.text($kind, $max)?)
                    .map_err(|e| DecodeError::Invalid { field: $kind, why: e.rule })
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(&self.0)
            }
        }
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = String::deserialize(d)?;
                Self::new(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

name_id!(
    /// Network identity of a participant (or of the coordinator), fixed by the manifest.
    NodeId, "node id", 63
);
name_id!(
    /// A cluster, named in its manifest; intents and links of one cluster mean nothing in another.
    ClusterId, "cluster id", 63
);
name_id!(
    /// Whose keys these are. One manifest may serve several tenants.
    Tenant, "tenant", 63
);
name_id!(
    /// A client that may sign intents; its public key is in the manifest.
    InitiatorId, "initiator id", 63
);
name_id!(
    /// A chain and network, as listed in the documentation: `ethereum`, `bitcoin-testnet`, `none`.
    ChainId, "chain type", 63
);
name_id!(
    /// Name of a protocol in the registry: `dkls23`, `frost`.
    ProtocolName, "protocol", 31
);

macro_rules! hex_id {
    ($(#[$doc:meta])* $type:ident, $kind:literal, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $type([u8; 16]);

        impl $type {
            /// Wraps 16 bytes.
            #[must_use]
            pub const fn from_array(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// The 16 bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($prefix)?;
                f.write_str(&hex::encode(self.0))
            }
        }

        impl FromStr for $type {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let rule = concat!($prefix, " and 32 lower-case hex digits");
                let invalid = InvalidId { kind: $kind, rule };
                let digits = text.strip_prefix($prefix).ok_or(invalid.clone())?;
                if digits.len() != 32 || digits.bytes().any(|b| b.is_ascii_uppercase()) {
                    return Err(invalid);
                }
                let mut bytes = [0; 16];
                hex::decode_to_slice(digits, &mut bytes).map_err(|_| invalid)?;
                Ok(Self(bytes))
            }
        }

        impl Canonical for $type {
            fn write(&self, out: &mut Writer) {
                out.fixed(&self.0);
            }
            fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Ok(Self(input.array($kind)?))
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

hex_id!(
    /// A key, named before any of its public contributions are known (attack row B4).
    KeyId, "key id", "key_"
);
hex_id!(
    /// One attempt of one intent with one signer set; never used twice.
    SessionId, "session id", "ses_"
);

impl SessionId {
    /// The id of a part of this session, such as its key generation. Both ids name the same attempt.
    ///
    /// `agreed` is a digest of everything that the parties of the part must agree on. Nodes that
    /// were told different things in one session never meet, so that none blames another for what
    /// a third did to both (`docs/protocols/rounds.md` §1.4).
    #[must_use]
    pub fn part(&self, label: &str, agreed: &Digest32) -> Self {
        let parts: [&[u8]; 3] = [&self.0, label.as_bytes(), agreed.as_bytes()];
        let hash = Digest32::of(b"quorate session part v1", &parts);
        let mut id = [0; 16];
        id.copy_from_slice(
            hash.as_bytes()
                .first_chunk::<16>()
                .expect("a digest has 32 bytes"),
        );
        Self(id)
    }
}

impl KeyId {
    /// The id of the key that the create intent with this digest makes.
    ///
    /// It is a function of the client's intent alone: neither coordinator nor participants can
    /// choose it, and creating twice with one intent is the same key.
    #[must_use]
    pub fn of_intent(intent: &Digest32) -> Self {
        let hash = Digest32::of(b"quorate key id v1", &[intent.as_bytes()]);
        let mut id = [0; 16];
        id.copy_from_slice(
            hash.as_bytes()
                .first_chunk::<16>()
                .expect("a digest has 32 bytes"),
        );
        Self(id)
    }
}

/// A SHA-256 digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest32([u8; 32]);

impl Digest32 {
    /// Wraps 32 bytes.
    #[must_use]
    pub const fn from_array(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// `SHA-256(len(tag) ‖ tag ‖ (len(part) ‖ part)…)` with 4-byte big-endian lengths.
    ///
    /// # Security
    /// Tag and parts are length-prefixed, so no two different lists have one input (row A5).
    #[must_use]
    pub fn of(tag: &[u8], parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in std::iter::once(&tag).chain(parts) {
            let length = u32::try_from(part.len()).expect("hashed parts are far below 4 GiB");
            hash.update(length.to_be_bytes());
            hash.update(part);
        }
        Self(hash.finalize().into())
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Digest32 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl FromStr for Digest32 {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid = InvalidId {
            kind: "digest",
            rule: "64 hex digits",
        };
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| invalid)?;
        Ok(Self(bytes))
    }
}

impl Canonical for Digest32 {
    fn write(&self, out: &mut Writer) {
        out.fixed(&self.0);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self(input.array("digest")?))
    }
}

impl serde::Serialize for Digest32 {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}
impl<'de> serde::Deserialize<'de> for Digest32 {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_ids__must_refuse_what_is_unsafe_in_paths() {
        for bad in [
            "",
            ".",
            "..",
            "-a",
            "a/b",
            "A",
            "a b",
            "a\0",
            "ä",
            &"a".repeat(64),
        ] {
            assert!(NodeId::new(bad).is_err(), "{bad:?}");
        }
        assert_eq!(
            NodeId::new("p1.eu-west_2").unwrap().as_str(),
            "p1.eu-west_2"
        );
    }

    #[test]
    fn hex_ids__should_round_trip_and_refuse_other_spellings() {
        let id = KeyId::of_intent(&Digest32::from_array([7; 32]));
        assert_eq!(id.to_string().parse::<KeyId>().unwrap(), id);
        let text = id.to_string();
        assert!(text.to_uppercase().parse::<KeyId>().is_err());
        assert!(text[..35].parse::<KeyId>().is_err());
        assert!(text.replace("key_", "ses_").parse::<KeyId>().is_err());
    }

    #[test]
    fn a5_digest__must_change_when_a_byte_moves_over_a_field_boundary() {
        let joined = Digest32::of(b"t", &[b"ab", b"c"]);
        assert_ne!(joined, Digest32::of(b"t", &[b"a", b"bc"]));
        assert_ne!(joined, Digest32::of(b"ta", &[b"b", b"c"]));
        assert_ne!(joined, Digest32::of(b"t", &[b"abc"]));
    }
}
