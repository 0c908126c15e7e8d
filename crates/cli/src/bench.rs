//! Measurements through the public API, with everything that a client does: HMAC, intents, and
//! verification of every answer.

mod cpu;
mod latency;
mod link_bytes;
mod load;
mod machine;
mod report;
mod subject;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use quorate_types::{Algorithm, KeyId};

use crate::args::{BenchAction, BenchArgs, CreateArgs, LoadArgs};
use crate::check::CertifiedKey;
use crate::commands::{
    Connection, Context, CreateOrder, SignOrder, create_key, fetch_key, sign, sign_batch,
};
use crate::config::Setting;
use crate::console::{Console, Report};
use crate::dev::Pids;
use crate::error::CliError;
use crate::intents::IntentOptions;
use cpu::CpuClock;
use load::{Load, Measured};
use report::{BenchReport, Run};
use subject::Subject;

/// Runs `quorate bench …`.
///
/// # Errors
/// [`CliError`]; an error of a single request is counted, not returned.
pub async fn run(context: &Context, args: BenchArgs) -> Result<Report, CliError> {
    let connection = Arc::new(context.connect()?);
    match args.action {
        BenchAction::Sign {
            load,
            key,
            rate,
            batch,
        } => {
            let batch = batch.map_or(1, usize::from);
            bench_sign(context, connection, (load, batch), key, rate).await
        }
        BenchAction::Keygen { load } => bench_keygen(context, connection, load).await,
    }
}

async fn bench_sign(
    context: &Context,
    connection: Arc<Connection>,
    (args, batch): (LoadArgs, usize),
    key: Option<String>,
    rate: Option<f64>,
) -> Result<Report, CliError> {
    let key = match key {
        Some(id) => {
            let id: KeyId = id.parse().map_err(|error: quorate_types::InvalidId| {
                CliError::invalid(error.to_string(), "give key_…")
            })?;
            fetch_key(&connection.client, &connection.manifest, id)
                .await?
                .1
        }
        None => {
            let order = order(&args, subject(&args)?, &connection)?;
            create_key(&connection, order, context.console).await?.1
        }
    };
    let subject = Subject::of(&key)?;
    let threshold = key.statement().threshold;
    let (key, nonce) = (Arc::new(key), Arc::new(AtomicU64::new(0)));
    let one = {
        let connection = Arc::clone(&connection);
        move || {
            let (connection, key) = (Arc::clone(&connection), Arc::clone(&key));
            let first = nonce.fetch_add(batch as u64, Ordering::Relaxed);
            async move { sign_some(&connection, &key, subject, (first, batch)).await }
        }
    };
    let pids = pids(context, &args)?;
    let mut report = BenchReport::new("sign", threshold);
    report.signed = subject.description().to_owned();
    for load in loads(&args, rate, batch)? {
        note(context.console, &load);
        let run = measure(&connection, &load, &pids, &one).await?;
        report.runs.push(run);
    }
    finish(report, args.save.as_deref())
}

/// One signature by `POST /sign`, or several by `POST /sign/batch`.
async fn sign_some(
    connection: &Connection,
    key: &CertifiedKey,
    subject: Subject,
    (first, batch): (u64, usize),
) -> Result<(), CliError> {
    let order = |number| SignOrder {
        key,
        payload: subject.payload(number),
        options: IntentOptions::default(),
    };
    if batch == 1 {
        return sign(connection, &order(first), None).await.map(drop);
    }
    let orders: Vec<_> = (first..).take(batch).map(order).collect();
    sign_batch(connection, &orders).await
}

async fn bench_keygen(
    context: &Context,
    connection: Arc<Connection>,
    args: LoadArgs,
) -> Result<Report, CliError> {
    let order = order(&args, subject(&args)?, &connection)?;
    let threshold = order.create.threshold;
    let one = {
        let connection = Arc::clone(&connection);
        move || {
            let (connection, order) = (Arc::clone(&connection), order.clone());
            async move {
                create_key(&connection, order, Console::quiet())
                    .await
                    .map(drop)
            }
        }
    };
    let pids = pids(context, &args)?;
    let mut report = BenchReport::new("keygen", threshold);
    report.signed = "key creations, one intent and one HMAC each, every certificate verified with \
                     the manifest and every address recomputed"
        .to_owned();
    for load in loads(&args, None, 1)? {
        note(context.console, &load);
        let run = measure(&connection, &load, &pids, &one).await?;
        report.runs.push(run);
    }
    finish(report, args.save.as_deref())
}

