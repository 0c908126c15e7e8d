//! Unsigned Bitcoin transactions, as `quorate tx bitcoin` builds them: PSBTs of version 0 that spend
//! coins of one key (`docs/protocols/bitcoin.md` §2).
//!
//! What the bytes mean is read back by `quorate-chains`, the code that participants decide with: it
//! finds the fee and what is change, and refuses what participants would refuse.

mod address;
mod input;
mod previous;

use quorate_chains::{
    BitcoinNetwork, Chain, DEFAULT_ADDRESS_KIND, Decoded, KeyContext, MessageType, effect_of,
};
use quorate_types::{Algorithm, Rights};

use crate::amount;
use crate::error::CliError;
use address::{network_of, script_of};
pub(crate) use input::{CoinName, parse_coin};
use previous::{Made, Previous};

const MAGIC: &[u8] = b"psbt\xff";
/// Transactions that use relative lock times; those of before mean the same here.
const VERSION: u32 = 2;
/// The sender may replace the transaction by one with a greater fee (BIP125), and no lock time holds.
const REPLACEABLE: u32 = 0xffff_fffd;
/// As nobody may replace it.
const FINAL: u32 = 0xffff_ffff;
/// Least change: below it a coin may cost more to spend than it is worth, whatever its script.
const MIN_CHANGE: u64 = 546;

/// A payment: `ADDRESS=AMOUNT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// Receiver.
    pub(crate) address: String,
    /// Satoshi.
    pub(crate) amount: u64,
}

/// What miners get.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fee {
    /// Satoshi in all.
    Whole(u64),
    /// Satoshi for each virtual byte.
    Rate(u64),
}

/// What is to be built.
pub(crate) struct Spend {
    pub(crate) chain: Chain,
    pub(crate) algorithm: Algorithm,
    pub(crate) public_key: Vec<u8>,
    pub(crate) coins: Vec<CoinName>,
    /// Whole transactions that made the coins.
    pub(crate) previous: Vec<Vec<u8>>,
    pub(crate) payments: Vec<Payment>,
    /// Where the rest goes; to the key itself if absent.
    pub(crate) change: Option<String>,
    pub(crate) fee: Fee,
    pub(crate) is_replaceable: bool,
}

/// A payload, and what it means.
pub(crate) struct Built {
    pub(crate) psbt: Vec<u8>,
    pub(crate) decoded: Decoded,
}

/// A coin with all that is known of it.
struct Coin {
    name: CoinName,
    made: Made,
    /// The whole transaction that made it.
    whole: Option<Vec<u8>>,
}

impl Spend {
    /// Builds the PSBT. With a rate, the fee follows from the size that the decoder finds.
    pub(crate) fn build(&self) -> Result<Built, CliError> {
        let network = network_of(self.chain).ok_or_else(|| {
            let what = format!("`{}` is no network of Bitcoin", self.chain);
            CliError::invalid(what, "give --chain bitcoin, or one of its test networks")
        })?;
        let own = self.own_script(network)?;
        let coins = self.coins(&own)?;
        let mut outputs = Vec::new();
        for payment in &self.payments {
            outputs.push((payment.amount, script(network, &payment.address)?));
        }
        let change = match &self.change {
            Some(address) => script(network, address)?,
            None => own,
        };
        let available = sum(coins.iter().map(|coin| coin.made.0))?;
        let paid = sum(outputs.iter().map(|(amount, _)| *amount))?;
        let fee = match self.fee {
            Fee::Whole(fee) => fee,
            Fee::Rate(rate) => {
                let rest = available
                    .checked_sub(paid)
                    .ok_or_else(|| short(available, paid))?;
                // Its amount changes nothing about the size: all have eight bytes.
                let with_change = [outputs.as_slice(), &[(rest, change.clone())]].concat();
                self.priced(rate, &coins, &with_change)?
            }
        };
        let needed = sum([paid, fee].into_iter())?;
        let rest = available
            .checked_sub(needed)
            .ok_or_else(|| short(available, needed))?;
        match rest {
            0 => {}
            1..MIN_CHANGE => {
                let what = format!("{rest} satoshi would be left, less than {MIN_CHANGE}");
                let remedy = format!("give --fee {}, or pay as much less", fee + rest);
                return Err(CliError::invalid(what, remedy));
            }
            _ => outputs.push((rest, change)),
        }
        let psbt = self.encode(&coins, &outputs);
        let decoded = self.decoded(&psbt)?;
        Ok(Built { psbt, decoded })
    }

