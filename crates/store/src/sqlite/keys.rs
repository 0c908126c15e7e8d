use std::collections::BTreeSet;

use quorate_types::{
    Committee, Digest32, Epoch, KeyId, KeyStatus, NodeId, Right, Rights, Threshold,
};
use rusqlite::{Connection, Row, named_params, params};
use serde_json::json;

use super::checked::CheckedRow;
use super::failure::{inserting, unavailable};
use super::list::{ListQuery, Shape, millis, read_one, text_id};
use crate::error::StoreError;
use crate::key::{
    KeyChange, KeyDescription, KeyFilter, KeyMaterial, KeyRow, check_description,
    check_error_message, check_tags, needs_material,
};
use crate::limits::{
    MAX_CERTIFICATE_BYTES, MAX_INTENT_BYTES, MAX_JSON_BYTES, MAX_NAME_BYTES, MAX_TEXT_BYTES,
};
use crate::page::{List, Page, PageRequest};

const TABLE: &str = "keys";
const MAX_POINT_BYTES: usize = 33;

static SHAPE: Shape<KeyRow> = Shape {
    list: List::Keys,
    table: TABLE,
    time: "created_at",
    id: "key_id",
    oldest_first: false,
    id_value: text_id,
    read,
    place: |row| (row.created_at, row.key_id.to_string()),
};

const INSERT: &str = "INSERT INTO keys (
    key_id, tenant, algorithm, curve, threshold, total_nodes, committee, chain_type, protocol,
    address_kind, rights, status, description, tags, metadata, intent, intent_digest,
    error_message, created_at, updated_at, deletion_date
) VALUES (
    :key_id, :tenant, :algorithm, :curve, :threshold, :total_nodes, :committee, :chain_type,
    :protocol, :address_kind, :rights, :status, :description, :tags, :metadata, :intent,
    :intent_digest, :error_message, :created_at, :updated_at, :deletion_date
)";

/// A new key; it starts at the start of the life cycle.
pub(super) fn insert(connection: &Connection, row: &KeyRow) -> Result<(), StoreError> {
    row.check().map_err(|flaw| flaw.invalid(TABLE))?;
    if row.status != KeyStatus::Creating || row.material.is_some() {
        return Err(StoreError::Invalid {
            table: TABLE,
            column: "status",
            why: "a new key is Creating and has no public key",
        });
    }
    let doing = "inserting a key";
    connection
        .prepare_cached(INSERT)
        .and_then(|mut insert| {
            insert.execute(named_params! {
                ":key_id": row.key_id.to_string(),
                ":tenant": row.tenant.as_str(),
                ":algorithm": row.algorithm.as_str(),
                ":curve": row.curve.as_str(),
                ":threshold": row.threshold.min_signers(),
                ":total_nodes": row.threshold.max_signers(),
                ":committee": committee_json(&row.committee),
                ":chain_type": row.chain_type.as_str(),
                ":protocol": row.protocol.as_str(),
                ":address_kind": row.address_kind,
                ":rights": rights_json(&row.rights),
                ":status": row.status.as_str(),
                ":description": row.description,
                ":tags": json!(row.tags).to_string(),
                ":metadata": row.metadata.to_string(),
                ":intent": row.intent,
                ":intent_digest": row.intent_digest.as_bytes(),
                ":error_message": row.error_message,
                ":created_at": millis(row.created_at),
                ":updated_at": millis(row.updated_at),
                ":deletion_date": row.deletion_date.map(millis),
            })
        })
        .map_err(inserting(doing, "key", row.key_id))?;
    insert_tags(connection, row.key_id, &row.tags)
}

