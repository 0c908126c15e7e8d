//! Hostile rows: whoever can write to the database file can neither crash us nor be believed.

use std::path::Path;

use quorate_store::{
    AuditFilter, KeyFilter, PageRequest, SessionFilter, SqliteOptions, SqliteStore, Store,
    StoreError, StoredResponse, Write,
};
use rusqlite::Connection;

use crate::samples::{
    digest, event, key_id, node, node_row, put_key_and_intent, request, session, session_id,
};
use crate::{open, suite};

/// Makes one row of each table, runs hostile SQL while the store is closed, and opens it again.
async fn after(sql: &str) -> (tempfile::TempDir, quorate_store::SqliteStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    put_key_and_intent(&store, "x").await;
    let done = StoredResponse {
        status_code: 200,
        body: vec![],
    };
    store
        .apply(vec![
            Write::InsertSession(Box::new(session("x", "x", "x"))),
            Write::PutNode(Box::new(node_row("p1"))),
        ])
        .await
        .unwrap();
    store.begin_idempotency(request("x", "x")).await.unwrap();
    store
        .write(Write::FinishIdempotency(request("x", "x").key, done))
        .await
        .unwrap();
    for kind in ["one", "two", "three", "four"] {
        store.append_audit(event(kind)).await.unwrap();
    }
    drop(store);
    tamper(folder.path(), sql);
    let store = open(folder.path());
    (folder, store)
}

fn tamper(folder: &Path, sql: &str) {
    let connection = Connection::open(folder.join("q.db")).unwrap();
    connection
        .execute_batch("PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF;")
        .unwrap();
    connection.execute_batch(sql).unwrap();
}

fn assert_corrupt<T: std::fmt::Debug>(
    answer: Result<T, StoreError>,
    table: &str,
    column: &str,
    key: &str,
) {
    match answer {
        Err(
            ref error @ StoreError::Corrupt {
                table: t,
                column: c,
                key: ref k,
                ..
            },
        ) => {
            assert_eq!((t, c, k.as_str()), (table, column, key));
            assert!(error.is_operators());
        }
        other => panic!("{table}.{column}: {other:?}"),
    }
}

#[tokio::test]
async fn damaged_key__must_be_named_and_never_skipped() {
    let long = format!("description = '{}'", "x".repeat(5_000));
    for (column, set) in [
        ("tenant", "tenant = '../etc'"),
        ("algorithm", "algorithm = 'RSA'"),
        ("curve", "curve = 'ed25519'"),
        ("threshold", "threshold = 1"),
        ("threshold", "total_nodes = 99"),
        ("threshold", "threshold = -2"),
        ("committee", "committee = '[\"p1\", \"p1\", \"p2\"]'"),
        ("committee", "committee = '[\"p1\", \"p2\"]'"),
        ("chain_type", "chain_type = ''"),
        ("protocol", "protocol = 'DKLS'"),
        ("rights", "rights = '[\"everything\"]'"),
        ("rights", "rights = 'null'"),
        ("status", "status = 'Owned'"),
        ("public_key", "status = 'Active'"),
        ("chain_code", "public_key = x'0102'"),
        ("description", long.as_str()),
        ("tags", "tags = '{'"),
        ("metadata", "metadata = '[]'"),
        ("intent", "intent = x''"),
        ("intent_digest", "intent_digest = x'00'"),
        ("created_at", "created_at = -1"),
        ("updated_at", "updated_at = 9223372036854775807"),
        ("deletion_date", "deletion_date = -5"),
    ] {
        let (_folder, store) = after(&format!("UPDATE keys SET {set}")).await;
        let name = key_id("x").to_string();
        // A threshold out of range is found in whichever of its columns is read first.
        assert_corrupt(
            store.key(key_id("x")).await.map_err(|error| match error {
                StoreError::Corrupt {
                    table,
                    key,
                    column: "total_nodes",
                    why,
                } => StoreError::Corrupt {
                    table,
                    key,
                    column: "threshold",
                    why,
                },
                other => other,
            }),
            "keys",
            column,
            &name,
        );
        let listed = store
            .keys(KeyFilter::default(), PageRequest::default())
            .await;
        assert!(matches!(listed, Err(StoreError::Corrupt { .. })), "{set}");
    }
}

