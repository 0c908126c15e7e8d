use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use quorate_api::rest::{SessionView, SignRequest, SignResult};
use quorate_chains::{Decoded, effect_of};
use quorate_intent::{Act, Sign};
use quorate_types::KeyId;
use serde_json::{Value, json};

use super::payload::{self, Payload};
use super::{Connection, Context, fetch_key};
use crate::args::SignArgs;
use crate::check::{CertifiedKey, VerifiedSignature, verified_signature};
use crate::console::{Report, Spinner, facts};
use crate::error::CliError;
use crate::intents::{BuiltIntent, IntentOptions};

/// A signature that is not there after this is reported as such; its session goes on.
pub(super) const SIGN_DEADLINE: Duration = Duration::from_secs(180);
/// The only derivation path so far: the key itself.
const KEY_ITSELF: &str = "m";

/// What is to be signed with what.
pub(crate) struct SignOrder<'a> {
    pub(crate) key: &'a CertifiedKey,
    pub(crate) payload: Payload,
    pub(crate) options: IntentOptions,
}

impl SignOrder<'_> {
    /// What the signature would mean, computed as every participant computes it.
    pub(super) fn decoded(&self) -> Result<Decoded, CliError> {
        let Payload {
            message_type,
            bytes,
        } = &self.payload;
        let effect = effect_of(&self.key.context(), *message_type, bytes);
        effect
            .map(|effect| effect.decoded)
            .map_err(CliError::not_sent)
    }

    /// The request and the intent in it.
    pub(super) fn request(
        &self,
        connection: &Connection,
    ) -> Result<(BuiltIntent, SignRequest), CliError> {
        let statement = self.key.statement();
        let Payload {
            message_type,
            bytes,
        } = &self.payload;
        let act = Act::Sign(Sign {
            key: statement.key,
            path: KEY_ITSELF.to_owned(),
            chain: statement.chain.clone(),
            message_type: *message_type,
            payload: bytes.clone(),
        });
        let built = connection.signer.build(act, &self.options)?;
        let request = SignRequest {
            key_id: statement.key.to_string(),
            message: hex::encode(bytes),
            message_type: message_type.to_string(),
            chain_type: statement.chain.to_string(),
            metadata: BTreeMap::new(),
            wait_ms: Some(connection.wait_ms),
            intent: hex::encode(&built.signed.bytes),
            initiator_signature: hex::encode(built.signed.signature),
        };
        Ok((built, request))
    }
}

pub(super) async fn run(context: &Context, args: SignArgs) -> Result<Report, CliError> {
    let connection = context.connect()?;
    let (key, order) = (
        fetched(&connection, &args).await?,
        payload::read(&args.payload)?,
    );
    let order = SignOrder {
        key: &key,
        payload: order,
        options: options(&args),
    };
    let decoded = order.decoded()?;
    context
        .console
        .note(super::tx::meaning(&decoded).trim_end());
    let spinner = context.console.spinner("the nodes sign");
    let (result, verified) = sign(&connection, &order, Some(&spinner)).await?;
    drop(spinner);
    Ok(report(&result, &verified, &decoded))
}

/// The body of `POST /sign`, for curl.
pub(super) async fn build_only(
    connection: &Connection,
    args: &SignArgs,
) -> Result<(BuiltIntent, SignRequest), CliError> {
    let (key, payload) = (
        fetched(connection, args).await?,
        payload::read(&args.payload)?,
    );
    SignOrder {
        key: &key,
        payload,
        options: options(args),
    }
    .request(connection)
}

async fn fetched(connection: &Connection, args: &SignArgs) -> Result<CertifiedKey, CliError> {
    let id: KeyId = super::key::parse("--key", &args.key)?;
    let (_, key) = fetch_key(&connection.client, &connection.manifest, id).await?;
    Ok(key)
}

fn options(args: &SignArgs) -> IntentOptions {
    IntentOptions {
        idempotency_key: args.idempotency_key.clone(),
        lifetime_seconds: args.expires_in,
    }
}

/// Asks for a signature, waits for it, and verifies it.
pub(crate) async fn sign(
    connection: &Connection,
    order: &SignOrder<'_>,
    spinner: Option<&Spinner>,
) -> Result<(SignResult, VerifiedSignature), CliError> {
    let (built, request) = order.request(connection)?;
    let client = &connection.client;
    let deadline = Instant::now() + SIGN_DEADLINE;
    let name = built.intent.idempotency_key.as_str();
    loop {
        // While it goes on, the same request again joins its own session.
        let result = client
            .post::<SignResult>("/sign", &request, Some(name))
            .await?
            .data;
        if result.signature.is_some() || result.status == "Completed" {
            let Payload {
                message_type,
                bytes,
            } = &order.payload;
            let verified = verified_signature(order.key, *message_type, bytes, &result)?;
            return Ok((result, verified));
        }
        if Instant::now() >= deadline {
            let what = format!("session {} is still {}", result.session_id, result.status);
            let remedy = format!(
                "follow it with `quorate session watch {}`",
                result.session_id
            );
            return Err(CliError::failed(what, remedy));
        }
        if let Some(spinner) = spinner {
            let path = format!("/sessions/{}", result.session_id);
            if let Ok(answer) = client.get::<SessionView>(&path).await {
                spinner.say(super::session::one_line(&answer.data));
            }
        }
    }
}

fn report(result: &SignResult, verified: &VerifiedSignature, decoded: &Decoded) -> Report {
    let transaction = verified.transaction.as_ref();
    let signatures = verified.signatures.iter();
    let signatures: Vec<_> = signatures.map(|s| hex::encode(s.as_bytes())).collect();
    let recovery_id = verified.first().recovery_id();
    let recovery_id = recovery_id.map(|id| id.to_string()).unwrap_or_default();
    let human = facts(&[
        ("signature", signatures.join("\n")),
        ("recovery id", recovery_id),
        ("digest", verified.message_hash.clone()),
        (
            "signed tx",
            transaction
                .map(|t| hex::encode(&t.bytes))
                .unwrap_or_default(),
        ),
        (
            "tx id",
            transaction.map(|t| t.tx_id.clone()).unwrap_or_default(),
        ),
        (
            "from",
            transaction.map(|t| t.from.clone()).unwrap_or_default(),
        ),
        ("signers", result.signers.join(", ")),
        ("session", result.session_id.clone()),
        (
            "verified",
            "with the certified key, over this payload".to_owned(),
        ),
    ]);
    let mut report = Report::new(result, human);
    if let Value::Object(fields) = &mut report.json {
        fields.insert("verified".to_owned(), json!(true));
        fields.insert("decoded".to_owned(), json!(decoded));
        fields.insert("from".to_owned(), json!(transaction.map(|t| &t.from)));
    }
    report
}
