use quorate_store::{
    Cursor, KeyChange, KeyDescription, KeyFilter, PageRequest, Store, StoreError, Write,
};
use quorate_types::{Algorithm, ChainId, Curve, Epoch, KeyStatus, UnixMillis};

use crate::samples::{NOW, key, key_id, material};

pub async fn check(store: &dyn Store) {
    key__should_be_read_as_it_was_written(store).await;
    key__should_go_through_its_life(store).await;
    key__should_take_several_steps_in_one_change(store).await;
    forbidden_step__must_be_a_conflict(store).await;
    invalid_key__must_be_refused(store).await;
    identity_of_a_key__must_never_change(store).await;
    description__should_replace_text_and_tags(store).await;
    apply__must_be_all_or_nothing(store).await;
    filters__should_find_exactly_their_keys(store).await;
    paging__should_be_stable_under_inserts(store).await;
}

async fn insert(store: &dyn Store, name: &str) {
    store
        .write(Write::InsertKey(Box::new(key(name))))
        .await
        .unwrap();
}

async fn step(
    store: &dyn Store,
    name: &str,
    from: KeyStatus,
    to: KeyStatus,
) -> Result<(), StoreError> {
    let mut change = KeyChange::step(key_id(name), from, to, NOW.plus(5));
    if to == KeyStatus::Storing {
        change.material = Some(material(name));
    }
    store.write(Write::ChangeKey(Box::new(change))).await
}

/// Inserts a key and takes it to `Active`.
pub async fn activate(store: &dyn Store, name: &str) {
    use KeyStatus::{Active, Creating, Distributing, Generating, Storing};
    insert(store, name).await;
    for pair in [Creating, Generating, Distributing, Storing, Active].windows(2) {
        step(store, name, pair[0], pair[1]).await.unwrap();
    }
}

async fn key__should_be_read_as_it_was_written(store: &dyn Store) {
    assert!(store.key(key_id("k-absent")).await.unwrap().is_none());
    insert(store, "k-read").await;
    let read = store.key(key_id("k-read")).await.unwrap().unwrap();
    assert_eq!(read, key("k-read"));
    let again = store.write(Write::InsertKey(Box::new(key("k-read")))).await;
    assert!(matches!(
        again,
        Err(StoreError::AlreadyExists { what: "key", .. })
    ));
}

async fn key__should_take_several_steps_in_one_change(store: &dyn Store) {
    use KeyStatus::{Active, Creating, Distributing, Generating, Storing};
    insert(store, "k-once").await;
    step(store, "k-once", Creating, Generating).await.unwrap();
    let mut change = KeyChange::step(key_id("k-once"), Generating, Active, NOW.plus(6));
    change.material = Some(material("k-once"));
    // A step that the life cycle does not know, wherever it is left out.
    for through in [
        vec![],
        vec![Distributing],
        vec![Storing],
        vec![Storing, Distributing],
    ] {
        change.through = through;
        let refused = store
            .write(Write::ChangeKey(Box::new(change.clone())))
            .await;
        let conflict = matches!(refused, Err(StoreError::KeyConflict { .. }));
        assert!(conflict, "{refused:?}");
    }
    change.through = vec![Distributing, Storing];
    store
        .write(Write::ChangeKey(Box::new(change)))
        .await
        .unwrap();
    let row = store.key(key_id("k-once")).await.unwrap().unwrap();
    assert_eq!(
        (row.status, row.material),
        (Active, Some(material("k-once")))
    );
}

async fn key__should_go_through_its_life(store: &dyn Store) {
    use KeyStatus::{Active, Deleted, Deleting, PendingDeletion};
    activate(store, "k-life").await;
    let row = store.key(key_id("k-life")).await.unwrap().unwrap();
    assert_eq!(row.material, Some(material("k-life")));
    assert_eq!(row.updated_at, NOW.plus(5));

    step(store, "k-life", Active, Deleting).await.unwrap();
    let mut wait = KeyChange::step(key_id("k-life"), Deleting, PendingDeletion, NOW);
    wait.deletion_date = Some(NOW.plus(1_000));
    store
        .write(Write::ChangeKey(Box::new(wait.clone())))
        .await
        .unwrap();
    let row = store.key(key_id("k-life")).await.unwrap().unwrap();
    assert_eq!(row.deletion_date, Some(NOW.plus(1_000)));

    step(store, "k-life", PendingDeletion, Active)
        .await
        .unwrap();
    let row = store.key(key_id("k-life")).await.unwrap().unwrap();
    assert_eq!(row.deletion_date, None);

    step(store, "k-life", Active, Deleting).await.unwrap();
    store.write(Write::ChangeKey(Box::new(wait))).await.unwrap();
    step(store, "k-life", PendingDeletion, Deleted)
        .await
        .unwrap();
    let row = store.key(key_id("k-life")).await.unwrap().unwrap();
    assert_eq!(row.deletion_date, Some(NOW.plus(1_000)));
}

