//! Nothing that a node delivers is believed: signatures and certificates are checked here, with
//! public keys alone, before anybody sees them.

use quorate_chains::{Chain, SigningTarget};
use quorate_intent::{CertificateError, CreateKey, KeyCertificate, Manifest, VerifiedIntent};
use quorate_types::{Canonical as _, DecodeError, Epoch, KeyId};
use quorate_verify::{Signature, VerifyError, recover_ecdsa_near};
use thiserror::Error;

use crate::key_facts::KeyFacts;

/// Why a node's result is refused. The node is faulty: an honest one checks the same first.
#[derive(Debug, Error)]
pub(crate) enum BadResult {
    #[error("{found} signatures for {needed} digests")]
    Count { found: usize, needed: usize },
    #[error("not one result of the kind that was asked for")]
    Form,
    #[error("signature {number}: {source}")]
    Signature { number: usize, source: VerifyError },
    #[error("signature {number} is of another key")]
    OtherKey { number: usize },
    #[error("malformed certificate: {0}")]
    Malformed(#[from] DecodeError),
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    #[error("the certificate's {0} is not what the intent asked for")]
    NotAsked(&'static str),
    #[error("the certificate's address does not belong to its public key")]
    Address,
}

/// Checks one signature for each target; returns them.
///
/// For ECDSA, recovery of exactly the key's point from (digest, r, low s, recovery id) is the verification
/// equation solved for the key: it holds for no other signature.
pub(crate) fn check_signatures(
    key: &KeyFacts,
    targets: &[SigningTarget],
    signatures: &[Vec<u8>],
) -> Result<Vec<Signature>, BadResult> {
    if signatures.len() != targets.len() {
        let (found, needed) = (signatures.len(), targets.len());
        return Err(BadResult::Count { found, needed });
    }
    let pairs = signatures.iter().zip(targets).enumerate();
    pairs
        .map(|(position, (bytes, target))| {
            let number = position + 1;
            let invalid = |source| BadResult::Signature { number, source };
            let signature = Signature::from_wire(key.algorithm, bytes).map_err(invalid)?;
            match (&signature, target.message().first_chunk()) {
                (Signature::Ecdsa(ecdsa), Some(digest)) => {
                    let signer = recover_ecdsa_near(&key.public_key, digest, ecdsa);
                    let signer = signer.map_err(invalid)?;
                    if signer.as_slice() != key.public_key {
                        return Err(BadResult::OtherKey { number });
                    }
                }
                _ => target
                    .verify(&key.public_key, &signature)
                    .map_err(invalid)?,
            }
            Ok(signature)
        })
        .collect()
}

/// Checks a key certificate: all nodes' signatures, that it is the key of this intent, and that
/// its address follows from its public key.
pub(crate) fn check_certificate(
    manifest: &Manifest,
    verified: &VerifiedIntent,
    create: &CreateKey,
    chain: Chain,
    bytes: &[u8],
) -> Result<KeyCertificate, BadResult> {
    let certificate = KeyCertificate::from_bytes(bytes)?;
    let statement = &certificate.statement;
    let intent = verified.intent();
    for (field, same) in [
        ("cluster", statement.cluster == intent.cluster),
        ("tenant", statement.tenant == intent.tenant),
        ("key", statement.key == KeyId::of_intent(&verified.digest())),
        ("intent", statement.intent == verified.digest()),
        ("epoch", statement.epoch == Epoch::FIRST),
        ("algorithm", statement.algorithm == create.algorithm),
        ("protocol", statement.protocol == create.protocol),
        ("threshold", statement.threshold == create.threshold),
        ("committee", statement.committee == create.committee),
        ("rights", statement.rights == create.rights),
        ("chain", statement.chain == create.chain),
        (
            "address kind",
            statement.address_kind == create.address_kind,
        ),
    ] {
        if !same {
            return Err(BadResult::NotAsked(field));
        }
    }
    certificate.verify(manifest)?;
    let address = chain.address(
        statement.algorithm,
        &statement.public_key,
        &statement.address_kind,
    );
    match address {
        Ok(address) if address.as_deref().unwrap_or_default() == statement.address => {
            Ok(certificate)
        }
        _ => Err(BadResult::Address),
    }
}
