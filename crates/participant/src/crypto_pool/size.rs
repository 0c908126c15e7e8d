//! How many threads a pool has: one more while work waits and the machine has CPU to give, one fewer
//! where all cores are busy and work waits no longer without it. (A thread that is idle ends by
//! itself, see [`super::threads`].)

use std::time::{Duration, Instant};

/// Work that waited for longer is in want of a thread. A step that is worth handing over takes from
/// half a millisecond to eleven.
pub(super) const PATIENCE: Duration = Duration::from_millis(2);
/// How long the CPU is watched for one measurement: ticks of the kernel are 10 ms.
pub(super) const WINDOW: Duration = Duration::from_millis(100);
/// How long a measurement, and what was waited then, says something about now.
pub(super) const FRESH: Duration = Duration::from_secs(1);
/// Least of a core that must be free for one more thread.
const FREE: f64 = 0.25;
/// From this share on the machine has nothing to give.
const SATURATED: f64 = 0.95;
/// How much longer work may wait with one thread fewer, before that counts as worse.
const WORSE: f64 = 1.25;
/// How long nothing is tried after a thread proved to be needed. A trial costs the work of one thread
/// for one [`WINDOW`], and so this makes it a hundredth of that at most.
const PROVED: Duration = Duration::from_secs(10);
/// How long no thread is asked for after the system gave none.
const NONE_LEFT: Duration = Duration::from_secs(1);

/// What the pool looks like while work waits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub(super) now: Instant,
    pub(super) threads: usize,
    /// Pieces of work that no thread has taken.
    pub(super) queued: usize,
    /// How long the first of them has waited.
    pub(super) oldest_wait: Duration,
    /// A new measurement: the share of all cores that was busy, with whatever.
    pub(super) busy: Option<f64>,
}

/// What is to be done about the number of threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    More,
    Stay,
    Fewer,
}

/// Decides the number of threads.
///
/// What cannot be measured is no reason against a thread: where the system does not tell how busy it
/// is, the queue alone decides.
#[derive(Debug)]
pub(super) struct Size {
    least: usize,
    most: usize,
    cores: f64,
    /// The last measurement, and threads added since, which it does not show.
    busy: Option<(Instant, f64)>,
    added: usize,
    grown_at: Option<Instant>,
    none_left_at: Option<Instant>,
    waited: Mean,
    /// What was waited before a thread was taken away to see whether it matters.
    trial: Option<(Instant, f64)>,
    proved_at: Option<Instant>,
}

/// Seconds that the oldest work had waited whenever it was looked at, since the last measurement.
#[derive(Debug, Default)]
struct Mean {
    sum: f64,
    looks: f64,
}

impl Mean {
    fn take(&mut self) -> f64 {
        let Self { sum, looks } = std::mem::take(self);
        if looks > 0.0 { sum / looks } else { 0.0 }
    }
}

#[allow(clippy::cast_precision_loss, reason = "counts of a few thousand")]
const fn number(count: usize) -> f64 {
    count as f64
}

/// Whether something happened less than `span` ago.
fn is_within(span: Duration, then: Option<Instant>, now: Instant) -> bool {
    then.is_some_and(|then| now.duration_since(then) < span)
}

impl Size {
    /// Between `least` and `most` threads on a machine with so many cores.
    pub(super) fn new(least: usize, most: usize, cores: usize) -> Self {
        Self {
            least,
            most,
            cores: number(cores),
            busy: None,
            added: 0,
            grown_at: None,
            none_left_at: None,
            waited: Mean::default(),
            trial: None,
            proved_at: None,
        }
    }

    /// Whether one more thread is possible, if work should wait for it.
    pub(super) fn may_grow(&self, threads: usize, now: Instant) -> bool {
        threads < self.most && !is_within(NONE_LEFT, self.none_left_at, now) && self.has_cpu(now)
    }

    /// The system gave no thread.
    pub(super) fn none_left(&mut self, now: Instant) {
        self.none_left_at = Some(now);
    }

    /// Judges a moment in which work waits.
    pub(super) fn decide(&mut self, seen: &Seen) -> Step {
        self.waited.sum += seen.oldest_wait.as_secs_f64();
        self.waited.looks += 1.0;
        let step = seen
            .busy
            .map_or(Step::Stay, |busy| self.measured(busy, seen));
        let is_short = seen.oldest_wait >= PATIENCE || seen.queued > seen.threads;
        // A thread that was added gets the time to show what it does.
        let is_due = !is_within(PATIENCE, self.grown_at, seen.now);
        let grows = is_short && is_due && self.may_grow(seen.threads, seen.now);
        if step == Step::More || step == Step::Stay && grows {
            self.grown_at = Some(seen.now);
            self.added += 1;
            return Step::More;
        }
        step
    }

    fn has_cpu(&self, now: Instant) -> bool {
        let fresh = self.busy.filter(|(at, _)| now.duration_since(*at) < FRESH);
        fresh.is_none_or(|(_, busy)| {
            let free = (1.0 - busy) * self.cores - number(self.added);
            busy < SATURATED && free >= FREE
        })
    }

    /// Where all cores are busy, each thread of this pool takes its time from something else: from
    /// sessions, links, other processes. One is taken away, and comes back if work waits longer
    /// without it, or if nothing else takes that time.
    fn measured(&mut self, busy: f64, seen: &Seen) -> Step {
        self.busy = Some((seen.now, busy));
        self.added = 0;
        let waited = self.waited.take();
        let is_saturated = busy >= SATURATED;
        let trial = self.trial.take();
        if let Some((at, before)) = trial
            && is_within(FRESH, Some(at), seen.now)
            && (!is_saturated || waited > before * WORSE)
        {
            self.proved_at = Some(seen.now);
            let is_possible = seen.threads < self.most;
            return if is_possible { Step::More } else { Step::Stay };
        }
        let may_try = is_saturated && seen.threads > self.least;
        if !may_try || is_within(PROVED, self.proved_at, seen.now) {
            return Step::Stay;
        }
        self.trial = Some((seen.now, waited));
        Step::Fewer
    }
}

#[cfg(test)]
mod tests;
