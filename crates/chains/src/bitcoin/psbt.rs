//! The form of a PSBT: a list of maps (BIP174; `docs/protocols/bitcoin.md` §2).

use std::collections::BTreeSet;

use super::compact_size;
use super::field::{self, Field, MapKind};
use super::transaction::Transaction;
use crate::reader::Reader;
use crate::{EncodingFault, Refusal};

const MAGIC: &[u8] = b"psbt\xff";
/// Most inputs: each needs a signature of its own.
const MAX_INPUTS: usize = 100;

/// A PSBT that was decoded and checked in itself.
#[derive(Debug)]
pub(super) struct Psbt<'a> {
    pub(super) transaction: Transaction,
    /// One for each input of the transaction.
    pub(super) inputs: Vec<Map<'a>>,
}

/// Fields, none twice.
#[derive(Debug)]
pub(super) struct Map<'a> {
    pairs: Vec<Pair<'a>>,
}

/// A key with its type, and a value.
#[derive(Debug, Clone, Copy)]
struct Pair<'a> {
    key: &'a [u8],
    value: &'a [u8],
}

impl<'a> Psbt<'a> {
    /// Reads a PSBT of version 0 with known fields only.
    ///
    /// # Errors
    /// [`Refusal`] unless it is exactly one canonical PSBT that nobody has signed.
    pub(super) fn read(payload: &'a [u8]) -> Result<Self, Refusal> {
        let mut input = Reader::new(payload);
        if input.take("magic", MAGIC.len())? != MAGIC {
            return Err(Refusal::malformed("magic", EncodingFault::OutOfRange));
        }
        let global = Map::read(&mut input, MapKind::Global)?;
        check_version(&global)?;
        let unsigned = global
            .value(field::UNSIGNED_TX)
            .ok_or(Refusal::malformed("transaction", EncodingFault::Missing))?;
        let transaction = Transaction::read_unsigned(unsigned)?;
        if transaction.inputs.len() > MAX_INPUTS {
            return Err(Refusal::TooManyInputs {
                found: transaction.inputs.len(),
                limit: MAX_INPUTS,
            });
        }
        let inputs = maps(&mut input, MapKind::Input, transaction.inputs.len())?;
        let outputs = maps(&mut input, MapKind::Output, transaction.outputs.len())?;
        input.finish("psbt")?;
        // The reader takes one spelling only. This says so again, independently of it (row D5).
        if encode(&global, &inputs, &outputs) != payload {
            return Err(Refusal::NotCanonical);
        }
        Ok(Self {
            transaction,
            inputs,
        })
    }
}

impl<'a> Map<'a> {
    /// The value of a field that stands alone, if it is there.
    pub(super) fn value(&self, field: Field) -> Option<&'a [u8]> {
        let mut pairs = self.pairs.iter();
        let found = pairs.find(|pair| pair.key == [field.code]);
        found.map(|pair| pair.value)
    }

    fn read(input: &mut Reader<'a>, kind: MapKind) -> Result<Self, Refusal> {
        let (mut pairs, mut keys) = (Vec::new(), BTreeSet::new());
        loop {
            let key = compact_size::read_bytes(input, kind.as_str())?;
            let Some((code, rest)) = key.split_first() else {
                return Ok(Self { pairs });
            };
            field::check(kind, *code, rest)?;
            let value = compact_size::read_bytes(input, kind.as_str())?;
            if !keys.insert(key) {
                return Err(Refusal::malformed(kind.as_str(), EncodingFault::Duplicate));
            }
            pairs.push(Pair { key, value });
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        for pair in &self.pairs {
            compact_size::write_bytes(out, pair.key);
            compact_size::write_bytes(out, pair.value);
        }
        compact_size::write(out, 0);
    }
}

fn maps<'a>(input: &mut Reader<'a>, kind: MapKind, count: usize) -> Result<Vec<Map<'a>>, Refusal> {
    (0..count).map(|_| Map::read(input, kind)).collect()
}

/// Version 0 may be written out, though nobody does.
fn check_version(global: &Map<'_>) -> Result<(), Refusal> {
    match global.value(field::VERSION) {
        None | Some([0, 0, 0, 0]) => Ok(()),
        Some([code, ..]) => Err(Refusal::UnsupportedTransactionType {
            code: *code,
            name: "PSBT version",
            supported: "PSBTs of version 0",
        }),
        Some([]) => Err(Refusal::malformed("version", EncodingFault::WrongLength)),
    }
}

fn encode(global: &Map<'_>, inputs: &[Map<'_>], outputs: &[Map<'_>]) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    for map in std::iter::once(global).chain(inputs).chain(outputs) {
        map.write(&mut out);
    }
    out
}
