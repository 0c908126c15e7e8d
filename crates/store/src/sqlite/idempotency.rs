//! Idempotency keys and request nonces. All of it runs on the one writer, so look and write are
//! one step.

use std::collections::HashSet;

use quorate_types::{Digest32, UnixMillis};
use rusqlite::{Connection, Row, params};

use super::checked::CheckedRow;
use super::failure::unavailable;
use super::list::{millis, read_all, read_one};
use super::memory::{Desk, NonceTag};
use crate::error::StoreError;
use crate::flaw::{Flaw, check_name, check_time};
use crate::idempotency::{
    IdempotencyKey, IdempotencyRequest, IdempotencyStart, NonceUse, Pruned, RequestNonce,
    RequestStart, StoredResponse,
};
use crate::limits::{MAX_NAME_BYTES, MAX_PRUNED_ROWS, MAX_RESPONSE_BYTES};

const TABLE: &str = "idempotency";
const NONCES: &str = "request_nonces";

struct Known {
    body_hash: Digest32,
    expires_at: UnixMillis,
    response: Option<StoredResponse>,
}

pub(super) fn begin(
    connection: &Connection,
    request: &IdempotencyRequest,
) -> Result<IdempotencyStart, StoreError> {
    request.check().map_err(|flaw| flaw.invalid(TABLE))?;
    if start(connection, "INSERT OR IGNORE", request)? {
        return Ok(IdempotencyStart::New);
    }
    let known = get(connection, &request.key)?.filter(|known| known.expires_at > request.at);
    let Some(known) = known else {
        start(connection, "INSERT OR REPLACE", request)?;
        return Ok(IdempotencyStart::New);
    };
    if known.body_hash != request.body_hash {
        return Ok(IdempotencyStart::Conflict);
    }
    let done = known.response.map(IdempotencyStart::Done);
    Ok(done.unwrap_or(IdempotencyStart::InProgress))
}

/// Notes a request in progress; whether it did.
fn start(
    connection: &Connection,
    insert: &str,
    request: &IdempotencyRequest,
) -> Result<bool, StoreError> {
    let sql = format!(
        "{insert} INTO idempotency (credential, idempotency_key, body_hash, state, created_at,
         expires_at) VALUES (?1, ?2, ?3, 'in_progress', ?4, ?5)"
    );
    let inserted = connection
        .prepare_cached(&sql)
        .and_then(|mut insert| {
            insert.execute(params![
                request.key.credential,
                request.key.key,
                request.body_hash.as_bytes(),
                millis(request.at),
                millis(request.expires_at),
            ])
        })
        .map_err(unavailable("starting an idempotent request"))?;
    Ok(inserted == 1)
}

/// Stores the answer of a request in progress.
pub(super) fn finish(
    connection: &Connection,
    key: &IdempotencyKey,
    response: &StoredResponse,
) -> Result<(), StoreError> {
    response.check().map_err(|flaw| flaw.invalid(TABLE))?;
    let changed = connection
        .prepare_cached(
            "UPDATE idempotency SET state = 'done', status_code = ?3, response = ?4
             WHERE credential = ?1 AND idempotency_key = ?2 AND state = 'in_progress'",
        )
        .and_then(|mut update| {
            update.execute(params![
                key.credential,
                key.key,
                response.status_code,
                response.body,
            ])
        })
        .map_err(unavailable("finishing an idempotent request"))?;
    in_progress(changed, key)
}

/// Forgets a request in progress.
pub(super) fn release(connection: &Connection, key: &IdempotencyKey) -> Result<(), StoreError> {
    let changed = connection
        .prepare_cached(
            "DELETE FROM idempotency
             WHERE credential = ?1 AND idempotency_key = ?2 AND state = 'in_progress'",
        )
        .and_then(|mut delete| delete.execute(params![key.credential, key.key]))
        .map_err(unavailable("releasing an idempotent request"))?;
    in_progress(changed, key)
}

pub(super) fn release_all(connection: &Connection) -> Result<usize, StoreError> {
    connection
        .execute("DELETE FROM idempotency WHERE state = 'in_progress'", [])
        .map_err(unavailable("releasing idempotent requests"))
}

/// Every nonce that the table holds, for the memory of the writer.
pub(super) fn nonces(connection: &Connection) -> Result<HashSet<NonceTag>, StoreError> {
    let sql = "SELECT number, credential, nonce FROM request_nonces";
    let tags = read_all(connection, sql, [], |row| {
        nonce_tag(&CheckedRow::new(row, NONCES, "number"))
    })?;
    Ok(tags.into_iter().collect())
}

