//! One link of the chain, and the head that a checkpoint signs.

use quorate_types::{Canonical, DecodeError, Digest32, Reader, Writer};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::event::{AuditEvent, InvalidEvent};
use crate::facts;

const RECORD_TAG: &[u8] = b"quorate audit record v1";
const GENESIS_TAG: &[u8] = b"quorate audit genesis v1";
const HEAD_MAGIC: &[u8; 8] = b"QAUHEAD1";

/// A line that is not the one spelling of a record.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidLine {
    /// Not a record in JSON.
    #[error("the line is not an audit record (column {column})")]
    Syntax {
        /// Where the parser stopped.
        column: usize,
    },
    /// The record is spelled in another way than it would be written.
    #[error("the line is not in the spelling that audit records are written in")]
    Spelling,
}

/// An event in its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Place in the chain, from 1.
    pub sequence: u64,
    /// Hash of the record before; of the first one, [`Head::GENESIS_SEQUENCE`]'s hash.
    pub previous: Digest32,
    /// What happened.
    pub event: AuditEvent,
    /// Hash over the three fields above.
    pub hash: Digest32,
}

impl Record {
    /// Links an event to a head.
    pub(crate) fn after(head: Head, mut event: AuditEvent) -> Result<Self, InvalidEvent> {
        facts::sort(&mut event.details);
        let sequence = head.sequence + 1;
        let hash = hash_of(sequence, head.hash, &event)?;
        Ok(Self {
            sequence,
            previous: head.hash,
            event,
            hash,
        })
    }

    /// Whether `hash` is the hash of the other fields.
    #[must_use]
    pub fn hash_is_right(&self) -> bool {
        hash_of(self.sequence, self.previous, &self.event) == Ok(self.hash)
    }

    /// The head of a chain that ends with this record.
    #[must_use]
    pub const fn head(&self) -> Head {
        Head {
            sequence: self.sequence,
            hash: self.hash,
        }
    }

    /// One line of JSON, without the line break.
    ///
    /// # Panics
    /// Never: a record holds only types that JSON can hold.
    #[must_use]
    pub fn to_line(&self) -> String {
        serde_json::to_string(self).expect("a record holds only types that JSON can hold")
    }

    /// Reads what [`Self::to_line`] wrote, and nothing else.
    ///
    /// # Errors
    /// [`InvalidLine`].
    ///
    /// # Security
    /// A second spelling (repeated members, other spaces) could show one thing to a reader and
    /// hash as another, so it is refused (row D5). The hash itself is not checked here.
    pub fn from_line(line: &str) -> Result<Self, InvalidLine> {
        let record: Self =
            serde_json::from_str(line).map_err(|e| InvalidLine::Syntax { column: e.column() })?;
        if record.to_line() == line {
            Ok(record)
        } else {
            Err(InvalidLine::Spelling)
        }
    }
}

fn hash_of(
    sequence: u64,
    previous: Digest32,
    event: &AuditEvent,
) -> Result<Digest32, InvalidEvent> {
    let parts: [&[u8]; 3] = [
        &sequence.to_be_bytes(),
        previous.as_bytes(),
        &event.canonical()?,
    ];
    Ok(Digest32::of(RECORD_TAG, &parts))
}

/// The end of a chain. Nodes sign its canonical bytes as a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// Sequence of the last record; 0 for an empty chain.
    pub sequence: u64,
    /// Its hash.
    pub hash: Digest32,
}

impl Head {
    /// Sequence of the head of an empty chain.
    pub const GENESIS_SEQUENCE: u64 = 0;

    /// The head of an empty chain. `owner` keeps chains of different nodes apart.
    #[must_use]
    pub fn genesis(owner: &[u8]) -> Self {
        Self {
            sequence: Self::GENESIS_SEQUENCE,
            hash: Digest32::of(GENESIS_TAG, &[owner]),
        }
    }
}

impl Canonical for Head {
    fn write(&self, out: &mut Writer) {
        out.fixed(HEAD_MAGIC).u64(self.sequence).value(&self.hash);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        if &input.array::<8>("magic")? != HEAD_MAGIC {
            return Err(DecodeError::Unknown {
                what: "audit head version",
            });
        }
        Ok(Self {
            sequence: input.u64("sequence")?,
            hash: Digest32::read(input)?,
        })
    }
}
