//! Frames: what a record holds (Spec 3.2), and how fragments become messages (Spec 3.3).
//!
//! A record holds one or more whole frames. Messages that fit share records; a longer one is cut
//! into fragments that follow each other. Only pings, pongs and the closing frame may come between
//! fragments, so a receiver assembles one message at a time and its memory is bounded.

use quorate_types::{DecodeError, Reader, SecretBytes};

use super::event::Violation;
use super::record::MAX_PLAINTEXT;

const PING: u8 = 1;
const PONG: u8 = 2;
const MESSAGE: u8 = 3;
const FIRST: u8 = 4;
const NEXT: u8 = 5;
const CLOSE: u8 = 6;

/// Kind and length of a whole message.
pub(super) const MESSAGE_OVERHEAD: usize = 1 + 4;
/// Kind, total and length of a first fragment.
pub(super) const FIRST_OVERHEAD: usize = 1 + 4 + 4;
/// Kind and length of a further fragment.
pub(super) const NEXT_OVERHEAD: usize = 1 + 4;
/// Longest message that one record can hold.
pub(super) const MAX_WHOLE: usize = MAX_PLAINTEXT - MESSAGE_OVERHEAD;

/// Why a side ends a link in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Close {
    /// The node stops.
    ShutDown,
    /// A newer session takes over.
    Rehandshake,
}

/// One frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame<'a> {
    /// Asks for a pong with the same number.
    Ping(u64),
    /// Answers a ping.
    Pong(u64),
    /// A whole message.
    Message(&'a [u8]),
    /// Beginning of a message of `total` bytes.
    First { total: usize, part: &'a [u8] },
    /// Continuation of the message begun.
    Next(&'a [u8]),
    /// Nothing follows on this link.
    Close(Close),
}

impl<'a> Frame<'a> {
    /// Appends the encoding to a record's plaintext.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let sized = |out: &mut Vec<u8>, kind, part: &[u8]| {
            out.push(kind);
            out.extend_from_slice(&length_field(part.len()));
            out.extend_from_slice(part);
        };
        match *self {
            Self::Ping(number) => {
                out.push(PING);
                out.extend_from_slice(&number.to_be_bytes());
            }
            Self::Pong(number) => {
                out.push(PONG);
                out.extend_from_slice(&number.to_be_bytes());
            }
            Self::Message(body) => sized(out, MESSAGE, body),
            Self::First { total, part } => {
                out.push(FIRST);
                out.extend_from_slice(&length_field(total));
                out.extend_from_slice(&length_field(part.len()));
                out.extend_from_slice(part);
            }
            Self::Next(part) => sized(out, NEXT, part),
            Self::Close(why) => out.extend_from_slice(&[
                CLOSE,
                match why {
                    Close::ShutDown => 1,
                    Close::Rehandshake => 2,
                },
            ]),
        }
    }

    /// Reads the next frame of a record.
    pub(super) fn read(input: &mut Reader<'a>) -> Result<Self, DecodeError> {
        match input.u8("frame kind")? {
            PING => Ok(Self::Ping(input.u64("ping")?)),
            PONG => Ok(Self::Pong(input.u64("pong")?)),
            MESSAGE => Ok(Self::Message(input.bytes("message", MAX_WHOLE)?)),
            FIRST => {
                let total = input.u32("total")?;
                let total = usize::try_from(total).map_err(|_| DecodeError::Invalid {
                    field: "total",
                    why: "length does not fit",
                })?;
                let part = input.bytes("fragment", MAX_PLAINTEXT)?;
                Ok(Self::First { total, part })
            }
            NEXT => Ok(Self::Next(input.bytes("fragment", MAX_PLAINTEXT)?)),
            CLOSE => match input.u8("close")? {
                1 => Ok(Self::Close(Close::ShutDown)),
                2 => Ok(Self::Close(Close::Rehandshake)),
                _ => Err(DecodeError::Unknown {
                    what: "closing reason",
                }),
            },
            _ => Err(DecodeError::Unknown { what: "frame kind" }),
        }
    }
}

fn length_field(length: usize) -> [u8; 4] {
    u32::try_from(length)
        .expect("messages are limited to 64 MiB")
        .to_be_bytes()
}

/// Puts fragments together, one message at a time.
pub(super) struct Assembler {
    max_message_bytes: usize,
    partial: Option<Partial>,
}

struct Partial {
    total: usize,
    body: SecretBytes,
}

impl Assembler {
    /// For messages of at most `max_message_bytes`.
    pub(super) fn new(max_message_bytes: usize) -> Self {
        Self {
            max_message_bytes,
            partial: None,
        }
    }

    /// Takes a whole message.
    pub(super) fn whole(&mut self, body: &[u8]) -> Result<SecretBytes, Violation> {
        if self.partial.is_some() {
            return Err(Violation::Interleaved);
        }
        self.check_length(body.len())?;
        Ok(SecretBytes::new(body.to_vec()))
    }

