//! Prints what a signature costs the store: processor time of the writer, and bytes written.
//!
//! `cargo run --release -p quorate-store --example signature_writes [before] [measured] [folder]`:
//! signatures that the database holds before anything is measured (100 000), signatures that are
//! measured (20 000), and a folder on the disk that shall be measured (a temporary one). What is
//! measured comes at a steady pace, so that transactions are as long as under that load. Linux only.
#![allow(clippy::print_stdout, reason = "it prints what it measures")]

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use quorate_store::{
    ActKind, AuditEvent, AuditResult, IdempotencyKey, IdempotencyRequest, IntentChange, IntentRow,
    IntentState, KeyRow, RequestNonce, SessionChange, SessionRow, SqliteOptions, SqliteStore,
    Store, StoreError, StoredResponse, Write,
};
use quorate_types::{
    Algorithm, ChainId, Committee, Curve, Digest32, KeyId, KeyStatus, NodeId, ProtocolName, Right,
    SessionId, SessionStatus, Tenant, Threshold, UnixMillis,
};
use serde_json::json;
use tokio::task::JoinSet;

/// Signatures a second while it is measured.
const PACE: u64 = 950;
/// Time between opening an intent and its signature.
const ENGINE: Duration = Duration::from_millis(30);
const KEYS: u64 = 4;
/// Start of the clock of the rows.
const START: u64 = 1_790_000_000_000;

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let number = |place: usize, otherwise: u64| {
        let given = std::env::args().nth(place);
        given.map_or(Ok(otherwise), |text| text.parse())
    };
    let (before, measured) = (number(1, 100_000)?, number(2, 20_000)?);
    let temporary = tempfile::tempdir()?;
    let folder = std::env::args().nth(3).map(PathBuf::from);
    let file = folder
        .unwrap_or_else(|| temporary.path().to_owned())
        .join("signatures.db");
    let store = Arc::new(SqliteStore::open(&file, &SqliteOptions::default())?);
    for n in 0..KEYS {
        store.write(Write::InsertKey(Box::new(key(n)))).await?;
    }
    sign_all(&store, 0..before, None).await?;
    let start = Spent::read()?;
    sign_all(&store, before..before + measured, Some(PACE)).await?;
    let spent = Spent::read()?;
    let each = |of: fn(&Spent) -> u64| (of(&spent) - of(&start)) as f64 / measured as f64;
    println!(
        "{measured} signatures after {before}, each: writer {:.1} µs, {:.1} KB written by {:.1} \
         calls, {:.1} KB to the disk",
        each(|spent| spent.writer_ns) / 1e3,
        each(|spent| spent.written) / 1e3,
        each(|spent| spent.calls),
        each(|spent| spent.to_disk) / 1e3,
    );
    Ok(())
}

async fn sign_all(
    store: &Arc<SqliteStore>,
    numbers: std::ops::Range<u64>,
    pace: Option<u64>,
) -> Result<(), Failure> {
    let start = tokio::time::Instant::now();
    let first = numbers.start;
    let mut running = JoinSet::new();
    for n in numbers {
        match pace {
            Some(pace) => {
                let due = Duration::from_micros((n - first) * 1_000_000 / pace);
                tokio::time::sleep_until(start + due).await;
            }
            None if running.len() >= 512 => {
                running.join_next().await.transpose()?.transpose()?;
            }
            None => {}
        }
        let store = Arc::clone(store);
        running.spawn(async move { sign(&store, n, pace.is_some()).await });
    }
    while let Some(ended) = running.join_next().await {
        ended??;
    }
    Ok(())
}

/// What one signature over REST writes: `gateway::intake`, `act::task::opening`, `act::journal`.
async fn sign(store: &SqliteStore, n: u64, waits: bool) -> Result<(), StoreError> {
    let at = UnixMillis(START + n * 1_000 / PACE);
    let idempotency = IdempotencyKey {
        credential: "dev".into(),
        key: hex(n, "key"),
    };
    let nonce = RequestNonce {
        credential: "dev".into(),
        nonce: hex(n, "nonce"),
        expires_at: UnixMillis(at.0 / 1_000 * 1_000 + 61_000),
    };
    let request = IdempotencyRequest {
        key: idempotency.clone(),
        body_hash: digest(n, "body"),
        at,
        expires_at: at.plus(86_400_000),
    };
    store.begin_request(nonce, Some(request)).await?;
    let session = session_id(n, at);
    let with = vec![
        Write::InsertSession(Box::new(session_row(n, session, at))),
        Write::AppendAudit(Box::new(audit(n, session, at, AuditResult::Intended))),
    ];
    store.open_intent(intent(n, at), with).await?;
    if waits {
        tokio::time::sleep(ENGINE).await;
    }
    let at = at.plus(30);
    let mut end = SessionChange::step(
        session,
        SessionStatus::Pending,
        SessionStatus::Completed,
        at,
    );
    end.through = Some(SessionStatus::Signing);
    end.signature = Some(vec![7; 64]);
    let result = json!({
        "session_id": session, "signers": ["node-1", "node-2"],
        "signatures": ["7".repeat(130)], "signed_at": at,
    });
    let done = IntentChange {
        intent_digest: digest(n, "intent"),
        from: IntentState::Open,
        to: IntentState::Completed,
        result: Some(result),
        at,
    };
    let closing = vec![
        Write::ChangeSession(Box::new(end)),
        Write::ChangeIntent(done),
        Write::AppendAudit(Box::new(audit(n, session, at, AuditResult::Succeeded))),
    ];
    store.apply(closing).await?;
    let response = StoredResponse {
        status_code: 200,
        body: vec![b'7'; 800],
    };
    let finish = Write::FinishIdempotency(idempotency, response);
    store.write(finish).await
}

