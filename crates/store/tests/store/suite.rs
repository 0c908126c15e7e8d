//! What every store must do, whatever its database: a second implementation runs the same checks.

mod audit;
mod idempotency;
mod intents;
mod keys;
mod nodes;
mod sessions;

use quorate_store::Store;

/// Runs every check on an empty store. Each check uses its own names.
pub async fn check_store(store: &dyn Store) {
    store.ping().await.unwrap();
    audit::check(store).await;
    keys::check(store).await;
    nodes::check(store).await;
    intents::check(store).await;
    sessions::check(store).await;
    idempotency::check(store).await;
}
