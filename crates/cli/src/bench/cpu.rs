//! CPU time of each process, from `/proc`.

use std::collections::BTreeMap;

use crate::dev::Pids;

/// Clock ticks a second in `/proc/PID/stat`: part of Linux's interface to user space.
const TICKS_PER_SECOND: f64 = 100.0;
/// How the load generator itself is called: its work is not the service's.
pub(super) const LOAD_GENERATOR: &str = "load_generator";

/// Seconds of CPU by process.
pub(super) type CpuSeconds = BTreeMap<String, f64>;

/// Remembers where each process stood.
pub(super) struct CpuClock {
    processes: Vec<(String, i32)>,
    start: CpuSeconds,
}

impl CpuClock {
    pub(super) fn start(pids: &Pids) -> Self {
        let mut processes: Vec<(String, i32)> = pids
            .iter()
            .map(|(name, pid)| (name.to_owned(), pid))
            .collect();
        if let Ok(own) = i32::try_from(std::process::id()) {
            processes.push((LOAD_GENERATOR.to_owned(), own));
        }
        let start = read(&processes);
        Self { processes, start }
    }

    /// What each process used since then. One that ended meanwhile is left out.
    pub(super) fn stop(self) -> CpuSeconds {
        let end = read(&self.processes);
        let used = |(name, end): (String, f64)| {
            let start = self.start.get(&name)?;
            Some((name, end - start))
        };
        end.into_iter().filter_map(used).collect()
    }
}

fn read(processes: &[(String, i32)]) -> CpuSeconds {
    let seconds = |(name, pid): &(String, i32)| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        Some((name.clone(), parse(&stat)?))
    };
    processes.iter().filter_map(seconds).collect()
}

/// User and system time of all threads, proc(5): fields 14 and 15.
fn parse(stat: &str) -> Option<f64> {
    // The name in parentheses may hold spaces; fields count from the state after it.
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn stat__should_be_read_behind_any_name() {
        let stat = "1 (a b) c) S 1 1 1 0 -1 4 1 0 0 0 250 50 0 0 20 0 1 0 5 1 1";
        assert_eq!(parse(stat), Some(3.0));
        assert_eq!(parse("1 (x"), None);
    }

    #[test]
    fn clock__should_count_the_work_of_this_process() {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let clock = CpuClock::start(&Pids::default());
            let end = Instant::now() + Duration::from_millis(50);
            while Instant::now() < end {}
            if clock.stop()[LOAD_GENERATOR] > 0.0 {
                return;
            }
            assert!(Instant::now() < deadline, "no CPU time was counted");
        }
    }
}
