//! What two nodes say to each other about the state that they share. `docs/protocols/pair-state.md` §2.

use quorate_types::{Canonical, DecodeError, Digest32, Reader, Writer};

use super::agreement::Holding;

const VERSION: u8 = 1;

/// Why a node says what it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// It changed, or the link came up.
    News,
    /// It wants to know what the other has.
    Question,
    /// It was asked.
    Answer,
}

/// A message about the state of the pair that its sender and its receiver are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PairMessage {
    /// "This is what I have."
    Holds {
        occasion: Occasion,
        holding: Holding,
    },
    /// The lower id: "Let us make new state."
    Propose { nonce: [u8; 16] },
    /// The higher id: "I begin."
    Accept { nonce: [u8; 16], own: [u8; 16] },
    /// The higher id: "Not now."
    Decline { nonce: [u8; 16] },
}

fn write_generation(out: &mut Writer, generation: Option<&Digest32>) {
    match generation {
        None => out.u8(0),
        Some(generation) => out.u8(1).value(generation),
    };
}

fn read_generation(input: &mut Reader<'_>) -> Result<Option<Digest32>, DecodeError> {
    match input.u8("generation")? {
        0 => Ok(None),
        1 => Ok(Some(Digest32::read(input)?)),
        _ => Err(DecodeError::Unknown { what: "generation" }),
    }
}

impl Canonical for PairMessage {
    fn write(&self, out: &mut Writer) {
        out.u8(VERSION);
        match self {
            Self::Holds { occasion, holding } => {
                out.u8(1).u8(match occasion {
                    Occasion::News => 1,
                    Occasion::Question => 2,
                    Occasion::Answer => 3,
                });
                write_generation(out, holding.current.as_ref());
                write_generation(out, holding.stored.as_ref());
                out.u8(u8::from(holding.is_busy));
            }
            Self::Propose { nonce } => {
                out.u8(2).fixed(nonce);
            }
            Self::Accept { nonce, own } => {
                out.u8(3).fixed(nonce).fixed(own);
            }
            Self::Decline { nonce } => {
                out.u8(4).fixed(nonce);
            }
        }
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        if input.u8("version")? != VERSION {
            let what = "version of pair messages";
            return Err(DecodeError::Unknown { what });
        }
        Ok(match input.u8("pair message")? {
            1 => Self::Holds {
                occasion: match input.u8("occasion")? {
                    1 => Occasion::News,
                    2 => Occasion::Question,
                    3 => Occasion::Answer,
                    _ => return Err(DecodeError::Unknown { what: "occasion" }),
                },
                holding: Holding {
                    current: read_generation(input)?,
                    stored: read_generation(input)?,
                    is_busy: match input.u8("busy")? {
                        0 => false,
                        1 => true,
                        _ => return Err(DecodeError::Unknown { what: "busy" }),
                    },
                },
            },
            2 => Self::Propose {
                nonce: input.array("nonce")?,
            },
            3 => Self::Accept {
                nonce: input.array("nonce")?,
                own: input.array("own nonce")?,
            },
            4 => Self::Decline {
                nonce: input.array("nonce")?,
            },
            _ => {
                return Err(DecodeError::Unknown {
                    what: "pair message",
                });
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pair_messages__should_have_one_spelling_and_refuse_any_other() {
        let generation = Some(Digest32::from_array([7; 32]));
        let holding = Holding {
            current: generation,
            stored: None,
            is_busy: true,
        };
        let messages = [
            PairMessage::Holds {
                occasion: Occasion::Question,
                holding,
            },
            PairMessage::Propose { nonce: [1; 16] },
            PairMessage::Accept {
                nonce: [1; 16],
                own: [2; 16],
            },
            PairMessage::Decline { nonce: [1; 16] },
        ];
        for message in messages {
            let bytes = message.to_bytes();
            assert_eq!(PairMessage::from_bytes(&bytes), Ok(message));
            let mut later_version = bytes.clone();
            later_version[0] = 2;
            let mut unknown = bytes.clone();
            unknown[1] = 9;
            let mut longer = bytes.clone();
            longer.push(0);
            let shorter = bytes[..bytes.len() - 1].to_vec();
            for wrong in [later_version, unknown, longer, shorter] {
                assert!(PairMessage::from_bytes(&wrong).is_err(), "{wrong:?}");
            }
        }
    }
}
