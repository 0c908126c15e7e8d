//! Events of the intent record, as they are stored.

use quorate_types::{Canonical, DecodeError, Digest32, Reader, SessionId, UnixSeconds, Writer};

/// Larger than any limit that may be configured; the log's own limit is what holds.
const MAX: usize = 16 << 20;

/// One change of the record.
pub(super) enum Event {
    /// An intent is bound to its digests.
    Bind {
        intent: Digest32,
        expires_at: UnixSeconds,
        digests: Vec<Digest32>,
    },
    /// An attempt begins.
    Attempt {
        intent: Digest32,
        session: SessionId,
    },
    /// The verified signature is there.
    Complete {
        intent: Digest32,
        signature: Vec<u8>,
    },
    /// Everything that expired before is forgotten, and refused.
    Mark { mark: UnixSeconds },
}

impl Canonical for Event {
    fn write(&self, out: &mut Writer) {
        match self {
            Self::Bind {
                intent,
                expires_at,
                digests,
            } => out
                .u8(1)
                .value(intent)
                .value(expires_at)
                .list(digests.iter()),
            Self::Attempt { intent, session } => out.u8(2).value(intent).value(session),
            Self::Complete { intent, signature } => out.u8(3).value(intent).bytes(signature),
            Self::Mark { mark } => out.u8(4).value(mark),
        };
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.u8("event")? {
            1 => Ok(Self::Bind {
                intent: Digest32::read(input)?,
                expires_at: UnixSeconds::read(input)?,
                digests: input.list("digests", MAX)?,
            }),
            2 => Ok(Self::Attempt {
                intent: Digest32::read(input)?,
                session: SessionId::read(input)?,
            }),
            3 => Ok(Self::Complete {
                intent: Digest32::read(input)?,
                signature: input.bytes("signature", MAX)?.to_vec(),
            }),
            4 => Ok(Self::Mark {
                mark: UnixSeconds::read(input)?,
            }),
            _ => Err(DecodeError::Unknown {
                what: "intent event",
            }),
        }
    }
}
