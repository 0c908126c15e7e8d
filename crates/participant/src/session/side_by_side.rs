//! Signatures of one intent, side by side: a few where the peers are near, many where they are far.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use quorate_protocol::Abort;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::course::Course;

/// Parts of each session that run at a time without asking. A peer's first messages for each wait
/// here until we begin: those of as many sessions as there may be, and of [`MORE`], fit into what may
/// wait of a peer.
pub(crate) const FEW: usize = 4;

/// Parts beyond [`FEW`] that all sessions of a node run at a time, together.
pub(crate) const MORE: usize = 192;

/// Most parts of one session that run at a time.
const MANY: usize = 64;

/// A session that stands still for so long, though it has moved before, waits for far or slow peers: it
/// may as well wait for twice as many. Near ones answer in a millisecond, and would only have more of
/// their answers wait here. One that has never moved may have peers that do not take part, with whom
/// everything that it says would wait for nothing.
const STILL: Duration = Duration::from_millis(10);

/// Runs parts to their ends, and returns their results in the order of the parts.
///
/// The peers need not agree on how many run: what they begin before us waits in the mailboxes.
///
/// # Errors
/// The first abort in time. `stop` is to make the other parts that run end; they tell their peers, who
/// may not have begun the part that failed, and what one of them has found out already is not lost. What
/// they say themselves is not told on: peers stop too, and it would blame whoever stopped.
pub(super) async fn run<T, P: Future<Output = Result<T, Abort>>>(
    more: &Semaphore,
    course: &Course,
    parts: impl ExactSizeIterator<Item = P>,
    stop: impl Fn(),
) -> Result<Vec<T>, Abort> {
    let numbered = async |(number, part): (usize, P)| part.await.map(|result| (number, result));
    let mut coming = parts.enumerate().map(numbered);
    let mut running = FuturesUnordered::new();
    let mut results = BTreeMap::new();
    let mut window = Window::new(more);
    let mut first_abort = None;
    loop {
        if first_abort.is_none() {
            let free = window.size().saturating_sub(running.len());
            running.extend(coming.by_ref().take(free));
        }
        let widens = first_abort.is_none() && coming.len() > 0 && window.may_widen();
        if !widens {
            window.narrow(running.len());
        }
        tokio::select! {
            biased;
            part = running.next() => match part {
                None => break,
                Some(Ok((number, result))) => drop(results.insert(number, result)),
                Some(Err(abort)) if first_abort.is_none() => {
                    first_abort = Some(abort);
                    stop();
                }
                Some(Err(_)) => {}
            },
            () = window.until_still(course), if widens => window.widen(),
        }
    }
    first_abort.map_or_else(|| Ok(results.into_values().collect()), Err)
}

/// How many parts may run at a time.
struct Window<'a> {
    more: &'a Semaphore,
    taken: Vec<SemaphorePermit<'a>>,
    widened_at: Option<Instant>,
}

impl<'a> Window<'a> {
    const fn new(more: &'a Semaphore) -> Self {
        Self {
            more,
            taken: Vec::new(),
            widened_at: None,
        }
    }

    const fn size(&self) -> usize {
        FEW + self.taken.len()
    }

    fn may_widen(&self) -> bool {
        self.size() < MANY && self.more.available_permits() > 0
    }

    /// Gives back what no part needs any more.
    fn narrow(&mut self, running: usize) {
        self.taken.truncate(running.saturating_sub(FEW));
    }

    /// Waits until the session has moved, and then stood still for [`STILL`] with as many parts as it
    /// has now.
    async fn until_still(&self, course: &Course) {
        while !course.has_moved() {
            tokio::time::sleep(STILL).await;
        }
        loop {
            let since = self.widened_at.max(Some(course.moved_at()));
            let still = since.map_or(STILL, |since| since.elapsed());
            let Some(left) = STILL.checked_sub(still).filter(|left| !left.is_zero()) else {
                return;
            };
            tokio::time::sleep(left).await;
        }
    }

