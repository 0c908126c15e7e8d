use super::access_list::AccessList;
use super::address::Address;
use crate::Uint256;

/// An unsigned transaction that was decoded and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Transaction {
    /// Network (EIP-155).
    pub(super) chain_id: u64,
    /// Position in the account's sequence.
    pub(super) nonce: u64,
    /// Most units of gas that it may use.
    pub(super) gas_limit: u64,
    /// What it pays for a unit of gas, and its form.
    pub(super) pricing: Pricing,
    /// Receiver; none deploys a contract.
    pub(super) to: Option<Address>,
    /// Wei sent along.
    pub(super) value: Uint256,
    /// Input of the contract, or its code.
    pub(super) data: Vec<u8>,
}

/// The form of a transaction, by what differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Pricing {
    /// Before EIP-2718; one price, in wei.
    Legacy { gas_price: u128 },
    /// Type 0x02.
    Eip1559 {
        /// Tip per gas, in wei.
        max_priority_fee: u128,
        /// Most per gas with the tip, in wei.
        max_fee: u128,
        /// Declared storage (EIP-2930).
        access_list: AccessList,
    },
}

impl Pricing {
    /// Most wei per unit of gas.
    pub(super) const fn greatest_price(&self) -> u128 {
        match self {
            Self::Legacy { gas_price } => *gas_price,
            Self::Eip1559 { max_fee, .. } => *max_fee,
        }
    }
}