async fn forbidden_step__must_be_a_conflict(store: &dyn Store) {
    use KeyStatus::{Active, Creating, Deleting, PendingDeletion, Storing, Suspended};
    insert(store, "k-forbid").await;
    let skipped = step(store, "k-forbid", Creating, Active).await;
    assert!(matches!(
        skipped,
        Err(StoreError::KeyConflict { key_id: id, from: Creating, to: Active })
            if id == key_id("k-forbid")
    ));
    let missed = step(store, "k-forbid", Storing, Active).await;
    assert!(matches!(
        missed,
        Err(StoreError::KeyConflict { from: Creating, .. })
    ));
    let absent = step(store, "k-nobody", Creating, Active).await;
    assert!(matches!(
        absent,
        Err(StoreError::NotFound { what: "key", .. })
    ));

    // A resume must not cancel a deletion, although both lead to Active.
    activate(store, "k-resume").await;
    step(store, "k-resume", Active, Deleting).await.unwrap();
    step(store, "k-resume", Deleting, PendingDeletion)
        .await
        .unwrap();
    let resumed = step(store, "k-resume", Suspended, Active).await;
    assert!(matches!(
        resumed,
        Err(StoreError::KeyConflict {
            from: PendingDeletion,
            to: Active,
            ..
        })
    ));
}

async fn invalid_key__must_be_refused(store: &dyn Store) {
    type Break = fn(&mut quorate_store::KeyRow);
    let cases: [(&str, Break); 9] = [
        ("curve", |row| row.curve = Curve::Ed25519),
        ("status", |row| row.status = KeyStatus::Failed),
        ("status", |row| row.material = Some(material("x"))),
        ("description", |row| row.description = "x".repeat(4_097)),
        ("tags", |row| row.tags = ["x".repeat(65)].into()),
        ("metadata", |row| row.metadata = serde_json::json!([1])),
        ("intent", |row| row.intent = Vec::new()),
        ("created_at", |row| row.created_at = UnixMillis(u64::MAX)),
        ("committee", |row| {
            row.threshold = quorate_types::Threshold::new(2, 4).unwrap();
        }),
    ];
    for (expected, break_it) in cases {
        let mut row = key("k-invalid");
        break_it(&mut row);
        let refused = store.write(Write::InsertKey(Box::new(row))).await;
        let Err(StoreError::Invalid {
            table: "keys",
            column,
            ..
        }) = refused
        else {
            panic!("{expected}: {refused:?}");
        };
        assert_eq!(column, expected);
    }
    assert!(store.key(key_id("k-invalid")).await.unwrap().is_none());
}

async fn identity_of_a_key__must_never_change(store: &dyn Store) {
    use KeyStatus::{Active, Rotating};
    activate(store, "k-same").await;
    step(store, "k-same", Active, Rotating).await.unwrap();
    let change = |epoch, public_key: &str| {
        let mut made = material("k-same");
        made.public_key = material(public_key).public_key;
        made.epoch = Epoch::new(epoch).unwrap();
        made.certificate = b"next".to_vec();
        let mut change = KeyChange::step(key_id("k-same"), Rotating, Active, NOW);
        change.material = Some(made);
        Write::ChangeKey(Box::new(change))
    };
    let other_key = store.write(change(2, "k-other")).await;
    assert!(matches!(
        other_key,
        Err(StoreError::Immutable {
            column: "public_key",
            ..
        })
    ));
    let old_epoch = store.write(change(1, "k-same")).await;
    assert!(matches!(
        old_epoch,
        Err(StoreError::Invalid {
            column: "epoch",
            ..
        })
    ));
    store.write(change(2, "k-same")).await.unwrap();
    let row = store.key(key_id("k-same")).await.unwrap().unwrap();
    assert_eq!(row.material.unwrap().certificate, b"next");
}

async fn description__should_replace_text_and_tags(store: &dyn Store) {
    insert(store, "k-text").await;
    let describe = |description: Option<&str>, tags: Option<&str>| {
        Write::DescribeKey(KeyDescription {
            key_id: key_id("k-text"),
            description: description.map(str::to_owned),
            tags: tags.map(|tag| [tag.to_owned()].into()),
            at: NOW.plus(9),
        })
    };
    store.write(describe(Some("cold"), None)).await.unwrap();
    let row = store.key(key_id("k-text")).await.unwrap().unwrap();
    assert_eq!((row.description.as_str(), row.tags.len()), ("cold", 2));
    store.write(describe(None, Some("solo"))).await.unwrap();
    let row = store.key(key_id("k-text")).await.unwrap().unwrap();
    assert_eq!(row.description, "cold");
    assert_eq!(row.tags, ["solo".to_owned()].into());
    let found = by_tag(store, "solo").await;
    assert_eq!(found, [key_id("k-text")]);
    let unknown = store
        .write(Write::DescribeKey(KeyDescription {
            key_id: key_id("k-nobody"),
            description: None,
            tags: None,
            at: NOW,
        }))
        .await;
    assert!(matches!(unknown, Err(StoreError::NotFound { .. })));
}

async fn by_tag(store: &dyn Store, tag: &str) -> Vec<quorate_types::KeyId> {
    let filter = KeyFilter {
        tag: Some(tag.into()),
        ..KeyFilter::default()
    };
    let page = store.keys(filter, PageRequest::default()).await.unwrap();
    page.rows.iter().map(|row| row.key_id).collect()
}