#[tokio::test]
async fn damaged_key_id__must_be_cleaned_before_it_is_shown() {
    let (_folder, store) =
        after("UPDATE keys SET key_id = 'a' || char(10) || 'ERROR forged'").await;
    let listed = store
        .keys(KeyFilter::default(), PageRequest::default())
        .await;
    assert_corrupt(listed, "keys", "key_id", "a?ERROR?forged");
}

#[tokio::test]
async fn damaged_session_intent_and_node__must_be_named() {
    for (column, set) in [
        ("kind", "kind = 'steal'"),
        ("status", "status = 'Done'"),
        ("completed_at", "status = 'Completed'"),
        (
            "participating_nodes",
            "participating_nodes = '[\"p1\",\"p1\"]'",
        ),
        ("current_round", "current_round = 70000"),
        ("current_round", "current_round = 4"),
        ("attempt", "attempt = 0"),
        ("message_hash", "message_hash = x'0102'"),
        ("progress", "progress = '{\"round\": 1}'"),
        (
            "progress",
            "progress = '{\"round\":1,\"awaiting\":[\"A B\"],\"since\":1}'",
        ),
        ("result", "result = 'not json'"),
    ] {
        let (_folder, store) = after(&format!("UPDATE signing_sessions SET {set}")).await;
        let name = session_id("x").to_string();
        assert_corrupt(
            store.session(session_id("x")).await,
            "signing_sessions",
            column,
            &name,
        );
        let filter = SessionFilter::default();
        let listed = store.sessions(filter, PageRequest::default()).await;
        assert!(matches!(listed, Err(StoreError::Corrupt { .. })), "{set}");
    }
    for (column, set) in [
        ("kind", "kind = 'export'"),
        ("key_id", "key_id = 'key_'"),
        ("signed_intent", "signed_intent = x''"),
        ("result", "state = 'completed'"),
        ("result", "result = '{}'"),
        ("state", "state = 'maybe'"),
    ] {
        let (_folder, store) = after(&format!("UPDATE intents SET {set}")).await;
        let name = digest("x").to_string();
        assert_corrupt(store.intent(digest("x")).await, "intents", column, &name);
    }
    for (column, set) in [
        ("node_type", "node_type = 'god'"),
        ("status", "status = 'trusted'"),
        ("public_key", "public_key = x'00'"),
        ("load_factor", "load_factor = 101"),
        ("load_factor", "load_factor = 1000"),
        ("capabilities", "capabilities = '7'"),
    ] {
        let (_folder, store) = after(&format!("UPDATE nodes SET {set}")).await;
        assert_corrupt(store.node(node("p1")).await, "nodes", column, "p1");
        assert_corrupt(store.nodes().await, "nodes", column, "p1");
    }
}

#[tokio::test]
async fn damaged_idempotency_record__must_stop_the_request() {
    for (column, set) in [
        ("state", "state = 'new'"),
        ("status_code", "status_code = NULL"),
        ("status_code", "status_code = 99999"),
        ("response", "response = NULL"),
        ("body_hash", "body_hash = x'00'"),
    ] {
        let (_folder, store) = after(&format!("UPDATE idempotency SET {set}")).await;
        let begun = store.begin_idempotency(request("x", "x")).await;
        assert_corrupt(begun, "idempotency", column, "x");
    }
}

#[tokio::test]
async fn damaged_nonce__must_keep_the_store_from_opening() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let used = store.use_nonce("c".into(), "n".into(), crate::samples::NOW);
    used.await.unwrap();
    drop(store);
    tamper(
        folder.path(),
        "UPDATE request_nonces SET nonce = hex(zeroblob(200))",
    );
    let opened = SqliteStore::open(&folder.path().join("q.db"), &SqliteOptions::default());
    assert_corrupt(opened.map(|_| ()), "request_nonces", "nonce", "1");
}

#[tokio::test]
async fn forged_tag__must_not_put_a_key_into_a_list() {
    let forged = format!("INSERT INTO key_tags VALUES ('vault', '{}')", key_id("x"));
    let (_folder, store) = after(&forged).await;
    let filter = KeyFilter {
        tag: Some("vault".into()),
        ..KeyFilter::default()
    };
    let listed = store.keys(filter, PageRequest::default()).await;
    assert_corrupt(listed, "key_tags", "tag", &key_id("x").to_string());
}

