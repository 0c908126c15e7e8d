//! Decoding of messages (`docs/protocols/solana.md` §2 and §3).

use std::collections::BTreeSet;

use super::compact_length;
use super::encode::VERSION_0;
use super::message::{Instruction, Message, TableLookup, Version};
use crate::reader::Reader;
use crate::{EncodingFault, Refusal};

/// Most bytes of a transaction with its signatures: what fits into one packet.
const MAX_TRANSACTION: usize = 1232;
/// A transaction's one signature, and the count before it.
const SIGNATURE: usize = 1 + 64;
/// Most bytes of a message with one signer.
pub(super) const MAX_MESSAGE: usize = MAX_TRANSACTION - SIGNATURE;
/// Most accounts of a message, with those in tables: places have one byte.
const MAX_ACCOUNTS: usize = 256;

/// First byte of messages for people, which are no transactions (row D3).
const OFF_CHAIN: u8 = 0xff;

/// Decodes a message.
///
/// # Errors
/// [`Refusal`] unless it is exactly one canonical message of a known version.
pub(super) fn message(payload: &[u8]) -> Result<Message, Refusal> {
    if payload.len() > MAX_TRANSACTION {
        return Err(Refusal::TooLong {
            length: payload.len(),
            limit: MAX_MESSAGE,
        });
    }
    let message = read(payload).map_err(|refusal| {
        // A whole transaction is a usual mistake, and its first fault says nothing.
        let whole = payload.first() == Some(&1) && payload.get(SIGNATURE..).is_some_and(is_message);
        if whole {
            Refusal::AlreadySigned
        } else {
            refusal
        }
    })?;
    if payload.len() > MAX_MESSAGE {
        return Err(Refusal::TooLong {
            length: payload.len(),
            limit: MAX_MESSAGE,
        });
    }
    // The reader takes one spelling only. This says so again, independently of it (row D5).
    if message.encode() != payload {
        return Err(Refusal::NotCanonical);
    }
    Ok(message)
}

fn is_message(bytes: &[u8]) -> bool {
    read(bytes).is_ok()
}

fn read(payload: &[u8]) -> Result<Message, Refusal> {
    let mut input = Reader::new(payload);
    let version = match payload.first() {
        None => return Err(Refusal::malformed("version", EncodingFault::Missing)),
        Some(0..VERSION_0) => Version::Legacy,
        Some(&code) => {
            input.byte("version")?;
            check_version(code)?
        }
    };
    let [signers, readonly_signers, readonly_others] = input.array("header")?;
    let accounts = list(&mut input, "accounts", |input| input.array("accounts"))?;
    let recent_blockhash = input.array("recent_blockhash")?;
    let instructions = list(&mut input, "instructions", |input| {
        Ok(Instruction {
            program: input.byte("instructions.program")?,
            accounts: byte_list(input, "instructions.accounts")?,
            data: byte_list(input, "instructions.data")?,
        })
    })?;
    let lookups = match version {
        Version::Legacy => Vec::new(),
        Version::Zero => list(&mut input, "address_tables", |input| {
            Ok(TableLookup {
                table: input.array("address_tables.table")?,
                writable: byte_list(input, "address_tables.writable")?,
                readonly: byte_list(input, "address_tables.readonly")?,
            })
        })?,
    };
    input.finish("message")?;
    let message = Message {
        version,
        signers,
        readonly_signers,
        readonly_others,
        accounts,
        recent_blockhash,
        instructions,
        lookups,
    };
    check_header(&message)?;
    check_accounts(&message)?;
    check_instructions(&message)?;
    Ok(message)
}

fn check_version(code: u8) -> Result<Version, Refusal> {
    let name = match code {
        VERSION_0 => return Ok(Version::Zero),
        0x81 => "version 1",
        OFF_CHAIN => "off-chain message",
        _ => "unknown version",
    };
    Err(Refusal::UnsupportedTransactionType {
        code,
        name,
        supported: "legacy messages and version 0",
    })
}

/// Reads a list. Nothing is reserved for its stated length: each item costs input.
fn list<'a, T>(
    input: &mut Reader<'a>,
    field: &'static str,
    mut item: impl FnMut(&mut Reader<'a>) -> Result<T, Refusal>,
) -> Result<Vec<T>, Refusal> {
    let length = compact_length::read(input, field)?;
    let mut items = Vec::new();
    for _ in 0..length {
        items.push(item(input)?);
    }
    Ok(items)
}

fn byte_list(input: &mut Reader<'_>, field: &'static str) -> Result<Vec<u8>, Refusal> {
    let length = compact_length::read(input, field)?;
    input.take(field, length).map(<[u8]>::to_vec)
}

/// The counts of the header fit the accounts, and the payer of the fee can be written to.
fn check_header(message: &Message) -> Result<(), Refusal> {
    let signed_and_fixed = usize::from(message.signers) + usize::from(message.readonly_others);
    if message.readonly_signers >= message.signers || signed_and_fixed > message.accounts.len() {
        return Err(Refusal::malformed("header", EncodingFault::OutOfRange));
    }
    Ok(())
}

fn check_accounts(message: &Message) -> Result<(), Refusal> {
    let distinct: BTreeSet<_> = message.accounts.iter().collect();
    if distinct.len() != message.accounts.len() {
        return Err(Refusal::malformed("accounts", EncodingFault::Duplicate));
    }
    let looked_up = |lookup: &TableLookup| lookup.writable.len() + lookup.readonly.len();
    if message.lookups.iter().any(|lookup| looked_up(lookup) == 0) {
        return Err(Refusal::malformed("address_tables", EncodingFault::Missing));
    }
    if account_count(message) > MAX_ACCOUNTS {
        return Err(Refusal::malformed("accounts", EncodingFault::TooLarge));
    }
    Ok(())
}

fn check_instructions(message: &Message) -> Result<(), Refusal> {
    if message.instructions.is_empty() {
        return Err(Refusal::malformed("instructions", EncodingFault::Missing));
    }
    let count = account_count(message);
    for instruction in &message.instructions {
        // A program is never the payer of the fee, and never in a table.
        let program = usize::from(instruction.program);
        if program == 0 || program >= message.accounts.len() {
            return Err(out_of_range("instructions.program"));
        }
        let known = |place: &u8| usize::from(*place) < count;
        if !instruction.accounts.iter().all(known) {
            return Err(out_of_range("instructions.accounts"));
        }
    }
    Ok(())
}

const fn out_of_range(field: &'static str) -> Refusal {
    Refusal::malformed(field, EncodingFault::OutOfRange)
}

/// Accounts of the message, with those in tables.
fn account_count(message: &Message) -> usize {
    let of_tables = message
        .lookups
        .iter()
        .map(|lookup| lookup.writable.len() + lookup.readonly.len());
    message.accounts.len() + of_tables.sum::<usize>()
}
