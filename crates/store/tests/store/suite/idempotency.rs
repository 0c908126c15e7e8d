use quorate_store::{
    IdempotencyRequest, IdempotencyStart, NonceUse, Pruned, RequestNonce, RequestStart, Store,
    StoreError, StoredResponse, Write,
};

use crate::samples::{NOW, request};

pub async fn check(store: &dyn Store) {
    d10_idempotency__must_give_one_answer_per_key_and_body(store).await;
    release__should_let_the_next_request_start_anew(store).await;
    restart__should_release_what_was_in_progress(store).await;
    invalid_request__must_be_refused(store).await;
    d7_nonce__must_be_refused_when_used_again(store).await;
    d7_request__must_begin_with_nonce_and_key_in_one_write(store).await;
    prune__should_delete_only_what_expired(store).await;
}

async fn begin(store: &dyn Store, key: &str, body: &str) -> IdempotencyStart {
    store.begin_idempotency(request(key, body)).await.unwrap()
}

async fn d10_idempotency__must_give_one_answer_per_key_and_body(store: &dyn Store) {
    assert_eq!(begin(store, "d-1", "body").await, IdempotencyStart::New);
    assert_eq!(
        begin(store, "d-1", "body").await,
        IdempotencyStart::InProgress
    );
    assert_eq!(
        begin(store, "d-1", "other").await,
        IdempotencyStart::Conflict
    );
    let answer = StoredResponse {
        status_code: 201,
        body: b"{}".to_vec(),
    };
    let finish = Write::FinishIdempotency(request("d-1", "body").key, answer.clone());
    store.write(finish.clone()).await.unwrap();
    assert_eq!(
        begin(store, "d-1", "body").await,
        IdempotencyStart::Done(answer)
    );
    assert_eq!(
        begin(store, "d-1", "other").await,
        IdempotencyStart::Conflict
    );
    let again = store.write(finish).await;
    assert!(matches!(again, Err(StoreError::NotFound { .. })));
    let mut other_caller = request("d-1", "other");
    other_caller.key.credential = "somebody else".into();
    let started = store.begin_idempotency(other_caller).await.unwrap();
    assert_eq!(started, IdempotencyStart::New);
}

async fn release__should_let_the_next_request_start_anew(store: &dyn Store) {
    begin(store, "d-2", "body").await;
    let release = Write::ReleaseIdempotency(request("d-2", "body").key);
    store.write(release.clone()).await.unwrap();
    assert_eq!(begin(store, "d-2", "other").await, IdempotencyStart::New);
    store.write(release.clone()).await.unwrap();
    let again = store.write(release).await;
    assert!(matches!(again, Err(StoreError::NotFound { .. })));
}

async fn restart__should_release_what_was_in_progress(store: &dyn Store) {
    begin(store, "d-3", "body").await;
    // The other one is that of another caller, above.
    assert_eq!(store.release_unfinished_idempotency().await.unwrap(), 2);
    assert_eq!(begin(store, "d-3", "body").await, IdempotencyStart::New);
    assert!(matches!(
        begin(store, "d-1", "body").await,
        IdempotencyStart::Done(_)
    ));
}

async fn invalid_request__must_be_refused(store: &dyn Store) {
    for key in ["", "with\nnewline", &"x".repeat(257)] {
        let refused = store.begin_idempotency(request(key, "body")).await;
        assert!(matches!(
            refused,
            Err(StoreError::Invalid {
                column: "idempotency_key",
                ..
            })
        ));
    }
    let no_status = StoredResponse {
        status_code: 7,
        body: vec![],
    };
    let refused = store
        .write(Write::FinishIdempotency(
            request("d-3", "body").key,
            no_status,
        ))
        .await;
    assert!(matches!(
        refused,
        Err(StoreError::Invalid {
            column: "status_code",
            ..
        })
    ));
}

