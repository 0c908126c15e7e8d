//! A signature is shown only after it was verified over what the caller itself asked to sign.

use std::collections::BTreeSet;

use quorate_api::rest::SignResult;
use quorate_chains::{MessageType, SignedTransaction, SigningTarget, assemble_verified, effect_of};
use quorate_types::NodeId;
use quorate_verify::Signature;

use super::Mismatch;
use super::key::{CertifiedKey, unhex};

/// A signature that was verified with the certified public key over the digest of the caller's own
/// payload. Only [`verified_signature`] makes one.
#[derive(Debug, Clone)]
pub struct VerifiedSignature {
    /// All signatures, in the order of what they sign; there is at least one.
    pub signatures: Vec<Signature>,
    /// Digest of the payload, hex.
    pub message_hash: String,
    /// The transaction, if the payload was one.
    pub transaction: Option<SignedTransaction>,
}

impl VerifiedSignature {
    /// The first signature, the only one of most messages.
    #[must_use]
    pub fn first(&self) -> &Signature {
        let first = self.signatures.first();
        first.expect("a verified answer has a signature for each of at least one target")
    }
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
    if result.key_id != statement.key.to_string() {
        let (expected, found) = (statement.key, result.key_id.clone());
        return Err(Mismatch::OtherKey { expected, found });
    }
    let effect = effect_of(&key.context(), message_type, payload)?;
    let signatures = all_signatures(key, &effect.targets, result)?;
    let transaction = match message_type {
        MessageType::Transaction => Some(assembled(key, payload, &signatures)?),
        _ => None,
    };
    let first = effect.targets.first().ok_or(Mismatch::NoSignature)?;
    let verified = VerifiedSignature {
        signatures,
        message_hash: first.digest().to_string(),
        transaction,
    };
    check_derived(&verified, result)?;
    check_signers(key, &result.signers)?;
    Ok(verified)
}

/// The signature of every target, each verified.
fn all_signatures(
    key: &CertifiedKey,
    targets: &[SigningTarget],
    result: &SignResult,
) -> Result<Vec<Signature>, Mismatch> {
    let first = result.signature.as_deref().ok_or(Mismatch::NoSignature)?;
    let mut texts: Vec<&str> = result.signatures.iter().map(String::as_str).collect();
    match texts.first() {
        None => texts.push(first),
        Some(same) if *same == first => {}
        Some(_) => {
            let field = "signatures";
            return Err(Mismatch::Derived { field });
        }
    }
    if texts.len() != targets.len() {
        let why = format!("{} for {} messages", texts.len(), targets.len());
        let field = "signatures";
        return Err(Mismatch::Malformed { field, why });
    }
    let statement = key.statement();
    // A guess, to save work: what is found is verified, whatever the answer says.
    let is_odd = result.recovery_id.is_some_and(|id| id % 2 == 1);
    let verified = targets.iter().zip(texts).map(|(target, text)| {
        let bytes = unhex("signature", text)?;
        let bytes = <[u8; 64]>::try_from(bytes.as_slice()).map_err(|_| Mismatch::Malformed {
            field: "signature",
            why: "a signature has 64 bytes".to_owned(),
        })?;
        let public_key = target.verifying_key(&statement.public_key)?;
        let (algorithm, message) = (statement.algorithm, target.message());
        let found = Signature::find_near(algorithm, &public_key, message, bytes, is_odd);
        Ok(found?)
    });
    verified.collect()
}

/// Puts the signatures into the caller's own payload, over which they were verified.
fn assembled(
    key: &CertifiedKey,
    payload: &[u8],
    signatures: &[Signature],
) -> Result<SignedTransaction, Mismatch> {
    let transaction = assemble_verified(&key.context(), payload, signatures)?;
    if transaction.from == key.statement().address {
        return Ok(transaction);
    }
    Err(Mismatch::Sender {
        found: transaction.from,
    })
}

fn check_derived(verified: &VerifiedSignature, result: &SignResult) -> Result<(), Mismatch> {
    let signature = verified.first();
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
        ("recovery_id", result.recovery_id == signature.recovery_id()),
        (
            "signature_der",
            same_hex(
                &result.signature_der,
                &signature.to_der().map(hex::encode).unwrap_or_default(),
            ),
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

/// Who signed cannot be proved by a threshold signature, but it must be possible.
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
