use quorate_types::{Digest32, SessionId, SessionStatus, UnixMillis};
use rusqlite::{Connection, Row, named_params, params};
use serde_json::json;

use super::checked::CheckedRow;
use super::failure::{inserting, is_missing_parent, unavailable};
use super::keys::read_threshold;
use super::list::{ListQuery, Shape, millis, read_one, text_id};
use crate::error::StoreError;
use crate::limits::{
    MAX_JSON_BYTES, MAX_NAME_BYTES, MAX_RESULT_BYTES, MAX_SIGNATURE_BYTES, MAX_TEXT_BYTES,
};
use crate::page::{List, Page, PageRequest};
use crate::session::{
    SessionChange, SessionFilter, SessionProgressUpdate, SessionRow, check_nodes, check_outcome,
};

const TABLE: &str = "signing_sessions";

static NEWEST_FIRST: Shape<SessionRow> = Shape {
    list: List::Sessions,
    table: TABLE,
    time: "created_at",
    id: "session_id",
    oldest_first: false,
    id_value: text_id,
    read,
    place: |row| (row.created_at, row.session_id.to_string()),
};

static OLDEST_FIRST: Shape<SessionRow> = Shape {
    list: List::OpenSessions,
    oldest_first: true,
    ..NEWEST_FIRST
};

const INSERT: &str = "INSERT INTO signing_sessions (
    session_id, tenant, key_id, kind, protocol, status, threshold, total_nodes,
    participating_nodes, current_round, total_rounds, attempt, intent, intent_digest, request_id,
    message_hash, progress, created_at, updated_at
) VALUES (
    :session_id, :tenant, :key_id, :kind, :protocol, :status, :threshold, :total_nodes,
    :participating_nodes, :current_round, :total_rounds, :attempt,
    (SELECT number FROM intents WHERE intent_digest = :intent_digest), :intent_digest, :request_id,
    :message_hash, :progress, :created_at, :updated_at
)";

/// A new session; it starts before its first round.
pub(super) fn insert(connection: &Connection, row: &SessionRow) -> Result<(), StoreError> {
    row.check().map_err(|flaw| flaw.invalid(TABLE))?;
    let waits = matches!(
        row.status,
        SessionStatus::Pending | SessionStatus::AwaitingApproval
    );
    if !waits || row.signature.is_some() || row.result.is_some() || row.error_message.is_some() {
        return Err(StoreError::Invalid {
            table: TABLE,
            column: "status",
            why: "a new session waits and has no outcome",
        });
    }
    let inserted = connection.prepare_cached(INSERT).and_then(|mut insert| {
        insert.execute(named_params! {
            ":session_id": row.session_id.to_string(),
            ":tenant": row.tenant.as_str(),
            ":key_id": row.key_id.to_string(),
            ":kind": row.kind.as_str(),
            ":protocol": row.protocol.as_str(),
            ":status": row.status.as_str(),
            ":threshold": row.threshold.min_signers(),
            ":total_nodes": row.threshold.max_signers(),
            ":participating_nodes": json!(row.participating_nodes).to_string(),
            ":current_round": row.current_round,
            ":total_rounds": row.total_rounds,
            ":attempt": row.attempt,
            ":intent_digest": row.intent_digest.as_bytes(),
            ":request_id": row.request_id,
            ":message_hash": row.message_hash.as_ref().map(Digest32::as_bytes),
            ":progress": row.progress.as_ref().map(|p| json!(p).to_string()),
            ":created_at": millis(row.created_at),
            ":updated_at": millis(row.updated_at),
        })
    });
    match inserted {
        Ok(_) => Ok(()),
        Err(error) if is_missing_parent(&error) => Err(StoreError::NotFound {
            what: "key or intent of session",
            id: row.session_id.to_string(),
        }),
        Err(error) => Err(inserting("inserting a session", "session", row.session_id)(
            error,
        )),
    }
}

/// A step of a session. Compare and set are one statement; the row is read only to say why it did
/// not fit.
pub(super) fn change(connection: &Connection, change: &SessionChange) -> Result<(), StoreError> {
    check_outcome(
        change.signature.as_ref(),
        change.result.as_ref(),
        change.error_message.as_ref(),
    )
    .map_err(|flaw| flaw.invalid(TABLE))?;
    let ended = change.to.is_final().then_some(change.at);
    if change.is_allowed() && step(connection, change, ended)? {
        return Ok(());
    }
    let row = existing(connection, change.session_id)?;
    Err(conflict(&row, change.to))
}

/// Makes the step if the session is where it starts.
fn step(
    connection: &Connection,
    change: &SessionChange,
    ended: Option<UnixMillis>,
) -> Result<bool, StoreError> {
    let changed = connection
        .prepare_cached(
            "UPDATE signing_sessions SET status = :status, updated_at = :at,
             completed_at = :completed_at,
             duration_ms = CASE WHEN :completed_at IS NOT NULL
                           THEN max(:completed_at - created_at, 0) END,
             signature = :signature, result = :result, error_message = :error_message
             WHERE session_id = :session_id AND status = :from",
        )
        .and_then(|mut update| {
            update.execute(named_params! {
                ":session_id": change.session_id.to_string(),
                ":from": change.from.as_str(),
                ":status": change.to.as_str(),
                ":at": millis(change.at),
                ":completed_at": ended.map(millis),
                ":signature": change.signature,
                ":result": change.result.as_ref().map(ToString::to_string),
                ":error_message": change.error_message,
            })
        })
        .map_err(unavailable("changing a session"))?;
    Ok(changed > 0)
}

