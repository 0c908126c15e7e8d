//! Payloads of the two handshake messages (Spec 2.2, 2.4). Both are encrypted and authenticated.

use quorate_types::{Canonical, DecodeError, NodeId, Reader, Writer};

use super::config::VersionRange;
use super::event::LinkId;

/// Payload of the first message: who dials, and what it speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hello {
    /// The node that claims to dial. Its static key is compared with the manifest.
    pub(super) node: NodeId,
    /// Versions that it speaks.
    pub(super) versions: VersionRange,
    /// The live session that this one is to continue (re-handshake).
    pub(super) continues: Option<LinkId>,
}

/// Payload of the second message: who answers, what it speaks, and what it chose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Welcome {
    /// The node that answers.
    pub(super) node: NodeId,
    /// Versions that it speaks.
    pub(super) versions: VersionRange,
    /// The version chosen; 0 if there is no common one.
    pub(super) chosen: u16,
}

impl Canonical for VersionRange {
    fn write(&self, out: &mut Writer) {
        out.u16(self.min).u16(self.max);
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (min, max) = (input.u16("oldest version")?, input.u16("newest version")?);
        if min == 0 || min > max {
            return Err(DecodeError::Invalid {
                field: "versions",
                why: "not a range",
            });
        }
        Ok(Self { min, max })
    }
}

impl Canonical for Hello {
    fn write(&self, out: &mut Writer) {
        out.value(&self.node).value(&self.versions);
        match &self.continues {
            None => out.u8(0),
            Some(link) => out.u8(1).fixed(&link.0),
        };
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            node: NodeId::read(input)?,
            versions: VersionRange::read(input)?,
            continues: match input.u8("continues")? {
                0 => None,
                1 => Some(LinkId(input.array("link id")?)),
                _ => {
                    return Err(DecodeError::Unknown {
                        what: "continuation",
                    });
                }
            },
        })
    }
}

impl Canonical for Welcome {
    fn write(&self, out: &mut Writer) {
        out.value(&self.node).value(&self.versions).u16(self.chosen);
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            node: NodeId::read(input)?,
            versions: VersionRange::read(input)?,
            chosen: input.u16("chosen version")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hello__should_have_one_encoding() {
        let hello = Hello {
            node: NodeId::new("node-1").unwrap(),
            versions: VersionRange { min: 1, max: 2 },
            continues: Some(LinkId([9; 32])),
        };
        assert_eq!(Hello::from_bytes(&hello.to_bytes()), Ok(hello.clone()));
        let mut bytes = hello.to_bytes();
        bytes.push(0);
        assert_eq!(
            Hello::from_bytes(&bytes),
            Err(DecodeError::TrailingBytes { count: 1 })
        );
    }

    #[test]
    fn hello__must_refuse_an_empty_version_range() {
        for (min, max) in [(2u16, 1u16), (0, 0), (0, 3)] {
            let mut out = Writer::new();
            out.text("node-1").u16(min).u16(max).u8(0);
            assert!(Hello::from_bytes(&out.finish()).is_err());
        }
    }
}