#[tokio::test]
async fn broken_audit_chain__must_name_the_first_broken_record() {
    for (sequence, sql) in [
        (
            2,
            "UPDATE audit_logs SET operation = 'nothing' WHERE sequence = 2",
        ),
        (2, "UPDATE audit_logs SET user_id = NULL WHERE sequence = 2"),
        (
            3,
            "UPDATE audit_logs SET details = '{\"threshold\": 2}' WHERE sequence = 3",
        ),
        (
            3,
            "UPDATE audit_logs SET hash = zeroblob(32) WHERE sequence = 3",
        ),
        (
            4,
            "UPDATE audit_logs SET previous_hash = zeroblob(32) WHERE sequence = 4",
        ),
        (
            1,
            "UPDATE audit_logs SET id = 'aud_00000000000000000000000000000000' WHERE sequence = 1",
        ),
        (2, "DELETE FROM audit_logs WHERE sequence = 2"),
        (1, "DELETE FROM audit_logs WHERE sequence = 1"),
        (4, "UPDATE audit_logs SET sequence = 9 WHERE sequence = 4"),
        (
            1,
            "INSERT INTO audit_logs SELECT 0, 'aud_00000000000000000000000000000000', timestamp,
             event_type, user_id, key_id, node_id, session_id, operation, result, details,
             ip_address, user_agent, request_id, previous_hash, hash FROM audit_logs
             WHERE sequence = 1",
        ),
    ] {
        let (_folder, store) = after(sql).await;
        match store.verify_audit_chain(None).await {
            Err(StoreError::AuditBroken {
                sequence: found, ..
            }) => {
                assert_eq!(found, sequence, "{sql}");
            }
            other => panic!("{sql}: {other:?}"),
        }
    }
    let (_folder, store) = after("UPDATE audit_logs SET result = '?' WHERE sequence = 3").await;
    assert_corrupt(
        store.verify_audit_chain(None).await,
        "audit_logs",
        "result",
        "3",
    );
    let listed = store.audit(AuditFilter::default(), PageRequest::default());
    assert!(listed.await.is_err());
}

#[tokio::test]
async fn changed_audit_record__must_not_be_listed() {
    let (_folder, store) =
        after("UPDATE audit_logs SET operation = 'nothing' WHERE sequence = 2").await;
    let listed = store
        .audit(AuditFilter::default(), PageRequest::default())
        .await;
    assert_corrupt(listed, "audit_logs", "hash", "2");
}

#[tokio::test]
async fn exhausted_audit_chain__must_fail_closed() {
    let last = i64::MAX;
    let sql = format!("UPDATE audit_logs SET sequence = {last} WHERE sequence = 4");
    let (_folder, store) = after(&sql).await;
    let refused = store.append_audit(event("next")).await;
    assert!(refused.is_err(), "{refused:?}");
    let refused = store
        .apply(vec![
            Write::AppendAudit(Box::new(event("next"))),
            Write::InsertKey(Box::new(crate::samples::key("y"))),
        ])
        .await;
    assert!(refused.is_err(), "no act without its record");
    assert!(store.key(key_id("y")).await.unwrap().is_none());
}

#[tokio::test]
async fn audit_that_cannot_be_written__must_refuse_the_act() {
    let (_folder, store) = after("DROP TABLE audit_logs").await;
    let refused = store
        .apply(vec![
            Write::InsertKey(Box::new(crate::samples::key("y"))),
            Write::AppendAudit(Box::new(event("y"))),
        ])
        .await;
    assert!(matches!(refused, Err(StoreError::Unavailable { .. })));
    assert!(store.key(key_id("y")).await.unwrap().is_none());
}

#[tokio::test]
async fn deleted_key__should_keep_its_sessions_and_audit_records() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    suite::check_store(&store).await;
    drop(store);
    let connection = Connection::open(folder.path().join("q.db")).unwrap();
    connection
        .execute_batch("PRAGMA foreign_keys = ON")
        .unwrap();
    // The program never deletes a key's row; the schema stops anybody else who respects it.
    let deleted = connection.execute(
        "DELETE FROM keys WHERE key_id = ?1",
        [key_id("s-run").to_string()],
    );
    assert!(deleted.is_err());
    let cascades: u64 = connection
        .query_row(
            "SELECT count(*) FROM sqlite_schema WHERE sql LIKE '%CASCADE%'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(cascades, 0);
}
