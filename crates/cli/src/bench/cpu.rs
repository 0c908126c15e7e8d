//! CPU time of each process, and of its threads by kind of work, from `/proc`.

mod work;

use std::collections::BTreeMap;

use crate::dev::Pids;
pub(super) use work::Work;

/// Clock ticks a second in `/proc/PID/stat`: part of Linux's interface to user space.
const TICKS_PER_SECOND: f64 = 100.0;
/// How the load generator itself is called: its work is not the service's.
pub(super) const LOAD_GENERATOR: &str = "load_generator";

/// Seconds of CPU by process.
pub(super) type CpuSeconds = BTreeMap<String, f64>;
/// Seconds of CPU by kind of work.
pub(super) type WorkSeconds = BTreeMap<Work, f64>;

/// What was used between two moments.
#[derive(Debug, Default)]
pub(super) struct CpuUsed {
    pub(super) by_process: CpuSeconds,
    /// Of each process by what its threads do; the sum is that of the process but for the rounding
    /// of each thread's time to ticks. Empty where the system does not tell.
    pub(super) by_work: BTreeMap<String, WorkSeconds>,
}

/// Remembers where each process stood.
pub(super) struct CpuClock {
    processes: Vec<(String, i32)>,
    start: BTreeMap<String, Process>,
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
    pub(super) fn stop(self) -> CpuUsed {
        let mut used = CpuUsed::default();
        for (name, end) in read(&self.processes) {
            let Some(start) = self.start.get(&name) else {
                continue;
            };
            if !end.threads.is_empty() {
                used.by_work.insert(name.clone(), end.work_since(start));
            }
            used.by_process.insert(name, end.seconds - start.seconds);
        }
        used
    }
}

/// One process at one moment.
#[derive(Debug, Default)]
struct Process {
    /// Of all its threads, those that ended too.
    seconds: f64,
    threads: BTreeMap<ThreadKey, Thread>,
}

/// The kernel gives ids again; no two threads of one id start in one tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct ThreadKey {
    id: i32,
    started: u64,
}

#[derive(Debug)]
struct Thread {
    work: Work,
    seconds: f64,
}

impl Process {
    fn read(pid: i32) -> Option<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let seconds = Stat::parse(&stat)?.seconds;
        let mut process = Self {
            seconds,
            ..Self::default()
        };
        let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
            return Some(process);
        };
        for task in tasks.flatten() {
            // A thread that ended since the folder was listed counts among the ended ones.
            let Ok(stat) = std::fs::read_to_string(task.path().join("stat")) else {
                continue;
            };
            if let Some((key, thread)) = Stat::parse(&stat).map(|stat| stat.thread(pid)) {
                process.threads.insert(key, thread);
            }
        }
        Some(process)
    }

    fn work_since(&self, start: &Self) -> WorkSeconds {
        let mut work = WorkSeconds::new();
        let mut accounted = 0.0;
        for (key, thread) in &self.threads {
            let before = start.threads.get(key).map_or(0.0, |thread| thread.seconds);
            *work.entry(thread.work).or_default() += thread.seconds - before;
            accounted += thread.seconds - before;
        }
        // The process still counts what threads used that are listed no more. Less than nothing is
        // left where ticks of many threads were rounded.
        let ended = self.seconds - start.seconds - accounted;
        work.insert(Work::EndedThreads, ended.max(0.0));
        work.retain(|_, seconds| *seconds > 0.0);
        work
    }
}

fn read(processes: &[(String, i32)]) -> BTreeMap<String, Process> {
    let process = |(name, pid): &(String, i32)| Some((name.clone(), Process::read(*pid)?));
    processes.iter().filter_map(process).collect()
}

/// What is used of `/proc/PID/stat` and `/proc/PID/task/TID/stat`, proc(5).
#[derive(Debug, PartialEq)]
struct Stat<'a> {
    id: i32,
    name: &'a str,
    /// User and system time.
    seconds: f64,
    /// In ticks since the machine started.
    started: u64,
}

