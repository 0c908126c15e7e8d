//! Opening: versions, owners, locks, rights on files.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use quorate_store::{SqliteOptions, SqliteStore, Store, StoreError, Write};
use rusqlite::Connection;

use crate::open;
use crate::samples::{key, key_id};

/// Opens after hostile or foreign SQL was run on a good database.
fn reopened_after(sql: &str) -> Result<SqliteStore, StoreError> {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()));
    let path = folder.path().join("q.db");
    Connection::open(&path).unwrap().execute_batch(sql).unwrap();
    SqliteStore::open(&path, &SqliteOptions::default())
}

#[tokio::test]
async fn reopened_store__should_keep_its_rows() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    store
        .write(Write::InsertKey(Box::new(key("k"))))
        .await
        .unwrap();
    drop(store);
    let store = open(folder.path());
    assert_eq!(store.key(key_id("k")).await.unwrap(), Some(key("k")));
}

#[test]
fn newer_schema__must_be_refused_with_both_versions() {
    let refused = reopened_after(
        "INSERT INTO schema_migrations (version, name, checksum) VALUES (7, 'future', x'00')",
    );
    assert!(matches!(
        refused,
        Err(StoreError::SchemaTooNew { found: 7, known: 4 })
    ));
}

#[test]
fn changed_migration__must_be_refused() {
    let refused = reopened_after("UPDATE schema_migrations SET checksum = zeroblob(32)");
    assert!(matches!(refused, Err(StoreError::ForeignDatabase { .. })));
}

#[test]
fn database_of_another_program__must_be_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("q.db");
    Connection::open(&path)
        .unwrap()
        .execute_batch("CREATE TABLE bookmarks (url TEXT)")
        .unwrap();
    let refused = SqliteStore::open(&path, &SqliteOptions::default());
    assert!(matches!(refused, Err(StoreError::ForeignDatabase { .. })));
    let refused = reopened_after("PRAGMA application_id = 1");
    assert!(matches!(refused, Err(StoreError::ForeignDatabase { .. })));
}

#[test]
fn hidden_trigger__must_be_refused() {
    let refused = reopened_after(
        "CREATE TRIGGER t AFTER INSERT ON audit_logs BEGIN DELETE FROM audit_logs; END",
    );
    assert!(matches!(refused, Err(StoreError::ForeignDatabase { .. })));
    let refused = reopened_after("CREATE VIEW v AS SELECT 1");
    assert!(matches!(refused, Err(StoreError::ForeignDatabase { .. })));
}

#[test]
fn file_that_is_no_database__must_be_an_operators_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("q.db");
    std::fs::write(&path, vec![0x5a; 8_192]).unwrap();
    let refused = SqliteStore::open(&path, &SqliteOptions::default());
    assert!(refused.is_err_and(|error| error.is_operators()));
}

#[test]
fn second_opener__must_be_refused_until_the_first_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let path = folder.path().join("q.db");
    let second = SqliteStore::open(&path, &SqliteOptions::default());
    assert!(matches!(second, Err(StoreError::InUse)));
    drop(store);
    assert!(SqliteStore::open(&path, &SqliteOptions::default()).is_ok());
}

#[tokio::test]
async fn files__should_be_readable_for_their_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    store
        .write(Write::InsertKey(Box::new(key("k"))))
        .await
        .unwrap();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{:?}", entry.file_name());
    }
}

#[test]
fn new_database__should_have_small_pages_and_an_old_one_keep_its_own() {
    let page_bytes = |folder: &Path| {
        let connection = Connection::open(folder.join("q.db")).unwrap();
        connection.pragma_query_value(None, "page_size", |row| row.get::<_, u32>(0))
    };
    let (new, old) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    drop(open(new.path()));
    assert_eq!(page_bytes(new.path()), Ok(2_048));
    Connection::open(old.path().join("q.db"))
        .unwrap()
        .execute_batch("PRAGMA page_size = 4096; VACUUM; PRAGMA application_id = 0x51756f72;")
        .unwrap();
    drop(open(old.path()));
    assert_eq!(page_bytes(old.path()), Ok(4_096));
}

