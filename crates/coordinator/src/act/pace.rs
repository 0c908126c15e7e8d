//! How many acts may run at one time before further ones are refused: as many as are done soon.
//!
//! A queue that stands adds its length to every answer and makes nothing quicker. Therefore the
//! limit follows what acts take: when even the quickest of a moment took much longer than acts take
//! when few run, there is a queue, and the limit falls; when acts are quick and the limit was in the
//! way, it rises. The quickest counts, not the average, so that one slow or dead node, which holds
//! up some acts and not others, is no overload. Source of the idea: CoDel (RFC 8289 §3.2), where
//! the least delay of an interval shows a standing queue.

use std::time::{Duration, Instant};

/// Acts that always may run. What acts take while no more than so many run is what they take
/// without a queue.
const FEW: usize = 16;
/// The limit before anything was measured.
const FIRST: usize = 128;
/// How much longer than without a queue even the quickest act may take. Measured: the slowest of a
/// hundred takes about twice as long, so that this keeps it below half a second.
const QUEUE: Duration = Duration::from_millis(75);
/// Most that is taken for an act's own time where a queue may have been there from the start. If
/// acts do take longer, the limit falls to [`FEW`], where their own time shows.
const ASSUMED: Duration = Duration::from_millis(100);
/// Length of a moment that is judged as a whole.
const WINDOW: Duration = Duration::from_millis(100);
/// Most that the limit falls in one window, as a factor.
const STEEPEST: f64 = 0.5;
/// Least that it falls when it has to.
const GENTLEST: f64 = 0.95;
/// How much it rises in one window.
const RISE: f64 = 1.1;

/// The limit, and what it follows.
#[derive(Debug)]
pub(super) struct Pace {
    limit: f64,
    most: f64,
    /// What an act takes without a queue.
    alone: Option<Duration>,
    window: Window,
}

#[derive(Debug)]
struct Window {
    since: Instant,
    quickest: Option<Duration>,
    /// Most acts that ran at one time.
    peak: usize,
}

impl Window {
    const fn starting(since: Instant) -> Self {
        Self {
            since,
            quickest: None,
            peak: 0,
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "counts of a few thousand")]
const fn number(count: usize) -> f64 {
    count as f64
}

impl Pace {
    /// A limit that never exceeds `most`.
    pub(super) fn new(most: usize, now: Instant) -> Self {
        Self {
            limit: number(FIRST.min(most)),
            most: number(most),
            alone: None,
            window: Window::starting(now),
        }
    }

    /// Whether one more may begin where so many run.
    pub(super) fn admits(&self, running: usize) -> bool {
        number(running) < self.limit
    }

    /// What an act takes without a queue, once that was measured.
    pub(super) const fn alone(&self) -> Option<Duration> {
        self.alone
    }

    /// Takes note of an act that succeeded while so many ran, itself among them.
    pub(super) fn ended(&mut self, took: Duration, running: usize, now: Instant) {
        let window = &mut self.window;
        window.peak = window.peak.max(running);
        window.quickest = Some(window.quickest.map_or(took, |least| least.min(took)));
        if now.duration_since(window.since) >= WINDOW {
            let Window { quickest, peak, .. } = std::mem::replace(window, Window::starting(now));
            if let Some(quickest) = quickest {
                self.judge(quickest, peak);
            }
        }
    }

