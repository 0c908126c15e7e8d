//! How long a group commit waits for company. Pure: whoever commits notes lengths and waits.

use std::time::Duration;

/// Commits of so many pieces or more, on average, show that several callers are at work: then each
/// commit waits for more of them. A caller that is alone brings one or two at a time, and never
/// waits.
const BUSY: f32 = 2.5;
/// The longest wait: several of them fit into the time of one signature under load.
const MOST: Duration = Duration::from_millis(5);
/// Weight of the newest commit in the average.
const NEWEST: f32 = 0.25;

/// The average length of the last commits, and what it means for the next one. A commit costs the
/// same however many share it.
#[derive(Debug)]
pub struct Company {
    per_piece: Duration,
    average: f32,
}

impl Company {
    /// - `per_piece`: how long to wait for each piece of an average commit.
    #[must_use]
    pub const fn new(per_piece: Duration) -> Self {
        Self {
            per_piece,
            average: 0.0,
        }
    }

    /// Notes how many pieces a commit had.
    #[allow(
        clippy::cast_precision_loss,
        reason = "an average needs no more than 24 bits"
    )]
    pub fn note(&mut self, pieces: usize) {
        self.average += NEWEST * (pieces as f32 - self.average);
    }

    /// How long the next commit waits, if it does.
    #[must_use]
    pub fn pause(&self) -> Option<Duration> {
        let per_piece = self.per_piece;
        (self.average >= BUSY).then(|| per_piece.mul_f32(self.average.min(1_000.0)).min(MOST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PER_PIECE: Duration = Duration::from_micros(500);

    fn after(commits: impl IntoIterator<Item = usize>) -> Company {
        let mut company = Company::new(PER_PIECE);
        commits.into_iter().for_each(|pieces| company.note(pieces));
        company
    }

    #[test]
    fn caller_that_is_alone__must_never_wait() {
        // What one signature brings at a time, again and again; a heartbeat may be among them.
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
