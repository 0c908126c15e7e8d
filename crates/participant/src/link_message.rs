//! What participants say to each other over their Noise links: one byte of kind, then the content.
//! `docs/protocols/key-certificate.md` §1, `docs/protocols/pair-state.md` §2,
//! `docs/protocols/frost.md` §7.

use quorate_keystore::SignedBan;
use quorate_types::{
    Canonical, DecodeError, Digest32, KeyId, Reader, SecretBytes, SessionId, Writer,
};

use crate::pairs::PairMessage;
use crate::stocks::StockMessage;

const ROUND: u8 = 1;
const BAN: u8 = 2;
const SETTLE: u8 = 3;
const BAN_READ: u8 = 4;
const PAIR: u8 = 5;
const STOCK: u8 = 6;

/// Longest certificate, in bytes.
pub(crate) const MAX_CERTIFICATE: usize = 16 * 1024;

/// What a node says about the certificate of a key.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Settle {
    /// "What do you have?"
    Ask {
        key: KeyId,
        session: SessionId,
        statement: Digest32,
    },
    /// "My share is durable. I sign when everybody says so."
    Stored { key: KeyId, statement: Digest32 },
    /// "Every member's share is durable, and I sign this statement."
    Prepared {
        key: KeyId,
        statement: Digest32,
        signature: [u8; 64],
    },
    /// "I have no share of that session."
    NotPrepared { key: KeyId, session: SessionId },
    /// "Here is the whole certificate."
    Certificate { key: KeyId, certificate: Vec<u8> },
}

/// A message of a peer, by kind.
pub(crate) enum LinkMessage {
    /// A round message; the envelope is decoded by the driver of its session.
    Round {
        session: SessionId,
        envelope: SecretBytes,
    },
    /// A ban notice.
    Ban(Box<SignedBan>),
    /// The notice with this digest was read, and need not be told again.
    BanRead(Digest32),
    /// About a certificate.
    Settle(Settle),
    /// About the state that the two nodes share.
    Pair(PairMessage),
    /// About nonces for signatures to come.
    Stock(StockMessage),
}

/// Frames a round message.
pub(crate) fn round(envelope: SecretBytes) -> SecretBytes {
    envelope.behind(ROUND)
}

/// Frames a ban notice.
pub(crate) fn ban(notice: &SignedBan) -> Vec<u8> {
    framed(BAN, notice)
}

/// Frames the answer to a ban notice.
pub(crate) fn ban_read(digest: &Digest32) -> Vec<u8> {
    framed(BAN_READ, digest)
}

/// Frames a message about a certificate.
pub(crate) fn settle(message: &Settle) -> Vec<u8> {
    framed(SETTLE, message)
}

/// Frames a message about the state that the two nodes share.
pub(crate) fn pair(message: &PairMessage) -> Vec<u8> {
    framed(PAIR, message)
}

/// Frames commitments for signatures to come.
pub(crate) fn stock(message: &StockMessage) -> Vec<u8> {
    framed(STOCK, message)
}

fn framed(kind: u8, content: &impl Canonical) -> Vec<u8> {
    let mut out = Writer::new();
    out.u8(kind).value(content);
    out.finish()
}

/// Reads a message.
///
/// # Errors
/// [`DecodeError`]: the peer is broken or hostile.
pub(crate) fn parse(body: SecretBytes) -> Result<LinkMessage, DecodeError> {
    let (kind, content) = body.split_first().ok_or(DecodeError::Truncated {
        field: "kind",
        needed: 1,
    })?;
    match *kind {
        ROUND => {
            // The session is in the envelope, behind one byte of version.
            let mut head = Reader::new(content);
            head.u8("version")?;
            let session = SessionId::read(&mut head)?;
            Ok(LinkMessage::Round {
                session,
                envelope: body.without_first(),
            })
        }
        BAN => Ok(LinkMessage::Ban(Box::new(SignedBan::from_bytes(content)?))),
        BAN_READ => Ok(LinkMessage::BanRead(Digest32::from_bytes(content)?)),
        PAIR => Ok(LinkMessage::Pair(PairMessage::from_bytes(content)?)),
        STOCK => Ok(LinkMessage::Stock(StockMessage::from_bytes(content)?)),
        SETTLE => Ok(LinkMessage::Settle(Settle::from_bytes(content)?)),
        _ => Err(DecodeError::Unknown {
            what: "kind of link message",
        }),
    }
}

impl Canonical for Settle {
    fn write(&self, out: &mut Writer) {
        match self {
            Self::Ask {
                key,
                session,
                statement,
            } => out.u8(1).value(key).value(session).value(statement),
            Self::Prepared {
                key,
                statement,
                signature,
            } => out.u8(2).value(key).value(statement).fixed(signature),
            Self::Stored { key, statement } => out.u8(5).value(key).value(statement),
            Self::NotPrepared { key, session } => out.u8(3).value(key).value(session),
            Self::Certificate { key, certificate } => out.u8(4).value(key).bytes(certificate),
        };
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let code = input.u8("settle")?;
        let key = KeyId::read(input)?;
        Ok(match code {
            1 => Self::Ask {
                key,
                session: SessionId::read(input)?,
                statement: Digest32::read(input)?,
            },
            2 => Self::Prepared {
                key,
                statement: Digest32::read(input)?,
                signature: input.array("signature")?,
            },
            3 => Self::NotPrepared {
                key,
                session: SessionId::read(input)?,
            },
            4 => Self::Certificate {
                key,
                certificate: input.bytes("certificate", MAX_CERTIFICATE)?.to_vec(),
            },
            5 => Self::Stored {
                key,
                statement: Digest32::read(input)?,
            },
            _ => {
                return Err(DecodeError::Unknown {
                    what: "settle message",
                });
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse__must_refuse_unknown_kinds_and_trailing_bytes() {
        let of = |bytes: &[u8]| parse(SecretBytes::new(bytes.to_vec()));
        assert!(matches!(of(&[]), Err(DecodeError::Truncated { .. })));
        assert!(matches!(of(&[9, 1]), Err(DecodeError::Unknown { .. })));
        let ask = Settle::Ask {
            key: KeyId::from_array([1; 16]),
            session: SessionId::from_array([3; 16]),
            statement: Digest32::from_array([2; 32]),
        };
        let mut bytes = settle(&ask);
        assert!(matches!(of(&bytes), Ok(LinkMessage::Settle(read)) if read == ask));
        bytes.push(0);
        assert!(matches!(of(&bytes), Err(DecodeError::TrailingBytes { .. })));
        let digest = Digest32::from_array([4; 32]);
        let mut bytes = ban_read(&digest);
        assert!(matches!(of(&bytes), Ok(LinkMessage::BanRead(read)) if read == digest));
        bytes.pop();
        assert!(matches!(of(&bytes), Err(DecodeError::Truncated { .. })));
    }
}
