use quorate_chains::{Chain, DEFAULT_ADDRESS_KIND, Effect, KeyContext, MessageType, effect_of};
use quorate_types::{Algorithm, ChainId, Digest32, KeyId, Right, Rights};
use serde_json::json;

use super::key::parse;
use super::payload::{self, Payload, unhex};
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
    address_kind: String,
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
    if payload.message_type == MessageType::Transaction && subject.chain == Chain::None {
        let known = Chain::ALL.iter().filter(|chain| **chain != Chain::None);
        let known: Vec<_> = known.map(|chain| chain.as_str()).collect();
        return Err(CliError::invalid(
            "a transaction means something on its own chain only",
            format!("say which with --chain: {}", known.join(", ")),
        ));
    }
    let signature = unhex("--signature", &args.signature)?;
    let signature = <[u8; 64]>::try_from(signature.as_slice()).map_err(|_| {
        CliError::invalid(
            "--signature does not have 64 bytes",
            "give r and s, or R and S, in hex",
        )
    })?;
    // Verification signs nothing: what a key may sign does not matter here.
    let rights: Rights = [Right::RawHash, Right::RawMessage].into_iter().collect();
    let key = KeyContext {
        chain: subject.chain,
        algorithm: subject.algorithm,
        rights: &rights,
        address_kind: &subject.address_kind,
        public_key: &subject.public_key,
    };
    let effect =
        effect_of(&key, payload.message_type, &payload.bytes).map_err(CliError::not_sent)?;
    // What is wrong here is what the caller gave, not an answer of the service.
    let wrong = |error: Option<_>| error.map_or(Mismatch::NoSignature, Mismatch::GivenSignature);
    let target = effect.signed_target(&key, signature).map_err(wrong)?;
    Ok(report(&subject, &payload, &effect, target.digest()))
}

fn report(subject: &Subject, payload: &Payload, effect: &Effect, digest: &Digest32) -> Report {
    let public_key = hex::encode(&subject.public_key);
    let json = json!({
        "valid": true,
        "public_key": public_key,
        "algorithm": subject.algorithm.as_str(),
        "message_hash": digest.to_string(),
        "decoded": effect.decoded,
    });
    let meaning = match payload.message_type {
        MessageType::Transaction => super::tx::meaning(&effect.decoded),
        _ => String::new(),
    };
    let human = facts(&[
        ("signature", "valid".to_owned()),
        ("public key", public_key),
        ("digest", digest.to_string()),
    ]);
    Report {
        json,
        human: human + &meaning,
    }
}

async fn certified(context: &Context, key: &str) -> Result<Subject, CliError> {
    let manifest = read_manifest(&context.settings)?;
    let client = ApiClient::new(&context.settings)?;
    let id: KeyId = parse("--key", key)?;
    let (_, key) = fetch_key(&client, &manifest, id).await?;
    let statement = key.statement();
    let public_key = statement.public_key.clone();
    Ok(Subject {
        public_key,
        algorithm: statement.algorithm,
        chain: key.chain(),
        address_kind: statement.address_kind.clone(),
    })
}

fn given(args: &VerifyArgs, public_key: &str) -> Result<Subject, CliError> {
    let mut public_key = unhex("--public-key", public_key)?;
    let algorithm: Algorithm = parse("--algorithm", &args.algorithm)?;
    // BIP340 writes keys without the sign of y, and means the even one.
    if algorithm == Algorithm::Schnorr && public_key.len() == 32 {
        public_key.insert(0, 2);
    }
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
    Ok(Subject {
        public_key,
        algorithm,
        chain,
        address_kind: DEFAULT_ADDRESS_KIND.to_owned(),
    })
}
