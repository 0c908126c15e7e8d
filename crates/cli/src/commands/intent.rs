use quorate_intent::{Act, Intent};
use quorate_types::{Canonical as _, Right};
use serde::Serialize;
use serde_json::{Value, json};

use super::payload::unhex;
use super::{Context, CreateOrder};
use crate::args::{IntentAction, IntentBuild};
use crate::console::Report;
use crate::error::CliError;

pub(super) async fn run(context: &Context, action: IntentAction) -> Result<Report, CliError> {
    match action {
        IntentAction::Build(build) => build_intent(context, build).await,
        IntentAction::Show { hex } => show(&hex),
    }
}

async fn build_intent(context: &Context, build: IntentBuild) -> Result<Report, CliError> {
    let connection = context.connect()?;
    match build {
        IntentBuild::CreateKey(args) => {
            let order = CreateOrder::read(*args, &connection.manifest)?;
            let (_, request) = order.request(&connection)?;
            Ok(report(&request))
        }
        IntentBuild::Sign(args) => {
            let (_, request) = super::sign::build_only(&connection, &args).await?;
            Ok(report(&request))
        }
    }
}

/// The body as it is posted, also with `--json`: it is meant for `curl --data @-`.
fn report(body: &impl Serialize) -> Report {
    let json = serde_json::to_value(body).expect("requests hold text keys");
    let human = serde_json::to_string_pretty(&json).expect("a JSON value can be written");
    Report { json, human }
}

fn show(text: &str) -> Result<Report, CliError> {
    let intent = Intent::from_bytes(&unhex("the intent", text)?).map_err(|error| {
        CliError::invalid(
            format!("not an intent: {error}"),
            "give the canonical bytes in hex",
        )
    })?;
    let json = json!({
        "digest": intent.digest().to_string(),
        "cluster": intent.cluster,
        "tenant": intent.tenant,
        "initiator": intent.initiator,
        "idempotency_key": intent.idempotency_key,
        "policy_version": intent.policy_version,
        "created_at": intent.created_at.to_rfc3339(),
        "expires_at": intent.expires_at.to_rfc3339(),
        "nonce": hex::encode(intent.nonce),
        "act": act(&intent.act),
    });
    let human = serde_json::to_string_pretty(&json).expect("a JSON value can be written");
    Ok(Report { json, human })
}

fn act(act: &Act) -> Value {
    match act {
        Act::CreateKey(create) => json!({
            "kind": "create_key",
            "algorithm": create.algorithm.as_str(),
            "protocol": create.protocol,
            "threshold": create.threshold.min_signers(),
            "total_nodes": create.threshold.max_signers(),
            "committee": create.committee.members().map(|(_, node)| node).collect::<Vec<_>>(),
            "chain_type": create.chain,
            "address_kind": create.address_kind,
            "rights": create.rights.iter().map(Right::as_str).collect::<Vec<_>>(),
        }),
        Act::Sign(sign) => json!({
            "kind": "sign",
            "key_id": sign.key,
            "path": sign.path,
            "chain_type": sign.chain,
            "message_type": sign.message_type.as_str(),
            "message": hex::encode(&sign.payload),
        }),
        Act::LiftBan(lift) => json!({
            "kind": "lift_ban",
            "nodes": [&lift.first, &lift.second],
            "generation": lift.generation,
        }),
        other => json!({ "kind": other.kind().as_str() }),
    }
}
