use quorate_chains::{Chain, MessageType, effect_of};
use quorate_types::{Algorithm, ChainId, KeyId, Right, Rights};
use quorate_verify::{VerifyError, verify_ecdsa, verify_ed25519};
use serde_json::json;

use super::key::parse;
use super::payload::{self, unhex};
use super::{Context, fetch_key};
use crate::args::VerifyArgs;
use crate::check::Mismatch;
use crate::console::{Report, facts};
use crate::error::CliError;
use crate::http::ApiClient;
use crate::intents::read_manifest;

/// With what a signature is verified.
struct Subject {
    public_key: Vec<u8>,
    algorithm: Algorithm,
    chain: Chain,
}

/// Verifies on this machine; the service is asked for the key only, and its answer is checked.
pub(super) async fn run(context: &Context, args: VerifyArgs) -> Result<Report, CliError> {
    let subject = match (&args.key, &args.public_key) {
        (Some(key), _) => certified(context, key).await?,
        (None, Some(public_key)) => given(&args, public_key)?,
        (None, None) => {
            return Err(CliError::invalid(
                "no key was given",
                "give --key or --public-key",
            ));
        }
    };
    let payload = payload::read(&args.payload)?;
    let signature = unhex("--signature", &args.signature)?;
    let signature = <[u8; 64]>::try_from(signature.as_slice()).map_err(|_| {
        CliError::invalid(
            "--signature does not have 64 bytes",
            "give r and s, or R and S, in hex",
        )
    })?;
    // Verification signs nothing: what a key may sign does not matter here.
    let rights: Rights = [Right::RawHash, Right::RawMessage].into_iter().collect();
    let Subject {
        public_key,
        algorithm,
        chain,
    } = &subject;
    let effect = effect_of(
        *chain,
        payload.message_type,
        &payload.bytes,
        &rights,
        *algorithm,
    )
    .map_err(CliError::not_sent)?;
    let digest = effect.digests.first().ok_or(Mismatch::NoSignature)?;
    check(&subject, &payload.bytes, digest.as_bytes(), &signature).map_err(Mismatch::Signature)?;
    let json = json!({
        "valid": true,
        "public_key": hex::encode(public_key),
        "algorithm": algorithm.as_str(),
        "message_hash": digest.to_string(),
        "decoded": effect.decoded,
    });
    let is_transaction = payload.message_type == MessageType::Transaction;
    let meaning = if is_transaction {
        super::tx::meaning(&effect.decoded)
    } else {
        String::new()
    };
    let human = facts(&[
        ("signature", "valid".to_owned()),
        ("public key", hex::encode(public_key)),
        ("digest", digest.to_string()),
    ]);
    Ok(Report {
        json,
        human: human + &meaning,
    })
}

fn check(
    subject: &Subject,
    message: &[u8],
    digest: &[u8; 32],
    signature: &[u8; 64],
) -> Result<(), VerifyError> {
    match <[u8; 32]>::try_from(subject.public_key.as_slice()) {
        Ok(key) if subject.algorithm == Algorithm::EdDsa => {
            verify_ed25519(&key, message, signature)
        }
        _ => verify_ecdsa(&subject.public_key, digest, signature),
    }
}

async fn certified(context: &Context, key: &str) -> Result<Subject, CliError> {
    let manifest = read_manifest(&context.settings)?;
    let client = ApiClient::new(&context.settings)?;
    let id: KeyId = parse("--key", key)?;
    let (_, key) = fetch_key(&client, &manifest, id).await?;
    let statement = key.statement();
    let public_key = statement.public_key.clone();
    supported(Subject {
        public_key,
        algorithm: statement.algorithm,
        chain: key.chain(),
    })
}

fn given(args: &VerifyArgs, public_key: &str) -> Result<Subject, CliError> {
    let public_key = unhex("--public-key", public_key)?;
    let algorithm: Algorithm = parse("--algorithm", &args.algorithm)?;
    quorate_verify::check_point(algorithm.curve(), &public_key).map_err(|error| {
        CliError::invalid(
            format!("--public-key: {error}"),
            "give a compressed public key",
        )
    })?;
    let chain: ChainId = parse("--chain", &args.chain)?;
    let chain = Chain::parse(&chain).ok_or_else(|| {
        let known = Chain::ALL.map(Chain::as_str).join(", ");
        CliError::invalid(
            format!("unknown chain `{chain}`"),
            format!("known: {known}"),
        )
    })?;
    supported(Subject {
        public_key,
        algorithm,
        chain,
    })
}

fn supported(subject: Subject) -> Result<Subject, CliError> {
    match subject.algorithm {
        Algorithm::Ecdsa | Algorithm::EdDsa => Ok(subject),
        other => Err(CliError::Unverified(Mismatch::Unsupported(other.as_str()))),
    }
}
