use quorate_types::Digest32;
use rusqlite::types::Value;
use rusqlite::{Connection, Row, named_params, params};

use super::checked::CheckedRow;
use super::failure::unavailable;
use super::list::{ListQuery, Shape, millis, read_all, read_one};
use super::memory::Desk;
use crate::audit::{AuditCheck, AuditEvent, AuditFilter, AuditHead, AuditId, AuditRecord, genesis};
use crate::error::StoreError;
use crate::limits::{MAX_JSON_BYTES, MAX_NAME_BYTES};
use crate::page::{List, Page, PageRequest};

const TABLE: &str = "audit_logs";
/// Records that one query of a chain check reads.
const CHECKED_AT_ONCE: usize = 1_000;

static SHAPE: Shape<AuditRecord> = Shape {
    list: List::Audit,
    table: TABLE,
    time: "timestamp",
    id: "sequence",
    oldest_first: false,
    id_value: |text| text.parse().ok().map(Value::Integer),
    read: read_fitting,
    place: |record| (record.event.timestamp, record.sequence.to_string()),
};

const INSERT: &str = "INSERT INTO audit_logs (
    sequence, id, timestamp, event_type, user_id, key_id, node_id, session_id, operation, result,
    details, ip_address, user_agent, request_id, previous_hash, hash
) VALUES (
    :sequence, :id, :timestamp, :event_type, :user_id, :key_id, :node_id, :session_id, :operation,
    :result, :details, :ip_address, :user_agent, :request_id, :previous_hash, :hash
)";

/// Where an event came to stand in the chain.
pub(super) struct Place {
    id: AuditId,
    sequence: u64,
    previous_hash: Digest32,
    hash: Digest32,
}

impl Place {
    /// The whole record.
    pub(super) fn record(self, event: AuditEvent) -> AuditRecord {
        AuditRecord {
            id: self.id,
            sequence: self.sequence,
            previous_hash: self.previous_hash,
            hash: self.hash,
            event,
        }
    }
}

/// Appends a record to the chain. Runs on the one writer, so the head cannot move meanwhile.
pub(super) fn append(desk: &Desk<'_>, event: &AuditEvent) -> Result<Place, StoreError> {
    let details = event.details.to_string();
    event.check(&details).map_err(|flaw| flaw.invalid(TABLE))?;
    let before = match desk.memory.head() {
        Some(head) => Some(head),
        None => head(desk)?,
    };
    let last = before.map_or(0, |head| head.sequence);
    // The column is a signed integer: the last number is that of `i64`.
    let next = last.cast_signed().checked_add(1);
    let sequence = next.ok_or(StoreError::AuditBroken {
        sequence: last,
        why: "its number is the last possible one",
    })?;
    let sequence = sequence.cast_unsigned();
    let previous_hash = before.map_or_else(genesis, |head| head.hash);
    let hash = event.chain_hash(sequence, &previous_hash, &details);
    let id = AuditId::of_hash(&hash);
    desk.prepare_cached(INSERT)
        .and_then(|mut insert| {
            insert.execute(named_params! {
                ":sequence": sequence.cast_signed(),
                ":id": id.to_string(),
                ":timestamp": millis(event.timestamp),
                ":event_type": event.event_type,
                ":user_id": event.user_id,
                ":key_id": event.key_id.map(|id| id.to_string()),
                ":node_id": event.node_id.as_ref().map(|id| id.as_str()),
                ":session_id": event.session_id.map(|id| id.to_string()),
                ":operation": event.operation,
                ":result": event.result.as_str(),
                ":details": details,
                ":ip_address": event.ip_address,
                ":user_agent": event.user_agent,
                ":request_id": event.request_id,
                ":previous_hash": previous_hash.as_bytes(),
                ":hash": hash.as_bytes(),
            })
        })
        .map_err(unavailable("appending an audit record"))?;
    desk.memory.note_head(AuditHead { sequence, hash });
    Ok(Place {
        id,
        sequence,
        previous_hash,
        hash,
    })
}

/// The last record.
pub(super) fn head(connection: &Connection) -> Result<Option<AuditHead>, StoreError> {
    read_one(
        connection,
        "SELECT sequence, hash FROM audit_logs ORDER BY sequence DESC LIMIT 1",
        [],
        |row| {
            let row = CheckedRow::new(row, TABLE, "sequence");
            Ok(AuditHead {
                sequence: row.integer("sequence")?,
                hash: Digest32::from_array(row.array("hash")?),
            })
        },
    )
}

pub(super) fn list(
    connection: &Connection,
    filter: AuditFilter,
    page: &PageRequest,
) -> Result<Page<AuditRecord>, StoreError> {
    ListQuery::new(&SHAPE)
        .only("key_id = ?", filter.key_id.map(|id| id.to_string()))
        .only("session_id = ?", filter.session_id.map(|id| id.to_string()))
        .only("event_type = ?", filter.event_type)
        .only("user_id = ?", filter.user_id)
        .only("timestamp >= ?", filter.from.map(millis))
        .only("timestamp < ?", filter.before.map(millis))
        .read(connection, page)
}

