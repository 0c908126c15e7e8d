//! How long a transaction waits for company before it begins.

use std::time::Duration;

/// Transactions of so many pieces or more, on average, show that several callers are at work: then
/// each waits for more of them. A caller that is alone writes one piece at a time, and
/// never waits.
const BUSY: f32 = 2.5;
/// How long to wait for each piece of an average transaction. A commit costs the same however many
/// share it, and pages that several pieces change are written once.
const PER_PIECE: Duration = Duration::from_micros(500);
/// The longest wait: several of them fit into the time of one signature under load.
const MOST: Duration = Duration::from_millis(5);
/// Weight of the newest one in the average.
const NEWEST: f32 = 0.25;

/// The average length of the last transactions.
#[derive(Debug, Default)]
pub(super) struct Company {
    average: f32,
}

impl Company {
    /// Notes the length of a transaction.
    #[allow(
        clippy::cast_precision_loss,
        reason = "an average needs no more than 24 bits"
    )]
    pub(super) fn note(&mut self, batch: usize) {
        self.average += NEWEST * (batch as f32 - self.average);
    }

    /// How long the next one waits, if it does.
    pub(super) fn pause(&self) -> Option<Duration> {
        (self.average >= BUSY).then(|| PER_PIECE.mul_f32(self.average.min(1_000.0)).min(MOST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(batches: impl IntoIterator<Item = usize>) -> Company {
        let mut company = Company::default();
        batches.into_iter().for_each(|batch| company.note(batch));
        company
    }

    #[test]
    fn caller_that_is_alone__must_never_wait() {
        // Its pieces come one by one; a heartbeat may be among them.
        for length in 0..100 {
            let company = after([2, 1].into_iter().cycle().take(length));
            assert_eq!(company.pause(), None);
        }
    }

    #[test]
    fn pause__should_grow_with_the_load_up_to_its_limit() {
        let few = after([3; 40]).pause().unwrap();
        assert!(few > PER_PIECE * 2 && few < MOST, "{few:?}");
        assert_eq!(after([20; 40]).pause(), Some(MOST));
        assert_eq!(after([usize::MAX; 40]).pause(), Some(MOST));
    }

    #[test]
    fn pause__should_end_with_the_load() {
        let busy_once = [10; 40].into_iter().chain([1; 40]);
        assert_eq!(after(busy_once).pause(), None);
    }
}
