//! The queue, and the threads that take from it.
//!
//! Invariant: while a thread is listed as idle, no more work waits than threads have been called for.
//! So nothing waits beside an idle thread, and a thread may end after any piece of work.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::PoolLimits;
use super::machine::Machine;
use super::size::Size;

/// At most 15 letters: Linux cuts the rest.
const NAME: &str = "quorate-crypto";

pub(super) type Work = Box<dyn FnOnce() + Send>;

/// A piece of work, and since when it waits.
struct Job {
    number: u64,
    since: Instant,
    work: Work,
}

/// What the pool and its threads share.
pub(super) struct Shared {
    pub(super) state: Mutex<State>,
    pub(super) limits: PoolLimits,
    /// Wakes the thread that watches.
    pub(super) watch: Condvar,
}

pub(super) struct State {
    /// Numbers rise.
    queue: VecDeque<Job>,
    next_number: u64,
    /// Threads that wait and were not called. The last one became idle last and is called first, so
    /// that the others can be idle for long.
    idle: Vec<Arc<Condvar>>,
    /// Threads that run: the least of them never end, whatever becomes of those that start.
    pub(super) threads: usize,
    starting: usize,
    /// So many threads end with the work that they do now.
    pub(super) leaving: usize,
    pub(super) size: Size,
    /// The watching thread has nothing to look for, and must be told when it has.
    pub(super) watch_sleeps: bool,
    pub(super) is_closed: bool,
}

impl Shared {
    pub(super) fn new(limits: PoolLimits) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let state = State {
            queue: VecDeque::new(),
            next_number: 0,
            idle: Vec::new(),
            threads: 0,
            starting: 0,
            leaving: 0,
            size: Size::new(limits.threads_min, limits.threads_max, cores),
            watch_sleeps: false,
            is_closed: false,
        };
        Self {
            state: Mutex::new(state),
            limits,
            watch: Condvar::new(),
        }
    }

    /// Without the lock: the system may take its time.
    pub(super) fn add_thread(self: &Arc<Self>, machine: &mut dyn Machine) -> std::io::Result<()> {
        self.state.lock().starting += 1;
        let shared = Arc::clone(self);
        let started = machine.spawn(NAME, Box::new(move || shared.work()));
        if started.is_err() {
            self.state.lock().starting -= 1;
        }
        started
    }

    /// Queues work, and tells its number.
    ///
    /// # Errors
    /// The work, where as much waits as may wait.
    pub(super) fn put(&self, work: Work) -> Result<u64, Work> {
        let mut state = self.state.lock();
        if state.queue.len() >= self.limits.queue {
            return Err(work);
        }
        let number = state.next_number;
        state.next_number += 1;
        state.queue.push_back(Job {
            number,
            since: Instant::now(),
            work,
        });
        state.show_queue();
        if let Some(thread) = state.call() {
            thread.notify_one();
        } else if state.watch_sleeps {
            self.watch.notify_one();
        }
        Ok(number)
    }

    /// Drops work that was not begun.
    pub(super) fn withdraw(&self, number: u64) {
        let withdrawn = {
            let mut state = self.state.lock();
            let at = state.queue.binary_search_by_key(&number, |job| job.number);
            let job = at.ok().and_then(|at| state.queue.remove(at));
            if job.is_some() {
                state.show_queue();
            }
            job
        };
        // Without the lock: what is dropped may be anything.
        drop(withdrawn);
    }

    pub(super) fn has_room(&self) -> bool {
        self.state.lock().queue.len() < self.limits.queue
    }

    /// Drops work that was not begun. Threads end with what they do now. The owner of the pool calls
    /// it last: no work comes later.
    pub(super) fn close(&self) {
        let dropped = {
            let mut state = self.state.lock();
            state.is_closed = true;
            for thread in std::mem::take(&mut state.idle) {
                thread.notify_one();
            }
            self.watch.notify_one();
            let queue = std::mem::take(&mut state.queue);
            state.show_queue();
            queue
        };
        drop(dropped);
    }

    /// What a thread does.
    fn work(&self) {
        let call = Arc::new(Condvar::new());
        let mut state = self.state.lock();
        state.starting -= 1;
        state.threads += 1;
        state.show_threads();
        while !state.is_closed {
            if let Some(job) = state.queue.pop_front() {
                state.show_queue();
                MutexGuard::unlocked(&mut state, || job.run());
                if state.leaving > 0 {
                    state.leaving -= 1;
                    break;
                }
            } else if self.idle_for_long(&mut state, &call) {
                // What was to be tried has come by itself.
                state.leaving = 0;
                break;
            }
        }
        state.threads -= 1;
        state.show_threads();
    }

    /// Waits for a call, and tells whether the thread has waited for so long that it should end.
    pub(super) fn idle_for_long(
        &self,
        state: &mut MutexGuard<'_, State>,
        call: &Arc<Condvar>,
    ) -> bool {
        state.idle.push(Arc::clone(call));
        let limit = state.idle_limit(&self.limits);
        let is_long = wait(call, state, limit);
        // Who calls a thread takes it from the list. It then takes work, however late it is.
        let listed = state.idle.iter().position(|idle| Arc::ptr_eq(idle, call));
        let Some(at) = listed else {
            return false;
        };
        state.idle.remove(at);
        is_long && state.threads > self.limits.threads_min
    }
}

/// Waits, and tells whether it was for as long as the limit.
pub(super) fn wait(
    wakes: &Condvar,
    state: &mut MutexGuard<'_, State>,
    limit: Option<Duration>,
) -> bool {
    if let Some(limit) = limit {
        return wakes.wait_for(state, limit).timed_out();
    }
    wakes.wait(state);
    false
}

impl Job {
    /// A panic is a defect of ours: it ends the work and whoever waits for it, and no thread. The
    /// hook has told of it.
    fn run(self) {
        let waited = self.since.elapsed();
        metrics::histogram!("quorate_crypto_wait_seconds").record(waited);
        if catch_unwind(AssertUnwindSafe(self.work)).is_err() {
            tracing::error!("a computation panicked");
        }
    }
}

impl State {
    pub(super) fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Takes an idle thread from the list: it works or ends by what it then finds.
    pub(super) fn call(&mut self) -> Option<Arc<Condvar>> {
        self.idle.pop()
    }

    #[cfg(test)]
    pub(super) fn idle(&self) -> usize {
        self.idle.len()
    }

    /// How long the first piece of work has waited.
    pub(super) fn oldest_wait(&self, now: Instant) -> Duration {
        let oldest = self.queue.front();
        oldest.map_or(Duration::ZERO, |job| now.duration_since(job.since))
    }

    /// How long a thread may be idle. Those that the pool keeps have no limit, and no timer.
    pub(super) fn idle_limit(&self, limits: &PoolLimits) -> Option<Duration> {
        (self.threads > limits.threads_min).then_some(limits.idle)
    }

    /// Threads that there will be with nothing more done about it.
    pub(super) fn expected(&self) -> usize {
        self.threads + self.starting - self.leaving
    }

    fn show_threads(&self) {
        metrics::gauge!("quorate_crypto_threads").set(gauged(self.threads));
    }

    fn show_queue(&self) {
        metrics::gauge!("quorate_crypto_queue").set(gauged(self.queue.len()));
    }
}

fn gauged(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
