use quorate_store::{NodeHeartbeat, NodeStatus, Store, StoreError, Write};

use crate::samples::{NOW, node, node_row};

pub async fn check(store: &dyn Store) {
    for name in ["n-b", "n-a"] {
        let write = Write::PutNode(Box::new(node_row(name)));
        store.write(write).await.unwrap();
    }
    assert_eq!(
        store.nodes().await.unwrap(),
        [node_row("n-a"), node_row("n-b")]
    );
    registration__should_keep_the_first_time(store).await;
    heartbeat__should_change_status_load_and_time(store).await;
    removed_node__should_be_gone(store).await;
}

async fn registration__should_keep_the_first_time(store: &dyn Store) {
    let mut again = node_row("n-a");
    again.endpoint = "10.0.0.1:7001".into();
    again.registered_at = NOW.plus(1);
    store.write(Write::PutNode(Box::new(again))).await.unwrap();
    let row = store.node(node("n-a")).await.unwrap().unwrap();
    assert_eq!(row.endpoint, "10.0.0.1:7001");
    assert_eq!(row.registered_at, NOW);
    let mut bad = node_row("n-bad");
    bad.load_factor = 101;
    let refused = store.write(Write::PutNode(Box::new(bad))).await;
    assert!(matches!(
        refused,
        Err(StoreError::Invalid {
            column: "load_factor",
            ..
        })
    ));
}

async fn heartbeat__should_change_status_load_and_time(store: &dyn Store) {
    let beat = |name: &str, status, heard_at, load_factor| {
        Write::Heartbeat(NodeHeartbeat {
            node_id: node(name),
            heard_at,
            status,
            load_factor,
        })
    };
    let heard = Some(NOW.plus(7));
    store
        .write(beat("n-a", NodeStatus::Online, heard, 42))
        .await
        .unwrap();
    store
        .write(beat("n-a", NodeStatus::Offline, None, 42))
        .await
        .unwrap();
    let row = store.node(node("n-a")).await.unwrap().unwrap();
    assert_eq!(
        (row.status, row.last_heartbeat, row.load_factor),
        (NodeStatus::Offline, heard, 42)
    );
    let unknown = store.write(beat("n-x", NodeStatus::Online, heard, 0)).await;
    assert!(matches!(
        unknown,
        Err(StoreError::NotFound { what: "node", .. })
    ));
    let overloaded = store
        .write(beat("n-a", NodeStatus::Online, heard, 200))
        .await;
    assert!(matches!(overloaded, Err(StoreError::Invalid { .. })));
}

async fn removed_node__should_be_gone(store: &dyn Store) {
    store.write(Write::RemoveNode(node("n-b"))).await.unwrap();
    assert!(store.node(node("n-b")).await.unwrap().is_none());
    let again = store.write(Write::RemoveNode(node("n-b"))).await;
    assert!(matches!(again, Err(StoreError::NotFound { .. })));
}
