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

/// A session that stands still for so long waits for far or slow peers: it may as well wait for twice
/// as many. Near ones answer in a millisecond, and would only have more of their answers wait here.
const STILL: Duration = Duration::from_millis(10);

/// Runs parts to their ends, and returns their results in the order of the parts.
///
/// The peers need not agree on how many run: what they begin before us waits in the mailboxes, and
/// waits for us as long as the session moves ([`Course::moved_at`]).
///
/// # Errors
/// The first abort in time. It ends the others: they would fail behind it, since peers stop too, and
/// what they would say of that blames whoever stopped.
pub(super) async fn run<T, P: Future<Output = Result<T, Abort>>>(
    more: &Semaphore,
    course: &Course,
    parts: impl ExactSizeIterator<Item = P>,
) -> Result<Vec<T>, Abort> {
    let numbered = async |(number, part): (usize, P)| part.await.map(|result| (number, result));
    let mut coming = parts.enumerate().map(numbered);
    let mut running = FuturesUnordered::new();
    let mut results = BTreeMap::new();
    let mut window = Window::new(more);
    loop {
        let free = window.size().saturating_sub(running.len());
        running.extend(coming.by_ref().take(free));
        let has_use = coming.len() > 0 && window.may_widen();
        tokio::select! {
            biased;
            part = running.next() => {
                let Some(part) = part else { break };
                let (number, result) = part?;
                results.insert(number, result);
            }
            () = window.until_still(course), if has_use => window.widen(),
        }
    }
    Ok(results.into_values().collect())
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

    /// Waits until the session has stood still for [`STILL`], with as many parts as it has now.
    async fn until_still(&self, course: &Course) {
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
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Notify;

    use super::*;

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
        let (more, course) = (Semaphore::new(0), Course::new(9, 1));
        let turns = [3, 1, 2, 0, 5, 0, 1, 2, 9];
        let parts = turns.into_iter().enumerate().map(async |(number, turns)| {
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
            Ok(number)
        });
        let results = run(&more, &course, parts).await.unwrap();
        assert_eq!(results, (0..9).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_session_that_moves__should_run_a_few_at_a_time() {
        let (more, course) = (Semaphore::new(MORE), Course::new(200, 1));
        let counter = Counter::default();
        let parts = (0..200).map(async |_| {
            let part = course.begin();
            counter.begin();
            tokio::task::yield_now().await;
            counter.end();
            part.finish();
            Ok(())
        });
        run(&more, &course, parts).await.unwrap();
        // Unless this machine stood still itself.
        assert!(counter.most() < MANY, "{}", counter.most());
    }

    #[tokio::test]
    async fn a_session_that_stands_still__should_run_many_and_leave_the_rest_to_others() {
        for (free, expected) in [(MORE, MANY), (10, FEW + 10), (0, FEW)] {
            let (more, course) = (Semaphore::new(free), Course::new(100, 1));
            let (counter, all_here) = (Counter::default(), Notify::new());
            let parts = (0..100).map(async |_| {
                counter.begin();
                if counter.most() >= expected {
                    all_here.notify_waiters();
                } else {
                    all_here.notified().await;
                }
                counter.end();
                Ok(())
            });
            let results = run(&more, &course, parts).await.unwrap();
            assert_eq!((results.len(), counter.most()), (100, expected));
            assert_eq!(more.available_permits(), free, "given back");
        }
    }

    #[tokio::test]
    async fn first_abort__must_end_the_others() {
        let (more, course) = (Semaphore::new(0), Course::new(3, 1));
        let parts = (0..3).map(async |number| match number {
            1 => Err(Abort::local("the second")),
            _ => std::future::pending::<Result<(), Abort>>().await,
        });
        let abort = run(&more, &course, parts).await.unwrap_err();
        assert_eq!(abort.reason, Abort::local("the second").reason);
    }
}
