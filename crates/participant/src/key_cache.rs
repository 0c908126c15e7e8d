//! Opened shares of recent keys, at most a few. Evicted ones are zeroized with their last user.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use quorate_api::ErrorCode;
use quorate_intent::{KeyCertificate, Manifest};
use quorate_keystore::Keystore;
use quorate_types::{Canonical as _, KeyId};

use crate::held_key::{HeldKey, Payload};
use crate::refusal::Refusal;

#[derive(Default)]
struct Inner {
    keys: HashMap<KeyId, Arc<HeldKey>>,
    order: VecDeque<KeyId>,
}

/// The cache; the oldest entry makes room.
pub(crate) struct KeyCache {
    inner: Mutex<Inner>,
    capacity: usize,
}

impl KeyCache {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            inner: Mutex::new(Inner::default()),
            capacity: capacity.max(1),
        }
    }

    /// The key, if it is in memory.
    pub(crate) fn in_memory(&self, key: KeyId) -> Option<Arc<HeldKey>> {
        self.inner.lock().keys.get(&key).cloned()
    }

    /// Opens a key ahead of its use if there is room, so that its first signature after a start does
    /// not wait for the disk. What cannot be opened is found at its use.
    pub(crate) fn preload(&self, key: KeyId, keystore: &Keystore, manifest: &Manifest) {
        let has_room = self.inner.lock().order.len() < self.capacity;
        if has_room && let Err(refusal) = self.get(key, keystore, manifest) {
            tracing::warn!(%key, "a key was not preloaded: {}", refusal.message);
        }
    }

    /// The key, from memory or opened and checked now, which reads the disk.
    pub(crate) fn get(
        &self,
        key: KeyId,
        keystore: &Keystore,
        manifest: &Manifest,
    ) -> Result<Arc<HeldKey>, Refusal> {
        if let Some(held) = self.in_memory(key) {
            return Ok(held);
        }
        let held = Arc::new(open(key, keystore, manifest)?);
        let mut inner = self.inner.lock();
        if inner.keys.insert(key, Arc::clone(&held)).is_none() {
            inner.order.push_back(key);
        }
        if inner.order.len() > self.capacity
            && let Some(oldest) = inner.order.pop_front()
        {
            inner.keys.remove(&oldest);
        }
        Ok(held)
    }
}

fn open(key: KeyId, keystore: &Keystore, manifest: &Manifest) -> Result<HeldKey, Refusal> {
    let damaged = |what: String| {
        let message = format!("the share of {key} is damaged: {what}; restore it from a backup");
        Refusal::retry(ErrorCode::ShareDamaged, message)
    };
    let opened = keystore.open_share(key)?;
    let certificate =
        KeyCertificate::from_bytes(&opened.certificate).map_err(|e| damaged(e.to_string()))?;
    certificate
        .verify(manifest)
        .map_err(|e| damaged(e.to_string()))?;
    if certificate.statement.key != key {
        return Err(damaged("its certificate is of another key".to_owned()));
    }
    let payload = Payload::from_bytes(&opened.payload).map_err(|e| damaged(e.to_string()))?;
    HeldKey::new(payload, certificate).map_err(|e| damaged(e.to_string()))
}