impl<'a> Stat<'a> {
    fn parse(stat: &'a str) -> Option<Self> {
        // The name in parentheses may hold spaces and parentheses; fields count from the state
        // behind it, which is field 3.
        let (head, fields) = stat.rsplit_once(") ")?;
        let (id, name) = head.split_once(" (")?;
        let mut fields = fields.split_ascii_whitespace().skip(11);
        let user: f64 = fields.next()?.parse().ok()?;
        let system: f64 = fields.next()?.parse().ok()?;
        Some(Self {
            id: id.parse().ok()?,
            name,
            seconds: (user + system) / TICKS_PER_SECOND,
            started: fields.nth(6)?.parse().ok()?,
        })
    }

    fn thread(&self, process: i32) -> (ThreadKey, Thread) {
        // The first thread bears the name of the program.
        let work = if self.id == process {
            Work::Main
        } else {
            Work::of(self.name)
        };
        let key = ThreadKey {
            id: self.id,
            started: self.started,
        };
        let seconds = self.seconds;
        (key, Thread { work, seconds })
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    /// A thread with so many seconds.
    fn thread(id: i32, started: u64, work: Work, seconds: f64) -> (ThreadKey, Thread) {
        (ThreadKey { id, started }, Thread { work, seconds })
    }

    #[test]
    fn stat__should_be_read_behind_any_name() {
        let stat = "1 (a b) c) S 1 1 1 0 -1 4 1 0 0 0 250 50 0 0 20 0 1 0 5 1 1\n";
        let expected = Stat {
            id: 1,
            name: "a b) c",
            seconds: 3.0,
            started: 5,
        };
        assert_eq!(Stat::parse(stat), Some(expected));
        assert_eq!(Stat::parse("1 (x"), None);
        assert_eq!(Stat::parse("1 (x) S 1 1 1 0 -1 4 1 0 0 0 250 50"), None);
    }

    #[test]
    fn thread__should_be_named_by_its_work_and_the_first_one_by_its_place() {
        let stat = "7 (log-audit) S 1 1 1 0 -1 4 1 0 0 0 250 50 0 0 20 0 1 0 5 1 1";
        let stat = Stat::parse(stat).unwrap();
        assert_eq!(stat.thread(6).1.work, Work::AuditLog);
        assert_eq!(stat.thread(7).1.work, Work::Main);
    }

    #[test]
    fn work__should_be_the_difference_of_each_thread_and_the_rest_that_of_ended_ones() {
        let start = Process {
            seconds: 10.0,
            threads: [
                thread(1, 1, Work::Main, 1.0),
                thread(2, 1, Work::Tasks, 4.0),
                thread(3, 1, Work::Blocking, 5.0),
            ]
            .into(),
        };
        let end = Process {
            seconds: 20.0,
            threads: [
                thread(1, 1, Work::Main, 1.0),
                thread(2, 1, Work::Tasks, 6.0),
                // Another one that was given the id.
                thread(3, 9, Work::Blocking, 3.0),
                thread(4, 9, Work::Blocking, 1.0),
            ]
            .into(),
        };
        let expected = [
            (Work::Tasks, 2.0),
            (Work::Blocking, 4.0),
            (Work::EndedThreads, 4.0),
        ];
        assert_eq!(end.work_since(&start), expected.into());
    }

    #[test]
    fn work__must_not_be_less_than_nothing_where_ticks_were_rounded() {
        let end = Process {
            seconds: 1.0,
            threads: [thread(1, 1, Work::Tasks, 1.01)].into(),
        };
        let work = end.work_since(&Process::default());
        assert_eq!(work, [(Work::Tasks, 1.01)].into());
    }

    #[test]
    fn clock__should_count_the_work_of_this_process() {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let clock = CpuClock::start(&Pids::default());
            let end = Instant::now() + Duration::from_millis(50);
            while Instant::now() < end {}
            let used = clock.stop();
            let by_work = used.by_work[LOAD_GENERATOR].values().sum::<f64>();
            if used.by_process[LOAD_GENERATOR] > 0.0 && by_work > 0.0 {
                return;
            }
            assert!(Instant::now() < deadline, "no CPU time was counted");
        }
    }
}