    fn priced(&self, rate: u64, coins: &[Coin], outputs: &[Made]) -> Result<u64, CliError> {
        let decoded = self.decoded(&self.encode(coins, outputs))?;
        let size = decoded.virtual_size.unwrap_or_default();
        rate.checked_mul(size).ok_or_else(|| {
            let what = format!("{rate} satoshi for each of {size} virtual bytes are too many");
            CliError::invalid(what, "give a lower --fee-rate")
        })
    }

    fn key<'a>(&'a self, rights: &'a Rights) -> KeyContext<'a> {
        KeyContext {
            chain: self.chain,
            algorithm: self.algorithm,
            rights,
            address_kind: DEFAULT_ADDRESS_KIND,
            public_key: &self.public_key,
        }
    }

    fn own_script(&self, network: BitcoinNetwork) -> Result<Vec<u8>, CliError> {
        let rights = Rights::default();
        let address = self.key(&rights).address().map_err(|refusal| {
            CliError::invalid(
                refusal.to_string(),
                "give --public-key and --algorithm as `quorate key show` shows them",
            )
        })?;
        let address = address.expect("keys of Bitcoin have an address");
        Ok(script_of(network, &address).expect("an address of our own can be read"))
    }

    fn coins(&self, own: &[u8]) -> Result<Vec<Coin>, CliError> {
        let mut previous = Vec::new();
        for (place, bytes) in self.previous.iter().enumerate() {
            previous.push(Previous::read(bytes.clone()).ok_or_else(|| {
                let what = format!("previous transaction {} is none", place + 1);
                CliError::invalid(what, "give the whole transaction, as the network has it")
            })?);
        }
        let coin = |name: &CoinName| coin(name, &previous, own);
        self.coins.iter().map(coin).collect()
    }

    /// The PSBT: its transaction, and for each input what its coin is.
    fn encode(&self, coins: &[Coin], outputs: &[Made]) -> Vec<u8> {
        let sequence = if self.is_replaceable {
            REPLACEABLE
        } else {
            FINAL
        };
        let mut transaction = VERSION.to_le_bytes().to_vec();
        size(&mut transaction, coins.len());
        for coin in coins {
            transaction.extend(coin.name.transaction);
            transaction.extend(coin.name.index.to_le_bytes());
            size(&mut transaction, 0);
            transaction.extend(sequence.to_le_bytes());
        }
        size(&mut transaction, outputs.len());
        for made in outputs {
            transaction.extend(output(made));
        }
        transaction.extend([0; 4]);
        let mut psbt = MAGIC.to_vec();
        field(&mut psbt, 0x00, &transaction);
        psbt.push(0);
        for coin in coins {
            if let Some(whole) = &coin.whole {
                field(&mut psbt, 0x00, whole);
            }
            field(&mut psbt, 0x01, &output(&coin.made));
            psbt.push(0);
        }
        psbt.extend(outputs.iter().map(|_| 0));
        psbt
    }

    /// What the PSBT means to whoever signs it.
    fn decoded(&self, psbt: &[u8]) -> Result<Decoded, CliError> {
        let rights = Rights::default();
        let effect = effect_of(&self.key(&rights), MessageType::Transaction, psbt);
        effect.map(|effect| effect.decoded).map_err(|refusal| {
            CliError::invalid(
                format!("participants would refuse this: {refusal}"),
                "give each coin's whole transaction with --previous-tx; docs/protocols/bitcoin.md \
                 says what is accepted",
            )
        })
    }
}

