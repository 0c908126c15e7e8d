//! What a pool needs of the machine: threads, and how busy all cores are. The kernel of Linux counts
//! that in `/proc/stat`; other systems do not tell.

use std::io;
use std::thread::Builder;
use std::time::Instant;

use super::size::{FRESH, WINDOW};

/// A machine, or what a test puts in its place.
pub(super) trait Machine: Send {
    /// The share of all cores that was busy since the last measurement, if there is a new one.
    fn busy(&mut self, now: Instant) -> Option<f64>;

    /// Starts a thread.
    ///
    /// # Errors
    /// The system gives none.
    fn spawn(&mut self, name: &str, body: Box<dyn FnOnce() + Send>) -> io::Result<()> {
        Builder::new().name(name.to_owned()).spawn(body).map(drop)
    }
}

/// The one that this runs on.
#[derive(Default)]
pub(super) struct ThisMachine {
    last: Option<(Instant, Ticks)>,
}

impl Machine for ThisMachine {
    fn busy(&mut self, now: Instant) -> Option<f64> {
        let since = self.last.map(|(since, _)| now.duration_since(since));
        if since.is_some_and(|since| since < WINDOW) {
            return None;
        }
        let ticks = Ticks::parse(&std::fs::read_to_string("/proc/stat").ok()?)?;
        let (_, before) = self.last.replace((now, ticks))?;
        // After a long sleep the mean since then says nothing about now.
        since.filter(|since| *since < FRESH)?;
        ticks.busy_since(before)
    }
}

/// Ticks of all cores since the machine started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ticks {
    idle: u64,
    all: u64,
}

impl Ticks {
    /// The first line: user, nice, system, idle, iowait, irq, softirq, steal. A stolen tick is one
    /// that nobody here can have, so it is busy.
    fn parse(stat: &str) -> Option<Self> {
        let line = stat.lines().next()?.strip_prefix("cpu ")?;
        let counts: Option<Vec<u64>> = line
            .split_whitespace()
            .take(8)
            .map(|word| word.parse().ok())
            .collect();
        let counts = counts?;
        Some(Self {
            idle: counts.get(3)?.checked_add(*counts.get(4)?)?,
            all: counts.iter().sum(),
        })
    }

    #[allow(clippy::cast_precision_loss, reason = "ticks of one window")]
    fn busy_since(self, before: Self) -> Option<f64> {
        let all = self.all.checked_sub(before.all).filter(|all| *all > 0)?;
        // The kernel may count idle ticks backwards.
        let idle = self.idle.saturating_sub(before.idle).min(all);
        Some(1.0 - idle as f64 / all as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks__should_be_read_from_the_line_of_all_cores() {
        let stat = "cpu  100 1 30 800 60 2 3 4 7 8\ncpu0 9 9 9 9 9 9 9 9 0 0\nintr 5\n";
        let ticks = Ticks::parse(stat).unwrap();
        assert_eq!((ticks.idle, ticks.all), (860, 1_000));
        for other in ["", "intr 5", "cpu  1 2 3", "cpu  1 2 3 4 x 6 7 8"] {
            assert_eq!(Ticks::parse(other), None, "{other}");
        }
    }

    #[test]
    fn busy__should_be_what_was_not_idle_in_between() {
        let ticks = |idle, all| Ticks { idle, all };
        assert_eq!(ticks(30, 140).busy_since(ticks(20, 100)), Some(0.75));
        assert_eq!(ticks(20, 100).busy_since(ticks(20, 100)), None);
        assert_eq!(ticks(19, 110).busy_since(ticks(20, 100)), Some(1.0));
    }

    #[test]
    fn a_measurement__should_span_a_window_and_not_a_sleep() {
        let mut machine = ThisMachine::default();
        let start = Instant::now();
        let at = |machine: &ThisMachine| machine.last.map(|(at, _)| at);
        assert_eq!(
            machine.busy(start),
            None,
            "there is nothing to compare with"
        );
        if at(&machine).is_none() {
            return; // a system that does not tell
        }
        assert_eq!(machine.busy(start + WINDOW / 2), None);
        assert_eq!(at(&machine), Some(start));
        let nothing_happened = Ticks { idle: 0, all: 0 };
        machine.last = Some((start, nothing_happened));
        let busy = machine.busy(start + WINDOW).unwrap();
        assert!((0.0..=1.0).contains(&busy));
        let woke = start + WINDOW + FRESH;
        machine.last = Some((start + WINDOW, nothing_happened));
        assert_eq!(machine.busy(woke), None);
        assert_eq!(at(&machine), Some(woke));
    }
}
