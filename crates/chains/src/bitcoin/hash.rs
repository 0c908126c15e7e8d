//! Bitcoin's hashes.

use ripemd::Ripemd160;
use sha2::{Digest, Sha256};

/// SHA-256 twice.
pub(super) fn double_sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(Sha256::digest(bytes)).into()
}

/// SHA-256 once.
pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// RIPEMD-160 of SHA-256.
pub(super) fn hash160(bytes: &[u8]) -> [u8; 20] {
    Ripemd160::digest(Sha256::digest(bytes)).into()
}

/// SHA-256 that is used for `tag` only (BIP340).
pub(super) fn tagged(tag: &[u8], bytes: &[u8]) -> [u8; 32] {
    let tag = Sha256::digest(tag);
    Sha256::new()
        .chain_update(tag)
        .chain_update(tag)
        .chain_update(bytes)
        .finalize()
        .into()
}

/// A transaction's id as people write it: its bytes in reverse.
pub(super) fn displayed(id: &[u8; 32]) -> String {
    let mut reversed = *id;
    reversed.reverse();
    hex::encode(reversed)
}