    /// Takes a first fragment. Memory for the whole is set aside only after the length check.
    pub(super) fn first(&mut self, total: usize, part: &[u8]) -> Result<(), Violation> {
        if self.partial.is_some() {
            return Err(Violation::Interleaved);
        }
        self.check_length(total)?;
        let body = SecretBytes::new(Vec::with_capacity(total));
        self.partial = Some(Partial { total, body });
        match self.next(part)? {
            None => Ok(()),
            Some(_) => Err(Violation::FragmentOverflow),
        }
    }

    /// Takes a further fragment; returns the message when it is complete.
    pub(super) fn next(&mut self, part: &[u8]) -> Result<Option<SecretBytes>, Violation> {
        let mut partial = self.partial.take().ok_or(Violation::StrayFragment)?;
        if part.is_empty() {
            return Err(Violation::EmptyFragment);
        }
        if part.len() > partial.total - partial.body.len() {
            return Err(Violation::FragmentOverflow);
        }
        partial.body.extend_from_slice(part);
        if partial.body.len() == partial.total {
            return Ok(Some(partial.body));
        }
        self.partial = Some(partial);
        Ok(None)
    }

    /// Whether a message is incomplete.
    pub(super) fn is_waiting(&self) -> bool {
        self.partial.is_some()
    }

    fn check_length(&self, length: usize) -> Result<(), Violation> {
        let limit = self.max_message_bytes;
        if length > limit {
            return Err(Violation::MessageTooLong { length, limit });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames() -> Vec<Frame<'static>> {
        vec![
            Frame::Ping(7),
            Frame::Pong(u64::MAX),
            Frame::Message(b""),
            Frame::Message(b"abc"),
            Frame::First {
                total: 70_000,
                part: b"abc",
            },
            Frame::Next(b"de"),
            Frame::Close(Close::ShutDown),
            Frame::Close(Close::Rehandshake),
        ]
    }

    #[test]
    fn frames__should_survive_a_round_trip_in_one_record() {
        let mut bytes = Vec::new();
        for frame in frames() {
            frame.write(&mut bytes);
        }
        let mut input = Reader::new(&bytes);
        for frame in frames() {
            assert_eq!(Frame::read(&mut input), Ok(frame));
        }
        input.finish().unwrap();
    }

    #[test]
    fn frames__must_refuse_every_truncation_and_unknown_kinds() {
        for frame in frames() {
            let mut bytes = Vec::new();
            frame.write(&mut bytes);
            for cut in 0..bytes.len() {
                let read = Frame::read(&mut Reader::new(&bytes[..cut]));
                assert!(
                    matches!(read, Err(DecodeError::Truncated { .. })),
                    "{frame:?} at {cut}"
                );
            }
        }
        for kind in [0, 7, 255] {
            let bytes = [kind, 0, 0, 0, 0];
            let read = Frame::read(&mut Reader::new(&bytes));
            assert_eq!(read, Err(DecodeError::Unknown { what: "frame kind" }));
        }
        let read = Frame::read(&mut Reader::new(&[CLOSE, 3]));
        assert_eq!(
            read,
            Err(DecodeError::Unknown {
                what: "closing reason"
            })
        );
    }

    #[test]
    fn assembler__should_join_fragments_in_order() {
        let mut assembler = Assembler::new(10);
        assembler.first(6, b"ab").unwrap();
        assert!(assembler.is_waiting());
        assert!(assembler.next(b"cd").unwrap().is_none());
        assert_eq!(
            assembler.next(b"ef").unwrap().unwrap().as_slice(),
            b"abcdef"
        );
        assert!(!assembler.is_waiting());
    }

    #[test]
    fn assembler__must_refuse_messages_over_the_limit_before_reserving_memory() {
        let too_long = |length| Err(Violation::MessageTooLong { length, limit: 10 });
        assert_eq!(Assembler::new(10).first(11, b"a"), too_long(11));
        assert_eq!(
            Assembler::new(10).first(u32::MAX as usize, b"a"),
            too_long(u32::MAX as usize)
        );
        assert_eq!(Assembler::new(10).whole(&[0; 11]).map(drop), too_long(11));
    }

    #[test]
    fn assembler__must_refuse_interleaved_stray_empty_and_overflowing_fragments() {
        let begun = || {
            let mut assembler = Assembler::new(10);
            assembler.first(4, b"ab").unwrap();
            assembler
        };
        assert_eq!(begun().whole(b"x").map(drop), Err(Violation::Interleaved));
        assert_eq!(begun().first(4, b"ab"), Err(Violation::Interleaved));
        assert_eq!(begun().next(b"").map(drop), Err(Violation::EmptyFragment));
        assert_eq!(
            begun().next(b"cde").map(drop),
            Err(Violation::FragmentOverflow)
        );
        assert_eq!(
            Assembler::new(10).next(b"a").map(drop),
            Err(Violation::StrayFragment)
        );
        // A first fragment that already is the whole message is a second spelling of a message.
        assert_eq!(
            Assembler::new(10).first(2, b"ab"),
            Err(Violation::FragmentOverflow)
        );
    }
}
