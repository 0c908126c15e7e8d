//! How far a session is, over all its parts: what it tells the coordinator of that, and when it counts as
//! stuck.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use quorate_protocol::Progress;
use tokio::sync::Notify;

use crate::report::Report;

/// How long a session stays silent, also about having joined: most are over sooner.
const PROGRESS_PAUSE: Duration = Duration::from_millis(200);

/// The course of one session: the rounds of all its parts.
///
/// Every round of any part moves the session on. So the coordinator sees a transaction of a hundred
/// inputs advance, not a few of them begin again and again, and an input waits for a peer as long as
/// that peer goes on with the others.
#[derive(Debug)]
pub(crate) struct Course {
    parts: usize,
    rounds: u8,
    begun_at: Instant,
    most: Duration,
    inner: Mutex<Inner>,
    /// Something is to be told.
    news: Notify,
}

#[derive(Debug)]
struct Inner {
    begun: usize,
    over: usize,
    /// Parts that run, by the order in which they began.
    running: BTreeMap<usize, Progress>,
    moved_at: Instant,
    is_told: bool,
}

impl Course {
    /// Of so many parts of so many rounds each, which begins now and takes so long at most.
    pub(crate) fn new(parts: usize, rounds: u8, most: Duration) -> Self {
        let begun_at = Instant::now();
        let inner = Inner {
            begun: 0,
            over: 0,
            running: BTreeMap::new(),
            moved_at: begun_at,
            is_told: true,
        };
        Self {
            parts,
            rounds,
            begun_at,
            most,
            inner: Mutex::new(inner),
            news: Notify::new(),
        }
    }

    /// A part begins.
    pub(crate) fn begin(&self) -> Part<'_> {
        let mut inner = self.inner.lock();
        let number = inner.begun;
        inner.begun += 1;
        Part {
            course: self,
            number,
        }
    }

    /// When a round of any part was last gone through; at first, when the session began. Beginning a
    /// part is no such thing: that takes nobody but ourselves.
    pub(crate) fn moved_at(&self) -> Instant {
        self.inner.lock().moved_at
    }

    /// Whether a round of any part was gone through: all peers of it take part.
    pub(crate) fn has_moved(&self) -> bool {
        self.moved_at() > self.begun_at
    }

    /// How long the session may stay where it is, from `now` on, if it may for `timeout` in all: a peer
    /// that goes on with other parts is not gone.
    pub(crate) fn left(&self, timeout: Duration, now: Instant) -> Duration {
        let left =
            |most: Duration, since| most.saturating_sub(now.saturating_duration_since(since));
        left(timeout, self.moved_at()).min(left(self.most, self.begun_at))
    }

    /// Runs the parts of the session, and tells the coordinator of their progress where they pause, or
    /// take long; what goes through in a few milliseconds reports its result only.
    pub(crate) async fn accompany<T>(&self, report: &Report, parts: impl Future<Output = T>) -> T {
        tokio::select! {
            biased;
            result = parts => result,
            never = self.tell(report) => match never {},
        }
    }

    async fn tell(&self, report: &Report) -> Infallible {
        loop {
            while self.inner.lock().is_told {
                self.news.notified().await;
            }
            let pause = PROGRESS_PAUSE.saturating_sub(report.told_at().elapsed());
            tokio::time::sleep(pause).await;
            if let Some((progress, step)) = self.news() {
                report.progress(&progress, step);
            }
        }
    }

    /// Where the first part that runs stands, and the session's step, of so many.
    fn news(&self) -> Option<(Progress, (u8, u8))> {
        let mut inner = self.inner.lock();
        inner.is_told = true;
        let (_, first) = inner.running.first_key_value()?;
        Some((first.clone(), self.step(&inner)))
    }

    /// Rounds that were gone through or are under way. What has more than 255 of them, which is what
    /// a coordinator reads, is shown as 255 longer ones.
    fn step(&self, inner: &Inner) -> (u8, u8) {
        let rounds = usize::from(self.rounds);
        let steps = self.parts * rounds;
        let running = inner.running.values().map(|part| usize::from(part.round));
        let step = (inner.over * rounds + running.sum::<usize>()).min(steps);
        let most = usize::from(u8::MAX);
        let (step, steps) = if steps <= most {
            (step, steps)
        } else {
            (step * most / steps, most)
        };
        let narrow = |number| u8::try_from(number).unwrap_or(u8::MAX);
        (narrow(step), narrow(steps))
    }

    fn changed(&self, mut inner: parking_lot::MutexGuard<'_, Inner>) {
        let was_told = std::mem::replace(&mut inner.is_told, false);
        drop(inner);
        if was_told {
            self.news.notify_one();
        }
    }
}

/// A part that runs.
#[derive(Debug)]
pub(crate) struct Part<'a> {
    course: &'a Course,
    number: usize,
}

