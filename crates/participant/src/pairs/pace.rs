//! How often new pair state may be made with one peer: bounded, whatever the peer says.

use std::time::{Duration, Instant};

/// Set-ups with one peer that may follow each other at once.
pub(super) const PAIR_SETUP_BURST: u32 = 8;

/// After them, one more is allowed each time this has passed.
pub(super) const PAIR_SETUP_INTERVAL: Duration = Duration::from_secs(60);

/// First pause after a set-up, or a proposal, that came to nothing; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// Longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The pace of set-ups with one peer.
pub(super) struct Pace {
    left: u32,
    counted_at: Instant,
    pause: Duration,
    not_before: Instant,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            left: PAIR_SETUP_BURST,
            counted_at: now,
            pause: FIRST_PAUSE,
            not_before: now,
        }
    }

    /// Takes one set-up from what is allowed. False if there is none left now.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        while self.left < PAIR_SETUP_BURST
            && now.saturating_duration_since(self.counted_at) >= PAIR_SETUP_INTERVAL
        {
            self.counted_at += PAIR_SETUP_INTERVAL;
            self.left += 1;
        }
        if self.left == PAIR_SETUP_BURST {
            self.counted_at = now;
        }
        let allowed = self.left > 0;
        self.left = self.left.saturating_sub(1);
        allowed
    }

    /// Whether the pause after the last failure is over.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        now >= self.not_before
    }

    /// Something came to nothing, or was asked for: the next try comes later, and later each time.
    pub(super) fn wait(&mut self, now: Instant) {
        self.not_before = now + self.pause;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }

    /// Something changed at the peer: what failed before may succeed now.
    pub(super) fn resume(&mut self, now: Instant) {
        self.not_before = now;
    }

    /// It succeeded.
    pub(super) fn succeeded(&mut self, now: Instant) {
        self.pause = FIRST_PAUSE;
        self.not_before = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_ups__must_be_bounded_by_burst_and_interval() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        let taken = (0..100).filter(|_| pace.take(start)).count();
        assert_eq!(taken, PAIR_SETUP_BURST as usize);
        assert!(!pace.take(start + PAIR_SETUP_INTERVAL - Duration::from_millis(1)));
        assert!(pace.take(start + PAIR_SETUP_INTERVAL));
        assert!(!pace.take(start + PAIR_SETUP_INTERVAL));
        let later = start + PAIR_SETUP_INTERVAL * 1_000;
        let taken = (0..100).filter(|_| pace.take(later)).count();
        assert_eq!(taken, PAIR_SETUP_BURST as usize, "never more at once");
    }

    #[test]
    fn pauses__should_double_up_to_the_longest_and_begin_anew_after_success() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        let mut now = start;
        let mut pauses = Vec::new();
        for _ in 0..9 {
            pace.wait(now);
            assert!(!pace.is_due(now));
            pauses.push(pace.not_before - now);
            now = pace.not_before;
            assert!(pace.is_due(now));
        }
        assert_eq!(pauses[0], FIRST_PAUSE);
        assert_eq!(pauses[1], FIRST_PAUSE * 2);
        assert_eq!(pauses[8], LONGEST_PAUSE);
        pace.wait(now);
        pace.resume(now);
        assert!(pace.is_due(now), "news end a pause");
        pace.wait(now);
        assert_eq!(pace.not_before - now, LONGEST_PAUSE, "but not the doubling");
        pace.succeeded(now);
        pace.wait(now);
        assert_eq!(pace.not_before - now, FIRST_PAUSE);
    }
}
