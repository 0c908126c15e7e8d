//! Public keys of secp256k1 that verify again and again, with tables of their multiples.
//!
//! A table makes a verification four times as fast, takes 40 KB, and costs as much to make as three to
//! six verifications. So only keys get one that have verified often lately; whoever verifies under many
//! keys gains nothing, and takes a table from nobody who uses it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use quorate_kernels::{Coordinates, KnownPoint, Residue, in_use};
use secp256k1::PublicKey;

/// Tables of this process: 1.3 MB.
const TABLES: usize = 32;
/// Verifications after which a key gets one.
const NEEDED: u32 = 32;
/// Groups of keys whose verifications are counted, and keys of a group.
const GROUPS: usize = 64;
const KEYS_OF_GROUP: usize = 4;
/// A table may go once this many verifications of the process have not used it.
const IDLE: u64 = 4_096;

/// Compressed.
type KeyBytes = [u8; 33];

/// The keys of this process.
pub(crate) static KNOWN_POINTS: KnownPoints = KnownPoints::new();

pub(crate) struct KnownPoints {
    /// At most [`TABLES`].
    points: RwLock<Vec<Arc<Point>>>,
    counts: Mutex<[[Count; KEYS_OF_GROUP]; GROUPS]>,
    /// Verifications so far: the clock of [`Point::last_use`].
    uses: AtomicU64,
}

/// A key with a table.
pub(crate) struct Point {
    key: KeyBytes,
    table: KnownPoint,
    last_use: AtomicU64,
}

/// A key of which verifications are counted.
#[derive(Clone, Copy)]
struct Count {
    key: KeyBytes,
    verified: u32,
}

impl KnownPoints {
    const fn new() -> Self {
        let none = Count {
            key: [0; 33],
            verified: 0,
        };
        Self {
            points: RwLock::new(Vec::new()),
            counts: Mutex::new([[none; KEYS_OF_GROUP]; GROUPS]),
            uses: AtomicU64::new(0),
        }
    }

    /// The key with its table, if it has one. It has passed every check of keys.
    pub(crate) fn find(&self, key: &[u8]) -> Option<Arc<Point>> {
        self.uses.fetch_add(1, Ordering::Relaxed);
        let points = self.points.read().ok()?;
        let point = points.iter().find(|point| point.key == key)?;
        Some(Arc::clone(point))
    }

    /// Notes that a signature has verified by a table. One that has not keeps nothing in its place.
    pub(crate) fn has_confirmed(&self, point: &Point) {
        let now = self.uses.load(Ordering::Relaxed);
        point.last_use.store(now, Ordering::Relaxed);
    }

    /// Notes that a signature has verified under a key that [`Self::find`] did not find. Makes its
    /// table if it is time.
    pub(crate) fn has_verified(&self, key: &[u8], point: &PublicKey) {
        let Ok(key) = KeyBytes::try_from(key) else {
            return;
        };
        if !(self.count(&key) && in_use().known_points && self.make_room()) {
            return;
        }
        // Without a lock: others verify meanwhile.
        let Some(table) = KnownPoint::new(point) else {
            return;
        };
        let Ok(mut points) = self.points.write() else {
            return;
        };
        if points.len() < TABLES && points.iter().all(|point| point.key != key) {
            let last_use = AtomicU64::new(self.uses.load(Ordering::Relaxed));
            points.push(Arc::new(Point {
                key,
                table,
                last_use,
            }));
        }
    }

    /// Whether a key has now verified often enough. Once in [`NEEDED`] times.
    ///
    /// A key that is not counted yet takes the place of the one in its group that has verified least: of
    /// few keys that verify often and many that verify once, the former stay.
    fn count(&self, key: &KeyBytes) -> bool {
        let [.., place] = *key;
        let Ok(mut counts) = self.counts.lock() else {
            return false;
        };
        let Some(group) = counts.get_mut(usize::from(place) % GROUPS) else {
            return false;
        };
        if let Some(count) = group.iter_mut().find(|count| count.key == *key) {
            count.verified += 1;
            let is_enough = count.verified >= NEEDED;
            if is_enough {
                count.verified = 0;
            }
            return is_enough;
        }
        if let Some(least) = group.iter_mut().min_by_key(|count| count.verified) {
            *least = Count {
                key: *key,
                verified: 1,
            };
        }
        false
    }

    /// Whether there is room for one table more, perhaps made by dropping one that nobody uses.
    fn make_room(&self) -> bool {
        let Ok(mut points) = self.points.write() else {
            return false;
        };
        if points.len() < TABLES {
            return true;
        }
        let now = self.uses.load(Ordering::Relaxed);
        let last_use = |point: &Arc<Point>| point.last_use.load(Ordering::Relaxed);
        let oldest = points.iter().map(last_use).min().unwrap_or(now);
        if now.saturating_sub(oldest) < IDLE {
            return false;
        }
        points.retain(|point| last_use(point) != oldest);
        true
    }
}

impl Point {
    /// `base · G + factor · P`; `None` for the identity.
    pub(crate) fn sum(&self, base: &Residue, factor: &Residue) -> Option<Coordinates> {
        self.table.sum(base, factor)
    }

    /// The key itself.
    pub(crate) const fn key(&self) -> &KeyBytes {
        &self.key
    }

    /// Whether y of the key is odd.
    pub(crate) const fn is_odd(&self) -> bool {
        let [tag, ..] = self.key;
        tag == 3
    }
}

#[cfg(test)]
pub(crate) mod tests;
