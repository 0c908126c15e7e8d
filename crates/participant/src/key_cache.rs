//! Opened shares of recent keys, at most a few. Evicted ones are zeroized with their last user.

use std::sync::Arc;

use hashlink::LinkedHashMap;
use parking_lot::Mutex;
use quorate_api::ErrorCode;
use quorate_intent::{KeyCertificate, Manifest};
use quorate_keystore::Keystore;
use quorate_types::{Canonical as _, KeyId};

use crate::held_key::{HeldKey, Payload};
use crate::refusal::Refusal;

/// The cache; the key that was not used for longest makes room.
pub(crate) struct KeyCache {
    keys: Mutex<Recent<Arc<HeldKey>>>,
    capacity: usize,
}

impl KeyCache {
    pub(crate) fn new(capacity: usize) -> Self {
        let capacity = capacity.max(1);
        Self {
            keys: Mutex::new(Recent::new(capacity)),
            capacity,
        }
    }

    /// The key, if it is in memory. Peers may ask: it is no use of the key, so that nobody keeps one
    /// here by asking.
    pub(crate) fn in_memory(&self, key: KeyId) -> Option<Arc<HeldKey>> {
        self.keys.lock().peek(key).cloned()
    }

    /// The key for a signature, if it is in memory.
    pub(crate) fn used(&self, key: KeyId) -> Option<Arc<HeldKey>> {
        self.keys.lock().get(key).cloned()
    }

    /// Opens a key ahead of its use if there is room, so that its first signature after a start does
    /// not wait for the disk. What cannot be opened is found at its use.
    pub(crate) fn preload(&self, key: KeyId, keystore: &Keystore, manifest: &Manifest) {
        let has_room = self.keys.lock().len() < self.capacity;
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
        if let Some(held) = self.used(key) {
            return Ok(held);
        }
        let held = Arc::new(open(key, keystore, manifest)?);
        let evicted = self.keys.lock().insert(key, Arc::clone(&held));
        drop(evicted); // wiped without the lock
        Ok(held)
    }
}

/// At most `capacity` values, least recently used first.
struct Recent<V> {
    values: LinkedHashMap<KeyId, V>,
    capacity: usize,
}

impl<V> Recent<V> {
    fn new(capacity: usize) -> Self {
        Self {
            values: LinkedHashMap::new(),
            capacity,
        }
    }

    fn len(&self) -> usize {
        self.values.len()
    }

    fn peek(&self, key: KeyId) -> Option<&V> {
        self.values.get(&key)
    }

    /// The value, which is the most recently used from now on.
    fn get(&mut self, key: KeyId) -> Option<&V> {
        self.values.to_back(&key).map(|value| &*value)
    }

    /// Keeps the value as the most recently used. Returns what it took the place of.
    fn insert(&mut self, key: KeyId, value: V) -> Option<V> {
        let former = self.values.insert(key, value);
        if self.values.len() <= self.capacity {
            return former;
        }
        self.values.pop_front().map(|(_, value)| value)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u8) -> KeyId {
        KeyId::from_array([n; 16])
    }

    fn kept(recent: &Recent<u8>) -> Vec<u8> {
        let all = 0..=u8::MAX;
        all.filter(|n| recent.peek(key(*n)).is_some()).collect()
    }

    #[test]
    fn a_key_in_use__should_stay_while_others_that_were_opened_later_make_room() {
        let mut recent = Recent::new(3);
        for n in 0..100 {
            // Key 0 signs between any two others.
            if recent.get(key(0)).is_none() {
                assert_eq!(n, 0, "it is opened once");
                recent.insert(key(0), 0);
            }
            recent.insert(key(n + 1), n + 1);
        }
        assert_eq!(kept(&recent), [0, 99, 100]);
    }

    #[test]
    fn the_key_that_was_not_used_for_longest__should_make_room() {
        let mut recent = Recent::new(3);
        for n in 1..=3 {
            assert_eq!(recent.insert(key(n), n), None, "there is room");
        }
        assert_eq!(recent.get(key(1)), Some(&1));
        assert_eq!(recent.peek(key(2)), Some(&2), "a look is no use");
        assert_eq!(recent.insert(key(4), 4), Some(2));
        assert_eq!(kept(&recent), [1, 3, 4]);
    }

    #[test]
    fn a_key_opened_twice_at_once__should_be_held_once_and_put_nothing_out() {
        let mut recent = Recent::new(2);
        recent.insert(key(1), 1);
        recent.insert(key(2), 2);
        assert_eq!(recent.insert(key(1), 7), Some(1));
        assert_eq!(kept(&recent), [1, 2]);
        assert_eq!(recent.insert(key(3), 3), Some(2));
        assert_eq!(recent.len(), 2);
    }
}
