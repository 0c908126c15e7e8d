//! Transactions without signatures (`docs/protocols/bitcoin.md` §2).

use super::{compact_size, hash};
use crate::reader::Reader;
use crate::{EncodingFault, Refusal};

/// All coins that can ever exist, in satoshi.
const MAX_MONEY: u64 = 21_000_000 * 100_000_000;
/// Greatest version that nodes relay.
const MAX_VERSION: u32 = 3;

/// A transaction whose inputs are not signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Transaction {
    pub(super) version: u32,
    pub(super) inputs: Vec<Input>,
    pub(super) outputs: Vec<TxOut>,
    /// Height or time before which it is not valid.
    pub(super) lock_time: u32,
}

/// A coin that is spent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Input {
    pub(super) outpoint: Outpoint,
    pub(super) sequence: u32,
}

/// Where a coin was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Outpoint {
    /// Id of the transaction, in the order of its bytes.
    pub(super) transaction: [u8; 32],
    /// Which of its outputs.
    pub(super) index: u32,
}

/// A coin that is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TxOut {
    /// Satoshi.
    pub(super) amount: u64,
    /// Who may spend it.
    pub(super) script: Vec<u8>,
}

impl Transaction {
    /// Reads a transaction with empty scripts in its inputs, and nothing behind it.
    pub(super) fn read_unsigned(bytes: &[u8]) -> Result<Self, Refusal> {
        let mut input = Reader::new(bytes);
        let version = u32::from_le_bytes(input.array("transaction.version")?);
        if !(1..=MAX_VERSION).contains(&version) {
            return Err(out_of_range("transaction.version"));
        }
        let inputs = list(&mut input, "transaction.inputs", read_input)?;
        let outputs = list(&mut input, "transaction.outputs", TxOut::read)?;
        let lock_time = u32::from_le_bytes(input.array("transaction.lock_time")?);
        input.finish("transaction")?;
        let transaction = Self {
            version,
            inputs,
            outputs,
            lock_time,
        };
        transaction.check_outpoints()?;
        if transaction.total_out() > u128::from(MAX_MONEY) {
            return Err(Refusal::malformed(
                "transaction.outputs",
                EncodingFault::TooLarge,
            ));
        }
        // The reader takes one spelling only. This says so again (row D5).
        if transaction.encode() != bytes {
            return Err(Refusal::NotCanonical);
        }
        Ok(transaction)
    }

    /// All satoshi that it pays.
    pub(super) fn total_out(&self) -> u128 {
        self.outputs.iter().map(|out| u128::from(out.amount)).sum()
    }

    /// Its bytes without witnesses.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = self.version.to_le_bytes().to_vec();
        out.extend(self.encode_body());
        out.extend(self.lock_time.to_le_bytes());
        out
    }

    /// Inputs and outputs: what stands between version and witnesses.
    pub(super) fn encode_body(&self) -> Vec<u8> {
        let mut out = Vec::new();
        compact_size::write(&mut out, self.inputs.len());
        for input in &self.inputs {
            input.outpoint.write(&mut out);
            compact_size::write_bytes(&mut out, &[]);
            out.extend(input.sequence.to_le_bytes());
        }
        compact_size::write(&mut out, self.outputs.len());
        for output in &self.outputs {
            output.write(&mut out);
        }
        out
    }

    /// Its id, which witnesses do not change.
    pub(super) fn id(&self) -> [u8; 32] {
        hash::double_sha256(&self.encode())
    }

    fn check_outpoints(&self) -> Result<(), Refusal> {
        let mut outpoints: Vec<_> = self.inputs.iter().map(|input| input.outpoint).collect();
        outpoints.sort_unstable();
        outpoints.dedup();
        if outpoints.len() == self.inputs.len() {
            return Ok(());
        }
        Err(Refusal::malformed(
            "transaction.inputs",
            EncodingFault::Duplicate,
        ))
    }
}

impl Outpoint {
    /// Reads 36 bytes.
    pub(super) fn read(input: &mut Reader<'_>, field: &'static str) -> Result<Self, Refusal> {
        Ok(Self {
            transaction: input.array(field)?,
            index: u32::from_le_bytes(input.array(field)?),
        })
    }

    /// Appends 36 bytes.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.transaction);
        out.extend(self.index.to_le_bytes());
    }
}

impl TxOut {
    /// Reads an amount and a script.
    pub(super) fn read(input: &mut Reader<'_>, field: &'static str) -> Result<Self, Refusal> {
        let amount = u64::from_le_bytes(input.array(field)?);
        if amount > MAX_MONEY {
            return Err(Refusal::malformed(field, EncodingFault::TooLarge));
        }
        let script = compact_size::read_bytes(input, field)?.to_vec();
        Ok(Self { amount, script })
    }

    /// Appends an amount and a script.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.amount.to_le_bytes());
        compact_size::write_bytes(out, &self.script);
    }
}

/// Reads a list that is not empty. Nothing is reserved for its stated length.
pub(super) fn list<'a, T>(
    input: &mut Reader<'a>,
    field: &'static str,
    read: impl Fn(&mut Reader<'a>, &'static str) -> Result<T, Refusal>,
) -> Result<Vec<T>, Refusal> {
    let count = compact_size::read(input, field)?;
    if count == 0 {
        return Err(Refusal::malformed(field, EncodingFault::Missing));
    }
    let mut items = Vec::new();
    for _ in 0..count {
        items.push(read(input, field)?);
    }
    Ok(items)
}

fn read_input(input: &mut Reader<'_>, field: &'static str) -> Result<Input, Refusal> {
    let outpoint = Outpoint::read(input, field)?;
    if !compact_size::read_bytes(input, field)?.is_empty() {
        return Err(Refusal::malformed(
            "transaction.script_sig",
            EncodingFault::NotEmpty,
        ));
    }
    Ok(Input {
        outpoint,
        sequence: u32::from_le_bytes(input.array(field)?),
    })
}

const fn out_of_range(field: &'static str) -> Refusal {
    Refusal::malformed(field, EncodingFault::OutOfRange)
}
