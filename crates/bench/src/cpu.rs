//! Processor time of this thread, and what repeated measurements say of it.

use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::time::{ClockId, clock_gettime};

/// What this thread computed so far, system calls included. Unlike the time of day, it does not
/// grow while another process has the core; it still grows faster where that process empties the
/// caches.
pub(crate) fn thread_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(now.tv_nsec).unwrap_or_default())
}

/// How long to measure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    batches: usize,
    batch: Duration,
    /// What takes longer than this runs once a batch, in few batches.
    slow: Duration,
    slow_batches: usize,
    warms_up: bool,
}

impl Effort {
    /// For figures to be published.
    pub(crate) const FULL: Self = Self {
        batches: 11,
        batch: Duration::from_millis(60),
        slow: Duration::from_millis(400),
        slow_batches: 3,
        warms_up: true,
    };
    /// Shows that everything can be measured; the figures are rough.
    pub(crate) const QUICK: Self = Self {
        batches: 3,
        batch: Duration::from_millis(1),
        slow: Duration::from_millis(20),
        slow_batches: 1,
        warms_up: false,
    };

    /// Batches, and runs in each, for what takes so long.
    fn plan(&self, once: Duration) -> (usize, u32) {
        if once > self.slow {
            return (self.slow_batches, 1);
        }
        let fit = self.batch.as_nanos() / once.as_nanos().max(1);
        (self.batches, u32::try_from(fit).unwrap_or(u32::MAX).max(1))
    }
}

/// One figure: of the means of several batches, the middle and the lowest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Figure {
    pub(crate) median_us: f64,
    pub(crate) lowest_us: f64,
}

impl Figure {
    /// Of the means of each batch; `None` without one.
    fn of(means: impl IntoIterator<Item = Duration>) -> Option<Self> {
        let mut means: Vec<f64> = means.into_iter().map(|m| m.as_secs_f64() * 1e6).collect();
        means.sort_by(f64::total_cmp);
        Some(Self {
            median_us: *means.get(means.len() / 2)?,
            lowest_us: *means.first()?,
        })
    }

    /// A part of it, where many did the same.
    pub(crate) fn divided(self, by: f64) -> Self {
        Self {
            median_us: self.median_us / by,
            lowest_us: self.lowest_us / by,
        }
    }
}

