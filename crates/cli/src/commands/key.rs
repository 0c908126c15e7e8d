use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use quorate_api::rest::{CreateKeyRequest, KeyList, KeyView, SessionView, UpdateKeyRequest};
use quorate_chains::Chain;
use quorate_coordinator::CoordinatorError;
use quorate_intent::{Act, CreateKey, Manifest};
use quorate_types::{
    Algorithm, ChainId, Committee, KeyId, KeyStatus, NodeId, ProtocolName, Right, Rights, Threshold,
};
use serde_json::{Value, json};

use super::{Connection, Context};
use crate::args::{CommitteeArgs, CreateArgs, KeyAction, ListArgs, UpdateArgs};
use crate::check::{Asked, CertifiedKey, certified_key};
use crate::console::{Console, Report, facts, table};
use crate::error::{CliError, Refusal};
use crate::http::{ApiClient, Query};
use crate::intents::{BuiltIntent, IntentOptions, read_manifest};

/// Pause between two looks at a key that is being made.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// A key that is not there after this is reported as such; its creation goes on.
const CREATE_DEADLINE: Duration = Duration::from_secs(300);
/// Shares of a new key, unless the caller says otherwise.
const DEFAULT_NODES: u64 = 3;

pub(super) async fn run(context: &Context, action: KeyAction) -> Result<Report, CliError> {
    match action {
        KeyAction::Create(args) => create(context, args).await,
        KeyAction::List(args) => list(context, args).await,
        KeyAction::Show { key_id } => {
            let (manifest, client) = reader(context)?;
            let (view, _) = fetch_key(&client, &manifest, parse("key id", &key_id)?).await?;
            Ok(report(&view))
        }
        KeyAction::Update(args) => update(context, args).await,
    }
}

/// What is needed to read keys: no key of an initiator.
fn reader(context: &Context) -> Result<(Manifest, ApiClient), CliError> {
    Ok((
        read_manifest(&context.settings)?,
        ApiClient::new(&context.settings)?,
    ))
}

/// A key to be made, with what is not part of the intent.
#[derive(Debug, Clone)]
pub(crate) struct CreateOrder {
    pub(crate) create: CreateKey,
    pub(crate) description: Option<String>,
    pub(crate) tags: Vec<String>,
    pub(crate) options: IntentOptions,
}

impl CreateOrder {
    /// Reads and checks the arguments.
    pub(crate) fn read(args: CreateArgs, manifest: &Manifest) -> Result<Self, CliError> {
        let chain: ChainId = parse("--chain", &args.chain)?;
        let known = Chain::parse(&chain).ok_or_else(|| unknown_chain(&chain))?;
        let algorithm: Algorithm = match &args.algorithm {
            Some(name) => parse("--algorithm", name)?,
            None => usual_algorithm(known, &args.address_kind),
        };
        known
            .check_key(algorithm, algorithm.curve())
            .map_err(CliError::not_sent)?;
        let address_kind = known
            .named_address_kind(algorithm, &args.address_kind)
            .map_err(CliError::not_sent)?
            .to_owned();
        let protocol = match &args.protocol {
            Some(name) => parse("--protocol", name)?,
            None => default_protocol(algorithm),
        };
        let (threshold, committee) = committee(&args.committee, manifest)?;
        let create = CreateKey {
            algorithm,
            curve: algorithm.curve(),
            protocol,
            threshold,
            committee,
            chain,
            address_kind,
            rights: rights(&args.right)?,
        };
        let options = IntentOptions {
            idempotency_key: args.idempotency_key,
            lifetime_seconds: args.expires_in,
        };
        Ok(Self {
            create,
            description: args.description,
            tags: args.tag,
            options,
        })
    }

    /// The request and the intent in it.
    pub(crate) fn request(
        self,
        connection: &Connection,
    ) -> Result<(BuiltIntent, CreateKeyRequest), CliError> {
        let Self {
            create,
            description,
            tags,
            options,
        } = self;
        let built = connection
            .signer
            .build(Act::CreateKey(create.clone()), &options)?;
        let rights = create.rights.iter().map(Right::as_str).map(str::to_owned);
        let request = CreateKeyRequest {
            algorithm: create.algorithm.to_string(),
            curve: create.curve.to_string(),
            threshold: create.threshold.min_signers().into(),
            total_nodes: create.threshold.max_signers().into(),
            chain_type: create.chain.to_string(),
            metadata: BTreeMap::new(),
            protocol: Some(create.protocol.to_string()),
            address_kind: Some(create.address_kind),
            rights: rights.collect(),
            description,
            tags,
            wait_ms: Some(connection.wait_ms),
            intent: hex::encode(&built.signed.bytes),
            initiator_signature: hex::encode(built.signed.signature),
        };
        Ok((built, request))
    }
}

async fn create(context: &Context, args: CreateArgs) -> Result<Report, CliError> {
    let connection = context.connect()?;
    let order = CreateOrder::read(args, &connection.manifest)?;
    let (view, _) = create_key(&connection, order, context.console).await?;
    Ok(report(&view))
}