/// What is known of a coin: from the transaction that made it, or as it is told.
fn coin(name: &CoinName, previous: &[Previous], own: &[u8]) -> Result<Coin, CliError> {
    let refuse = |what: &str, remedy: &str| CliError::invalid(format!("{name}: {what}"), remedy);
    let Some(made_by) = previous.iter().find(|one| one.id == name.transaction) else {
        let amount = name.amount.ok_or_else(|| {
            refuse(
                "its amount is not known",
                "give --previous-tx with the transaction that made it, or TXID:INDEX:AMOUNT",
            )
        })?;
        return Ok(Coin {
            name: name.clone(),
            made: (amount, own.to_vec()),
            whole: None,
        });
    };
    let index = usize::try_from(name.index).ok();
    let made = index.and_then(|index| made_by.outputs.get(index));
    let made =
        made.ok_or_else(|| refuse("its transaction has no such output", "outputs count from 0"))?;
    if name.amount.is_some_and(|amount| amount != made.0) {
        return Err(refuse(
            "its transaction says another amount",
            "leave the amount out: the transaction has it",
        ));
    }
    if made.1 != own {
        return Err(refuse(
            "it is not a coin of this key",
            "name coins of the key's own address only",
        ));
    }
    Ok(Coin {
        name: name.clone(),
        made: made.clone(),
        whole: Some(made_by.bytes.clone()),
    })
}

fn script(network: BitcoinNetwork, address: &str) -> Result<Vec<u8>, CliError> {
    script_of(network, address).ok_or_else(|| {
        let network = Chain::Bitcoin(network);
        CliError::invalid(
            format!("`{address}` is no address of {network} that is known here"),
            "check it, and --chain: a digit may be mistyped",
        )
    })
}

fn sum(mut amounts: impl Iterator<Item = u64>) -> Result<u64, CliError> {
    let sum = amounts.try_fold(0_u64, u64::checked_add);
    sum.ok_or_else(|| CliError::invalid("there are not so many satoshi", "check the amounts"))
}

fn short(available: u64, needed: u64) -> CliError {
    CliError::invalid(
        format!("the coins are worth {available} satoshi, but {needed} are needed"),
        "name more coins with --input, or pay less",
    )
}

fn output((amount, script): &Made) -> Vec<u8> {
    let mut out = amount.to_le_bytes().to_vec();
    size(&mut out, script.len());
    out.extend_from_slice(script);
    out
}

fn field(out: &mut Vec<u8>, code: u8, value: &[u8]) {
    out.extend([1, code]);
    size(out, value.len());
    out.extend_from_slice(value);
}

/// A compact size in its shortest form.
fn size(out: &mut Vec<u8>, size: usize) {
    if let Ok(small @ 0..=0xfc) = u8::try_from(size) {
        out.push(small);
    } else if let Ok(size) = u16::try_from(size) {
        out.push(0xfd);
        out.extend(size.to_le_bytes());
    } else {
        let size = u32::try_from(size).expect("a payload has 128 KiB at most, or is refused");
        out.push(0xfe);
        out.extend(size.to_le_bytes());
    }
}

/// An amount in satoshi: `123`, `0.5btc`, `700sat`.
pub(crate) fn parse_amount(text: &str) -> Result<u64, String> {
    let units = [("btc", 8), ("sat", 0)];
    let form = "an amount is a number of satoshi, or a number with btc behind it";
    amount::parse_u64(text, &units, "satoshi", form)
}

/// `ADDRESS=AMOUNT`.
pub(crate) fn parse_payment(text: &str) -> Result<Payment, String> {
    let (address, amount) = text.split_once('=').ok_or("a payment is ADDRESS=AMOUNT")?;
    Ok(Payment {
        address: address.to_owned(),
        amount: parse_amount(amount)?,
    })
}

#[cfg(test)]
#[allow(
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]
mod tests;
