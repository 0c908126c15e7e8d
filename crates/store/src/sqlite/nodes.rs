use quorate_types::NodeId;
use rusqlite::{Connection, Row, named_params, params};

use super::checked::CheckedRow;
use super::failure::unavailable;
use super::list::{millis, read_all, read_one};
use crate::error::StoreError;
use crate::limits::{MAX_JSON_BYTES, MAX_NAME_BYTES, MAX_NODES};
use crate::node::{NodeHeartbeat, NodeRow, check_load};

const TABLE: &str = "nodes";

const PUT: &str = "INSERT INTO nodes (
    node_id, node_type, endpoint, public_key, status, capabilities, metadata, registered_at,
    last_heartbeat, load_factor
) VALUES (
    :node_id, :node_type, :endpoint, :public_key, :status, :capabilities, :metadata,
    :registered_at, :last_heartbeat, :load_factor
) ON CONFLICT (node_id) DO UPDATE SET
    node_type = excluded.node_type, endpoint = excluded.endpoint,
    public_key = excluded.public_key, status = excluded.status,
    capabilities = excluded.capabilities, metadata = excluded.metadata,
    last_heartbeat = excluded.last_heartbeat, load_factor = excluded.load_factor";

/// Registers a node or replaces what is known of it.
pub(super) fn put(connection: &Connection, row: &NodeRow) -> Result<(), StoreError> {
    row.check().map_err(|flaw| flaw.invalid(TABLE))?;
    let doing = unavailable("registering a node");
    connection
        .prepare_cached(PUT)
        .and_then(|mut put| {
            put.execute(named_params! {
                ":node_id": row.node_id.as_str(),
                ":node_type": row.node_type.as_str(),
                ":endpoint": row.endpoint,
                ":public_key": row.public_key,
                ":status": row.status.as_str(),
                ":capabilities": row.capabilities.to_string(),
                ":metadata": row.metadata.to_string(),
                ":registered_at": millis(row.registered_at),
                ":last_heartbeat": row.last_heartbeat.map(millis),
                ":load_factor": row.load_factor,
            })
        })
        .map_err(&doing)?;
    let count: usize = connection
        .query_row("SELECT count(*) FROM nodes", [], |row| row.get(0))
        .map_err(&doing)?;
    if count > MAX_NODES {
        return Err(StoreError::Invalid {
            table: TABLE,
            column: "node_id",
            why: "more nodes than can be registered",
        });
    }
    Ok(())
}

pub(super) fn heartbeat(connection: &Connection, beat: &NodeHeartbeat) -> Result<(), StoreError> {
    check_load(beat.load_factor).map_err(|flaw| flaw.invalid(TABLE))?;
    let changed = connection
        .prepare_cached(
            "UPDATE nodes SET status = ?2, load_factor = ?3,
             last_heartbeat = coalesce(?4, last_heartbeat) WHERE node_id = ?1",
        )
        .and_then(|mut update| {
            update.execute(params![
                beat.node_id.as_str(),
                beat.status.as_str(),
                beat.load_factor,
                beat.heard_at.map(millis),
            ])
        })
        .map_err(unavailable("recording a heartbeat"))?;
    found(changed, &beat.node_id)
}

pub(super) fn remove(connection: &Connection, node_id: &NodeId) -> Result<(), StoreError> {
    let changed = connection
        .execute("DELETE FROM nodes WHERE node_id = ?1", [node_id.as_str()])
        .map_err(unavailable("removing a node"))?;
    found(changed, node_id)
}

pub(super) fn get(
    connection: &Connection,
    node_id: &NodeId,
) -> Result<Option<NodeRow>, StoreError> {
    read_one(
        connection,
        "SELECT * FROM nodes WHERE node_id = ?1",
        [node_id.as_str()],
        read,
    )
}

pub(super) fn all(connection: &Connection) -> Result<Vec<NodeRow>, StoreError> {
    read_all(
        connection,
        &format!("SELECT * FROM nodes ORDER BY node_id LIMIT {MAX_NODES}"),
        [],
        read,
    )
}

fn found(changed: usize, node_id: &NodeId) -> Result<(), StoreError> {
    if changed > 0 {
        return Ok(());
    }
    Err(StoreError::NotFound {
        what: "node",
        id: node_id.to_string(),
    })
}

fn read(row: &Row<'_>) -> Result<NodeRow, StoreError> {
    let row = CheckedRow::new(row, TABLE, "node_id");
    let node = NodeRow {
        node_id: row.parse("node_id")?,
        node_type: row.parse("node_type")?,
        endpoint: row.owned_text("endpoint", MAX_NAME_BYTES)?,
        public_key: row.array("public_key")?,
        status: row.parse("status")?,
        capabilities: row.json("capabilities", MAX_JSON_BYTES)?,
        metadata: row.json("metadata", MAX_JSON_BYTES)?,
        registered_at: row.time("registered_at")?,
        last_heartbeat: row.optional("last_heartbeat", |c| row.time(c))?,
        load_factor: row.integer("load_factor")?,
    };
    node.check().map_err(|flaw| row.flawed(flaw))?;
    Ok(node)
}
