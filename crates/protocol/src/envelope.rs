//! One message between two parties, as it crosses a link. `docs/protocols/rounds.md` §2.

use quorate_types::{
    Canonical, DecodeError, Digest32, PartyIndex, Reader, SecretBytes, SessionId, Writer,
};

/// Largest body of a round message, in bytes (a product of ECDSA signing is about 40 KiB).
pub const MAX_ENVELOPE: usize = 1024 * 1024 - 256;

const VERSION: u8 = 1;
/// All fields but the body: version, session, round, slot, parties, length, flag, signature.
pub(crate) const ENVELOPE_OVERHEAD: usize = 1 + 16 + 1 + 1 + 2 + 4 + 1 + 64;

/// The place of a message within a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Slot {
    /// The same bytes to every party.
    Broadcast,
    /// For one party alone, over a confidential link.
    Direct,
    /// What the sender received as broadcasts of this round.
    Echo,
    /// The sender gives up.
    Abort,
}

impl Slot {
    const fn code(self) -> u8 {
        match self {
            Self::Broadcast => 1,
            Self::Direct => 2,
            Self::Echo => 3,
            Self::Abort => 4,
        }
    }
}

/// A round message with its address.
#[derive(Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The run.
    pub session: SessionId,
    /// Round, from 1.
    pub round: u8,
    /// Place in the round.
    pub slot: Slot,
    /// Sender.
    pub from: PartyIndex,
    /// Recipient.
    pub to: PartyIndex,
    /// Payload; secret if the slot is [`Slot::Direct`]. Wiped on drop, so that also a message that is
    /// refused leaves nothing behind.
    pub body: SecretBytes,
    /// Signature over [`Envelope::statement`], where the run signs its messages.
    pub signature: Option<[u8; 64]>,
}

impl Envelope {
    /// The bytes that a sender signs. A broadcast is signed once for all recipients.
    #[must_use]
    pub fn statement(&self, context: &Digest32) -> Vec<u8> {
        statement(
            context,
            self.round,
            self.slot,
            self.from,
            self.to,
            &self.body_digest(),
        )
    }

    /// Digest of the body.
    #[must_use]
    pub fn body_digest(&self) -> Digest32 {
        Digest32::of(b"quorate round body v1", &[&self.body])
    }

    /// What tells a copy of this message from another one, inside one process: as
    /// [`Self::body_digest`], at a fifth of the cost for bodies of many kilobytes.
    pub(crate) fn fingerprint(&self) -> Digest32 {
        Digest32::from_array(*blake3::hash(&self.body).as_bytes())
    }
}

/// The bytes that the sender of a message signs, from its digest.
pub(crate) fn statement(
    context: &Digest32,
    round: u8,
    slot: Slot,
    from: PartyIndex,
    to: PartyIndex,
    body: &Digest32,
) -> Vec<u8> {
    let recipient = if slot == Slot::Broadcast { 0 } else { to.get() };
    let mut out = Writer::new();
    out.text("quorate round message v1").value(context);
    out.u8(round)
        .u8(slot.code())
        .u8(from.get())
        .u8(recipient)
        .value(body);
    out.finish()
}

impl Envelope {
    /// Upper bound of the encoded length, so that the buffer never grows; and one byte more, for the
    /// kind of message that a link puts in front.
    fn capacity(&self) -> usize {
        ENVELOPE_OVERHEAD + self.body.len() + 1
    }
}

impl Canonical for Envelope {
    // A buffer that grows leaves unwiped copies of dealt shares behind.
    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer::with_capacity(self.capacity());
        self.write(&mut out);
        out.finish()
    }

    fn write(&self, out: &mut Writer) {
        out.u8(VERSION)
            .value(&self.session)
            .u8(self.round)
            .u8(self.slot.code());
        out.value(&self.from).value(&self.to).bytes(&self.body);
        match &self.signature {
            Some(signature) => out.u8(1).fixed(signature),
            None => out.u8(0),
        };
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        if input.u8("version")? != VERSION {
            return Err(DecodeError::Unknown {
                what: "round message version",
            });
        }
        let session = SessionId::read(input)?;
        let round = input.u8("round")?;
        let slot = match input.u8("slot")? {
            1 => Slot::Broadcast,
            2 => Slot::Direct,
            3 => Slot::Echo,
            4 => Slot::Abort,
            _ => return Err(DecodeError::Unknown { what: "slot" }),
        };
        let from = PartyIndex::read(input)?;
        let to = PartyIndex::read(input)?;
        let body = SecretBytes::new(input.bytes("body", MAX_ENVELOPE)?.to_vec());
        let signature = match input.u8("signature flag")? {
            0 => None,
            1 => Some(input.array("signature")?),
            _ => {
                return Err(DecodeError::Invalid {
                    field: "signature flag",
                    why: "0 or 1",
                });
            }
        };
        Ok(Self {
            session,
            round,
            slot,
            from,
            to,
            body,
            signature,
        })
    }
}
