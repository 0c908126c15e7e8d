//! How long a group commit waits for company. Pure: whoever commits notes lengths and waits.

use std::time::Duration;

/// Commits of so many pieces or more, on average, show that several callers are at work: then each
/// commit waits for more of them. A caller that is alone brings one or two at a time, and never
/// waits.
const BUSY: f32 = 2.5;
/// The longest wait: several of them fit into the time of one signature under load.
const MOST: Duration = Duration::from_millis(5);
/// A wait in commits: where they are quick there is time for more of them, and whoever waits for one
/// gains nothing by company. They take long where disk or processor is busy: there each is dear.
const COMMITS: f32 = 3.0;
/// Weight of the newest commit in the average.
const NEWEST: f32 = 0.25;

/// The average length and time of the last commits, and what they mean for the next one. A commit
/// costs the same however many share it.
#[derive(Debug)]
pub struct Company {
    per_piece: Duration,
    pieces: f32,
    seconds: f32,
}

impl Company {
    /// - `per_piece`: how long to wait for each piece of an average commit.
    #[must_use]
    pub const fn new(per_piece: Duration) -> Self {
        Self {
            per_piece,
            pieces: 0.0,
            seconds: 0.0,
        }
    }

    /// Notes how many pieces a commit had, and how long it took.
    #[allow(
        clippy::cast_precision_loss,
        reason = "an average needs no more than 24 bits"
    )]
    pub fn note(&mut self, pieces: usize, took: Duration) {
        self.pieces += NEWEST * (pieces as f32 - self.pieces);
        self.seconds += NEWEST * (took.as_secs_f32() - self.seconds);
    }

    /// How long the next commit waits, if it does.
    #[must_use]
    pub fn pause(&self) -> Option<Duration> {
        let by_pieces = self.per_piece.mul_f32(self.pieces.min(1_000.0));
        let by_time = Duration::from_secs_f32(COMMITS * self.seconds.clamp(0.0, 1.0));
        (self.pieces >= BUSY).then(|| by_pieces.min(by_time).min(MOST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PER_PIECE: Duration = Duration::from_micros(500);

    const SLOW: Duration = Duration::from_secs(1);

    fn after(commits: impl IntoIterator<Item = usize>, took: Duration) -> Company {
        let mut company = Company::new(PER_PIECE);
        commits
            .into_iter()
            .for_each(|pieces| company.note(pieces, took));
        company
    }

    #[test]
    fn caller_that_is_alone__must_never_wait() {
        // What one signature brings at a time, again and again; a heartbeat may be among them.
        for length in 0..100 {
            let company = after([2, 1].into_iter().cycle().take(length), SLOW);
            assert_eq!(company.pause(), None);
        }
    }

    #[test]
    fn pause__should_grow_with_the_load_up_to_its_limit() {
        let few = after([3; 40], SLOW).pause().unwrap();
        assert!(few > PER_PIECE * 2 && few < MOST, "{few:?}");
        assert_eq!(after([20; 40], SLOW).pause(), Some(MOST));
        assert_eq!(after([usize::MAX; 40], SLOW).pause(), Some(MOST));
        assert_eq!(after([20; 40], Duration::MAX).pause(), Some(MOST));
    }

    #[test]
    fn pause__should_be_short_where_commits_are() {
        let quick = Duration::from_micros(400);
        let pause = after([30; 80], quick).pause().unwrap();
        assert!(pause > quick && pause <= quick * 3, "{pause:?}");
        assert_eq!(
            after([30; 80], Duration::ZERO).pause(),
            Some(Duration::ZERO)
        );
    }

    #[test]
    fn pause__should_end_with_the_load() {
        let busy_once = [10; 40].into_iter().chain([1; 40]);
        assert_eq!(after(busy_once, SLOW).pause(), None);
    }
}
