//! The instructions that are decoded, each in exactly one spelling.
//!
//! Programs read past dirt at the end of their input; such instructions have no one meaning for
//! different readers, so they are not decoded but count as calls (row D5).

use super::address::Account;
use super::message::{Instruction, Message};
use super::program;

/// System program: move lamports.
const TRANSFER: [u8; 4] = 2u32.to_le_bytes();
/// System program: change a durable nonce.
const ADVANCE_NONCE: [u8; 4] = 4u32.to_le_bytes();
/// Place of the one signer, who pays the fee.
const SIGNER: u8 = 0;

/// What an instruction does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act<'a> {
    /// Lamports of the signer go to the account at this place.
    Transfer { to: u8, lamports: u64 },
    /// The durable nonce that the transaction uses changes.
    AdvanceNonce,
    /// Price or limit of computation; see `fee.rs`.
    ComputeBudget,
    /// A text for the log.
    Memo(&'a str),
    /// A program runs with an effect that is not decoded.
    Call(&'a Account),
}

impl Message {
    /// What an instruction of the message does.
    pub(super) fn act<'a>(&'a self, instruction: &'a Instruction) -> Act<'a> {
        let program = self.program(instruction);
        let act = match *program {
            program::SYSTEM => system(instruction),
            program::COMPUTE_BUDGET => Some(Act::ComputeBudget),
            other if program::MEMOS.contains(&other) => memo(instruction),
            _ => None,
        };
        act.unwrap_or(Act::Call(program))
    }

    /// Whether the transaction stays valid until a nonce on the chain changes.
    ///
    /// As lenient as the chain, which looks at the first 4 bytes of the first instruction only.
    pub(super) fn has_durable_nonce(&self) -> bool {
        self.instructions.first().is_some_and(|first| {
            *self.program(first) == program::SYSTEM && first.data.starts_with(&ADVANCE_NONCE)
        })
    }
}

fn system<'a>(instruction: &Instruction) -> Option<Act<'a>> {
    let (tag, rest) = instruction.data.split_first_chunk::<4>()?;
    match (*tag, rest, instruction.accounts.as_slice()) {
        (TRANSFER, lamports, &[SIGNER, to]) => Some(Act::Transfer {
            to,
            lamports: u64::from_le_bytes(lamports.try_into().ok()?),
        }),
        (ADVANCE_NONCE, [], &[_, _, SIGNER]) => Some(Act::AdvanceNonce),
        _ => None,
    }
}

/// A memo may name signers that it is from; here there is one.
fn memo(instruction: &Instruction) -> Option<Act<'_>> {
    match instruction.accounts.as_slice() {
        [] | [SIGNER] => std::str::from_utf8(&instruction.data).ok().map(Act::Memo),
        _ => None,
    }
}
