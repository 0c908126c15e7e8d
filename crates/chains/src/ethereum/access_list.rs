//! Storage that a transaction declares beforehand. Source: EIP-2930.

use super::address::Address;
use super::rlp::{Items, write_list, write_string};
use crate::Refusal;

/// Contracts and the storage slots of each, in the order of the transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AccessList(Vec<(Address, Vec<[u8; 32]>)>);

impl AccessList {
    /// Reads `[[address, [slot, …]], …]`.
    pub(super) fn read(mut entries: Items<'_>) -> Result<Self, Refusal> {
        let mut list = Vec::new();
        while !entries.is_empty() {
            let mut entry = entries.list("access_list entry")?;
            let address = entry.array("access_list address")?;
            let mut keys = entry.list("access_list storage_keys")?;
            entry.finish("access_list entry")?;
            let mut slots = Vec::new();
            while !keys.is_empty() {
                slots.push(keys.array("access_list storage_key")?);
            }
            list.push((address, slots));
        }
        Ok(Self(list))
    }

    /// Appends the encoding.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let mut entries = Vec::new();
        for (address, slots) in &self.0 {
            let mut keys = Vec::new();
            for slot in slots {
                write_string(&mut keys, slot);
            }
            let mut entry = Vec::new();
            write_string(&mut entry, address);
            write_list(&mut entry, &keys);
            write_list(&mut entries, &entry);
        }
        write_list(out, &entries);
    }
}
