//! Decoding of unsigned transactions (`docs/protocols/ethereum.md` §2 and §3).

use super::access_list::AccessList;
use super::address::Address;
use super::encode::EIP1559;
use super::network::EthereumNetwork;
use super::rlp::{Items, malformed};
use super::transaction::{Pricing, Transaction};
use crate::{EncodingFault, MAX_PAYLOAD, Refusal};

/// Decodes an unsigned transaction for `network`.
///
/// # Errors
/// [`Refusal`] unless it is exactly one canonical transaction of a known type.
pub(super) fn unsigned(network: EthereumNetwork, payload: &[u8]) -> Result<Transaction, Refusal> {
    if payload.len() > MAX_PAYLOAD {
        return Err(Refusal::TooLong {
            length: payload.len(),
            limit: MAX_PAYLOAD,
        });
    }
    let transaction = match payload {
        [] => return Err(malformed("type", EncodingFault::Missing)),
        [0xc0..=0xff, ..] => legacy(payload)?,
        [EIP1559, fields @ ..] => eip1559(fields)?,
        [code @ 0..=0x7f, ..] => return Err(unsupported_type(*code)),
        _ => return Err(malformed("type", EncodingFault::NotAList)),
    };
    // The reader above takes one spelling only. This says so again, independently of it (row D5).
    if transaction.encode_unsigned() != payload {
        return Err(Refusal::NotCanonical);
    }
    check_network(network, transaction.chain_id)?;
    check_fee(&transaction)?;
    Ok(transaction)
}

/// `[nonce, gas_price, gas_limit, to, value, data, chain_id, 0, 0]` (EIP-155).
fn legacy(payload: &[u8]) -> Result<Transaction, Refusal> {
    let mut items = Items::of("transaction", payload)?;
    let nonce = read_nonce(&mut items)?;
    let gas_price = items.u128("gas_price")?;
    let gas_limit = items.u64("gas_limit")?;
    let to = read_receiver(&mut items)?;
    let value = items.u256("value")?;
    let data = items.string("data")?.to_vec();
    if items.is_empty() {
        return Err(Refusal::ReplayableEverywhere);
    }
    let chain_id = items.u64("chain_id")?;
    let (r, s) = (items.u256("r")?, items.u256("s")?);
    items.finish("s")?;
    if !r.is_zero() || !s.is_zero() {
        return Err(Refusal::AlreadySigned);
    }
    Ok(Transaction {
        chain_id,
        nonce,
        gas_limit,
        pricing: Pricing::Legacy { gas_price },
        to,
        value,
        data,
    })
}

/// `[chain_id, nonce, max_priority_fee_per_gas, max_fee_per_gas, gas_limit, to, value, data,
/// access_list]` (EIP-1559).
fn eip1559(fields: &[u8]) -> Result<Transaction, Refusal> {
    let mut items = Items::of("transaction", fields)?;
    let chain_id = items.u64("chain_id")?;
    let nonce = read_nonce(&mut items)?;
    let max_priority_fee = items.u128("max_priority_fee_per_gas")?;
    let max_fee = items.u128("max_fee_per_gas")?;
    let gas_limit = items.u64("gas_limit")?;
    let to = read_receiver(&mut items)?;
    let value = items.u256("value")?;
    let data = items.string("data")?.to_vec();
    let access_list = AccessList::read(items.list("access_list")?)?;
    if is_signature(items) {
        return Err(Refusal::AlreadySigned);
    }
    items.finish("access_list")?;
    Ok(Transaction {
        chain_id,
        nonce,
        gas_limit,
        pricing: Pricing::Eip1559 {
            max_priority_fee,
            max_fee,
            access_list,
        },
        to,
        value,
        data,
    })
}

/// EIP-2681: an account's last nonce is 2⁶⁴ − 2.
fn read_nonce(items: &mut Items<'_>) -> Result<u64, Refusal> {
    match items.u64("nonce")? {
        u64::MAX => Err(malformed("nonce", EncodingFault::TooLarge)),
        nonce => Ok(nonce),
    }
}

fn read_receiver(items: &mut Items<'_>) -> Result<Option<Address>, Refusal> {
    match items.string("to")? {
        [] => Ok(None),
        address => address
            .try_into()
            .map(Some)
            .map_err(|_| malformed("to", EncodingFault::WrongLength)),
    }
}

/// Whether `y_parity, r, s` is all that follows.
fn is_signature(mut items: Items<'_>) -> bool {
    let three = (0..3).all(|_| items.u256("signature").is_ok());
    three && items.is_empty()
}

fn check_network(network: EthereumNetwork, found: u64) -> Result<(), Refusal> {
    let expected = network.chain_id();
    if found == expected {
        return Ok(());
    }
    Err(Refusal::WrongNetwork {
        chain: network.as_str(),
        expected,
        found,
    })
}

fn check_fee(transaction: &Transaction) -> Result<(), Refusal> {
    match transaction.pricing {
        Pricing::Eip1559 {
            max_priority_fee,
            max_fee,
            ..
        } if max_priority_fee > max_fee => return Err(Refusal::TipAboveFee),
        _ => {}
    }
    match transaction.greatest_fee() {
        Some(_) => Ok(()),
        None => Err(Refusal::FeeTooLarge),
    }
}

fn unsupported_type(code: u8) -> Refusal {
    let name = match code {
        0x01 => "EIP-2930, access list",
        0x03 => "EIP-4844, blob",
        0x04 => "EIP-7702, set code",
        _ => "unknown",
    };
    Refusal::UnsupportedTransactionType {
        code,
        name,
        supported: "legacy and EIP-1559",
    }
}

#[cfg(test)]
mod tests;