/// A step in the life of a key, or several at once.
pub(super) fn change(connection: &Connection, change: &KeyChange) -> Result<(), StoreError> {
    check_error_message(change.error_message.as_ref()).map_err(|flaw| flaw.invalid(TABLE))?;
    let row = get(connection, change.key_id)?.ok_or_else(|| not_found(change.key_id))?;
    if row.status != change.from || !change.is_allowed() {
        return Err(StoreError::KeyConflict {
            key_id: row.key_id,
            from: row.status,
            to: change.to,
        });
    }
    check_material(&row, change)?;
    let deletion_date = match change.to {
        KeyStatus::Active => None,
        _ => change.deletion_date.or(row.deletion_date),
    };
    let material = change.material.as_ref().or(row.material.as_ref());
    connection
        .prepare_cached(
            "UPDATE keys SET status = :status, updated_at = :at, deletion_date = :deletion_date,
             error_message = coalesce(:error_message, error_message), public_key = :public_key,
             chain_code = :chain_code, address = :address, epoch = :epoch,
             certificate = :certificate WHERE key_id = :key_id",
        )
        .and_then(|mut update| {
            update.execute(named_params! {
                ":key_id": row.key_id.to_string(),
                ":status": change.to.as_str(),
                ":at": millis(change.at),
                ":deletion_date": deletion_date.map(millis),
                ":error_message": change.error_message,
                ":public_key": material.map(|m| m.public_key.as_slice()),
                ":chain_code": material.map(|m| m.chain_code.as_slice()),
                ":address": material.and_then(|m| m.address.as_deref()),
                ":epoch": material.map(|m| m.epoch.get().cast_signed()),
                ":certificate": material.map(|m| m.certificate.as_slice()),
            })
        })
        .map_err(inserting("changing a key", "public key of", row.key_id))?;
    Ok(())
}

/// A key's identity is set once; a new certificate belongs to a later epoch.
fn check_material(row: &KeyRow, change: &KeyChange) -> Result<(), StoreError> {
    let Some(new) = &change.material else {
        if needs_material(change.to) && row.material.is_none() {
            return Err(StoreError::Invalid {
                table: TABLE,
                column: "public_key",
                why: "missing in a key that was generated",
            });
        }
        return Ok(());
    };
    new.check(row.curve).map_err(|flaw| flaw.invalid(TABLE))?;
    let Some(old) = &row.material else {
        return Ok(());
    };
    for (column, same) in [
        ("public_key", old.public_key == new.public_key),
        ("chain_code", old.chain_code == new.chain_code),
        ("address", old.address == new.address),
    ] {
        if !same {
            return Err(StoreError::Immutable {
                table: TABLE,
                key: row.key_id.to_string(),
                column,
            });
        }
    }
    if new.epoch <= old.epoch && new != old {
        return Err(StoreError::Invalid {
            table: TABLE,
            column: "epoch",
            why: "not after the epoch of the certificate before",
        });
    }
    Ok(())
}

/// New description or tags.
pub(super) fn describe(connection: &Connection, new: &KeyDescription) -> Result<(), StoreError> {
    let invalid = |flaw: crate::flaw::Flaw| flaw.invalid(TABLE);
    if let Some(text) = &new.description {
        check_description(text).map_err(invalid)?;
    }
    if let Some(tags) = &new.tags {
        check_tags(tags).map_err(invalid)?;
    }
    let doing = unavailable("describing a key");
    let changed = connection
        .prepare_cached(
            "UPDATE keys SET description = coalesce(?2, description), tags = coalesce(?3, tags),
             updated_at = ?4 WHERE key_id = ?1",
        )
        .and_then(|mut update| {
            update.execute(params![
                new.key_id.to_string(),
                new.description,
                new.tags.as_ref().map(|tags| json!(tags).to_string()),
                millis(new.at),
            ])
        })
        .map_err(&doing)?;
    if changed == 0 {
        return Err(not_found(new.key_id));
    }
    if let Some(tags) = &new.tags {
        connection
            .execute(
                "DELETE FROM key_tags WHERE key_id = ?1",
                [new.key_id.to_string()],
            )
            .map_err(&doing)?;
        insert_tags(connection, new.key_id, tags)?;
    }
    Ok(())
}

pub(super) fn get(connection: &Connection, key_id: KeyId) -> Result<Option<KeyRow>, StoreError> {
    read_one(
        connection,
        "SELECT * FROM keys WHERE key_id = ?1",
        [key_id.to_string()],
        read,
    )
}

pub(super) fn list(
    connection: &Connection,
    filter: KeyFilter,
    page: &PageRequest,
) -> Result<Page<KeyRow>, StoreError> {
    let found = ListQuery::new(&SHAPE)
        .only("tenant = ?", filter.tenant.map(|t| t.as_str().to_owned()))
        .only("status = ?", filter.status.map(|s| s.as_str().to_owned()))
        .only(
            "chain_type = ?",
            filter.chain_type.map(|c| c.as_str().to_owned()),
        )
        .only(
            "algorithm = ?",
            filter.algorithm.map(|a| a.as_str().to_owned()),
        )
        .only(
            "key_id IN (SELECT key_id FROM key_tags WHERE tag = ?)",
            filter.tag.clone(),
        )
        .only("address = ?", filter.address)
        .read(connection, page)?;
    // `key_tags` is an index; what the row itself says counts.
    if let Some(tag) = filter.tag
        && let Some(row) = found.rows.iter().find(|row| !row.tags.contains(&tag))
    {
        return Err(StoreError::Corrupt {
            table: "key_tags",
            key: row.key_id.to_string(),
            column: "tag",
            why: "not among the tags of the key",
        });
    }
    Ok(found)
}

