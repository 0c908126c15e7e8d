//! Solana: legacy and version 0 messages with one signer.
//!
//! Specification: `docs/protocols/solana.md`.

mod address;
mod compact_length;
mod decode;
mod encode;
mod fee;
mod instruction;
mod meaning;
mod message;
mod network;
mod program;

pub(crate) use address::address_of;
pub use network::SolanaNetwork;

use crate::{Decoded, KeyContext, Refusal, Signature, SignedTransaction, SigningTarget};

/// Decodes a message that `key` alone signs; what it does, and what is signed.
pub(crate) fn read(
    key: &KeyContext<'_>,
    payload: &[u8],
) -> Result<(Decoded, SigningTarget), Refusal> {
    let message = decode::message(payload)?;
    message.check_signer(key.public_key)?;
    // The checked payload is the encoding, and Ed25519 signs it itself.
    let target = SigningTarget::whole_message(payload);
    Ok((message.meaning()?, target))
}

/// Puts the signature before its message (`docs/protocols/solana.md` §5).
pub(crate) fn assemble(
    key: &KeyContext<'_>,
    payload: &[u8],
    signatures: &[Signature],
) -> Result<SignedTransaction, Refusal> {
    let (_, target) = read(key, payload)?;
    let [signature] = signatures else {
        return Err(Refusal::SignatureCount {
            needed: 1,
            found: signatures.len(),
        });
    };
    target
        .verify(key.public_key, signature)
        .map_err(Refusal::InvalidSignature)?;
    let mut bytes = vec![1]; // how many signatures follow
    bytes.extend_from_slice(signature.as_bytes());
    bytes.extend_from_slice(payload);
    Ok(SignedTransaction {
        bytes,
        tx_id: bs58::encode(signature.as_bytes()).into_string(),
        from: address_of(key.public_key)?,
    })
}
