//! Numbered, embedded, never edited once released: a changed one is refused by its checksum.

use quorate_types::Digest32;
use rusqlite::{Connection, TransactionBehavior, params};

use super::failure::unavailable;
use crate::error::StoreError;

struct Migration {
    version: u64,
    name: &'static str,
    sql: &'static str,
}

const MIGRATIONS: [Migration; 4] = [
    Migration {
        version: 1,
        name: "first_tables",
        sql: include_str!("../../migrations/sqlite/0001_first_tables.sql"),
    },
    Migration {
        version: 2,
        name: "cheaper_rows",
        sql: include_str!("../../migrations/sqlite/0002_cheaper_rows.sql"),
    },
    Migration {
        version: 3,
        name: "fewer_indexes",
        sql: include_str!("../../migrations/sqlite/0003_fewer_indexes.sql"),
    },
    Migration {
        version: 4,
        name: "rows_in_order",
        sql: include_str!("../../migrations/sqlite/0004_rows_in_order.sql"),
    },
];

/// `Quor`: marks our files in the header of a SQLite database.
const APPLICATION_ID: i32 = 0x5175_6f72;

const SCHEMA_MIGRATIONS: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (
    version     INTEGER NOT NULL PRIMARY KEY,
    name        TEXT    NOT NULL,
    checksum    BLOB    NOT NULL,
    applied_at  INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER))
) STRICT";

/// Brings a database to the newest schema, in one transaction.
///
/// # Errors
/// [`StoreError::SchemaTooNew`], [`StoreError::ForeignDatabase`], or unavailable.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    check_owner(connection)?;
    let doing = unavailable("migrating the schema");
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(&doing)?;
    transaction
        .execute_batch(SCHEMA_MIGRATIONS)
        .map_err(&doing)?;
    let applied = applied_versions(&transaction)?;
    for migration in MIGRATIONS.iter().skip(applied) {
        tracing::info!(
            version = migration.version,
            name = migration.name,
            "migrating"
        );
        transaction.execute_batch(migration.sql).map_err(&doing)?;
        transaction
            .execute(
                "INSERT INTO schema_migrations (version, name, checksum) VALUES (?1, ?2, ?3)",
                params![migration.version, migration.name, checksum(migration)],
            )
            .map_err(&doing)?;
    }
    transaction
        .pragma_update(None, "application_id", APPLICATION_ID)
        .map_err(&doing)?;
    transaction.commit().map_err(&doing)?;
    refuse_hidden_code(connection)
}

/// Refuses the database of another program.
fn check_owner(connection: &Connection) -> Result<(), StoreError> {
    let doing = unavailable("reading the header of the database");
    let id: i32 = connection
        .pragma_query_value(None, "application_id", |row| row.get(0))
        .map_err(&doing)?;
    let objects: u64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(&doing)?;
    if id == APPLICATION_ID || (id == 0 && objects == 0) {
        return Ok(());
    }
    Err(StoreError::ForeignDatabase {
        why: "another program made it",
    })
}

/// Number of migrations that were applied, after a check that they are ours and without gaps.
fn applied_versions(connection: &Connection) -> Result<usize, StoreError> {
    let doing = unavailable("reading the schema version");
    let mut statement = connection
        .prepare("SELECT version, checksum FROM schema_migrations ORDER BY version")
        .map_err(&doing)?;
    let rows = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .map_err(&doing)?
        .collect::<Result<Vec<(u64, Vec<u8>)>, _>>()
        .map_err(&doing)?;
    let known = MIGRATIONS.last().map_or(0, |last| last.version);
    if let Some(&(found, _)) = rows.last().filter(|(version, _)| *version > known) {
        return Err(StoreError::SchemaTooNew { found, known });
    }
    for ((version, found), migration) in rows.iter().zip(&MIGRATIONS) {
        if *version != migration.version {
            return Err(StoreError::ForeignDatabase {
                why: "a migration is missing",
            });
        }
        if found.as_slice() != checksum(migration) {
            return Err(StoreError::ForeignDatabase {
                why: "it was made by a migration that was changed since",
            });
        }
    }
    Ok(rows.len())
}

/// Refuses triggers and views: we make none, so one is somebody's code in our transactions.
fn refuse_hidden_code(connection: &Connection) -> Result<(), StoreError> {
    let count: u64 = connection
        .query_row(
            "SELECT count(*) FROM sqlite_schema WHERE type IN ('trigger', 'view')",
            [],
            |row| row.get(0),
        )
        .map_err(unavailable("reading the schema"))?;
    if count == 0 {
        return Ok(());
    }
    Err(StoreError::ForeignDatabase {
        why: "it has triggers or views that this program did not make",
    })
}

