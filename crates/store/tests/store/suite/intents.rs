use quorate_store::{
    IntentChange, IntentOpening, IntentState, PageRequest, Store, StoreError, Write,
};
use serde_json::{Value, json};

use crate::samples::{NOW, digest, intent, key, key_id, put_key_and_intent, session, session_id};

pub async fn check(store: &dyn Store) {
    d10_known_intent__must_return_its_result_and_write_nothing(store).await;
    open_intent__must_be_all_or_nothing(store).await;
    forbidden_step__must_be_a_conflict(store).await;
    open_intents__should_be_listed_oldest_first(store).await;
}

fn change(name: &str, from: IntentState, to: IntentState, result: Option<Value>) -> Write {
    Write::ChangeIntent(IntentChange {
        intent_digest: digest(name),
        from,
        to,
        result,
        at: NOW.plus(3),
    })
}

async fn d10_known_intent__must_return_its_result_and_write_nothing(store: &dyn Store) {
    put_key_and_intent(store, "i-known").await;
    let answer = json!({"signature": "00ff"});
    let done = change(
        "i-known",
        IntentState::Open,
        IntentState::Completed,
        Some(answer.clone()),
    );
    store.write(done).await.unwrap();
    let again = store
        .open_intent(
            intent("i-known", "i-known"),
            vec![Write::InsertSession(Box::new(session(
                "i-twice", "i-known", "i-known",
            )))],
        )
        .await
        .unwrap();
    let IntentOpening::Known(row) = again else {
        panic!("an intent was opened twice");
    };
    assert_eq!(row.state, IntentState::Completed);
    assert_eq!(row.result, Some(answer));
    assert!(
        store
            .session(session_id("i-twice"))
            .await
            .unwrap()
            .is_none()
    );
}

async fn open_intent__must_be_all_or_nothing(store: &dyn Store) {
    let orphan = Write::InsertSession(Box::new(session("i-orphan", "i-none", "i-nokey")));
    let with = vec![Write::InsertKey(Box::new(key("i-none"))), orphan];
    let failed = store.open_intent(intent("i-none", "i-none"), with).await;
    assert!(matches!(failed, Err(StoreError::NotFound { .. })));
    assert!(store.intent(digest("i-none")).await.unwrap().is_none());
    assert!(store.key(key_id("i-none")).await.unwrap().is_none());
}

async fn forbidden_step__must_be_a_conflict(store: &dyn Store) {
    use IntentState::{Completed, Expired, Failed, Open};
    put_key_and_intent(store, "i-step").await;
    let without_result = store.write(change("i-step", Open, Completed, None)).await;
    assert!(matches!(
        without_result,
        Err(StoreError::Invalid {
            column: "result",
            ..
        })
    ));
    for (from, to) in [(Open, Failed), (Failed, Open), (Open, Expired)] {
        store.write(change("i-step", from, to, None)).await.unwrap();
    }
    let revived = store.write(change("i-step", Expired, Open, None)).await;
    assert!(matches!(
        revived,
        Err(StoreError::IntentConflict {
            from: Expired,
            to: Open,
            ..
        })
    ));
    let absent = store.write(change("i-absent", Open, Failed, None)).await;
    assert!(matches!(
        absent,
        Err(StoreError::NotFound { what: "intent", .. })
    ));
}

async fn open_intents__should_be_listed_oldest_first(store: &dyn Store) {
    let before = store.open_intents(PageRequest::first(200)).await.unwrap();
    assert!(before.rows.is_empty(), "the checks above ended theirs");
    for n in 0..5_u64 {
        let mut row = intent(&format!("i-open-{n}"), "i-known");
        row.created_at = NOW.plus(100 - n);
        store.open_intent(row, vec![]).await.unwrap();
    }
    let mut names = Vec::new();
    let mut request = PageRequest::first(2);
    loop {
        let page = store.open_intents(request).await.unwrap();
        names.extend(page.rows.into_iter().map(|row| row.intent_digest));
        assert!(names.len() <= 5, "a page repeats rows");
        let Some(next) = page.next else { break };
        request = PageRequest::first(2).after(next);
    }
    let expected: Vec<_> = (0..5)
        .rev()
        .map(|n| digest(&format!("i-open-{n}")))
        .collect();
    assert_eq!(names, expected);
}