async fn apply__must_be_all_or_nothing(store: &dyn Store) {
    let bad = KeyChange::step(
        key_id("k-atomic"),
        KeyStatus::Creating,
        KeyStatus::Active,
        NOW,
    );
    let together = vec![
        Write::InsertKey(Box::new(key("k-atomic"))),
        Write::ChangeKey(Box::new(bad)),
    ];
    assert!(store.apply(together).await.is_err());
    assert!(store.key(key_id("k-atomic")).await.unwrap().is_none());
    let many = (0..65)
        .map(|n| Write::InsertKey(Box::new(key(&format!("k-many-{n}")))))
        .collect();
    assert!(matches!(
        store.apply(many).await,
        Err(StoreError::Invalid { .. })
    ));
    assert!(store.key(key_id("k-many-0")).await.unwrap().is_none());
}

async fn filters__should_find_exactly_their_keys(store: &dyn Store) {
    let mut row = key("k-filter");
    row.tenant = quorate_types::Tenant::new("filterer").unwrap();
    row.algorithm = Algorithm::EdDsa;
    row.curve = Curve::Ed25519;
    row.chain_type = ChainId::new("none").unwrap();
    row.tags = ["unique".to_owned()].into();
    store
        .write(Write::InsertKey(Box::new(row.clone())))
        .await
        .unwrap();
    activate(store, "k-address").await;
    let address = material("k-address").address;
    let base = KeyFilter::default;
    let matching = [
        KeyFilter {
            tenant: Some(row.tenant.clone()),
            ..base()
        },
        KeyFilter {
            chain_type: Some(row.chain_type.clone()),
            ..base()
        },
        KeyFilter {
            algorithm: Some(Algorithm::EdDsa),
            ..base()
        },
        KeyFilter {
            tag: Some("unique".into()),
            ..base()
        },
        KeyFilter {
            tenant: Some(row.tenant.clone()),
            status: Some(KeyStatus::Creating),
            chain_type: Some(row.chain_type.clone()),
            algorithm: Some(Algorithm::EdDsa),
            tag: Some("unique".into()),
            address: None,
        },
    ];
    for filter in matching {
        let page = store.keys(filter.clone(), PageRequest::default()).await;
        assert_eq!(page.unwrap().rows, [row.clone()], "{filter:?}");
    }
    let nothing = KeyFilter {
        tag: Some("unique".into()),
        status: Some(KeyStatus::Active),
        ..base()
    };
    let page = store.keys(nothing, PageRequest::default()).await.unwrap();
    assert!(page.rows.is_empty() && page.next.is_none());
    let by_address = KeyFilter { address, ..base() };
    let page = store
        .keys(by_address, PageRequest::default())
        .await
        .unwrap();
    assert_eq!(page.rows.len(), 1);
    assert_eq!(page.rows[0].key_id, key_id("k-address"));
    // A value is data, whatever it looks like.
    assert!(by_tag(store, "' OR 1=1 --").await.is_empty());
}

async fn paging__should_be_stable_under_inserts(store: &dyn Store) {
    let filter = KeyFilter {
        tag: Some("paged".into()),
        ..KeyFilter::default()
    };
    // Groups of three share a time, so that the id has to decide.
    for n in 0..20 {
        insert_paged(store, n, NOW.plus(n / 3)).await;
    }
    let mut seen = Vec::new();
    let mut request = PageRequest::first(6);
    let mut inserted = 100;
    loop {
        let page = store.keys(filter.clone(), request).await.unwrap();
        assert!(page.rows.len() <= 6);
        seen.extend(page.rows);
        assert!(seen.len() <= 20, "a page repeats rows");
        let Some(next) = page.next else { break };
        insert_paged(store, inserted, NOW.plus(inserted)).await;
        inserted += 1;
        // As over HTTP: the cursor travels as text.
        let next: Cursor = next.to_string().parse().unwrap();
        request = PageRequest::first(6).after(next);
    }
    assert_eq!(
        seen.len(),
        20,
        "each of the first rows once, none of the later"
    );
    assert!(
        seen.windows(2)
            .all(|w| (w[0].created_at, w[0].key_id.to_string())
                > (w[1].created_at, w[1].key_id.to_string()))
    );
    assert_eq!(PageRequest::first(5_000).rows(), 200);
    let foreign = store
        .keys(filter.clone(), PageRequest::first(6))
        .await
        .unwrap()
        .next
        .unwrap();
    let refused = store
        .sessions(
            quorate_store::SessionFilter::default(),
            PageRequest::first(6).after(foreign),
        )
        .await;
    assert!(matches!(refused, Err(StoreError::InvalidCursor)));
}

async fn insert_paged(store: &dyn Store, n: u64, created_at: UnixMillis) {
    let mut row = key(&format!("k-page-{n}"));
    row.tags = ["paged".to_owned()].into();
    row.created_at = created_at;
    store.write(Write::InsertKey(Box::new(row))).await.unwrap();
}
