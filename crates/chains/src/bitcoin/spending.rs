//! A PSBT whose inputs were all found to be the key's own, with their amounts.

use super::field::{self, Field};
use super::previous::Previous;
use super::psbt::{Map, Psbt};
use super::spend::{SighashType, SpendKind};
use super::transaction::{Input, Transaction, TxOut};
use crate::reader::Reader;
use crate::{EncodingFault, Refusal};

/// A transaction that the key alone signs.
#[derive(Debug)]
pub(super) struct Spending {
    pub(super) transaction: Transaction,
    /// Form of every input.
    pub(super) kind: SpendKind,
    /// Script of every input, and of what is change.
    pub(super) own_script: Vec<u8>,
    /// One for each input.
    pub(super) coins: Vec<Coin>,
}

/// A coin that an input spends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Coin {
    /// Satoshi.
    pub(super) amount: u64,
    /// What its signature covers.
    pub(super) sighash: SighashType,
}

impl Spending {
    /// Reads a PSBT for the key.
    ///
    /// # Errors
    /// [`Refusal`] unless every input is the key's own, its amount is proven, and the signature
    /// covers the whole transaction.
    pub(super) fn read(
        kind: SpendKind,
        public_key: &[u8],
        payload: &[u8],
    ) -> Result<Self, Refusal> {
        let own_script = kind.own_script(public_key)?;
        let Psbt {
            transaction,
            inputs: maps,
        } = Psbt::read(payload)?;
        let mut coins = Vec::new();
        for (place, (input, map)) in transaction.inputs.iter().zip(&maps).enumerate() {
            let coin = previous_output(kind, place, input, map)?;
            if coin.script != own_script {
                return Err(Refusal::ForeignInput { input: place });
            }
            check_internal_key(kind, map, public_key)?;
            coins.push(Coin {
                amount: coin.amount,
                sighash: kind.sighash_type(place, sighash_code(map)?)?,
            });
        }
        let spending = Self {
            transaction,
            kind,
            own_script,
            coins,
        };
        spending.fee()?;
        Ok(spending)
    }

    /// What the network's miners get, in satoshi: exactly.
    ///
    /// # Errors
    /// [`Refusal::OutputsAboveInputs`].
    pub(super) fn fee(&self) -> Result<u128, Refusal> {
        let paid: u128 = self.coins.iter().map(|coin| u128::from(coin.amount)).sum();
        paid.checked_sub(self.transaction.total_out())
            .ok_or(Refusal::OutputsAboveInputs)
    }
}

/// The coin of an input, as the PSBT proves it.
///
/// A signature of version 0 commits to the amount of its own coin only: whoever lies about amounts
/// in two requests can take the difference as fee. The whole previous transaction proves it, by its
/// id (row D6). A Taproot signature commits to all amounts and scripts itself.
fn previous_output(
    kind: SpendKind,
    place: usize,
    input: &Input,
    map: &Map<'_>,
) -> Result<TxOut, Refusal> {
    let missing = |needed| Refusal::PreviousOutputMissing {
        input: place,
        needed,
    };
    let proven = map
        .value(field::NON_WITNESS_UTXO)
        .map(|whole| output_of(place, input, whole))
        .transpose()?;
    let stated = map
        .value(field::WITNESS_UTXO)
        .map(read_output)
        .transpose()?;
    match (kind, proven, stated) {
        (_, Some(proven), Some(stated)) if proven != stated => {
            Err(Refusal::PreviousOutputMismatch { input: place })
        }
        (_, Some(proven), _) => Ok(proven),
        (SpendKind::TaprootKeyPath, None, Some(stated)) => Ok(stated),
        (SpendKind::TaprootKeyPath, None, None) => Err(missing("witness_utxo")),
        (SpendKind::WitnessKeyHash, None, _) => {
            Err(missing("non_witness_utxo, the whole previous transaction"))
        }
    }
}

fn output_of(place: usize, input: &Input, whole: &[u8]) -> Result<TxOut, Refusal> {
    let previous = Previous::read(whole)?;
    let mismatch = Refusal::PreviousOutputMismatch { input: place };
    if previous.id != input.outpoint.transaction {
        return Err(mismatch);
    }
    let index = usize::try_from(input.outpoint.index).map_err(|_| mismatch.clone())?;
    previous.outputs.into_iter().nth(index).ok_or(mismatch)
}

fn read_output(bytes: &[u8]) -> Result<TxOut, Refusal> {
    let mut input = Reader::new(bytes);
    let output = TxOut::read(&mut input, field::WITNESS_UTXO.name)?;
    input.finish(field::WITNESS_UTXO.name)?;
    Ok(output)
}

fn sighash_code(map: &Map<'_>) -> Result<Option<u32>, Refusal> {
    let bytes = map.value(field::SIGHASH_TYPE);
    bytes
        .map(|bytes| fixed(field::SIGHASH_TYPE, bytes).map(u32::from_le_bytes))
        .transpose()
}

/// Another internal key than ours would have another output key: the PSBT contradicts itself.
fn check_internal_key(kind: SpendKind, map: &Map<'_>, public_key: &[u8]) -> Result<(), Refusal> {
    let Some(stated) = map.value(field::TAP_INTERNAL_KEY) else {
        return Ok(());
    };
    let stated: [u8; 32] = fixed(field::TAP_INTERNAL_KEY, stated)?;
    let ours = public_key.get(1..).unwrap_or_default();
    if kind == SpendKind::TaprootKeyPath && stated == ours {
        return Ok(());
    }
    let field = field::TAP_INTERNAL_KEY.name;
    Err(Refusal::malformed(field, EncodingFault::OutOfRange))
}

fn fixed<const N: usize>(field: Field, bytes: &[u8]) -> Result<[u8; N], Refusal> {
    bytes
        .try_into()
        .map_err(|_| Refusal::malformed(field.name, EncodingFault::WrongLength))
}