fn checksum(migration: &Migration) -> [u8; 32] {
    *Digest32::of(b"quorate migration", &[migration.sql.as_bytes()]).as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::memory::NonceTag;

    #[test]
    fn migrations__should_be_numbered_from_one_without_gaps() {
        for (position, migration) in MIGRATIONS.iter().enumerate() {
            assert_eq!(migration.version, position as u64 + 1, "{}", migration.name);
        }
    }

    /// Released migrations never change. A new one adds a line here.
    #[test]
    fn migrations__must_keep_their_checksums() {
        let checksums: Vec<String> = MIGRATIONS
            .iter()
            .map(|m| hex::encode(checksum(m)))
            .collect();
        assert_eq!(
            checksums,
            [
                "e9008d8334733f57c1af650c5051ddc7827bc8df33fbbd7a6051c7f3c009a939",
                "d278df9702885112e82e9527f132a3df972169a84251f4d1a6d268bf898dbfff",
                "960f78120cb54e618a6b4d6235f4028ee2b306923d6896ef4381ff6133d98e70",
                "3ab1afbc2990cb3ab18703712e0a31db814e716951e28246535409e6e4ee8234",
            ]
        );
    }

    /// A database as the program of some earlier version left it.
    fn database_of_version(version: usize) -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(SCHEMA_MIGRATIONS).unwrap();
        let insert = "INSERT INTO schema_migrations (version, name, checksum) VALUES (?1, 'x', ?2)";
        for migration in MIGRATIONS.iter().take(version) {
            connection.execute_batch(migration.sql).unwrap();
            let applied = params![migration.version, checksum(migration)];
            connection.execute(insert, applied).unwrap();
        }
        let mark = format!("PRAGMA application_id = {APPLICATION_ID}");
        connection.execute_batch(&mark).unwrap();
        connection
    }

    #[test]
    fn second_migration__should_keep_requests_and_records() {
        let mut connection = database_of_version(1);
        connection
            .execute_batch(
                "INSERT INTO idempotency VALUES ('c', 'k', x'01', 'done', 200, x'02', 3, 4);
                 INSERT INTO audit_logs VALUES (1, 'aud_1', 2, 'e', NULL, NULL, 'n', NULL, 'o',
                     'denied', '{}', NULL, NULL, 'r', x'05', x'06');",
            )
            .unwrap();
        migrate(&mut connection).unwrap();
        let kept: (Vec<u8>, i64) = connection
            .query_row("SELECT response, expires_at FROM idempotency", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .unwrap();
        assert_eq!(kept, (vec![2], 4));
        let kept: (String, String, Vec<u8>) = connection
            .query_row("SELECT id, request_id, hash FROM audit_logs", [], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .unwrap();
        assert_eq!(kept, ("aud_1".to_owned(), "r".to_owned(), vec![6]));
    }

    #[test]
    fn fourth_migration__should_keep_sessions_with_their_intents_and_every_nonce() {
        let mut connection = database_of_version(3);
        connection
            .execute_batch(
                "INSERT INTO keys VALUES ('key_1', 't', NULL, 'a', 'c', 2, 3, '[]', 'e', 'p', NULL,
                     '[]', NULL, NULL, NULL, NULL, 's', 'd', '[]', '{}', x'01', x'02', NULL, 1, 1,
                     NULL);
                 INSERT INTO intents VALUES
                     (x'0a', 'sign', 'key_1', x'01', 'completed', '{}', 1, 2, 3),
                     (x'0b', 'sign', 'key_1', x'01', 'open', NULL, 1, 1, 3);
                 INSERT INTO signing_sessions VALUES
                     ('ses_2', 't', 'key_1', 'sign', 'p', 'Pending', 2, 3, '[]', 0, 3, 2, x'0b', 'r',
                     x'03', NULL, NULL, NULL, 7, 8, NULL, NULL, NULL),
                     ('ses_1', 't', 'key_1', 'sign', 'p', 'Completed', 2, 3, '[]', 0, 3, 1, x'0a',
                     NULL, NULL, x'04', NULL, '{}', 5, 6, 9, 4, 'why');
                 INSERT INTO idempotency VALUES ('c', 'late', x'01', 'done', 200, x'02', 3, 40);
                 INSERT INTO idempotency VALUES ('c', 'soon', x'01', 'in_progress', NULL, NULL, 3, 4);
                 INSERT INTO request_nonces VALUES ('a', 'late', 90), ('b', 'soon', 80);",
            )
            .unwrap();
        migrate(&mut connection).unwrap();
        let rows = |sql: &str| -> Vec<String> {
            let mut statement = connection.prepare(sql).unwrap();
            let rows = statement.query_map([], |row| row.get(0)).unwrap();
            rows.map(Result::unwrap).collect()
        };
        assert_eq!(
            rows(
                "SELECT concat_ws(' ', session_id, attempt, hex(i.intent_digest),
                     hex(s.intent_digest), status, request_id, hex(message_hash), hex(signature),
                     s.result, s.created_at, s.updated_at, completed_at, duration_ms, error_message)
                 FROM signing_sessions s JOIN intents i ON i.number = s.intent ORDER BY session_id",
            ),
            [
                "ses_1 1 0A 0A Completed  04 {} 5 6 9 4 why",
                "ses_2 2 0B 0B Pending r 03  7 8"
            ]
        );
        assert_eq!(
            rows("SELECT concat_ws(' ', state, result, created_at, updated_at) FROM intents"),
            ["completed {} 1 2", "open 1 1"]
        );
        assert_eq!(
            rows(
                "SELECT concat_ws(' ', idempotency_key, status_code, expires_at) FROM idempotency
                  ORDER BY number"
            ),
            ["soon 4", "late 200 40"]
        );
        let nonces = crate::sqlite::idempotency::nonces(&connection).unwrap();
        let kept = [("a", "late"), ("b", "soon")].map(|(c, n)| NonceTag::of(c, n));
        assert_eq!(nonces, kept.into());
        assert!(rows("SELECT \"table\" FROM pragma_foreign_key_check").is_empty());
    }
}
