//! Idempotency keys and request nonces. All of it runs on the one writer, so look and write are
//! one step.

use quorate_types::{Digest32, UnixMillis};
use rusqlite::{Connection, Row, params};

use super::checked::CheckedRow;
use super::failure::unavailable;
use super::list::{millis, read_one};
use crate::error::StoreError;
use crate::flaw::{Flaw, check_name, check_time};
use crate::idempotency::{
    IdempotencyKey, IdempotencyRequest, IdempotencyStart, NonceUse, Pruned, RequestNonce,
    RequestStart, StoredResponse,
};
use crate::limits::{MAX_PRUNED_ROWS, MAX_RESPONSE_BYTES};

const TABLE: &str = "idempotency";

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
    let known = get(connection, &request.key)?.filter(|known| known.expires_at > request.at);
    if let Some(known) = known {
        if known.body_hash != request.body_hash {
            return Ok(IdempotencyStart::Conflict);
        }
        let done = known.response.map(IdempotencyStart::Done);
        return Ok(done.unwrap_or(IdempotencyStart::InProgress));
    }
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO idempotency (credential, idempotency_key, body_hash, state,
             created_at, expires_at) VALUES (?1, ?2, ?3, 'in_progress', ?4, ?5)",
        )
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
    Ok(IdempotencyStart::New)
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

pub(super) fn use_nonce(
    connection: &Connection,
    credential: &str,
    nonce: &str,
    expires_at: UnixMillis,
) -> Result<NonceUse, StoreError> {
    let checked: Result<(), Flaw> = check_name("credential", credential)
        .and_then(|()| check_name("nonce", nonce))
        .and_then(|()| check_time("expires_at", expires_at));
    checked.map_err(|flaw| flaw.invalid("request_nonces"))?;
    let inserted = connection
        .prepare_cached(
            "INSERT INTO request_nonces (credential, nonce, expires_at) VALUES (?1, ?2, ?3)
             ON CONFLICT DO NOTHING",
        )
        .and_then(|mut insert| insert.execute(params![credential, nonce, millis(expires_at)]))
        .map_err(unavailable("recording a nonce"))?;
    Ok(if inserted == 1 {
        NonceUse::Fresh
    } else {
        NonceUse::Replayed
    })
}

/// A refused idempotency request takes the nonce with it: the whole piece is undone.
pub(super) fn begin_request(
    connection: &Connection,
    nonce: &RequestNonce,
    request: Option<&IdempotencyRequest>,
) -> Result<RequestStart, StoreError> {
    let RequestNonce {
        credential,
        nonce,
        expires_at,
    } = nonce;
    match use_nonce(connection, credential, nonce, *expires_at)? {
        NonceUse::Replayed => Ok(RequestStart::Replayed),
        NonceUse::Fresh => {
            let start = request.map(|request| begin(connection, request));
            start.transpose().map(RequestStart::Fresh)
        }
    }
}

pub(super) fn prune(connection: &Connection, now: UnixMillis) -> Result<Pruned, StoreError> {
    let delete = |sql: &str| {
        connection
            .prepare_cached(sql)
            .and_then(|mut delete| delete.execute(params![millis(now), most_rows()]))
            .map_err(unavailable("pruning expired rows"))
    };
    Ok(Pruned {
        idempotency: delete(
            "DELETE FROM idempotency WHERE (credential, idempotency_key) IN (
             SELECT credential, idempotency_key FROM idempotency WHERE expires_at <= ?1 LIMIT ?2)",
        )?,
        nonces: delete(
            "DELETE FROM request_nonces WHERE (credential, nonce) IN (
             SELECT credential, nonce FROM request_nonces WHERE expires_at <= ?1 LIMIT ?2)",
        )?,
    })
}

fn most_rows() -> i64 {
    i64::try_from(MAX_PRUNED_ROWS).expect("the limit is small")
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