/// New progress of a session that still runs.
pub(super) fn progress(
    connection: &Connection,
    update: &SessionProgressUpdate,
) -> Result<(), StoreError> {
    let checked = update.progress.check().and_then(|()| {
        let nodes = update.participating_nodes.as_deref().unwrap_or_default();
        check_nodes("participating_nodes", nodes)
    });
    checked.map_err(|flaw| flaw.invalid(TABLE))?;
    let row = existing(connection, update.session_id)?;
    if row.status.is_final() {
        return Err(conflict(&row, SessionStatus::Signing));
    }
    if update.progress.round > row.total_rounds {
        return Err(StoreError::Invalid {
            table: TABLE,
            column: "current_round",
            why: "after the last round",
        });
    }
    let nodes = update.participating_nodes.as_ref();
    connection
        .prepare_cached(
            "UPDATE signing_sessions SET current_round = ?2, progress = ?3, updated_at = ?4,
             participating_nodes = coalesce(?5, participating_nodes) WHERE session_id = ?1",
        )
        .and_then(|mut statement| {
            statement.execute(params![
                update.session_id.to_string(),
                update.progress.round,
                json!(update.progress).to_string(),
                millis(update.at),
                nodes.map(|nodes| json!(nodes).to_string()),
            ])
        })
        .map_err(unavailable("recording progress"))?;
    Ok(())
}

pub(super) fn get(
    connection: &Connection,
    session_id: SessionId,
) -> Result<Option<SessionRow>, StoreError> {
    read_one(
        connection,
        "SELECT * FROM signing_sessions WHERE session_id = ?1",
        [session_id.to_string()],
        read,
    )
}

pub(super) fn list(
    connection: &Connection,
    filter: SessionFilter,
    page: &PageRequest,
) -> Result<Page<SessionRow>, StoreError> {
    // An intent has few attempts. The planner does not know that, and would rather walk over all
    // sessions of a tenant or a key, which come in the right order.
    let (tenant, key) = match filter.intent_digest {
        Some(_) => ("+tenant = ?", "+key_id = ?"),
        None => ("tenant = ?", "key_id = ?"),
    };
    ListQuery::new(&NEWEST_FIRST)
        .only(tenant, filter.tenant.map(|t| t.as_str().to_owned()))
        .only(key, filter.key_id.map(|id| id.to_string()))
        .only("status = ?", filter.status.map(|s| s.as_str().to_owned()))
        .only(
            "intent = (SELECT number FROM intents WHERE intent_digest = ?)",
            filter.intent_digest.map(|d| d.as_bytes().to_vec()),
        )
        .read(connection, page)
}

/// Sessions that are not final, oldest first.
pub(super) fn open(
    connection: &Connection,
    page: &PageRequest,
) -> Result<Page<SessionRow>, StoreError> {
    // `completed_at` is there exactly when a session is final: every row read is checked for it.
    ListQuery::new(&OLDEST_FIRST)
        .always("completed_at IS NULL")
        .read(connection, page)
}

fn existing(connection: &Connection, session_id: SessionId) -> Result<SessionRow, StoreError> {
    get(connection, session_id)?.ok_or_else(|| StoreError::NotFound {
        what: "session",
        id: session_id.to_string(),
    })
}

fn conflict(row: &SessionRow, to: SessionStatus) -> StoreError {
    StoreError::SessionConflict {
        session_id: row.session_id,
        from: row.status,
        to,
    }
}

fn read(row: &Row<'_>) -> Result<SessionRow, StoreError> {
    let row = CheckedRow::new(row, TABLE, "session_id");
    let session = SessionRow {
        session_id: row.parse("session_id")?,
        tenant: row.parse("tenant")?,
        key_id: row.parse("key_id")?,
        kind: row.parse("kind")?,
        protocol: row.parse("protocol")?,
        status: row.parse("status")?,
        threshold: read_threshold(&row)?,
        participating_nodes: row.json("participating_nodes", MAX_JSON_BYTES)?,
        current_round: row.integer("current_round")?,
        total_rounds: row.integer("total_rounds")?,
        attempt: row.integer("attempt")?,
        intent_digest: Digest32::from_array(row.array("intent_digest")?),
        request_id: row.optional("request_id", |c| row.owned_text(c, MAX_NAME_BYTES))?,
        message_hash: row
            .optional("message_hash", |c| row.array(c))?
            .map(Digest32::from_array),
        signature: row.optional("signature", |c| row.blob(c, MAX_SIGNATURE_BYTES))?,
        progress: row.optional("progress", |c| row.json(c, MAX_JSON_BYTES))?,
        result: row.optional("result", |c| row.json(c, MAX_RESULT_BYTES))?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
        completed_at: row.optional("completed_at", |c| row.time(c))?,
        duration_ms: row.optional("duration_ms", |c| row.integer(c))?,
        error_message: row.optional("error_message", |c| row.owned_text(c, MAX_TEXT_BYTES))?,
    };
    session.check().map_err(|flaw| row.flawed(flaw))?;
    Ok(session)
}
