//! What an intent asks for. New acts get new codes; a code is never used again.

use std::fmt;

use quorate_types::{
    Algorithm, Canonical, ChainId, Committee, Curve, DecodeError, Digest32, KeyId, MessageType,
    NodeId, ProtocolName, Reader, Rights, Threshold, Writer,
};

/// Longest payload to sign, in bytes.
pub const MAX_PAYLOAD: usize = 128 * 1024;

const MAX_ADDRESS_KIND: usize = 32;
const MAX_PATH: usize = 128;

/// The kinds of acts that exist. The manifest grants them one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ActKind {
    /// Create a key.
    CreateKey,
    /// Sign with a key.
    Sign,
    /// Allow two nodes to set up their pair state anew after a ban. For owners only.
    LiftBan,
}

impl ActKind {
    const ALL: [Self; 3] = [Self::CreateKey, Self::Sign, Self::LiftBan];

    /// Whether only an owner of the manifest may ask for it. No initiator can be given the right.
    #[must_use]
    pub const fn is_for_owners(self) -> bool {
        matches!(self, Self::LiftBan)
    }

    /// Name in manifests and APIs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CreateKey => "create_key",
            Self::Sign => "sign",
            Self::LiftBan => "lift_ban",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

impl fmt::Display for ActKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Canonical for ActKind {
    fn write(&self, out: &mut Writer) {
        out.u8(match self {
            Self::CreateKey => 1,
            Self::Sign => 2,
            Self::LiftBan => 3,
        });
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.u8("act")? {
            1 => Ok(Self::CreateKey),
            2 => Ok(Self::Sign),
            3 => Ok(Self::LiftBan),
            _ => Err(DecodeError::Unknown { what: "act" }),
        }
    }
}

/// An act with everything that it depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Act {
    /// Create a key.
    CreateKey(CreateKey),
    /// Sign one payload.
    Sign(Sign),
    /// Lift the ban of a pair of nodes.
    LiftBan(LiftBan),
}

impl Act {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> ActKind {
        match self {
            Self::CreateKey(_) => ActKind::CreateKey,
            Self::Sign(_) => ActKind::Sign,
            Self::LiftBan(_) => ActKind::LiftBan,
        }
    }
}

impl Canonical for Act {
    fn write(&self, out: &mut Writer) {
        out.value(&self.kind());
        match self {
            Self::CreateKey(create) => out.value(create),
            Self::Sign(sign) => out.value(sign),
            Self::LiftBan(lift) => out.value(lift),
        };
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match ActKind::read(input)? {
            ActKind::CreateKey => Self::CreateKey(CreateKey::read(input)?),
            ActKind::Sign => Self::Sign(Sign::read(input)?),
            ActKind::LiftBan => Self::LiftBan(LiftBan::read(input)?),
        })
    }
}

/// Create a key. The client, not the coordinator, names the nodes that will hold it (row D12).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateKey {
    /// Signature scheme.
    pub algorithm: Algorithm,
    /// Curve; must be the scheme's own.
    pub curve: Curve,
    /// Protocol that signs with the key.
    pub protocol: ProtocolName,
    /// How many of how many sign.
    pub threshold: Threshold,
    /// Who holds the shares, in the order of their indices.
    pub committee: Committee,
    /// Chain of the key, or `none`.
    pub chain: ChainId,
    /// Kind of address on that chain; `default` for the chain's usual one.
    pub address_kind: String,
    /// Dangerous uses that the key shall allow.
    pub rights: Rights,
}

impl Canonical for CreateKey {
    fn write(&self, out: &mut Writer) {
        out.value(&self.algorithm)
            .value(&self.curve)
            .value(&self.protocol);
        out.value(&self.threshold)
            .value(&self.committee)
            .value(&self.chain);
        out.text(&self.address_kind).value(&self.rights);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let create = Self {
            algorithm: Algorithm::read(input)?,
            curve: Curve::read(input)?,
            protocol: ProtocolName::read(input)?,
            threshold: Threshold::read(input)?,
            committee: Committee::read(input)?,
            chain: ChainId::read(input)?,
            address_kind: input.text("address kind", MAX_ADDRESS_KIND)?.to_owned(),
            rights: Rights::read(input)?,
        };
        let invalid = |field, why| Err(DecodeError::Invalid { field, why });
        if create.curve != create.algorithm.curve() {
            return invalid("curve", "not the curve of the algorithm");
        }
        if create.committee.size() != create.threshold.max_signers() {
            return invalid("committee", "its size is not total_nodes");
        }
        Ok(create)
    }
}

/// Sign one payload with one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sign {
    /// The key. Its public key is never part of a request (row C9).
    pub key: KeyId,
    /// Derivation path; `m` is the key itself.
    pub path: String,
    /// Chain; must be the key's.
    pub chain: ChainId,
    /// What the payload is.
    pub message_type: MessageType,
    /// The bytes: every participant decodes them itself and computes the digest itself (row D1).
    pub payload: Vec<u8>,
}

impl Canonical for Sign {
    fn write(&self, out: &mut Writer) {
        out.value(&self.key).text(&self.path).value(&self.chain);
        out.value(&self.message_type).bytes(&self.payload);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            key: KeyId::read(input)?,
            path: input.text("path", MAX_PATH)?.to_owned(),
            chain: ChainId::read(input)?,
            message_type: MessageType::read(input)?,
            payload: input.bytes("payload", MAX_PAYLOAD)?.to_vec(),
        })
    }
}

/// Lift the ban of one generation of the state that two nodes share, so that they may set up a new
/// one. The banned generation itself is never used again.
///
/// Bound to the state that it changes (row D14): once the pair has another generation, or the ban
/// was lifted, the act means nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiftBan {
    /// The node with the lower id.
    pub first: NodeId,
    /// The node with the higher id.
    pub second: NodeId,
    /// The banned generation.
    pub generation: Digest32,
}

impl Canonical for LiftBan {
    fn write(&self, out: &mut Writer) {
        out.value(&self.first)
            .value(&self.second)
            .value(&self.generation);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let lift = Self {
            first: NodeId::read(input)?,
            second: NodeId::read(input)?,
            generation: Digest32::read(input)?,
        };
        if lift.first >= lift.second {
            let why = "the nodes of a pair are two, the lower id first";
            return Err(DecodeError::Invalid {
                field: "second",
                why,
            });
        }
        Ok(lift)
    }
}