/// A check of the chain that goes on from query to query, so that it holds no long snapshot.
pub(super) struct ChainCheck {
    /// Rows below it were read. It starts below zero, so that no row can hide there.
    from: i64,
    last: AuditHead,
    anchor: Option<AuditHead>,
}

impl ChainCheck {
    pub(super) const fn new(anchor: Option<AuditHead>) -> Self {
        let last = AuditHead {
            sequence: 0,
            hash: genesis(),
        };
        Self {
            from: i64::MIN,
            last,
            anchor,
        }
    }

    /// Checks the next records; whether there may be more.
    pub(super) fn advance(&mut self, connection: &Connection) -> Result<bool, StoreError> {
        let limit = i64::try_from(CHECKED_AT_ONCE).expect("the limit is small");
        let records = read_all(
            connection,
            "SELECT * FROM audit_logs WHERE sequence >= ?1 ORDER BY sequence LIMIT ?2",
            params![self.from, limit],
            read,
        )?;
        for (record, details) in &records {
            self.check(record, details)?;
        }
        self.from = self.last.sequence.cast_signed().saturating_add(1);
        Ok(records.len() == CHECKED_AT_ONCE)
    }

    fn check(&mut self, record: &AuditRecord, details: &str) -> Result<(), StoreError> {
        let expected = self.last.sequence + 1;
        let broken = |sequence, why| Err(StoreError::AuditBroken { sequence, why });
        if record.sequence != expected {
            return broken(expected, "it is missing, or another number is in its place");
        }
        if record.previous_hash != self.last.hash {
            return broken(expected, "it does not follow the record before");
        }
        let hash = record.event.chain_hash(expected, &self.last.hash, details);
        if record.hash != hash {
            return broken(expected, "its content does not match its hash");
        }
        if record.id != AuditId::of_hash(&hash) {
            return broken(expected, "its id does not match its hash");
        }
        if self
            .anchor
            .is_some_and(|a| a.sequence == expected && a.hash != hash)
        {
            return broken(expected, "it is not the record of the checkpoint");
        }
        self.last = AuditHead {
            sequence: expected,
            hash,
        };
        Ok(())
    }

    /// The result, once there are no more records.
    pub(super) fn finish(self) -> Result<AuditCheck, StoreError> {
        if let Some(anchor) = self.anchor
            && anchor.sequence > self.last.sequence
        {
            return Err(StoreError::AuditBroken {
                sequence: self.last.sequence + 1,
                why: "it is missing, and a checkpoint covers it",
            });
        }
        Ok(AuditCheck {
            records: self.last.sequence,
            head: (self.last.sequence > 0).then_some(self.last),
        })
    }
}

/// A record whose content fits its own hash; its place in the chain is not looked at.
fn read_fitting(row: &Row<'_>) -> Result<AuditRecord, StoreError> {
    let (record, details) = read(row)?;
    let hash = record
        .event
        .chain_hash(record.sequence, &record.previous_hash, &details);
    if record.hash == hash && record.id == AuditId::of_hash(&hash) {
        return Ok(record);
    }
    Err(CheckedRow::new(row, TABLE, "sequence").corrupt("hash", "not that of the content"))
}

/// A record and the stored text of its details.
fn read(row: &Row<'_>) -> Result<(AuditRecord, String), StoreError> {
    let row = CheckedRow::new(row, TABLE, "sequence");
    let name = |column| row.optional(column, |c| row.owned_text(c, MAX_NAME_BYTES));
    let event = AuditEvent {
        timestamp: row.time("timestamp")?,
        event_type: row.owned_text("event_type", MAX_NAME_BYTES)?,
        user_id: name("user_id")?,
        key_id: row.optional("key_id", |c| row.parse(c))?,
        node_id: row.optional("node_id", |c| row.parse(c))?,
        session_id: row.optional("session_id", |c| row.parse(c))?,
        operation: row.owned_text("operation", MAX_NAME_BYTES)?,
        result: row.parse("result")?,
        details: row.json("details", MAX_JSON_BYTES)?,
        ip_address: name("ip_address")?,
        user_agent: name("user_agent")?,
        request_id: name("request_id")?,
    };
    let details = row.owned_text("details", MAX_JSON_BYTES)?;
    event.check(&details).map_err(|flaw| row.flawed(flaw))?;
    let record = AuditRecord {
        id: row.parse("id")?,
        sequence: row.integer("sequence")?,
        previous_hash: Digest32::from_array(row.array("previous_hash")?),
        hash: Digest32::from_array(row.array("hash")?),
        event,
    };
    Ok((record, details))
}
