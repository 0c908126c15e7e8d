//! The transaction that made a coin, of which only its id and that coin matter.

use super::transaction::{Outpoint, TxOut, list};
use super::{compact_size, hash};
use crate::reader::Reader;
use crate::{EncodingFault, Refusal};

const FIELD: &str = "input.non_witness_utxo";
/// Stands before the inputs where witnesses follow the outputs (BIP144).
const MARKER: [u8; 2] = [0, 1];

/// The id and outputs of a transaction.
#[derive(Debug)]
pub(super) struct Previous {
    /// Its id, in the order of its bytes.
    pub(super) id: [u8; 32],
    pub(super) outputs: Vec<TxOut>,
}

impl Previous {
    /// Reads a transaction with or without witnesses.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Refusal> {
        let mut input = Reader::new(bytes);
        let version: [u8; 4] = input.array(FIELD)?;
        let has_witnesses = input.rest().starts_with(&MARKER);
        if has_witnesses {
            input.take(FIELD, MARKER.len())?;
        }
        let body = input.rest();
        let inputs = list(&mut input, FIELD, skip_input)?.len();
        let outputs = list(&mut input, FIELD, TxOut::read)?;
        let (body, _) = body.split_at(body.len() - input.rest().len());
        if has_witnesses {
            skip_witnesses(&mut input, inputs)?;
        }
        let lock_time: [u8; 4] = input.array(FIELD)?;
        input.finish(FIELD)?;
        let id = hash::double_sha256(&[&version, body, &lock_time].concat());
        Ok(Self { id, outputs })
    }
}

fn skip_input(input: &mut Reader<'_>, field: &'static str) -> Result<(), Refusal> {
    Outpoint::read(input, field)?;
    compact_size::read_bytes(input, field)?;
    input.array::<4>(field).map(drop)
}

/// Witnesses that are all empty would have a shorter spelling: none.
fn skip_witnesses(input: &mut Reader<'_>, inputs: usize) -> Result<(), Refusal> {
    let mut items = 0;
    for _ in 0..inputs {
        let count = compact_size::read(input, FIELD)?;
        for _ in 0..count {
            compact_size::read_bytes(input, FIELD)?;
            items += 1;
        }
    }
    if items == 0 {
        return Err(Refusal::malformed(FIELD, EncodingFault::NotMinimal));
    }
    Ok(())
}
