use quorate_store::{AuditFilter, AuditHead, AuditResult, PageRequest, Store, StoreError, Write};
use quorate_types::Digest32;

use crate::samples::{NOW, event, key_id, session_id};

pub async fn check(store: &dyn Store) {
    assert_eq!(store.audit_head().await.unwrap(), None);
    let empty = store.verify_audit_chain(None).await.unwrap();
    assert_eq!((empty.records, empty.head), (0, None));
    records__should_be_chained(store).await;
    invalid_record__must_be_refused_and_leave_no_gap(store).await;
    filters__should_find_exactly_their_records(store).await;
    cut_tail__must_show_against_a_checkpoint(store).await;
}

async fn records__should_be_chained(store: &dyn Store) {
    let first = store.append_audit(event("a.first")).await.unwrap();
    assert_eq!(first.sequence, 1);
    assert_eq!(first.previous_hash, Digest32::from_array([0; 32]));
    let mut outcome = event("a.second");
    outcome.result = AuditResult::Succeeded;
    outcome.key_id = Some(key_id("a"));
    outcome.session_id = Some(session_id("a"));
    outcome.timestamp = NOW.plus(10);
    let write = Write::AppendAudit(Box::new(outcome.clone()));
    store.write(write).await.unwrap();
    let page = store
        .audit(AuditFilter::default(), PageRequest::default())
        .await
        .unwrap();
    assert_eq!(page.rows.len(), 2);
    let second = &page.rows[0];
    assert_eq!(second.event, outcome);
    assert_eq!(second.previous_hash, first.hash);
    assert_eq!(page.rows[1], first);
    let checked = store.verify_audit_chain(None).await.unwrap();
    assert_eq!(checked.records, 2);
    assert_eq!(checked.head, store.audit_head().await.unwrap());
}

async fn invalid_record__must_be_refused_and_leave_no_gap(store: &dyn Store) {
    let mut bad = event("");
    let refused = store.append_audit(bad.clone()).await;
    assert!(matches!(
        refused,
        Err(StoreError::Invalid {
            table: "audit_logs",
            column: "event_type",
            ..
        })
    ));
    bad = event("a.bad");
    bad.details = serde_json::json!("not an object");
    assert!(store.append_audit(bad).await.is_err());
    let third = store.append_audit(event("a.third")).await.unwrap();
    assert_eq!(third.sequence, 3);
}

async fn filters__should_find_exactly_their_records(store: &dyn Store) {
    let base = AuditFilter::default;
    let about = |n| (n, NOW.plus(n));
    for (filter, expected) in [
        (
            AuditFilter {
                key_id: Some(key_id("a")),
                ..base()
            },
            vec![2],
        ),
        (
            AuditFilter {
                session_id: Some(session_id("a")),
                ..base()
            },
            vec![2],
        ),
        (
            AuditFilter {
                event_type: Some("a.first".into()),
                ..base()
            },
            vec![1],
        ),
        (
            AuditFilter {
                user_id: Some("alice".into()),
                ..base()
            },
            vec![2, 3, 1],
        ),
        (
            AuditFilter {
                from: Some(about(1).1),
                ..base()
            },
            vec![2],
        ),
        (
            AuditFilter {
                before: Some(about(10).1),
                ..base()
            },
            vec![3, 1],
        ),
    ] {
        let mut found = Vec::new();
        let mut request = PageRequest::first(1);
        loop {
            let page = store.audit(filter.clone(), request).await.unwrap();
            found.extend(page.rows.iter().map(|record| record.sequence));
            assert!(found.len() < 10, "a page repeats rows");
            let Some(next) = page.next else { break };
            request = PageRequest::first(1).after(next);
        }
        assert_eq!(found, expected, "{filter:?}");
    }
}

async fn cut_tail__must_show_against_a_checkpoint(store: &dyn Store) {
    let head = store.audit_head().await.unwrap().unwrap();
    store.verify_audit_chain(Some(head)).await.unwrap();
    let longer = AuditHead {
        sequence: head.sequence + 1,
        ..head
    };
    assert!(matches!(
        store.verify_audit_chain(Some(longer)).await,
        Err(StoreError::AuditBroken { sequence: 4, .. })
    ));
    let rewritten = AuditHead {
        sequence: 2,
        ..head
    };
    assert!(matches!(
        store.verify_audit_chain(Some(rewritten)).await,
        Err(StoreError::AuditBroken { sequence: 2, .. })
    ));
}
