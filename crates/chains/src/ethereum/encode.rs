//! Encoding of transactions (`docs/protocols/ethereum.md` §2 and §5).

use super::rlp::{write_list, write_string, write_uint};
use super::transaction::{Pricing, Transaction};
use crate::Uint256;

/// EIP-2718 type of EIP-1559 transactions.
pub(super) const EIP1559: u8 = 0x02;

impl Transaction {
    /// The bytes whose Keccak-256 is signed.
    pub(super) fn encode_unsigned(&self) -> Vec<u8> {
        let mut fields = self.encode_fields();
        if matches!(self.pricing, Pricing::Legacy { .. }) {
            // EIP-155: chain id, 0, 0 stand where v, r, s will be.
            write_uint(&mut fields, self.chain_id);
            write_uint(&mut fields, Uint256::ZERO);
            write_uint(&mut fields, Uint256::ZERO);
        }
        self.enclose(&fields)
    }

    /// The bytes that the chain takes.
    pub(super) fn encode_signed(&self, r: &[u8; 32], s: &[u8; 32], y_is_odd: bool) -> Vec<u8> {
        let parity = u128::from(y_is_odd);
        let v = match self.pricing {
            Pricing::Legacy { .. } => 35 + 2 * u128::from(self.chain_id) + parity, // EIP-155
            Pricing::Eip1559 { .. } => parity,
        };
        let mut fields = self.encode_fields();
        write_uint(&mut fields, v);
        write_uint(&mut fields, Uint256::from_be_bytes(*r));
        write_uint(&mut fields, Uint256::from_be_bytes(*s));
        self.enclose(&fields)
    }

    /// All fields up to the signature.
    fn encode_fields(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match &self.pricing {
            Pricing::Legacy { gas_price } => {
                write_uint(&mut out, self.nonce);
                write_uint(&mut out, *gas_price);
            }
            Pricing::Eip1559 {
                max_priority_fee,
                max_fee,
                ..
            } => {
                write_uint(&mut out, self.chain_id);
                write_uint(&mut out, self.nonce);
                write_uint(&mut out, *max_priority_fee);
                write_uint(&mut out, *max_fee);
            }
        }
        write_uint(&mut out, self.gas_limit);
        write_string(&mut out, self.to.as_ref().map_or(&[], |to| to.as_slice()));
        write_uint(&mut out, self.value);
        write_string(&mut out, &self.data);
        if let Pricing::Eip1559 { access_list, .. } = &self.pricing {
            access_list.write(&mut out);
        }
        out
    }

    fn enclose(&self, fields: &[u8]) -> Vec<u8> {
        let mut out = match self.pricing {
            Pricing::Legacy { .. } => Vec::new(),
            Pricing::Eip1559 { .. } => vec![EIP1559],
        };
        write_list(&mut out, fields);
        out
    }
}