/// Time by part of a run, in the order in which the parts first came.
#[derive(Debug, Default, Clone)]
pub(crate) struct Parts(Vec<(&'static str, Duration)>);

impl Parts {
    /// Adds to a part.
    pub(crate) fn add(&mut self, part: &'static str, time: Duration) {
        match self.0.iter_mut().find(|(name, _)| *name == part) {
            Some((_, sum)) => *sum += time,
            None => self.0.push((part, time)),
        }
    }

    /// Does something and adds its time to a part.
    pub(crate) fn time<T>(&mut self, part: &'static str, act: impl FnOnce() -> T) -> T {
        let begun = thread_time();
        let result = act();
        self.add(part, thread_time() - begun);
        result
    }

    pub(crate) fn sum(&self) -> Duration {
        self.0.iter().map(|(_, time)| *time).sum()
    }

    fn get(&self, part: &str) -> Duration {
        let found = self.0.iter().find(|(name, _)| *name == part);
        found.map_or(Duration::ZERO, |(_, time)| *time)
    }

    fn merge(&mut self, other: &Self) {
        for (part, time) in &other.0 {
            self.add(part, *time);
        }
    }

    fn divided(mut self, by: u32) -> Self {
        for (_, time) in &mut self.0 {
            *time /= by;
        }
        self
    }
}

/// One run of something that has parts and sends messages. What is not measured (making ready,
/// checking the result) is not in it.
#[derive(Debug, Default)]
pub(crate) struct Run {
    /// Of all parties together.
    pub(crate) parts: Parts,
    /// Sent by all parties together; a broadcast counts for each recipient.
    pub(crate) bytes_sent: Option<usize>,
}

/// Many runs.
#[derive(Debug)]
pub(crate) struct Measured {
    /// By part, and in the end the whole.
    pub(crate) figures: Vec<(&'static str, Figure)>,
    pub(crate) bytes_sent: Option<usize>,
    pub(crate) batches: usize,
    pub(crate) runs_per_batch: u32,
}

/// The name of the whole, beside its parts.
pub(crate) const TOTAL: &str = "total";

/// Does something once, and says what it took.
pub(crate) type Contestant<'a> = Box<dyn FnMut() -> Result<Run> + 'a>;

/// Measures runs, each of which measures its parts.
///
/// # Errors
/// The first that a run gives.
pub(crate) fn measure_runs(effort: Effort, run: impl FnMut() -> Result<Run>) -> Result<Measured> {
    let measured = measure_together(effort, vec![Box::new(run)])?.pop();
    measured.context("nothing was measured")
}

/// Measures several that are to be compared: a batch of each in turn, so that whatever else the
/// machine does meets all of them.
///
/// # Errors
/// The first that a run gives.
pub(crate) fn measure_together(
    effort: Effort,
    contestants: Vec<Contestant<'_>>,
) -> Result<Vec<Measured>> {
    let started = contestants
        .into_iter()
        .map(|run| Series::start(effort, run));
    let mut all = started.collect::<Result<Vec<_>>>()?;
    while all.iter().any(Series::is_wanting) {
        for series in all.iter_mut().filter(|series| series.is_wanting()) {
            series.add_batch()?;
        }
    }
    all.iter().map(Series::measured).collect()
}

/// The batches of one contestant so far.
struct Series<'a> {
    run: Contestant<'a>,
    first: Run,
    batches: usize,
    runs_per_batch: u32,
    means: Vec<Parts>,
}

impl<'a> Series<'a> {
    /// Runs once, to warm up and to see how long it takes.
    fn start(effort: Effort, mut run: Contestant<'a>) -> Result<Self> {
        let first = run()?;
        let (batches, runs_per_batch) = effort.plan(first.parts.sum());
        let mut means = Vec::new();
        if !effort.warms_up && runs_per_batch == 1 {
            means.push(first.parts.clone());
        }
        Ok(Self {
            run,
            first,
            batches,
            runs_per_batch,
            means,
        })
    }

    fn is_wanting(&self) -> bool {
        self.means.len() < self.batches
    }

    fn add_batch(&mut self) -> Result<()> {
        let mut sum = Parts::default();
        for _ in 0..self.runs_per_batch {
            sum.merge(&(self.run)()?.parts);
        }
        self.means.push(sum.divided(self.runs_per_batch));
        Ok(())
    }

    fn measured(&self) -> Result<Measured> {
        let figure = |time: &dyn Fn(&Parts) -> Duration| {
            Figure::of(self.means.iter().map(time)).context("no batch was measured")
        };
        let mut figures = Vec::new();
        // A run of one part is that part.
        if self.first.parts.0.len() > 1 {
            for (part, _) in &self.first.parts.0 {
                figures.push((*part, figure(&|parts| parts.get(part))?));
            }
        }
        figures.push((TOTAL, figure(&Parts::sum)?));
        Ok(Measured {
            figures,
            bytes_sent: self.first.bytes_sent,
            batches: self.batches,
            runs_per_batch: self.runs_per_batch,
        })
    }
}

/// Measures something without parts, which may be shorter than a look at the clock.
///
/// # Errors
/// Never with an effort of at least one batch.
pub(crate) fn measure_loop(effort: Effort, mut act: impl FnMut()) -> Result<Measured> {
    let mut batch = |runs: u32| {
        let begun = thread_time();
        (0..runs).for_each(|_| act());
        (thread_time() - begun) / runs
    };
    batch(1);
    let (batches, runs_per_batch) = effort.plan(batch(10));
    let figure = Figure::of((0..batches).map(|_| batch(runs_per_batch)));
    Ok(Measured {
        figures: vec![(TOTAL, figure.context("no batch was measured")?)],
        bytes_sent: None,
        batches,
        runs_per_batch,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figure__should_be_median_and_lowest_of_the_batches() {
        let means = [5, 1, 100].map(Duration::from_micros);
        let figure = Figure::of(means).unwrap();
        assert_eq!((figure.median_us, figure.lowest_us), (5.0, 1.0));
        assert_eq!(Figure::of([]), None);
    }

    #[test]
    fn runs__should_be_measured_by_part_and_as_a_whole() {
        let measured = measure_runs(Effort::QUICK, || {
            let mut parts = Parts::default();
            parts.add("first", Duration::from_micros(300));
            parts.add("second", Duration::from_micros(100));
            parts.add("first", Duration::from_micros(100));
            Ok(Run {
                parts,
                bytes_sent: Some(7),
            })
        });
        let measured = measured.unwrap();
        let medians: Vec<_> = measured
            .figures
            .iter()
            .map(|(part, figure)| (*part, figure.median_us))
            .collect();
        assert_eq!(
            medians,
            [("first", 400.0), ("second", 100.0), (TOTAL, 500.0)]
        );
        assert_eq!((measured.batches, measured.runs_per_batch), (3, 2));
    }

    #[test]
    fn contestants__should_take_turns() {
        let order = std::cell::RefCell::new(Vec::new());
        let contestant = |name: &'static str| -> Contestant<'_> {
            let order = &order;
            Box::new(move || {
                order.borrow_mut().push(name);
                let mut run = Run::default();
                run.parts.add("all", Duration::from_millis(1));
                Ok(run)
            })
        };
        let both = vec![contestant("ours"), contestant("theirs")];
        let measured = measure_together(Effort::QUICK, both).unwrap();
        assert_eq!(measured.len(), 2);
        assert_eq!(*order.borrow(), ["ours", "theirs"].repeat(3));
    }

    #[test]
    fn time__should_count_what_this_thread_computes() {
        let begun = thread_time();
        while thread_time() == begun {}
        assert!(thread_time() > begun);
    }
}
