//! The most that a transaction can cost (`docs/protocols/solana.md` §4).

use super::message::Message;
use super::program;
use crate::{EncodingFault, Refusal};

/// Lamports for each signature, those that programs check included.
const LAMPORTS_PER_SIGNATURE: u128 = 5_000;
/// Most units of computation of one transaction.
const MAX_COMPUTE_UNITS: u128 = 1_400_000;
/// Units that the chain allows an instruction where the transaction sets no limit.
const UNITS_PER_INSTRUCTION: u128 = 200_000;
/// Parts of a lamport in which a unit's price is given.
const MICRO: u128 = 1_000_000;

/// What a transaction sets for its computation.
#[derive(Debug, Default)]
struct Budget {
    heap_bytes: Option<u32>,
    unit_limit: Option<u32>,
    unit_price: Option<u64>,
    loaded_bytes: Option<u32>,
}

impl Message {
    /// Most lamports beside what is transferred.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for a budget that the chain refuses, or that has another spelling.
    pub(super) fn greatest_fee(&self) -> Result<u128, Refusal> {
        let mut budget = Budget::default();
        let mut signatures = u128::from(self.signers);
        for instruction in &self.instructions {
            let called = self.program(instruction);
            if *called == program::COMPUTE_BUDGET {
                budget.apply(&instruction.data)?;
            } else if program::SIGNATURE_CHECKS.contains(called) {
                signatures += instruction.data.first().copied().map_or(0, u128::from);
            }
        }
        let priority = budget.greatest_priority_fee(self.instructions.len());
        Ok(signatures * LAMPORTS_PER_SIGNATURE + priority)
    }
}

impl Budget {
    /// Reads one instruction of the compute-budget program.
    ///
    /// The chain reads past dirt at the end; here the price must have one spelling (row D5).
    fn apply(&mut self, data: &[u8]) -> Result<(), Refusal> {
        match data {
            [1, bytes @ ..] => set(&mut self.heap_bytes, u32::from_le_bytes(number(bytes)?)),
            [2, units @ ..] => set(&mut self.unit_limit, u32::from_le_bytes(number(units)?)),
            [3, price @ ..] => set(&mut self.unit_price, u64::from_le_bytes(number(price)?)),
            [4, bytes @ ..] => set(&mut self.loaded_bytes, u32::from_le_bytes(number(bytes)?)),
            _ => Err(malformed(EncodingFault::OutOfRange)),
        }
    }

    fn greatest_priority_fee(&self, instructions: usize) -> u128 {
        let price = self.unit_price.map_or(0, u128::from);
        let units = self
            .unit_limit
            .map_or(instructions as u128 * UNITS_PER_INSTRUCTION, u128::from);
        (price * units.min(MAX_COMPUTE_UNITS)).div_ceil(MICRO)
    }
}

/// The chain refuses a second setting.
fn set<T>(setting: &mut Option<T>, value: T) -> Result<(), Refusal> {
    match setting.replace(value) {
        None => Ok(()),
        Some(_) => Err(malformed(EncodingFault::Duplicate)),
    }
}

fn number<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Refusal> {
    bytes
        .try_into()
        .map_err(|_| malformed(EncodingFault::WrongLength))
}

const fn malformed(fault: EncodingFault) -> Refusal {
    Refusal::malformed("compute_budget", fault)
}
