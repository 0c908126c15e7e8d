use quorate_store::{
    PageRequest, SessionChange, SessionFilter, SessionProgress, SessionProgressUpdate, SessionRow,
    Store, StoreError, Write,
};
use quorate_types::SessionStatus;
use serde_json::json;

use crate::samples::{NOW, digest, key_id, node, put_key_and_intent, session, session_id};

pub async fn check(store: &dyn Store) {
    session__should_run_to_its_result(store).await;
    two_steps_at_once__should_be_one_change(store).await;
    forbidden_step__must_be_a_conflict(store).await;
    invalid_session__must_be_refused(store).await;
    open_sessions__should_be_listed_oldest_first(store).await;
    filters__should_find_exactly_their_sessions(store).await;
}

async fn insert(store: &dyn Store, row: SessionRow) -> Result<(), StoreError> {
    store.write(Write::InsertSession(Box::new(row))).await
}

async fn step(
    store: &dyn Store,
    name: &str,
    from: SessionStatus,
    to: SessionStatus,
) -> Result<(), StoreError> {
    let change = SessionChange::step(session_id(name), from, to, NOW.plus(25));
    store.write(Write::ChangeSession(Box::new(change))).await
}

fn progress(name: &str, round: u16) -> Write {
    Write::Progress(SessionProgressUpdate {
        session_id: session_id(name),
        progress: SessionProgress {
            round,
            awaiting: vec![node("p3")],
            since: NOW.plus(4),
        },
        participating_nodes: Some(vec![node("p2"), node("p3")]),
        at: NOW.plus(5),
    })
}

async fn session__should_run_to_its_result(store: &dyn Store) {
    use SessionStatus::{Completed, Pending, Signing};
    put_key_and_intent(store, "s-run").await;
    let row = session("s-run", "s-run", "s-run");
    insert(store, row.clone()).await.unwrap();
    assert_eq!(store.session(session_id("s-run")).await.unwrap(), Some(row));
    step(store, "s-run", Pending, Signing).await.unwrap();
    store.write(progress("s-run", 2)).await.unwrap();
    let row = store.session(session_id("s-run")).await.unwrap().unwrap();
    assert_eq!(row.current_round, 2);
    assert_eq!(row.progress.unwrap().awaiting, [node("p3")]);
    assert_eq!(row.participating_nodes, [node("p2"), node("p3")]);

    let mut done = SessionChange::step(session_id("s-run"), Signing, Completed, NOW.plus(25));
    done.signature = Some(vec![1; 64]);
    done.result = Some(json!({"recovery_id": 1}));
    store
        .write(Write::ChangeSession(Box::new(done)))
        .await
        .unwrap();
    let row = store.session(session_id("s-run")).await.unwrap().unwrap();
    assert_eq!(row.completed_at, Some(NOW.plus(25)));
    assert_eq!(row.duration_ms, Some(25));
    assert_eq!(row.signature, Some(vec![1; 64]));
    assert_eq!(row.result, Some(json!({"recovery_id": 1})));

    let late = store.write(progress("s-run", 3)).await;
    assert!(matches!(
        late,
        Err(StoreError::SessionConflict {
            from: Completed,
            ..
        })
    ));
}

async fn two_steps_at_once__should_be_one_change(store: &dyn Store) {
    use SessionStatus::{Completed, Pending, Signing};
    put_key_and_intent(store, "s-two").await;
    insert(store, session("s-two", "s-two", "s-two"))
        .await
        .unwrap();
    let mut done = SessionChange::step(session_id("s-two"), Pending, Completed, NOW.plus(25));
    done.through = Some(Signing);
    let done = Write::ChangeSession(Box::new(done));
    store.write(done.clone()).await.unwrap();
    let row = store.session(session_id("s-two")).await.unwrap().unwrap();
    assert_eq!((row.status, row.duration_ms), (Completed, Some(25)));
    let again = store.write(done).await;
    assert!(matches!(again, Err(StoreError::SessionConflict { .. })));
}

async fn forbidden_step__must_be_a_conflict(store: &dyn Store) {
    use SessionStatus::{Cancelled, Completed, Pending, Signing};
    put_key_and_intent(store, "s-step").await;
    insert(store, session("s-step", "s-step", "s-step"))
        .await
        .unwrap();
    let skipped = step(store, "s-step", Pending, Completed).await;
    assert!(matches!(
        skipped,
        Err(StoreError::SessionConflict {
            from: Pending,
            to: Completed,
            ..
        })
    ));
    let mut through = SessionChange::step(session_id("s-step"), Pending, Completed, NOW.plus(25));
    through.through = Some(Cancelled);
    let revived = store.write(Write::ChangeSession(Box::new(through))).await;
    assert!(matches!(revived, Err(StoreError::SessionConflict { .. })));
    let missed = step(store, "s-step", Signing, Completed).await;
    assert!(matches!(
        missed,
        Err(StoreError::SessionConflict {
            from: Pending,
            to: Completed,
            ..
        })
    ));
    step(store, "s-step", Pending, Cancelled).await.unwrap();
    let revived = step(store, "s-step", Cancelled, Signing).await;
    assert!(matches!(revived, Err(StoreError::SessionConflict { .. })));
    let absent = step(store, "s-absent", Pending, Signing).await;
    assert!(matches!(
        absent,
        Err(StoreError::NotFound {
            what: "session",
            ..
        })
    ));
}