    /// Twice as many, as far as other sessions leave them.
    fn widen(&mut self) {
        let wanted = self.size().min(MANY - self.size());
        let taken = (0..wanted).map_while(|_| self.more.try_acquire().ok());
        self.taken.extend(taken);
        self.widened_at = Some(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use tokio::sync::Notify;

    use super::*;

    const MOST: Duration = Duration::from_secs(600);

    /// Counts the parts that run.
    #[derive(Default)]
    struct Counter {
        now: AtomicUsize,
        most: AtomicUsize,
    }

    impl Counter {
        fn begin(&self) {
            let now = self.now.fetch_add(1, Ordering::Relaxed) + 1;
            self.most.fetch_max(now, Ordering::Relaxed);
        }

        fn end(&self) {
            self.now.fetch_sub(1, Ordering::Relaxed);
        }

        fn most(&self) -> usize {
            self.most.load(Ordering::Relaxed)
        }
    }

    #[tokio::test]
    async fn results__must_stand_in_the_order_of_their_parts() {
        let (more, course) = (Semaphore::new(0), Course::new(9, 1, MOST));
        let turns = [3, 1, 2, 0, 5, 0, 1, 2, 9];
        let parts = turns.into_iter().enumerate().map(async |(number, turns)| {
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
            Ok(number)
        });
        let results = run(&more, &course, parts, || ()).await.unwrap();
        assert_eq!(results, (0..9).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_session_that_moves__should_run_a_few_at_a_time() {
        let (more, course) = (Semaphore::new(MORE), Course::new(200, 1, MOST));
        let counter = Counter::default();
        let parts = (0..200).map(async |_| {
            let part = course.begin();
            counter.begin();
            tokio::task::yield_now().await;
            counter.end();
            part.finish();
            Ok(())
        });
        run(&more, &course, parts, || ()).await.unwrap();
        // Unless this machine stood still itself.
        assert!(counter.most() < MANY, "{}", counter.most());
    }

    /// Runs a hundred parts that wait until so many are there, and tells how many there were at most.
    async fn most_of_a_hundred(more: &Semaphore, course: &Course, until: usize) -> usize {
        let (counter, all_here) = (Counter::default(), Notify::new());
        let parts = (0..100).map(async |_| {
            counter.begin();
            if counter.most() >= until {
                all_here.notify_waiters();
            } else {
                all_here.notified().await;
            }
            counter.end();
            Ok(())
        });
        let results = run(more, course, parts, || ()).await.unwrap();
        assert_eq!(results.len(), 100);
        counter.most()
    }

    #[tokio::test]
    async fn a_session_that_stands_still__should_run_many_and_leave_the_rest_to_others() {
        for (free, expected) in [(MORE, MANY), (10, FEW + 10), (0, FEW)] {
            let (more, course) = (Semaphore::new(free), Course::new(101, 1, MOST));
            course.begin().finish(); // it has moved
            assert_eq!(most_of_a_hundred(&more, &course, expected).await, expected);
            assert_eq!(more.available_permits(), free, "given back");
        }
    }

    #[tokio::test]
    async fn a_session_that_never_moved__must_not_say_more_to_peers_that_may_not_take_part() {
        let (more, course) = (Semaphore::new(MORE), Course::new(100, 1, MOST));
        let waiting = most_of_a_hundred(&more, &course, FEW + 1);
        let waited = tokio::time::timeout(STILL * 8, waiting).await;
        assert!(waited.is_err(), "{waited:?}");
        assert_eq!(more.available_permits(), MORE);
    }

    #[tokio::test]
    async fn what_no_part_needs__must_be_given_back_before_the_session_ends() {
        let (more, course) = (Semaphore::new(MORE), Course::new(12, 1, MOST));
        course.begin().finish();
        let (all_here, released) = (Notify::new(), AtomicUsize::new(0));
        let count = AtomicUsize::new(0);
        let parts = (0..12).map(async |_| {
            if count.fetch_add(1, Ordering::Relaxed) + 1 < 12 {
                all_here.notified().await;
            } else {
                all_here.notify_one();
            }
            // One after the other, each with a turn of the session in between.
            released.fetch_max(more.available_permits(), Ordering::Relaxed);
            tokio::task::yield_now().await;
            all_here.notify_one();
            Ok(())
        });
        run(&more, &course, parts, || ()).await.unwrap();
        assert_eq!(released.load(Ordering::Relaxed), MORE);
    }

    #[tokio::test]
    async fn first_abort__must_stop_the_others_and_hear_them_out() {
        let (more, course) = (Semaphore::new(0), Course::new(9, 1, MOST));
        let (stopped, ended) = (AtomicBool::new(false), AtomicUsize::new(0));
        let parts = (0..9).map(async |number| {
            if number == 1 {
                return Err::<(), _>(Abort::local("the second"));
            }
            while !stopped.load(Ordering::Relaxed) {
                tokio::task::yield_now().await;
            }
            ended.fetch_add(1, Ordering::Relaxed);
            Err(Abort::local("another"))
        });
        let stop = || stopped.store(true, Ordering::Relaxed);
        let abort = run(&more, &course, parts, stop).await.unwrap_err();
        assert_eq!(abort.reason, Abort::local("the second").reason);
        assert_eq!(
            ended.load(Ordering::Relaxed),
            FEW - 1,
            "none begins any more"
        );
    }
}
