//! Many callers at once.

use std::sync::Arc;

use quorate_store::{
    IdempotencyStart, IntentOpening, KeyChange, NonceUse, SqliteStore, Store, StoreError, Write,
};
use quorate_types::KeyStatus;
use tokio::task::JoinSet;

use crate::open;
use crate::samples::{NOW, event, intent, key, key_id, request};

const CALLERS: usize = 200;

fn shared() -> (tempfile::TempDir, Arc<SqliteStore>) {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(open(folder.path()));
    (folder, store)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn d10_idempotency__must_start_once_for_200_equal_requests() {
    let (_folder, store) = shared();
    let mut tasks = JoinSet::new();
    for _ in 0..CALLERS {
        let store = Arc::clone(&store);
        tasks.spawn(async move { store.begin_idempotency(request("same", "body")).await });
    }
    let answers: Vec<_> = tasks
        .join_all()
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    let started = answers.iter().filter(|a| **a == IdempotencyStart::New);
    assert_eq!(started.count(), 1);
    let waiting = answers
        .iter()
        .filter(|a| **a == IdempotencyStart::InProgress);
    assert_eq!(waiting.count(), CALLERS - 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn d7_nonce__must_be_fresh_once_for_200_equal_requests() {
    let (_folder, store) = shared();
    let mut tasks = JoinSet::new();
    for _ in 0..CALLERS {
        let store = Arc::clone(&store);
        tasks.spawn(async move { store.use_nonce("c".into(), "n".into(), NOW).await });
    }
    let answers = tasks.join_all().await;
    let fresh = answers.iter().filter(|a| matches!(a, Ok(NonceUse::Fresh)));
    assert_eq!(fresh.count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn intent__must_be_new_once_for_200_equal_requests() {
    let (_folder, store) = shared();
    let mut tasks = JoinSet::new();
    for _ in 0..CALLERS {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            let insert = Write::InsertKey(Box::new(key("k")));
            store.open_intent(intent("i", "k"), vec![insert]).await
        });
    }
    let answers: Vec<_> = tasks
        .join_all()
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    let new = answers.iter().filter(|a| **a == IntentOpening::New);
    assert_eq!(new.count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn step__must_be_taken_once_by_200_equal_callers() {
    let (_folder, store) = shared();
    store
        .write(Write::InsertKey(Box::new(key("k"))))
        .await
        .unwrap();
    let mut tasks = JoinSet::new();
    for _ in 0..CALLERS {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            let step =
                KeyChange::step(key_id("k"), KeyStatus::Creating, KeyStatus::Generating, NOW);
            store.write(Write::ChangeKey(Box::new(step))).await
        });
    }
    let answers = tasks.join_all().await;
    assert_eq!(answers.iter().filter(|a| a.is_ok()).count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn failing_neighbour__must_not_lose_other_writes_of_its_batch() {
    let (_folder, store) = shared();
    let mut tasks = JoinSet::new();
    for n in 0..CALLERS {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            // Every second caller writes something, then fails: its own insert must be undone.
            let mut writes = vec![Write::InsertKey(Box::new(key(&format!("k{n}"))))];
            if n % 2 == 1 {
                writes.push(Write::InsertKey(Box::new(key(&format!("k{n}")))));
            }
            (n, store.apply(writes).await)
        });
    }
    for (n, answer) in tasks.join_all().await {
        let kept = store.key(key_id(&format!("k{n}"))).await.unwrap().is_some();
        if n % 2 == 0 {
            answer.unwrap();
            assert!(kept, "write {n} was lost");
        } else {
            assert!(matches!(answer, Err(StoreError::AlreadyExists { .. })));
            assert!(!kept, "write {n} was kept in half");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn audit_chain__should_hold_with_200_writers() {
    let (_folder, store) = shared();
    let mut tasks = JoinSet::new();
    for n in 0..CALLERS {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            let bad = n % 10 == 0;
            let event = event(if bad { "" } else { "many" });
            (bad, store.append_audit(event).await)
        });
    }
    for (bad, answer) in tasks.join_all().await {
        assert_eq!(answer.is_err(), bad);
    }
    let checked = store.verify_audit_chain(None).await.unwrap();
    assert_eq!(checked.records, 180);
}

#[tokio::test]
async fn write__should_happen_although_its_caller_went_away() {
    let (_folder, store) = shared();
    {
        let mut write = store.write(Write::InsertKey(Box::new(key("k"))));
        // One poll queues it; then the caller is gone.
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let _ = write.as_mut().poll(&mut context);
    }
    store
        .use_nonce("c".into(), "after".into(), NOW)
        .await
        .unwrap();
    assert!(store.key(key_id("k")).await.unwrap().is_some());
}