/// An intent has few attempts, a tenant or a key many: they must not be walked over.
#[test]
fn attempts_of_an_intent__should_be_found_by_it_whatever_else_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()));
    let connection = Connection::open(folder.path().join("q.db")).unwrap();
    let plan: String = connection
        .query_row(
            "EXPLAIN QUERY PLAN SELECT * FROM signing_sessions WHERE 1 AND +tenant = 't'
             AND intent = (SELECT number FROM intents WHERE intent_digest = x'00')
             ORDER BY created_at DESC, session_id DESC LIMIT 50",
            [],
            |row| row.get(3),
        )
        .unwrap();
    assert!(plan.contains("signing_sessions_attempt"), "{plan}");
}

/// The planner must find an index for every filter that the API offers.
#[test]
fn every_filter__should_have_an_index() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()));
    let connection = Connection::open(folder.path().join("q.db")).unwrap();
    for (index, query) in [
        (
            "keys_chain_status_created",
            "keys WHERE 1 AND status = 'a' AND chain_type = 'b' ORDER BY created_at DESC, key_id DESC",
        ),
        (
            "keys_tenant_created",
            "keys WHERE 1 AND tenant = 'a' ORDER BY created_at DESC, key_id DESC",
        ),
        (
            "keys_status_created",
            "keys WHERE 1 AND status = 'a' AND (created_at, key_id) < (5, 'x') ORDER BY created_at DESC, key_id DESC",
        ),
        (
            "keys_algorithm_created",
            "keys WHERE 1 AND algorithm = 'a' ORDER BY created_at DESC, key_id DESC",
        ),
        (
            "keys_created",
            "keys WHERE 1 AND (created_at, key_id) < (5, 'x') ORDER BY created_at DESC, key_id DESC",
        ),
        ("keys_address", "keys WHERE 1 AND address = 'a'"),
        (
            "signing_sessions_key_created",
            "signing_sessions WHERE 1 AND key_id = 'a' ORDER BY created_at DESC, session_id DESC",
        ),
        (
            "signing_sessions_tenant_created",
            "signing_sessions WHERE 1 AND tenant = 't' AND status = 'a' ORDER BY created_at DESC, session_id DESC",
        ),
        (
            "signing_sessions_attempt",
            "signing_sessions WHERE 1 AND intent = (SELECT number FROM intents WHERE intent_digest = x'00')",
        ),
        (
            "signing_sessions_open",
            "signing_sessions WHERE 1 AND completed_at IS NULL ORDER BY created_at, session_id",
        ),
        (
            "intents_open",
            "intents WHERE 1 AND state = 'open' ORDER BY created_at, intent_digest",
        ),
        (
            "audit_logs_key",
            "audit_logs WHERE 1 AND key_id = 'a' ORDER BY timestamp DESC, sequence DESC",
        ),
        (
            "audit_logs_session",
            "audit_logs WHERE 1 AND session_id = 'a' ORDER BY timestamp DESC, sequence DESC",
        ),
        (
            "audit_logs_time",
            "audit_logs WHERE 1 AND event_type = 'a' ORDER BY timestamp DESC, sequence DESC",
        ),
        (
            "audit_logs_time",
            "audit_logs WHERE 1 AND timestamp >= 5 ORDER BY timestamp DESC, sequence DESC",
        ),
    ] {
        let plan: String = connection
            .prepare(&format!(
                "EXPLAIN QUERY PLAN SELECT * FROM {query} LIMIT 50"
            ))
            .unwrap()
            .query_map([], |row| row.get::<_, String>(3))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert!(plan.contains(index), "{query}: {plan}");
        assert!(!plan.contains("TEMP B-TREE"), "{query}: {plan}");
    }
}