fn digest(n: u64, what: &str) -> Digest32 {
    Digest32::of(b"signature writes", &[what.as_bytes(), &n.to_be_bytes()])
}

/// 32 digits that no index finds in order.
fn hex(n: u64, what: &str) -> String {
    digest(n, what).to_string().chars().take(32).collect()
}

/// As the lead makes them: the time, then random bytes.
fn session_id(n: u64, at: UnixMillis) -> SessionId {
    let digest = digest(n, "session");
    let mut id = *digest.as_bytes().first_chunk().expect("32 bytes");
    let time = id.first_chunk_mut::<6>().expect("16 bytes");
    *time = *at.0.to_be_bytes().last_chunk().expect("8 bytes");
    SessionId::from_array(id)
}

fn nodes(count: u8) -> Vec<NodeId> {
    let name = |n| NodeId::new(&format!("node-{n}")).expect("a good name");
    (1..=count).map(name).collect()
}

fn key_id(n: u64) -> KeyId {
    KeyId::of_intent(&digest(n % KEYS, "create"))
}

fn threshold() -> Threshold {
    Threshold::new(2, 3).expect("2 of 3")
}

fn key(n: u64) -> KeyRow {
    KeyRow {
        key_id: key_id(n),
        tenant: Tenant::new("acme").expect("a good name"),
        algorithm: Algorithm::Ecdsa,
        curve: Curve::Secp256k1,
        threshold: threshold(),
        committee: Committee::new(nodes(3)).expect("three nodes"),
        chain_type: ChainId::new("ethereum").expect("a good name"),
        protocol: ProtocolName::new("dkls23").expect("a good name"),
        address_kind: None,
        rights: [Right::RawHash].into_iter().collect(),
        status: KeyStatus::Creating,
        material: None,
        description: "measured".into(),
        tags: [].into(),
        metadata: json!({}),
        intent: vec![7; 400],
        intent_digest: digest(n, "create"),
        error_message: None,
        created_at: UnixMillis(START),
        updated_at: UnixMillis(START),
        deletion_date: None,
    }
}

fn intent(n: u64, at: UnixMillis) -> IntentRow {
    IntentRow {
        intent_digest: digest(n, "intent"),
        kind: ActKind::Sign,
        key_id: key_id(n),
        signed_intent: vec![7; 420],
        state: IntentState::Open,
        result: None,
        created_at: at,
        updated_at: at,
        expires_at: at.plus(3_600_000),
    }
}

fn session_row(n: u64, session_id: SessionId, at: UnixMillis) -> SessionRow {
    SessionRow {
        session_id,
        tenant: Tenant::new("acme").expect("a good name"),
        key_id: key_id(n),
        kind: ActKind::Sign,
        protocol: ProtocolName::new("dkls23").expect("a good name"),
        status: SessionStatus::Pending,
        threshold: threshold(),
        participating_nodes: nodes(2),
        current_round: 0,
        total_rounds: 3,
        attempt: 1,
        intent_digest: digest(n, "intent"),
        request_id: Some(hex(n, "request")),
        message_hash: Some(digest(n, "message")),
        signature: None,
        progress: None,
        result: None,
        created_at: at,
        updated_at: at,
        completed_at: None,
        duration_ms: None,
        error_message: None,
    }
}

fn audit(n: u64, session: SessionId, at: UnixMillis, result: AuditResult) -> AuditEvent {
    let details = match result {
        AuditResult::Intended => json!({ "intent": digest(n, "intent"), "initiator": "dev" }),
        _ => json!({ "signers": ["node-1", "node-2"], "attempt": 1 }),
    };
    AuditEvent {
        timestamp: at,
        event_type: "sign".into(),
        user_id: Some("dev".into()),
        key_id: Some(key_id(n)),
        node_id: None,
        session_id: Some(session),
        operation: "sign".into(),
        result,
        details,
        ip_address: Some("127.0.0.1".into()),
        user_agent: Some("quorate/0.1.0".into()),
        request_id: Some(hex(n, "request")),
    }
}

/// What this process has spent since it started.
struct Spent {
    writer_ns: u64,
    written: u64,
    calls: u64,
    to_disk: u64,
}

impl Spent {
    fn read() -> Result<Self, Failure> {
        let io = std::fs::read_to_string("/proc/self/io")?;
        let field = |name: &str| {
            let line = io.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|value| value.trim().parse().ok())
                .ok_or("no such line in /proc/self/io")
        };
        Ok(Self {
            writer_ns: writer_ns()?,
            written: field("wchar:")?,
            calls: field("syscw:")?,
            to_disk: field("write_bytes:")?,
        })
    }
}

fn writer_ns() -> Result<u64, Failure> {
    for thread in std::fs::read_dir("/proc/self/task")? {
        let path = thread?.path();
        if std::fs::read_to_string(path.join("comm"))?.trim() == "store-writer" {
            let times = std::fs::read_to_string(path.join("schedstat"))?;
            let ran = times.split(' ').next().unwrap_or_default();
            return Ok(ran.parse()?);
        }
    }
    Err("the store has no writer".into())
}