fn read(row: &Row<'_>) -> Result<KeyRow, StoreError> {
    let row = CheckedRow::new(row, TABLE, "key_id");
    let key = KeyRow {
        key_id: row.parse("key_id")?,
        tenant: row.parse("tenant")?,
        algorithm: row.parse("algorithm")?,
        curve: row.parse("curve")?,
        threshold: read_threshold(&row)?,
        committee: Committee::new(row.json::<Vec<NodeId>>("committee", MAX_JSON_BYTES)?)
            .map_err(|_| row.corrupt("committee", "not 2 to 20 different nodes"))?,
        chain_type: row.parse("chain_type")?,
        protocol: row.parse("protocol")?,
        address_kind: row.optional("address_kind", |c| row.owned_text(c, MAX_NAME_BYTES))?,
        rights: read_rights(&row)?,
        status: row.parse("status")?,
        material: read_material(&row)?,
        description: row.owned_text("description", MAX_TEXT_BYTES)?,
        tags: row.json("tags", MAX_JSON_BYTES)?,
        metadata: row.json("metadata", MAX_JSON_BYTES)?,
        intent: row.blob("intent", MAX_INTENT_BYTES)?,
        intent_digest: Digest32::from_array(row.array("intent_digest")?),
        error_message: row.optional("error_message", |c| row.owned_text(c, MAX_TEXT_BYTES))?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
        deletion_date: row.optional("deletion_date", |c| row.time(c))?,
    };
    key.check().map_err(|flaw| row.flawed(flaw))?;
    Ok(key)
}

fn read_material(row: &CheckedRow<'_, '_>) -> Result<Option<KeyMaterial>, StoreError> {
    let Some(public_key) = row.optional("public_key", |c| row.blob(c, MAX_POINT_BYTES))? else {
        return Ok(None);
    };
    Ok(Some(KeyMaterial {
        public_key,
        chain_code: row.array("chain_code")?,
        address: row.optional("address", |c| row.owned_text(c, MAX_NAME_BYTES))?,
        epoch: Epoch::new(row.integer("epoch")?)
            .ok_or_else(|| row.corrupt("epoch", "0: epochs count from 1"))?,
        certificate: row.blob("certificate", MAX_CERTIFICATE_BYTES)?,
    }))
}

pub(super) fn read_threshold(row: &CheckedRow<'_, '_>) -> Result<Threshold, StoreError> {
    Threshold::new(row.integer("threshold")?, row.integer("total_nodes")?)
        .map_err(|_| row.corrupt("threshold", "not 2 <= threshold <= total_nodes <= 20"))
}

fn read_rights(row: &CheckedRow<'_, '_>) -> Result<Rights, StoreError> {
    row.json::<BTreeSet<String>>("rights", MAX_JSON_BYTES)?
        .iter()
        .map(|name| Right::parse(name).ok_or_else(|| row.corrupt("rights", "an unknown right")))
        .collect()
}

fn insert_tags(
    connection: &Connection,
    key_id: KeyId,
    tags: &BTreeSet<String>,
) -> Result<(), StoreError> {
    let doing = unavailable("inserting tags");
    let mut insert = connection
        .prepare_cached("INSERT INTO key_tags (tag, key_id) VALUES (?1, ?2)")
        .map_err(&doing)?;
    for tag in tags {
        insert
            .execute(params![tag, key_id.to_string()])
            .map_err(&doing)?;
    }
    Ok(())
}

fn committee_json(committee: &Committee) -> String {
    let names: Vec<&str> = committee.members().map(|(_, node)| node.as_str()).collect();
    json!(names).to_string()
}

fn rights_json(rights: &Rights) -> String {
    json!(rights.iter().map(Right::as_str).collect::<Vec<_>>()).to_string()
}

fn not_found(key_id: KeyId) -> StoreError {
    StoreError::NotFound {
        what: "key",
        id: key_id.to_string(),
    }
}