/// Creates a key, waits for it, and checks that it is the one that was asked for.
pub(crate) async fn create_key(
    connection: &Connection,
    order: CreateOrder,
    console: Console,
) -> Result<(KeyView, CertifiedKey), CliError> {
    let create = order.create.clone();
    let (built, request) = order.request(connection)?;
    let expected = KeyId::of_intent(&built.signed.digest());
    let spinner = console.spinner("the nodes make the key");
    let name = Some(built.intent.idempotency_key.as_str());
    let client = &connection.client;
    let mut view = client.post::<KeyView>("/keys", &request, name).await?.data;
    let deadline = Instant::now() + CREATE_DEADLINE;
    while !is_settled(&view) {
        if Instant::now() >= deadline {
            let what = format!("{expected} is still {}", view.status);
            let remedy = format!("look at it with `quorate key show {expected}`");
            return Err(CliError::failed(what, remedy));
        }
        if let Some(session) = &view.session_id {
            spinner.say(progress(client, session).await);
        }
        tokio::time::sleep(LOOK_EVERY).await;
        view = client
            .get::<KeyView>(&format!("/keys/{expected}"))
            .await?
            .data;
    }
    let certified = checked(&view, &connection.manifest, expected)?;
    let (intent, tenant) = (built.signed.digest(), &built.intent.tenant);
    certified.check_asked(&Asked {
        intent,
        tenant,
        create: &create,
    })?;
    Ok((view, certified))
}

/// What a session is doing, in a few words; nothing if it cannot be asked now.
async fn progress(client: &ApiClient, session: &str) -> String {
    match client
        .get::<SessionView>(&format!("/sessions/{session}"))
        .await
    {
        Ok(answer) => super::session::one_line(&answer.data),
        Err(_) => "waiting".to_owned(),
    }
}

fn is_settled(view: &KeyView) -> bool {
    let creating = [
        KeyStatus::Creating,
        KeyStatus::Generating,
        KeyStatus::Distributing,
        KeyStatus::Storing,
    ];
    !creating.iter().any(|status| status.as_str() == view.status)
}

/// Reads a key and checks it with the manifest.
pub(crate) async fn fetch_key(
    client: &ApiClient,
    manifest: &Manifest,
    key: KeyId,
) -> Result<(KeyView, CertifiedKey), CliError> {
    let view = client.get::<KeyView>(&format!("/keys/{key}")).await?.data;
    let certified = checked(&view, manifest, key)?;
    Ok((view, certified))
}

fn checked(view: &KeyView, manifest: &Manifest, key: KeyId) -> Result<CertifiedKey, CliError> {
    if view.status == KeyStatus::Failed.as_str() {
        let why = view
            .error_message
            .as_deref()
            .unwrap_or("the nodes did not make it");
        let (code, message) = why.split_once(": ").unwrap_or(("ABORTED", why));
        return Err(CliError::Refused(Box::new(Refusal {
            status: 200,
            code: code.to_owned(),
            message: format!("{key} was not created: {message}"),
            details: serde_json::Map::new(),
            request_id: String::new(),
            retry_after: None,
        })));
    }
    if view.certificate.is_empty() && !is_settled(view) {
        let what = format!("{key} is {}: it has no certificate yet", view.status);
        return Err(CliError::failed(what, "wait until it is Active"));
    }
    Ok(certified_key(view, manifest, key)?)
}

async fn list(context: &Context, args: ListArgs) -> Result<Report, CliError> {
    let (manifest, client) = reader(context)?;
    let query = Query::default()
        .with("status", args.status.as_deref())
        .with("chain_type", args.chain.as_deref())
        .with("algorithm", args.algorithm.as_deref())
        .with("tag", args.tag.as_deref())
        .with("address", args.address.as_deref())
        .with("limit", Some(&args.limit.to_string()))
        .with("cursor", args.cursor.as_deref());
    let list = client.get::<KeyList>(&query.after("/keys")).await?.data;
    for view in &list.keys {
        if !view.certificate.is_empty() || !view.address.is_empty() {
            certified_key(view, &manifest, parse("key id", &view.key_id)?)?;
        }
    }
    let row = |view: &KeyView| {
        let threshold = format!("{}-of-{}", view.threshold, view.total_nodes);
        let (chain, address) = (view.chain_type.clone(), view.address.clone());
        let created = view.created_at.clone();
        vec![
            view.key_id.clone(),
            view.status.clone(),
            threshold,
            chain,
            address,
            created,
        ]
    };
    let header = ["key", "status", "signers", "chain", "address", "created"];
    let mut human = table(&header, list.keys.iter().map(row).collect());
    if let Some(cursor) = &list.next_cursor {
        human += &format!("\n\nmore: --cursor {cursor}");
    }
    Ok(Report::new(&list, human))
}

