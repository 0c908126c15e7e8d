//! A signature is shown only after it was verified over what the caller itself asked to sign.

use std::collections::BTreeSet;

use quorate_api::rest::SignResult;
use quorate_chains::{Effect, MessageType, Signature, SignedTransaction, effect_of};
use quorate_types::{Algorithm, NodeId};
use quorate_verify::EcdsaSignature;

use super::Mismatch;
use super::key::{CertifiedKey, unhex};

/// A signature that was verified with the certified public key over the digest of the caller's own
/// payload. Only [`verified_signature`] makes one.
#[derive(Debug, Clone)]
pub struct VerifiedSignature {
    /// r, s and recovery id.
    pub signature: EcdsaSignature,
    /// Digest of the payload, hex.
    pub message_hash: String,
    /// The transaction, if the payload was one.
    pub transaction: Option<SignedTransaction>,
}

/// Checks an answer with a signature: digest from `payload`, signature with the certified key, and
/// everything else in the answer against what follows from the two.
///
/// # Errors
/// [`Mismatch`], the first check that fails.
pub fn verified_signature(
    key: &CertifiedKey,
    message_type: MessageType,
    payload: &[u8],
    result: &SignResult,
) -> Result<VerifiedSignature, Mismatch> {
    let statement = key.statement();
    if statement.algorithm != Algorithm::Ecdsa {
        return Err(Mismatch::Unsupported(statement.algorithm.as_str()));
    }
    if result.key_id != statement.key.to_string() {
        let (expected, found) = (statement.key, result.key_id.clone());
        return Err(Mismatch::OtherKey { expected, found });
    }
    let (rights, algorithm) = (&statement.rights, statement.algorithm);
    let effect = effect_of(key.chain(), message_type, payload, rights, algorithm)?;
    let digest = only_digest(&effect)?;
    let text = result.signature.as_deref().ok_or(Mismatch::NoSignature)?;
    let bytes = unhex("signature", text)?;
    let bytes = <[u8; 64]>::try_from(bytes.as_slice()).map_err(|_| Mismatch::Malformed {
        field: "signature",
        why: "r and s have 64 bytes together".to_owned(),
    })?;
    let signature = EcdsaSignature::find(&statement.public_key, digest.as_bytes(), bytes)?;
    let transaction = match message_type {
        MessageType::Transaction => Some(assembled(key, payload, signature)?),
        _ => None,
    };
    let message_hash = digest.to_string();
    let verified = VerifiedSignature {
        signature,
        message_hash,
        transaction,
    };
    check_derived(&verified, result)?;
    check_signers(key, &result.signers)?;
    Ok(verified)
}

fn only_digest(effect: &Effect) -> Result<&quorate_types::Digest32, Mismatch> {
    match effect.digests.as_slice() {
        [digest] => Ok(digest),
        digests => Err(Mismatch::Malformed {
            field: "signature",
            why: format!("one signature for {} digests", digests.len()),
        }),
    }
}

/// Puts the signature into the caller's own payload.
fn assembled(
    key: &CertifiedKey,
    payload: &[u8],
    signature: EcdsaSignature,
) -> Result<SignedTransaction, Mismatch> {
    let transaction = key
        .chain()
        .assemble(payload, &[Signature::from(signature)])?;
    if transaction.from == key.statement().address {
        return Ok(transaction);
    }
    Err(Mismatch::Sender {
        found: transaction.from,
    })
}

fn check_derived(verified: &VerifiedSignature, result: &SignResult) -> Result<(), Mismatch> {
    let signature = &verified.signature;
    let same_hex = |shown: &Option<String>, expected: &str| {
        let shown = shown.as_deref().unwrap_or_default();
        shown.strip_prefix("0x").unwrap_or(shown) == expected
    };
    let transaction = verified.transaction.as_ref();
    let bytes = transaction
        .map(|t| hex::encode(&t.bytes))
        .unwrap_or_default();
    let tx_id = transaction.map(|t| t.tx_id.clone());
    for (field, follows) in [
        (
            "recovery_id",
            result.recovery_id == Some(signature.recovery_id()),
        ),
        (
            "signature_der",
            same_hex(&result.signature_der, &hex::encode(signature.to_der())),
        ),
        (
            "message_hash",
            same_hex(&result.message_hash, &verified.message_hash),
        ),
        (
            "signed_transaction",
            same_hex(&result.signed_transaction, &bytes),
        ),
        ("tx_id", result.tx_id == tx_id),
    ] {
        if !follows {
            return Err(Mismatch::Derived { field });
        }
    }
    Ok(())
}

/// Who signed cannot be proved by an ECDSA signature, but it must be possible.
fn check_signers(key: &CertifiedKey, signers: &[String]) -> Result<(), Mismatch> {
    let statement = key.statement();
    let is_member = |name: &String| {
        NodeId::new(name).is_ok_and(|node| statement.committee.index_of(&node).is_some())
    };
    let min_signers = statement.threshold.min_signers();
    let different: BTreeSet<&String> = signers.iter().collect();
    let enough = different.len() >= usize::from(min_signers) && different.len() == signers.len();
    if enough && signers.iter().all(is_member) {
        return Ok(());
    }
    Err(Mismatch::Signers { min_signers })
}
