//! The thread that watches while work waits, and so decides when there is one more thread.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::MutexGuard;

use super::machine::Machine;
use super::size::{PATIENCE, Seen, Step, WINDOW};
use super::threads::{Shared, State, wait};

/// Its name: at most 15 letters.
pub(super) const NAME: &str = "quorate-pool";

impl Shared {
    /// What this thread does, until the pool is closed.
    pub(super) fn watch(self: &Arc<Self>, machine: &mut dyn Machine) {
        let mut state = self.state.lock();
        while !state.is_closed {
            let pause = state.pause(Instant::now());
            state.watch_sleeps = pause.is_none();
            wait(&self.watch, &mut state, pause);
            state.watch_sleeps = false;
            if pause.is_some() {
                self.look(&mut state, machine);
            }
        }
    }

    pub(super) fn look(
        self: &Arc<Self>,
        state: &mut MutexGuard<'_, State>,
        machine: &mut dyn Machine,
    ) {
        let now = Instant::now();
        let busy = MutexGuard::unlocked(state, || machine.busy(now));
        if state.is_closed || state.queued() == 0 {
            return;
        }
        let seen = state.seen(now, busy);
        match state.size.decide(&seen) {
            Step::Stay => {}
            Step::Fewer => state.leaving += 1,
            // A thread that was to leave and has not yet is there already.
            Step::More if state.leaving > 0 => state.leaving -= 1,
            Step::More => {
                let added = MutexGuard::unlocked(state, || self.add_thread(machine));
                if let Err(error) = added {
                    // What waits is done by the threads that there are.
                    state.size.none_left(now);
                    tracing::warn!(%error, "the pool for cryptography gets no more threads");
                }
            }
        }
    }
}

impl State {
    /// When to look again; `None` while nothing waits.
    pub(super) fn pause(&self, now: Instant) -> Option<Duration> {
        let grows = self.size.may_grow(self.expected(), now);
        let pause = if grows { PATIENCE } else { WINDOW };
        (self.queued() > 0).then_some(pause)
    }

    fn seen(&self, now: Instant, busy: Option<f64>) -> Seen {
        Seen {
            now,
            threads: self.expected(),
            queued: self.queued(),
            oldest_wait: self.oldest_wait(now),
            busy,
        }
    }
}
