//! Bitcoin: P2WPKH and P2TR by key path, from PSBTs whose inputs are all the key's own.
//!
//! Specification: `docs/protocols/bitcoin.md`.

mod compact_size;
mod field;
mod hash;
mod meaning;
mod network;
mod previous;
mod psbt;
mod script;
mod sighash;
mod spend;
mod spending;
mod transaction;
mod witness;

pub use network::BitcoinNetwork;
pub(crate) use spend::SpendKind;

use crate::{Chain, Decoded, KeyContext, Refusal, Signature, SignedTransaction, SigningTarget};
use script::Lock;
use spending::Spending;

/// The address of a public key.
///
/// # Errors
/// [`Refusal::InvalidPublicKey`].
pub(crate) fn address_of(
    network: BitcoinNetwork,
    kind: SpendKind,
    public_key: &[u8],
) -> Result<String, Refusal> {
    let script = kind.own_script(public_key)?;
    let address = Lock::of(&script).address(network);
    Ok(address.expect("the key's own script has an address"))
}

/// Decodes a PSBT that `key` alone signs; what it does, and what is signed.
pub(crate) fn read(
    network: BitcoinNetwork,
    key: &KeyContext<'_>,
    payload: &[u8],
) -> Result<(Decoded, Vec<SigningTarget>), Refusal> {
    let spending = Spending::read(kind_of(network, key)?, key.public_key, payload)?;
    Ok((spending.meaning(network)?, spending.targets()))
}

/// Puts the signatures into the transaction of a PSBT (`docs/protocols/bitcoin.md` §6).
pub(crate) fn assemble(
    network: BitcoinNetwork,
    key: &KeyContext<'_>,
    payload: &[u8],
    signatures: &[Signature],
) -> Result<SignedTransaction, Refusal> {
    let kind = kind_of(network, key)?;
    let spending = Spending::read(kind, key.public_key, payload)?;
    let targets = spending.targets();
    if signatures.len() != targets.len() {
        return Err(Refusal::SignatureCount {
            needed: targets.len(),
            found: signatures.len(),
        });
    }
    for (target, signature) in targets.iter().zip(signatures) {
        target
            .verify(key.public_key, signature)
            .map_err(Refusal::InvalidSignature)?;
    }
    Ok(SignedTransaction {
        bytes: spending.encode_signed(key.public_key, signatures),
        tx_id: hash::displayed(&spending.transaction.id()),
        from: address_of(network, kind, key.public_key)?,
    })
}

fn kind_of(network: BitcoinNetwork, key: &KeyContext<'_>) -> Result<SpendKind, Refusal> {
    let chain = Chain::Bitcoin(network);
    chain.named_address_kind(key.algorithm, key.address_kind)?;
    SpendKind::of(key.algorithm).ok_or(chain.no_kind())
}
