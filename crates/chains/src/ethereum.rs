//! Ethereum: legacy (EIP-155) and EIP-1559 transactions.
//!
//! Specification: `docs/protocols/ethereum.md`.

mod access_list;
mod address;
mod calldata;
mod decode;
mod encode;
mod meaning;
mod network;
mod rlp;
mod transaction;

use quorate_types::Digest32;
use quorate_verify::{EcdsaSignature, recover_ecdsa};
use sha3::{Digest, Keccak256};

pub(crate) use address::address_of;
pub use network::EthereumNetwork;

use crate::{Decoded, Refusal, Signature, SignedTransaction, SigningTarget};

/// Decodes an unsigned transaction for `network`; what it does, and what is signed.
pub(crate) fn read(
    network: EthereumNetwork,
    payload: &[u8],
) -> Result<(Decoded, Vec<SigningTarget>), Refusal> {
    let transaction = decode::unsigned(network, payload)?;
    // The checked payload is the encoding, so its hash is the digest: nothing is hashed that was
    // not decoded.
    let target = SigningTarget::digest_only(keccak256(payload));
    Ok((transaction.meaning(), vec![target]))
}

/// Puts the signature into an unsigned transaction (`docs/protocols/ethereum.md` §5).
pub(crate) fn assemble(
    network: EthereumNetwork,
    payload: &[u8],
    signatures: &[Signature],
) -> Result<SignedTransaction, Refusal> {
    let assembled = Assembled::new(network, payload, signatures)?;
    let sender = recover_ecdsa(keccak256(payload).as_bytes(), assembled.signature)
        .map_err(Refusal::InvalidSignature)?;
    assembled.from(&sender)
}

/// As [`assemble`], without recovering the sender a second time.
pub(crate) fn assemble_verified(
    network: EthereumNetwork,
    public_key: &[u8],
    payload: &[u8],
    signatures: &[Signature],
) -> Result<SignedTransaction, Refusal> {
    Assembled::new(network, payload, signatures)?.from(public_key)
}

/// The signature in its place.
struct Assembled<'a> {
    signature: &'a EcdsaSignature,
    bytes: Vec<u8>,
}

impl<'a> Assembled<'a> {
    fn new(
        network: EthereumNetwork,
        payload: &[u8],
        signatures: &'a [Signature],
    ) -> Result<Self, Refusal> {
        let transaction = decode::unsigned(network, payload)?;
        let [Signature::Ecdsa(signature)] = signatures else {
            return Err(Refusal::SignatureCount {
                needed: 1,
                found: signatures.len(),
            });
        };
        let y_is_odd = match signature.recovery_id() {
            0 => false,
            1 => true,
            other => return Err(Refusal::RecoveryId(other)),
        };
        let bytes = transaction.encode_signed(signature.r(), signature.s(), y_is_odd);
        Ok(Self { signature, bytes })
    }

    fn from(self, sender: &[u8]) -> Result<SignedTransaction, Refusal> {
        Ok(SignedTransaction {
            tx_id: format!("0x{}", keccak256(&self.bytes)),
            from: address_of(sender)?,
            bytes: self.bytes,
        })
    }
}

fn keccak256(bytes: &[u8]) -> Digest32 {
    Digest32::from_array(Keccak256::digest(bytes).into())
}
