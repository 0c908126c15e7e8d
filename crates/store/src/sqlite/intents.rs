use quorate_types::Digest32;
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params};

use super::checked::CheckedRow;
use super::failure::unavailable;
use super::list::{ListQuery, Shape, millis, read_one};
use crate::error::StoreError;
use crate::intent::{IntentChange, IntentOpening, IntentRow, IntentState, check_result};
use crate::limits::{MAX_INTENT_BYTES, MAX_RESULT_BYTES};
use crate::page::{List, Page, PageRequest};

const TABLE: &str = "intents";

static OPEN: Shape<IntentRow> = Shape {
    list: List::OpenIntents,
    table: TABLE,
    time: "created_at",
    id: "intent_digest",
    oldest_first: true,
    id_value: |text| {
        let digest: Digest32 = text.parse().ok()?;
        Some(Value::Blob(digest.as_bytes().to_vec()))
    },
    read,
    place: |row| (row.created_at, row.intent_digest.to_string()),
};

/// Inserts an intent unless it is known.
pub(super) fn insert_new(
    connection: &Connection,
    row: &IntentRow,
) -> Result<IntentOpening, StoreError> {
    row.check().map_err(|flaw| flaw.invalid(TABLE))?;
    if row.state != IntentState::Open {
        return Err(StoreError::Invalid {
            table: TABLE,
            column: "state",
            why: "a new intent is open",
        });
    }
    let inserted = connection
        .prepare_cached(
            "INSERT INTO intents (intent_digest, kind, key_id, signed_intent, state, created_at,
             updated_at, expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT DO NOTHING",
        )
        .and_then(|mut insert| {
            insert.execute(params![
                row.intent_digest.as_bytes(),
                row.kind.as_str(),
                row.key_id.to_string(),
                row.signed_intent,
                row.state.as_str(),
                millis(row.created_at),
                millis(row.updated_at),
                millis(row.expires_at),
            ])
        })
        .map_err(unavailable("inserting an intent"))?;
    if inserted == 1 {
        return Ok(IntentOpening::New);
    }
    let known = get(connection, row.intent_digest)?.ok_or(StoreError::Bug {
        what: "an intent is in the way of itself",
    })?;
    Ok(IntentOpening::Known(Box::new(known)))
}

/// A step of an intent. Compare and set are one statement; the row is read only to say why it did
/// not fit.
pub(super) fn change(connection: &Connection, change: &IntentChange) -> Result<(), StoreError> {
    let result = change.result.as_ref().map(ToString::to_string);
    check_result(change.to, result.as_deref()).map_err(|flaw| flaw.invalid(TABLE))?;
    if change.from.may_become(change.to) && step(connection, change, result.as_deref())? {
        return Ok(());
    }
    let Some(row) = get(connection, change.intent_digest)? else {
        return Err(StoreError::NotFound {
            what: "intent",
            id: change.intent_digest.to_string(),
        });
    };
    Err(StoreError::IntentConflict {
        intent_digest: row.intent_digest,
        from: row.state,
        to: change.to,
    })
}

/// Makes the step if the intent is where it starts.
fn step(
    connection: &Connection,
    change: &IntentChange,
    result: Option<&str>,
) -> Result<bool, StoreError> {
    let changed = connection
        .prepare_cached(
            "UPDATE intents SET state = ?3, result = ?4, updated_at = ?5
             WHERE intent_digest = ?1 AND state = ?2",
        )
        .and_then(|mut update| {
            update.execute(params![
                change.intent_digest.as_bytes(),
                change.from.as_str(),
                change.to.as_str(),
                result,
                millis(change.at),
            ])
        })
        .map_err(unavailable("changing an intent"))?;
    Ok(changed > 0)
}

pub(super) fn get(
    connection: &Connection,
    intent_digest: Digest32,
) -> Result<Option<IntentRow>, StoreError> {
    read_one(
        connection,
        "SELECT * FROM intents WHERE intent_digest = ?1",
        [intent_digest.as_bytes()],
        read,
    )
}

/// Intents that are open, oldest first.
pub(super) fn open(
    connection: &Connection,
    page: &PageRequest,
) -> Result<Page<IntentRow>, StoreError> {
    ListQuery::new(&OPEN)
        .always("state = 'open'")
        .read(connection, page)
}

fn read(row: &Row<'_>) -> Result<IntentRow, StoreError> {
    let row = CheckedRow::new(row, TABLE, "intent_digest");
    let intent = IntentRow {
        intent_digest: Digest32::from_array(row.array("intent_digest")?),
        kind: row.parse("kind")?,
        key_id: row.parse("key_id")?,
        signed_intent: row.blob("signed_intent", MAX_INTENT_BYTES)?,
        state: row.parse("state")?,
        result: row.optional("result", |c| row.json(c, MAX_RESULT_BYTES))?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
        expires_at: row.time("expires_at")?,
    };
    intent.check().map_err(|flaw| row.flawed(flaw))?;
    Ok(intent)
}