impl Part<'_> {
    /// It stands here now.
    pub(crate) fn stands_at(&self, progress: Progress) {
        let mut inner = self.course.inner.lock();
        let before = inner.running.get(&self.number);
        if before == Some(&progress) {
            return;
        }
        if before.is_some_and(|before| before.round < progress.round) {
            inner.moved_at = Instant::now();
        }
        inner.running.insert(self.number, progress);
        self.course.changed(inner);
    }

    /// Whether no part that began before it is under way.
    pub(crate) fn is_first(&self) -> bool {
        let inner = self.course.inner.lock();
        let first = inner.running.first_key_value();
        first.is_none_or(|(number, _)| *number >= self.number)
    }

    /// It went through. A part that is only dropped did not.
    pub(crate) fn finish(self) {
        let mut inner = self.course.inner.lock();
        inner.over += 1;
        inner.moved_at = Instant::now();
        inner.running.remove(&self.number);
        self.course.changed(inner);
    }
}

impl Drop for Part<'_> {
    fn drop(&mut self) {
        self.course.inner.lock().running.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: Duration = Duration::from_secs(30);

    fn at(round: u8) -> Progress {
        Progress {
            round,
            name: "round",
            rounds: 3,
            awaiting: Vec::new(),
        }
    }

    fn step(course: &Course) -> (u8, u8) {
        course.step(&course.inner.lock())
    }

    #[test]
    fn one_part__should_stand_at_its_round() {
        let course = Course::new(1, 3, MOST);
        let part = course.begin();
        assert_eq!(step(&course), (0, 3));
        for round in [1, 2, 3] {
            part.stands_at(at(round));
            assert_eq!(step(&course), (round, 3));
        }
        part.finish();
        assert_eq!(step(&course), (3, 3));
    }

    #[test]
    fn every_part_that_is_over__must_move_the_session_on_whatever_their_number() {
        for parts in [2, 85, 86, 100, 254] {
            let course = Course::new(parts, 3, MOST);
            let mut before = 0;
            for _ in 0..parts {
                let part = course.begin();
                part.stands_at(at(3));
                part.finish();
                let (step, steps) = step(&course);
                assert!(step > before && step <= steps, "{parts}: {before}, {step}");
                before = step;
            }
            let (step, steps) = step(&course);
            assert_eq!(step, steps, "{parts}: all of it");
        }
    }

    #[test]
    fn parts_side_by_side__should_count_each_round_and_show_the_first_that_runs() {
        let course = Course::new(3, 3, MOST);
        let (first, second) = (course.begin(), course.begin());
        first.stands_at(at(2));
        second.stands_at(at(3));
        let (shown, step) = course.news().unwrap();
        assert_eq!((shown.round, step), (2, (5, 9)));
        first.finish();
        let (shown, step) = course.news().unwrap();
        assert_eq!((shown.round, step), (3, (6, 9)));
        drop(second);
        assert!(course.news().is_none(), "what failed is not shown");
    }

    #[test]
    fn only_a_later_round__must_count_as_having_moved() {
        let course = Course::new(2, 3, MOST);
        let begun_at = course.moved_at();
        let part = course.begin();
        part.stands_at(at(1));
        let awaiting = vec![quorate_types::PartyIndex::new(1).unwrap()];
        part.stands_at(Progress { awaiting, ..at(1) });
        drop(course.begin());
        assert_eq!(course.moved_at(), begun_at);
        assert!(!course.has_moved());
        part.stands_at(at(2));
        let moved_at = course.moved_at();
        assert!(moved_at > begun_at && course.has_moved());
        part.finish();
        assert!(course.moved_at() > moved_at);
    }

    #[test]
    fn a_part__should_be_waited_for_as_long_as_the_others_move() {
        let course = Course::new(3, 3, MOST);
        let (stuck, other) = (course.begin(), course.begin());
        let timeout = Duration::from_secs(3);
        stuck.stands_at(at(1));
        let begun_at = course.moved_at();
        let late = begun_at + timeout;
        assert_eq!(course.left(timeout, begun_at), timeout);
        assert_eq!(course.left(timeout, late), Duration::ZERO);
        other.stands_at(at(1));
        assert_eq!(course.left(timeout, late), Duration::ZERO);
        other.stands_at(at(2));
        assert_eq!(course.left(timeout, late), course.moved_at() - begun_at);
        other.finish();
        assert_eq!(course.left(timeout, late), course.moved_at() - begun_at);
    }

    #[test]
    fn a_session__must_end_at_its_most_however_it_moves() {
        let course = Course::new(1, 3, Duration::from_secs(2));
        let begun_at = course.moved_at();
        let part = course.begin();
        part.stands_at(at(1));
        part.stands_at(at(2));
        let timeout = Duration::from_secs(3);
        let [early, late] = [1, 2].map(|seconds| begun_at + Duration::from_secs(seconds));
        assert_eq!(course.left(timeout, early), Duration::from_secs(1));
        assert_eq!(course.left(timeout, late), Duration::ZERO);
    }

    #[test]
    fn only_the_earliest_part_that_runs__must_count_as_the_first() {
        let course = Course::new(3, 3, MOST);
        let parts = [course.begin(), course.begin(), course.begin()];
        let [first, second, third] = parts;
        for part in [&second, &first, &third] {
            part.stands_at(at(1));
        }
        let firsts = |parts: [&Part<'_>; 3]| parts.map(Part::is_first);
        assert_eq!(firsts([&first, &second, &third]), [true, false, false]);
        second.finish();
        assert_eq!([first.is_first(), third.is_first()], [true, false]);
        first.finish();
        assert!(third.is_first());
    }
}