fn subject(args: &LoadArgs) -> Result<Subject, CliError> {
    let algorithm: Algorithm = args.algorithm.parse().map_err(|_| {
        let what = format!("--algorithm {}", args.algorithm);
        CliError::invalid(what, "known: ECDSA, EdDSA, Schnorr")
    })?;
    Ok(Subject::new(algorithm))
}

fn order(
    args: &LoadArgs,
    subject: Subject,
    connection: &Connection,
) -> Result<CreateOrder, CliError> {
    let create = CreateArgs {
        chain: subject.chain().to_owned(),
        committee: args.committee.clone(),
        algorithm: Some(subject.algorithm().to_string()),
        protocol: None,
        address_kind: "default".to_owned(),
        right: subject.rights(),
        description: Some("quorate bench".to_owned()),
        tag: vec!["bench".to_owned()],
        idempotency_key: None,
        expires_in: None,
    };
    CreateOrder::read(create, &connection.manifest)
}

fn loads(args: &LoadArgs, rate: Option<f64>, batch: usize) -> Result<Vec<Load>, CliError> {
    let (warmup, length) = (
        Duration::from_secs(args.warmup),
        Duration::from_secs(args.seconds),
    );
    if args.seconds == 0 || args.concurrency.iter().any(|n| !(1..=4096).contains(n)) {
        let remedy = "give --seconds 1 or more and --concurrency from 1 to 4096";
        return Err(CliError::invalid("this load cannot be measured", remedy));
    }
    match rate {
        Some(rate) if rate > 0.0 && rate <= 100_000.0 => Ok(vec![Load {
            concurrency: None,
            rate: Some(rate),
            batch,
            warmup,
            length,
        }]),
        Some(rate) => Err(CliError::invalid(
            format!("--rate {rate}"),
            "give up to 100000",
        )),
        None => {
            let load = |n: &usize| Load {
                concurrency: Some(*n),
                rate: None,
                batch,
                warmup,
                length,
            };
            Ok(args.concurrency.iter().map(load).collect())
        }
    }
}

fn pids(context: &Context, args: &LoadArgs) -> Result<Pids, CliError> {
    let named = args.pids.clone();
    let path = named.or_else(|| context.settings.path(Setting::Pids).ok());
    path.map_or_else(|| Ok(Pids::default()), |path| Pids::read(&path))
}

fn note(console: Console, load: &Load) {
    let seconds = (load.warmup + load.length).as_secs();
    console.note(&format!("measuring {load}, {seconds} s"));
}

/// One measurement: CPU time, bytes and results between the end of the warm-up and the end.
async fn measure<F, R>(
    connection: &Connection,
    load: &Load,
    pids: &Pids,
    one: &F,
) -> Result<Run, CliError>
where
    F: Fn() -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Result<(), CliError>> + Send + 'static,
{
    if !load.warmup.is_zero() {
        load.warm_up(one.clone()).await;
    }
    let bytes = link_bytes::settled(&connection.client).await?;
    let clock = CpuClock::start(pids);
    let measured: Measured = load.run(one.clone()).await;
    let cpu = clock.stop();
    let bytes = link_bytes::settled(&connection.client)
        .await?
        .saturating_sub(bytes);
    Ok(Run::new(load, &measured, cpu, bytes))
}

fn finish(report: BenchReport, save: Option<&Path>) -> Result<Report, CliError> {
    let report = report.finished();
    if let Some(path) = save {
        let text = serde_json::to_string_pretty(&report.json).expect("a JSON value can be written");
        std::fs::write(path, text + "\n").map_err(|e| CliError::file(path, "written", &e))?;
    }
    Ok(report)
}