async fn d7_nonce__must_be_refused_when_used_again(store: &dyn Store) {
    let use_it = |credential: &str, nonce: &str| {
        store.use_nonce(credential.into(), nonce.into(), NOW.plus(60_000))
    };
    assert_eq!(use_it("c1", "n1").await.unwrap(), NonceUse::Fresh);
    assert_eq!(use_it("c1", "n1").await.unwrap(), NonceUse::Replayed);
    assert_eq!(use_it("c2", "n1").await.unwrap(), NonceUse::Fresh);
    assert_eq!(use_it("c1", "n2").await.unwrap(), NonceUse::Fresh);
    // Whatever the time that it comes with.
    for other in [NOW, NOW.plus(59_000), NOW.plus(61_000)] {
        let again = store.use_nonce("c1".into(), "n1".into(), other).await;
        assert_eq!(again.unwrap(), NonceUse::Replayed);
    }
    assert!(matches!(
        use_it("c1", "").await,
        Err(StoreError::Invalid {
            column: "nonce",
            ..
        })
    ));
}

async fn d7_request__must_begin_with_nonce_and_key_in_one_write(store: &dyn Store) {
    let begin = |nonce: &str, idempotency: Option<IdempotencyRequest>| {
        let nonce = RequestNonce {
            credential: "c1".into(),
            nonce: nonce.into(),
            expires_at: NOW.plus(60_000),
        };
        store.begin_request(nonce, idempotency)
    };
    let keyed = |body| Some(request("d-9", body));
    let started = |start| RequestStart::Fresh(Some(start));
    let first = begin("b1", keyed("body")).await.unwrap();
    assert_eq!(first, started(IdempotencyStart::New));
    let joined = begin("b2", keyed("body")).await.unwrap();
    assert_eq!(joined, started(IdempotencyStart::InProgress));
    let other = begin("b3", keyed("other")).await.unwrap();
    assert_eq!(other, started(IdempotencyStart::Conflict));
    assert_eq!(begin("b4", None).await.unwrap(), RequestStart::Fresh(None));
    // The nonces are spent, however the requests went on; a replay starts nothing.
    for nonce in ["b1", "b2", "b3", "b4"] {
        let replayed = begin(nonce, Some(request("d-10", "body"))).await.unwrap();
        assert_eq!(replayed, RequestStart::Replayed);
    }
    let unstarted = begin("b5", Some(request("d-10", "body"))).await.unwrap();
    assert_eq!(unstarted, started(IdempotencyStart::New));
    // What is refused as malformed leaves no nonce behind.
    let mut malformed = request("d-11", "body");
    malformed.key.key = String::new();
    assert!(begin("b6", Some(malformed)).await.is_err());
    assert_eq!(begin("b6", None).await.unwrap(), RequestStart::Fresh(None));
}

async fn prune__should_delete_only_what_expired(store: &dyn Store) {
    let nothing = store.prune(NOW).await.unwrap();
    assert_eq!(nothing, Pruned::default());
    let nonces = store.prune(NOW.plus(60_000)).await.unwrap();
    assert_eq!((nonces.idempotency, nonces.nonces), (0, 9));
    let (credential, nonce) = ("c1".to_owned(), "n1".to_owned());
    let again = store.use_nonce(credential, nonce, NOW.plus(60_000)).await;
    assert_eq!(again.unwrap(), NonceUse::Fresh, "its row is gone");
    // What has not expired stays, whatever came before or after it.
    let use_it = |nonce: &str, at| store.use_nonce("c3".into(), nonce.into(), at);
    for (nonce, expires_at) in [("n1", 70_000), ("n2", 90_000), ("n3", 70_000)] {
        let used = use_it(nonce, NOW.plus(expires_at)).await.unwrap();
        assert_eq!(used, NonceUse::Fresh);
    }
    let three = store.prune(NOW.plus(80_000)).await.unwrap();
    assert_eq!(
        three.nonces, 3,
        "also the one behind a row that lives longer"
    );
    let kept = use_it("n2", NOW.plus(90_000)).await.unwrap();
    assert_eq!(kept, NonceUse::Replayed);
    store.prune(NOW.plus(90_000)).await.unwrap();
    for nonce in ["n1", "n2", "n3"] {
        let used = use_it(nonce, NOW.plus(90_000)).await.unwrap();
        assert_eq!(used, NonceUse::Fresh);
    }
    // An expired record that was not pruned yet counts as absent.
    let mut late = request("d-1", "another body");
    late.at = NOW.plus(86_400_000);
    late.expires_at = late.at.plus(1);
    let started = store.begin_idempotency(late).await.unwrap();
    assert_eq!(started, IdempotencyStart::New);
    let all = store.prune(NOW.plus(86_400_001)).await.unwrap();
    assert!(all.idempotency >= 2, "{all:?}");
}