async fn update(context: &Context, args: UpdateArgs) -> Result<Report, CliError> {
    let (manifest, client) = reader(context)?;
    let key: KeyId = parse("key id", &args.key_id)?;
    let tags = (args.no_tags || !args.tag.is_empty()).then_some(args.tag);
    if args.description.is_none() && tags.is_none() {
        let remedy = "give --description, --tag or --no-tags";
        return Err(CliError::invalid("nothing to change was given", remedy));
    }
    let change = UpdateKeyRequest {
        description: args.description,
        tags,
    };
    let view = client
        .put::<KeyView>(&format!("/keys/{key}"), &change)
        .await?
        .data;
    checked(&view, &manifest, key)?;
    Ok(report(&view))
}

/// A key that was checked.
fn report(view: &KeyView) -> Report {
    let members = view.committee.iter();
    let members: Vec<String> = members
        .map(|m| format!("{} {}", m.index, m.node_id))
        .collect();
    let human = facts(&[
        ("key", view.key_id.clone()),
        ("status", view.status.clone()),
        ("address", view.address.clone()),
        ("chain", view.chain_type.clone()),
        ("public key", view.public_key.clone()),
        (
            "algorithm",
            format!("{} over {}", view.algorithm, view.curve),
        ),
        ("protocol", view.protocol.clone()),
        (
            "signers",
            format!("any {} of {}", view.threshold, view.total_nodes),
        ),
        ("shares", members.join(", ")),
        ("epoch", view.epoch.to_string()),
        ("rights", view.rights.join(", ")),
        ("description", view.description.clone()),
        ("tags", view.tags.join(", ")),
        ("created", view.created_at.clone()),
        (
            "verified",
            format!(
                "address and certificate, signed by {} nodes",
                view.committee.len()
            ),
        ),
    ]);
    let mut report = Report::new(view, human);
    if let Value::Object(fields) = &mut report.json {
        fields.insert("verified".to_owned(), json!(true));
    }
    report
}

fn committee(
    args: &CommitteeArgs,
    manifest: &Manifest,
) -> Result<(Threshold, Committee), CliError> {
    let members: Vec<NodeId> = if args.node.is_empty() {
        let wanted = args.nodes.unwrap_or(DEFAULT_NODES);
        let known = manifest.nodes.len();
        let count = usize::try_from(wanted).unwrap_or(usize::MAX);
        if count > known {
            let too_many = CoordinatorError::TooManyNodes {
                asked: wanted,
                nodes: known,
            };
            return Err(CliError::not_sent(too_many));
        }
        manifest
            .nodes
            .iter()
            .take(count)
            .map(|node| node.id.clone())
            .collect()
    } else {
        args.node
            .iter()
            .map(|name| known_node(name, manifest))
            .collect::<Result<_, _>>()?
    };
    let total = members.len() as u64;
    let threshold = Threshold::new(args.threshold, total).map_err(CliError::not_sent)?;
    let committee = Committee::new(members)
        .map_err(|error| CliError::invalid(error.to_string(), "name each --node once"))?;
    Ok((threshold, committee))
}

fn known_node(name: &str, manifest: &Manifest) -> Result<NodeId, CliError> {
    let node: NodeId = parse("--node", name)?;
    if manifest.node(&node).is_some() {
        return Ok(node);
    }
    let known: Vec<&str> = manifest.nodes.iter().map(|node| node.id.as_str()).collect();
    let what = format!("the manifest has no node `{node}`");
    Err(CliError::invalid(
        what,
        format!("its nodes: {}", known.join(", ")),
    ))
}

fn rights(names: &[String]) -> Result<Rights, CliError> {
    let right = |name: &String| {
        Right::parse(name).ok_or_else(|| {
            let what = format!("there is no right `{name}`");
            CliError::invalid(what, "known: raw_hash, raw_message, import, export")
        })
    };
    names.iter().map(right).collect()
}

/// The scheme that a chain uses, or that the kind of address stands for.
fn usual_algorithm(chain: Chain, address_kind: &str) -> Algorithm {
    match address_kind {
        "p2tr" => Algorithm::Schnorr,
        _ => chain
            .algorithms()
            .first()
            .copied()
            .unwrap_or(Algorithm::Ecdsa),
    }
}

fn default_protocol(algorithm: Algorithm) -> ProtocolName {
    let name = match algorithm {
        Algorithm::Ecdsa => "dkls23",
        _ => "frost",
    };
    ProtocolName::new(name).expect("the name is a valid one")
}

fn unknown_chain(chain: &ChainId) -> CliError {
    let known = Chain::ALL.map(Chain::as_str).join(", ");
    CliError::invalid(
        format!("unknown chain `{chain}`"),
        format!("known: {known}"),
    )
}

/// Parses an id of the command line or of an answer.
pub(super) fn parse<T: std::str::FromStr<Err: ToString>>(
    what: &str,
    text: &str,
) -> Result<T, CliError> {
    let invalid = |error: T::Err| {
        CliError::invalid(
            format!("{what}: {}", error.to_string()),
            "correct it; see --help",
        )
    };
    text.parse().map_err(invalid)
}
