//! What a transaction does (`docs/protocols/bitcoin.md` §4).

use super::hash::displayed;
use super::network::BitcoinNetwork;
use super::script::Lock;
use super::spending::Spending;
use super::transaction::TxOut;
use crate::{Asset, Decoded, EffectKind, Fact, Output, Refusal, Uint256, Warning};

/// From this number on, a lock time is in seconds since 1970, below it a height.
const LOCK_TIME_IS_SECONDS: u32 = 500_000_000;
/// An input with this sequence ignores the lock time.
const FINAL_SEQUENCE: u32 = 0xffff_ffff;
/// Satoshi a virtual byte below which nodes call an output dust.
const DUST_RATE: u64 = 3;
/// Bytes that spending an output takes later: with a witness, and without.
const SPENDING_SIZE: (u64, u64) = (67, 148);

impl Spending {
    /// What it does, for people and policies.
    ///
    /// # Errors
    /// As [`Self::fee`].
    pub(super) fn meaning(&self, network: BitcoinNetwork) -> Result<Decoded, Refusal> {
        let size = self.virtual_size();
        let fee = self.fee()?;
        let mut decoded = Decoded {
            from: Lock::of(&self.own_script).address(network),
            fee: Some(Uint256::from(fee)),
            virtual_size: Some(size),
            facts: self.facts(fee, size),
            ..Decoded::new(EffectKind::Transfer)
        };
        for output in &self.transaction.outputs {
            for warning in warnings(output) {
                decoded.warn(warning);
            }
            let address = Lock::of(&output.script).address(network);
            let script = || format!("script:{}", hex::encode(&output.script));
            decoded.outputs.push(Output {
                to: Some(address.unwrap_or_else(script)),
                asset: Asset::Native,
                amount: Uint256::from(output.amount),
                is_change: output.script == self.own_script,
            });
        }
        Ok(decoded)
    }

    fn facts(&self, fee: u128, size: u64) -> Vec<Fact> {
        let transaction = &self.transaction;
        let tenths = fee * 10 / u128::from(size);
        let mut facts = vec![
            Fact::new("tx_id", displayed(&transaction.id())),
            Fact::new("inputs", transaction.inputs.len().to_string()),
            Fact::new(
                "fee_rate",
                format!("{}.{} sat/vB", tenths / 10, tenths % 10),
            ),
        ];
        let is_locked = |sequence| sequence != FINAL_SEQUENCE;
        if transaction.lock_time > 0
            && transaction
                .inputs
                .iter()
                .any(|input| is_locked(input.sequence))
        {
            let unit = match transaction.lock_time {
                ..LOCK_TIME_IS_SECONDS => "block",
                _ => "unix time",
            };
            facts.push(Fact::new(
                "lock_time",
                format!("{unit} {}", transaction.lock_time),
            ));
        }
        facts
    }
}

fn warnings(output: &TxOut) -> Vec<Warning> {
    match Lock::of(&output.script) {
        Lock::Data if output.amount > 0 => vec![Warning::ValueBurned],
        Lock::Data => vec![],
        Lock::Other => vec![Warning::UnknownScript],
        known if output.amount < dust_limit(output, known) => vec![Warning::Dust],
        _ => vec![],
    }
}

/// Satoshi below which an output costs more to spend than it is worth, by the rule of Bitcoin Core.
fn dust_limit(output: &TxOut, script: Lock<'_>) -> u64 {
    let mut encoded = Vec::new();
    output.write(&mut encoded);
    let (with_witness, without) = SPENDING_SIZE;
    let spending = if script.is_witness() {
        with_witness
    } else {
        without
    };
    DUST_RATE * (encoded.len() as u64 + spending)
}