async fn invalid_session__must_be_refused(store: &dyn Store) {
    put_key_and_intent(store, "s-bad").await;
    let sample = || session("s-bad", "s-bad", "s-bad");
    let mut finished = sample();
    finished.status = SessionStatus::Signing;
    let mut twice = sample();
    twice.participating_nodes = vec![node("p1"), node("p1")];
    let mut zeroth = sample();
    zeroth.attempt = 0;
    for row in [finished, twice, zeroth] {
        let refused = insert(store, row).await;
        assert!(
            matches!(refused, Err(StoreError::Invalid { .. })),
            "{refused:?}"
        );
    }
    let no_key = insert(store, session("s-bad", "s-bad", "s-nokey")).await;
    assert!(matches!(no_key, Err(StoreError::NotFound { .. })));
    let no_intent = insert(store, session("s-bad", "s-nointent", "s-bad")).await;
    assert!(matches!(no_intent, Err(StoreError::NotFound { .. })));

    insert(store, sample()).await.unwrap();
    let same_attempt = insert(store, session("s-bad-2", "s-bad", "s-bad")).await;
    assert!(matches!(
        same_attempt,
        Err(StoreError::AlreadyExists { .. })
    ));
    let too_far = store.write(progress("s-bad", 4)).await;
    assert!(matches!(
        too_far,
        Err(StoreError::Invalid {
            column: "current_round",
            ..
        })
    ));
}

async fn open_sessions__should_be_listed_oldest_first(store: &dyn Store) {
    put_key_and_intent(store, "s-open").await;
    for n in 0..3 {
        let mut row = session(&format!("s-open-{n}"), "s-open", "s-open");
        row.attempt = n + 1;
        row.created_at = NOW.plus(10 + u64::from(n));
        insert(store, row).await.unwrap();
    }
    step(
        store,
        "s-open-1",
        SessionStatus::Pending,
        SessionStatus::Expired,
    )
    .await
    .unwrap();
    let page = store.open_sessions(PageRequest::first(200)).await.unwrap();
    let names: Vec<_> = page.rows.iter().map(|row| row.session_id).collect();
    let expected = ["s-bad", "s-open-0", "s-open-2"].map(session_id);
    assert_eq!(names, expected);
    let first = store.open_sessions(PageRequest::first(1)).await.unwrap();
    let second = PageRequest::first(1).after(first.next.unwrap());
    let page = store.open_sessions(second).await.unwrap();
    assert_eq!(page.rows[0].session_id, expected[1]);
}

async fn filters__should_find_exactly_their_sessions(store: &dyn Store) {
    let base = SessionFilter::default;
    let open_and_expired = SessionFilter {
        key_id: Some(key_id("s-open")),
        ..base()
    };
    let expired = SessionFilter {
        status: Some(SessionStatus::Expired),
        ..base()
    };
    let by_intent = SessionFilter {
        intent_digest: Some(digest("s-run")),
        ..base()
    };
    let of_tenant_and_intent = SessionFilter {
        tenant: Some(quorate_types::Tenant::new("acme").unwrap()),
        intent_digest: Some(digest("s-open")),
        ..base()
    };
    let foreign_intent = SessionFilter {
        tenant: Some(quorate_types::Tenant::new("nobody").unwrap()),
        intent_digest: Some(digest("s-open")),
        ..base()
    };
    let nobody = SessionFilter {
        tenant: Some(quorate_types::Tenant::new("nobody").unwrap()),
        ..base()
    };
    for (filter, names) in [
        (open_and_expired, vec!["s-open-2", "s-open-1", "s-open-0"]),
        (expired, vec!["s-open-1"]),
        (by_intent, vec!["s-run"]),
        (
            of_tenant_and_intent,
            vec!["s-open-2", "s-open-1", "s-open-0"],
        ),
        (foreign_intent, vec![]),
        (nobody, vec![]),
    ] {
        let page = store
            .sessions(filter, PageRequest::default())
            .await
            .unwrap();
        let found: Vec<_> = page.rows.iter().map(|row| row.session_id).collect();
        let expected: Vec<_> = names.into_iter().map(session_id).collect();
        assert_eq!(found, expected);
    }
}