    fn judge(&mut self, quickest: Duration, peak: usize) {
        let alone = match self.alone {
            // Without a queue this may rise too: links may have become longer.
            Some(alone) if peak <= FEW => (alone * 7 + quickest) / 8,
            Some(alone) => alone.min(quickest),
            None if peak <= FEW => quickest,
            None => quickest.min(ASSUMED),
        };
        self.alone = Some(alone);
        let patience = alone + QUEUE;
        if quickest > patience {
            let factor = patience.as_secs_f64() / quickest.as_secs_f64();
            let lower = self.limit * factor.clamp(STEEPEST, GENTLEST);
            self.limit = lower.max(number(FEW)).min(self.most);
        } else if number(peak) >= self.limit * 0.9 {
            self.limit = (self.limit * RISE + 1.0).min(self.most);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A service that does `per_second` acts, to whom as many come as are admitted and no more than
    /// `callers`; each takes `alone` and the queue before it.
    struct Service {
        pace: Pace,
        now: Instant,
        alone: Duration,
    }

    impl Service {
        fn new(most: usize, alone_ms: u64) -> Self {
            let now = Instant::now();
            Self {
                pace: Pace::new(most, now),
                now,
                alone: Duration::from_millis(alone_ms),
            }
        }

        /// What acts take at the end of so many seconds.
        fn run(&mut self, seconds: u32, callers: usize, per_second: f64) -> Duration {
            let mut took = self.alone;
            let steps = f64::from(seconds) * per_second;
            let mut step = 0.0;
            while step < steps {
                let running = (1..=callers)
                    .rfind(|n| self.pace.admits(n - 1))
                    .unwrap_or(0);
                let running = running.max(1);
                took = self
                    .alone
                    .max(Duration::from_secs_f64(number(running) / per_second));
                self.now += Duration::from_secs_f64(1.0 / per_second);
                self.pace.ended(took, running, self.now);
                step += 1.0;
            }
            took
        }
    }

    #[test]
    fn overload__must_not_let_acts_wait_much_longer_than_without_a_queue() {
        let mut service = Service::new(2_048, 10);
        service.run(2, 4, 1_000.0);
        let took = service.run(20, 4_000, 1_000.0);
        assert!(took < Duration::from_millis(300), "{took:?}");
        assert!(
            took > Duration::from_millis(50),
            "the service is kept busy: {took:?}"
        );
    }

    #[test]
    fn queue_at_the_start__must_not_be_taken_for_the_acts_own_time() {
        let mut service = Service::new(2_048, 10);
        let took = service.run(60, 4_000, 100.0);
        assert!(took < Duration::from_millis(500), "{took:?}");
        let mut long_links = Service::new(2_048, 600);
        long_links.run(60, 700, 1_000.0);
        assert!(long_links.pace.admits(200), "{:?}", long_links.pace);
    }

    #[test]
    fn load_below_capacity__should_not_be_refused() {
        let mut service = Service::new(2_048, 10);
        service.run(2, 4, 1_000.0);
        service.run(20, 64, 1_000.0);
        assert!(service.pace.admits(64));
    }

    #[test]
    fn limit__should_rise_where_much_is_done_in_little_time() {
        let mut service = Service::new(2_048, 10);
        service.run(2, 4, 10_000.0);
        service.run(20, 700, 10_000.0);
        assert!(service.pace.admits(699));
    }

    #[test]
    fn long_links__must_not_be_taken_for_a_queue() {
        let mut service = Service::new(2_048, 600);
        service.run(2, 4, 1_000.0);
        let took = service.run(20, 660, 1_000.0);
        assert!(service.pace.admits(650), "{:?} {took:?}", service.pace);
    }

    #[test]
    fn links_that_became_longer__should_be_noticed_when_few_acts_run() {
        let mut service = Service::new(2_048, 10);
        service.run(2, 4, 1_000.0);
        service.alone = Duration::from_millis(600);
        service.run(20, 700, 1_000.0);
        let took = service.run(60, 700, 1_000.0);
        assert!(service.pace.admits(200), "{:?} {took:?}", service.pace);
    }

    #[test]
    fn limit__must_stay_between_few_and_most() {
        let now = Instant::now();
        let mut pace = Pace::new(40, now);
        for step in 0..1_000 {
            let now = now + Duration::from_millis(200 * step);
            pace.ended(Duration::from_secs(step.min(5)), 40, now);
        }
        assert!(pace.admits(FEW - 1) && !pace.admits(FEW));
        for step in 1_000..2_000 {
            let now = now + Duration::from_millis(200 * step);
            pace.ended(Duration::ZERO, 40, now);
        }
        assert!(pace.admits(39) && !pace.admits(40));
        assert!(!Pace::new(0, now).admits(0));
    }

    #[test]
    fn acts_that_one_slow_node_holds_up__must_not_lower_the_limit() {
        let now = Instant::now();
        let mut pace = Pace::new(2_048, now);
        for step in 0..1_000 {
            let now = now + Duration::from_millis(20 * step);
            let took = if step % 5 == 0 { 20 } else { 4_000 };
            pace.ended(Duration::from_millis(took), 100, now);
        }
        assert!(pace.admits(FIRST - 1));
    }
}
