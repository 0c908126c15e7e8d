//! How long something has been going on.

use std::time::Duration;

/// Something that happens again and again: when it began, and when it was last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Streak(Option<(Duration, Duration)>);

impl Streak {
    /// It happened. If it had not for longer than `gap`, it begins now.
    pub(super) fn note(&mut self, now: Duration, gap: Duration) {
        let first = match self.0 {
            Some((first, last)) if now.saturating_sub(last) <= gap => first,
            _ => now,
        };
        self.0 = Some((first, now));
    }

    /// From the first time to the last.
    pub(super) fn length(self) -> Duration {
        self.0
            .map_or(Duration::ZERO, |(first, last)| last.saturating_sub(first))
    }
}
