use quorate_types::{Algorithm, Rights};

use crate::{Chain, Refusal};

/// The key that a payload is for, in public terms only.
///
/// # Security
/// Everything here must be what the key was created with, never what a request says (row D1).
#[derive(Debug, Clone, Copy)]
pub struct KeyContext<'a> {
    /// The one chain of the key.
    pub chain: Chain,
    /// Its scheme.
    pub algorithm: Algorithm,
    /// What it may sign beside transactions.
    pub rights: &'a Rights,
    /// Kind of its address; empty stands for the first kind of the chain and scheme.
    pub address_kind: &'a str,
    /// Compressed public key.
    pub public_key: &'a [u8],
}

impl KeyContext<'_> {
    /// The key's address, or none where there is no chain.
    ///
    /// # Errors
    /// As [`Chain::address`].
    pub fn address(&self) -> Result<Option<String>, Refusal> {
        self.chain
            .address(self.algorithm, self.public_key, self.address_kind)
    }
}
