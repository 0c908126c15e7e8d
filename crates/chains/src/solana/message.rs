//! A message: what a transaction's signatures sign.

use super::address::Account;
use crate::Refusal;

/// A message that was decoded and checked in itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    /// Its form.
    pub(super) version: Version,
    /// How many accounts sign: the first ones, and the first of all pays the fee.
    pub(super) signers: u8,
    /// How many of the signing accounts are not written to: the last of them.
    pub(super) readonly_signers: u8,
    /// How many of the others are not written to: the last ones.
    pub(super) readonly_others: u8,
    /// Accounts that the message names itself, none twice.
    pub(super) accounts: Vec<Account>,
    /// A recent block, or the value of a durable nonce.
    pub(super) recent_blockhash: [u8; 32],
    /// What is done, in order.
    pub(super) instructions: Vec<Instruction>,
    /// Accounts that stand in tables on the chain, by their places there (version 0).
    pub(super) lookups: Vec<TableLookup>,
}

/// The form of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// Without a version byte.
    Legacy,
    /// First byte 0x80; may name address tables.
    Zero,
}

/// One call of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Instruction {
    /// Place of the program among the message's accounts.
    pub(super) program: u8,
    /// Places of the accounts that it gets; beyond the message's own, they stand in tables.
    pub(super) accounts: Vec<u8>,
    /// Its input.
    pub(super) data: Vec<u8>,
}

/// Accounts taken from one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TableLookup {
    /// The table.
    pub(super) table: Account,
    /// Places in it, of accounts that are written to.
    pub(super) writable: Vec<u8>,
    /// Places in it, of accounts that are not.
    pub(super) readonly: Vec<u8>,
}

impl Message {
    /// Checks that this key signs, and nobody else.
    ///
    /// # Errors
    /// [`Refusal::NotTheSigner`], [`Refusal::OtherSigners`].
    pub(super) fn check_signer(&self, public_key: &[u8]) -> Result<(), Refusal> {
        let mut signers = self.accounts.iter().take(usize::from(self.signers));
        if !signers.any(|signer| signer == public_key) {
            return Err(Refusal::NotTheSigner);
        }
        if self.signers > 1 {
            return Err(Refusal::OtherSigners {
                needed: usize::from(self.signers),
            });
        }
        Ok(())
    }

    /// The account at this place; none if it stands in a table.
    pub(super) fn account(&self, place: u8) -> Option<&Account> {
        self.accounts.get(usize::from(place))
    }

    /// The program that an instruction calls.
    pub(super) fn program(&self, instruction: &Instruction) -> &Account {
        self.account(instruction.program)
            .expect("the decoder checked that the program is among the accounts")
    }
}
