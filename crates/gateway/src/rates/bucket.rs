use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

pub(super) const SECOND: u64 = 1_000_000_000;

/// Buckets of equal size, by name. Times are nanoseconds since a start of the caller's.
pub(super) struct Buckets<K> {
    /// Between two calls at the lasting rate.
    interval: u64,
    /// How long an empty bucket takes to fill.
    depth: u64,
    /// When the bucket of each name will be full.
    full_at: HashMap<K, u64>,
    places: usize,
    /// The bucket of all names without a place.
    others_full_at: u64,
    /// When the table was last searched for full buckets.
    swept_at: u64,
}

impl<K: Hash + Eq> Buckets<K> {
    /// `per_second` calls lastingly, `burst` at once, for `places` names; zeros count as one.
    pub(super) fn new(per_second: u32, burst: u32, places: usize) -> Self {
        let interval = (SECOND / u64::from(per_second.max(1))).max(1);
        Self {
            interval,
            depth: interval.saturating_mul(u64::from(burst.max(1))),
            full_at: HashMap::new(),
            places,
            others_full_at: 0,
            swept_at: 0,
        }
    }

    fn wait(&self, full_at: u64, now: u64) -> Result<u64, Duration> {
        let after = full_at.max(now).saturating_add(self.interval);
        match after.checked_sub(now.saturating_add(self.depth)) {
            Some(wait @ 1..) => Err(Duration::from_nanos(wait)),
            _ => Ok(after),
        }
    }

    /// Whether a call could be taken now; otherwise how long to wait.
    pub(super) fn look<Q>(&self, name: &Q, now: u64) -> Result<(), Duration>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let known = self.full_at.get(name).copied();
        let is_full_table = self.full_at.len() >= self.places;
        let shared = if is_full_table {
            self.others_full_at
        } else {
            0
        };
        self.wait(known.unwrap_or(shared), now).map(|_| ())
    }

    /// Takes one call; otherwise how long to wait.
    pub(super) fn take<Q>(&mut self, name: &Q, now: u64) -> Result<(), Duration>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        if let Some(full_at) = self.full_at.get(name).copied() {
            let after = self.wait(full_at, now)?;
            if let Some(entry) = self.full_at.get_mut(name) {
                *entry = after;
            }
            return Ok(());
        }
        if self.full_at.len() >= self.places {
            self.sweep(now);
        }
        if self.full_at.len() >= self.places {
            self.others_full_at = self.wait(self.others_full_at, now)?;
            return Ok(());
        }
        let after = self.wait(0, now)?;
        self.full_at.insert(name.to_owned(), after);
        Ok(())
    }

    /// Forgets full buckets: they are as good as new ones. At most once in a second, because it
    /// looks at the whole table.
    fn sweep(&mut self, now: u64) {
        if self.swept_at != 0 && now < self.swept_at.saturating_add(SECOND) {
            return;
        }
        self.swept_at = now.max(1);
        self.full_at.retain(|_, full_at| *full_at > now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket__should_allow_its_burst_then_its_rate() {
        let mut buckets = Buckets::<u8>::new(10, 3, 100);
        for _ in 0..3 {
            buckets.take(&1, 0).unwrap();
        }
        let wait = buckets.take(&1, 0).unwrap_err();
        assert_eq!(wait, Duration::from_millis(100));
        assert_eq!(buckets.look(&1, 0), Err(wait));
        assert!(buckets.take(&1, SECOND / 10 - 1).is_err());
        buckets.take(&1, SECOND / 10).unwrap();
        assert!(buckets.take(&1, SECOND / 10).is_err());
        // Another name has its own; a long pause fills the bucket, and no more.
        buckets.take(&2, 0).unwrap();
        for _ in 0..3 {
            buckets.take(&1, 100 * SECOND).unwrap();
        }
        assert!(buckets.take(&1, 100 * SECOND).is_err());
    }

    #[test]
    fn table__must_stay_below_its_size_and_not_forget_who_spent_its_bucket() {
        let mut buckets = Buckets::<u32>::new(1, 2, 10);
        buckets.take(&0, 1).unwrap();
        buckets.take(&0, 1).unwrap();
        let strangers = (1..1_000).filter(|name| buckets.take(name, 1).is_ok());
        // Nine found a place, and two calls the shared bucket.
        assert_eq!(strangers.count(), 11);
        assert_eq!(buckets.full_at.len(), 10);
        assert!(buckets.take(&0, 1).is_err());
        assert!(buckets.look(&5_000, 1).is_err());
        // Full buckets give their places back.
        buckets.take(&7_000, 10 * SECOND).unwrap();
        assert_eq!(buckets.full_at.len(), 1);
    }

    #[test]
    fn zero_limits__should_count_as_one() {
        let mut buckets = Buckets::<u8>::new(0, 0, 1);
        buckets.take(&1, 0).unwrap();
        assert_eq!(buckets.take(&1, 0), Err(Duration::from_secs(1)));
    }
}
