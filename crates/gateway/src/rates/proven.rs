//! Which credentials were authentic from which addresses lately, and their failures since.

use std::collections::HashMap;
use std::time::Duration;

use super::bucket::{Buckets, SECOND};
use crate::source::Source;

/// How long it is remembered that a credential was authentic from an address.
const PROVEN_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// A memory that is younger than this is not written anew.
const RENEWED_AFTER: Duration = Duration::from_secs(60);

type Name = (Source, String);

/// Times are nanoseconds since a start of the caller's.
pub(super) struct Proven {
    /// Until when it counts.
    until: HashMap<Name, u64>,
    failures: Buckets<Name>,
    places: usize,
    swept_at: u64,
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl Proven {
    pub(super) fn new(per_second: u32, burst: u32, places: usize) -> Self {
        Self {
            until: HashMap::new(),
            failures: Buckets::new(per_second, burst, places),
            places,
            swept_at: 0,
        }
    }

    fn holds(&self, name: &Name, now: u64) -> bool {
        self.until.get(name).is_some_and(|until| *until > now)
    }

    /// Whether a proven credential may be heard; `None` for one that is not.
    pub(super) fn look(
        &self,
        source: Source,
        named: &str,
        now: u64,
    ) -> Option<Result<(), Duration>> {
        let name = (source, named.to_owned());
        let is_proven = self.holds(&name, now);
        is_proven.then(|| self.failures.look(&name, now))
    }

    /// Counts a failure of a proven credential; whether it was one.
    pub(super) fn count_failure(&mut self, source: Source, named: &str, now: u64) -> bool {
        let name = (source, named.to_owned());
        let is_proven = self.holds(&name, now);
        if is_proven {
            // An empty bucket refuses it before the next failure.
            let _ = self.failures.take(&name, now);
        }
        is_proven
    }

    /// Remembers one. Without a place it stays among the others of its address.
    pub(super) fn add(&mut self, source: Source, key: &str, now: u64) {
        let name = (source, key.to_owned());
        let until = now.saturating_add(nanos(PROVEN_FOR));
        if let Some(known) = self.until.get_mut(&name) {
            if until.saturating_sub(*known) > nanos(RENEWED_AFTER) {
                *known = until;
            }
            return;
        }
        if self.until.len() >= self.places && now >= self.swept_at.saturating_add(SECOND) {
            self.swept_at = now;
            self.until.retain(|_, until| *until > now);
        }
        if self.until.len() < self.places {
            self.until.insert(name, until);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Source = Source::V4([10, 0, 0, 1]);

    #[test]
    fn proof__should_count_for_its_time_and_its_address() {
        let mut proven = Proven::new(1, 1, 10);
        let (start, end) = (SECOND, SECOND + nanos(PROVEN_FOR));
        proven.add(HERE, "k", start);
        assert!(proven.look(HERE, "k", end - 1).is_some());
        assert!(proven.look(HERE, "k", end).is_none());
        assert!(proven.look(HERE, "other", start).is_none());
        assert!(proven.look(Source::V4([10, 0, 0, 2]), "k", start).is_none());
        proven.add(HERE, "k", end - 1);
        assert!(proven.look(HERE, "k", end).is_some());
    }

    #[test]
    fn table__must_stay_below_its_size() {
        let mut proven = Proven::new(1, 1, 2);
        for key in ["a", "b", "c"] {
            proven.add(HERE, key, SECOND);
        }
        assert_eq!(proven.until.len(), 2);
        assert!(!proven.count_failure(HERE, "c", SECOND));
        assert!(proven.count_failure(HERE, "a", SECOND));
        assert!(proven.look(HERE, "a", SECOND).unwrap().is_err());
        // What is over gives its place back.
        proven.add(HERE, "c", 2 * SECOND + nanos(PROVEN_FOR));
        assert_eq!(proven.until.len(), 1);
    }
}