/// The memory of the writer refuses a replay; the row is for the next start.
pub(super) fn use_nonce(
    desk: &Desk<'_>,
    credential: &str,
    nonce: &str,
    expires_at: UnixMillis,
) -> Result<NonceUse, StoreError> {
    let checked: Result<(), Flaw> = check_name("credential", credential)
        .and_then(|()| check_name("nonce", nonce))
        .and_then(|()| check_time("expires_at", expires_at));
    checked.map_err(|flaw| flaw.invalid(NONCES))?;
    if !desk.memory.use_nonce(NonceTag::of(credential, nonce)) {
        return Ok(NonceUse::Replayed);
    }
    desk.prepare_cached(
        "INSERT INTO request_nonces (credential, nonce, expires_at) VALUES (?1, ?2, ?3)",
    )
    .and_then(|mut insert| insert.execute(params![credential, nonce, millis(expires_at)]))
    .map_err(unavailable("recording a nonce"))?;
    Ok(NonceUse::Fresh)
}

/// A refused idempotency request takes the nonce with it: the whole piece is undone.
pub(super) fn begin_request(
    desk: &Desk<'_>,
    nonce: &RequestNonce,
    request: Option<&IdempotencyRequest>,
) -> Result<RequestStart, StoreError> {
    let RequestNonce {
        credential,
        nonce,
        expires_at,
    } = nonce;
    match use_nonce(desk, credential, nonce, *expires_at)? {
        NonceUse::Replayed => Ok(RequestStart::Replayed),
        NonceUse::Fresh => {
            let start = request.map(|request| begin(desk, request));
            start.transpose().map(RequestStart::Fresh)
        }
    }
}

/// Deletes what has expired of the oldest rows: rows come in the order in which they expire, but for
/// the skew of clocks and a time to live that was changed. Rows that outlive others by such are passed
/// over, so that they do not keep those behind them.
pub(super) fn prune(desk: &Desk<'_>, now: UnixMillis) -> Result<Pruned, StoreError> {
    let requests = expired(desk, TABLE, "number, expires_at", now, |row| {
        row.integer::<i64>("number")
    })?;
    for number in &requests {
        delete(desk, "DELETE FROM idempotency WHERE number = ?1", *number)?;
    }
    let columns = "number, credential, nonce, expires_at";
    let nonces = expired(desk, NONCES, columns, now, |row| {
        Ok((row.integer::<i64>("number")?, nonce_tag(row)?))
    })?;
    for (number, tag) in &nonces {
        delete(
            desk,
            "DELETE FROM request_nonces WHERE number = ?1",
            *number,
        )?;
        desk.memory.forget_nonce(*tag);
    }
    Ok(Pruned {
        idempotency: requests.len(),
        nonces: nonces.len(),
    })
}

/// What `read` makes of those of the oldest rows that have expired.
fn expired<T>(
    connection: &Connection,
    table: &'static str,
    columns: &str,
    now: UnixMillis,
    read: impl Fn(&CheckedRow<'_, '_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let doing = unavailable("looking for expired rows");
    let sql = format!("SELECT {columns} FROM {table} ORDER BY number LIMIT {MAX_PRUNED_ROWS}");
    let mut statement = connection.prepare_cached(&sql).map_err(&doing)?;
    let mut rows = statement.query([]).map_err(&doing)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(&doing)? {
        let row = CheckedRow::new(row, table, "number");
        if row.time("expires_at")? <= now {
            found.push(read(&row)?);
        }
    }
    Ok(found)
}

fn delete(connection: &Connection, sql: &str, number: i64) -> Result<(), StoreError> {
    connection
        .prepare_cached(sql)
        .and_then(|mut delete| delete.execute([number]))
        .map(|_| ())
        .map_err(unavailable("pruning expired rows"))
}

fn nonce_tag(row: &CheckedRow<'_, '_>) -> Result<NonceTag, StoreError> {
    let credential = row.text("credential", MAX_NAME_BYTES)?;
    let nonce = row.text("nonce", MAX_NAME_BYTES)?;
    Ok(NonceTag::of(credential, nonce))
}

fn get(connection: &Connection, key: &IdempotencyKey) -> Result<Option<Known>, StoreError> {
    read_one(
        connection,
        "SELECT * FROM idempotency WHERE credential = ?1 AND idempotency_key = ?2",
        params![key.credential, key.key],
        read,
    )
}

fn read(row: &Row<'_>) -> Result<Known, StoreError> {
    let row = CheckedRow::new(row, TABLE, "idempotency_key");
    let response = match row.text("state", 16)? {
        "in_progress" => None,
        "done" => Some(StoredResponse {
            status_code: row.integer("status_code")?,
            body: row.blob("response", MAX_RESPONSE_BYTES)?,
        }),
        _ => return Err(row.corrupt("state", "not a known or valid value")),
    };
    if let Some(response) = &response {
        response.check().map_err(|flaw| row.flawed(flaw))?;
    }
    Ok(Known {
        body_hash: Digest32::from_array(row.array("body_hash")?),
        expires_at: row.time("expires_at")?,
        response,
    })
}

fn in_progress(changed: usize, key: &IdempotencyKey) -> Result<(), StoreError> {
    if changed == 1 {
        return Ok(());
    }
    Err(StoreError::NotFound {
        what: "request in progress with idempotency key",
        id: key.key.clone(),
    })
}
