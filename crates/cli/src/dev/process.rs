//! Processes of a cluster: started apart from the terminal, found again by their command line.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::cluster::{COORDINATOR, config_file, log_file, replace_file};
use crate::config::Environment;
use crate::error::CliError;

const PIDS_FILE: &str = "pids";
/// A log that is longer when its process starts becomes `log.jsonl.1`.
const MAX_LOG_BYTES: u64 = 64 << 20;
/// How long a new process may take to show its command line.
const START_DEADLINE: Duration = Duration::from_secs(2);
/// How long a process may take to end by itself.
const STOP_DEADLINE: Duration = Duration::from_secs(15);
/// How long a killed process may take to be gone.
const KILL_DEADLINE: Duration = Duration::from_secs(5);
/// Pause between two looks at a process that is ending.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// `D/pids`: name to process id.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pids(BTreeMap<String, i32>);

impl Pids {
    /// Reads a file of this form; none is an empty list.
    pub(crate) fn read(path: &Path) -> Result<Self, CliError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            Err(error) => return Err(CliError::file(path, "read", &error)),
        };
        serde_json::from_str(&text).map(Self).map_err(|_| {
            let what = format!(
                "{}: not a JSON object of names and process ids",
                path.display()
            );
            CliError::invalid(
                what,
                "remove the file; running processes must be stopped by hand",
            )
        })
    }

    /// Of the cluster in this folder.
    pub(super) fn of(dir: &Path) -> Result<Self, CliError> {
        Self::read(&dir.join(PIDS_FILE))
    }

    pub(super) fn write(&self, dir: &Path) -> Result<(), CliError> {
        let text = serde_json::to_string_pretty(&self.0).expect("names and numbers only");
        replace_file(&dir.join(PIDS_FILE), &text)
    }

    /// Names and ids.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, i32)> {
        self.0.iter().map(|(name, pid)| (name.as_str(), *pid))
    }

    pub(super) fn set(&mut self, name: &str, pid: i32) {
        self.0.insert(name.to_owned(), pid);
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// Id of a process of the cluster in this folder, if it runs and is really this one.
    pub(super) fn running(&self, dir: &Path, name: &str) -> Option<i32> {
        self.0
            .get(name)
            .copied()
            .filter(|pid| is_ours(*pid, &config_file(dir, name)))
    }
}

/// Whether the process with this id has our configuration file on its command line. Another
/// program that was given an old id has not, and a dead one has no command line.
fn is_ours(pid: i32, config: &Path) -> bool {
    let Ok(command_line) = std::fs::read(format!("/proc/{pid}/cmdline")) else {
        return false;
    };
    command_line
        .split(|byte| *byte == 0)
        .any(|part| part == config.as_os_str().as_bytes())
}

/// Starts one process of a cluster; its output goes to its log.
pub(super) fn start(
    dir: &Path,
    name: &str,
    environment: Environment<'_>,
) -> Result<Child, CliError> {
    let quorate = std::env::current_exe().map_err(|error| {
        CliError::failed(format!("own program not found: {error}"), "give a path")
    })?;
    let mut command = Command::new(&quorate);
    command.args(["dev", "exec", "--"]);
    if name == COORDINATOR {
        command.arg(&quorate).arg("coordinator");
    } else {
        command.arg(participant_program(&quorate, environment)?);
    }
    let log = open_log(&log_file(dir, name))?;
    let log_too = log
        .try_clone()
        .map_err(|e| CliError::file(&log_file(dir, name), "opened", &e))?;
    command.arg("--config").arg(config_file(dir, name));
    // The client's settings are none of the servers' business.
    command.env_remove("QUORATE_CONFIG");
    command
        .stdin(Stdio::null())
        .stdout(log_too)
        .stderr(log)
        .current_dir(dir);
    let child = command
        .spawn()
        .map_err(|error| CliError::file(&quorate, "started", &error))?;
    Ok(seen(child, &config_file(dir, name)))
}

/// Waits until a new process shows its command line: Linux lets the parent go on a moment earlier.
fn seen(mut child: Child, config: &Path) -> Child {
    let deadline = Instant::now() + START_DEADLINE;
    let pid = i32::try_from(child.id()).expect("process ids of Linux are below 2^22");
    while !is_ours(pid, config) && matches!(child.try_wait(), Ok(None)) && Instant::now() < deadline
    {
        std::thread::sleep(Duration::from_millis(1));
    }
    child
}

/// The participant's own binary: `QUORATE_PARTICIPANT_BIN`, or beside this one.
fn participant_program(quorate: &Path, environment: Environment<'_>) -> Result<PathBuf, CliError> {
    let named = environment("QUORATE_PARTICIPANT_BIN").map(PathBuf::from);
    let path = named.unwrap_or_else(|| quorate.with_file_name("quorate-participant"));
    if path.is_file() {
        return Ok(path);
    }
    let what = format!("{}: the participant's program is not there", path.display());
    let remedy = "build it with `cargo build --release -p quorate-participant`, or name it with \
                  QUORATE_PARTICIPANT_BIN";
    Err(CliError::failed(what, remedy))
}

fn open_log(path: &Path) -> Result<File, CliError> {
    let unusable = |error| CliError::file(path, "opened", &error);
    if std::fs::metadata(path).is_ok_and(|metadata| metadata.len() > MAX_LOG_BYTES) {
        std::fs::rename(path, path.with_extension("jsonl.1")).map_err(unusable)?;
    }
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .map_err(unusable)
}

/// Last lines of a log, for an error message.
pub(super) fn log_tail(path: &Path) -> String {
    const LINES: usize = 8;
    let text = std::fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().rev().take(LINES).collect();
    lines
        .into_iter()
        .rev()
        .map(|line| format!("\n    {line}"))
        .collect()
}

/// Ends a process: asks it first, unless it is to be killed; whether it was running.
pub(super) async fn stop(
    dir: &Path,
    name: &str,
    pids: &Pids,
    kill: bool,
) -> Result<bool, CliError> {
    let Some(pid) = pids.running(dir, name) else {
        return Ok(false);
    };
    let Some(process) = Held::open(dir, name, pid)? else {
        return Ok(false);
    };
    if !kill {
        process.signal(Signal::TERM)?;
        if process.is_gone_within(STOP_DEADLINE).await {
            return Ok(true);
        }
    }
    process.signal(Signal::KILL)?;
    if process.is_gone_within(KILL_DEADLINE).await {
        return Ok(true);
    }
    let what = format!("{name} (process {pid}) does not end");
    Err(CliError::failed(
        what,
        "look at what it waits for with `ps` and `dmesg`",
    ))
}

/// One of our processes, and never another that is given its id later: the handle is opened before
/// the command line is looked at.
struct Held {
    /// Readable once all threads have ended. The command line is gone before that, while ports are
    /// still taken and files still open.
    handle: OwnedFd,
    whose: String,
}

impl Held {
    fn open(dir: &Path, name: &str, pid: i32) -> Result<Option<Self>, CliError> {
        let whose = format!("{name} (process {pid})");
        let Some(id) = Pid::from_raw(pid) else {
            return Ok(None);
        };
        let Ok(handle) = pidfd_open(id, PidfdFlags::empty()) else {
            return Ok(None); // gone
        };
        if !is_ours(pid, &config_file(dir, name)) {
            return Ok(None);
        }
        Ok(Some(Self { handle, whose }))
    }

    fn signal(&self, signal: Signal) -> Result<(), CliError> {
        match pidfd_send_signal(&self.handle, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => {
                let what = format!("{} cannot be signalled: {error}", self.whose);
                Err(CliError::failed(
                    what,
                    "run this as the user who started the cluster",
                ))
            }
        }
    }

    async fn is_gone_within(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        loop {
            let mut ended = [PollFd::new(&self.handle, PollFlags::IN)];
            if poll(&mut ended, Some(&Timespec::default())).is_ok_and(|count| count > 0) {
                return true;
            }
            if Instant::now() >= deadline {
                return false;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn process__must_be_found_by_its_own_command_line_only() {
        let dir = tempfile::tempdir().unwrap();
        let config = config_file(dir.path(), "node-1");
        let mut pids = Pids::default();
        pids.set("node-1", i32::try_from(std::process::id()).unwrap());
        assert_eq!(
            pids.running(dir.path(), "node-1"),
            None,
            "this test is not node-1"
        );
        let mut command = Command::new("sh");
        command
            .args(["-c", "read line; :", "sh"])
            .arg(&config)
            .stdin(Stdio::piped());
        let mut child = seen(command.spawn().unwrap(), &config);
        let pid = i32::try_from(child.id()).unwrap();
        pids.set("node-1", pid);
        assert_eq!(pids.running(dir.path(), "node-1"), Some(pid));
        assert_eq!(pids.running(dir.path(), "node-2"), None);
        drop(child.stdin.take());
        child.wait().unwrap();
        assert_eq!(pids.running(dir.path(), "node-1"), None);
    }

    #[tokio::test]
    async fn stop__should_end_our_process_and_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let run = |last: &Path| {
            let mut command = Command::new("sh");
            command
                .args(["-c", "read line; :", "sh"])
                .arg(last)
                .stdin(Stdio::piped());
            seen(command.spawn().unwrap(), last)
        };
        let (mut ours, mut other) = (
            run(&config_file(dir.path(), "node-1")),
            run(Path::new("/elsewhere/x.toml")),
        );
        let mut pids = Pids::default();
        pids.set("node-1", i32::try_from(ours.id()).unwrap());
        pids.set("node-2", i32::try_from(other.id()).unwrap());
        assert!(stop(dir.path(), "node-1", &pids, false).await.unwrap());
        assert!(!stop(dir.path(), "node-2", &pids, true).await.unwrap());
        assert!(!ours.wait().unwrap().success());
        assert!(other.try_wait().unwrap().is_none(), "not ours, so it lives");
        drop(other.stdin.take());
        other.wait().unwrap();
    }

    #[tokio::test]
    async fn stop__must_return_only_when_all_that_the_process_held_is_free() {
        let dir = tempfile::tempdir().unwrap();
        let config = config_file(dir.path(), "node-1");
        let lock = dir.path().join("lock");
        for _ in 0..20 {
            let file = File::create(&lock).unwrap();
            rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).unwrap();
            let mut command = Command::new("sh");
            command.args(["-c", "read line; :", "sh"]).arg(&config);
            // The child holds the lock as long as it has the file.
            command.stdin(Stdio::piped()).stdout(file);
            let mut child = seen(command.spawn().unwrap(), &config);
            drop(command);
            let mut pids = Pids::default();
            pids.set("node-1", i32::try_from(child.id()).unwrap());
            assert!(stop(dir.path(), "node-1", &pids, true).await.unwrap());
            let again = File::open(&lock).unwrap();
            rustix::fs::flock(&again, rustix::fs::FlockOperation::NonBlockingLockExclusive)
                .expect("nobody holds it any more");
            child.wait().unwrap();
        }
    }

    #[test]
    fn pids__should_survive_the_file() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Pids::of(dir.path()).unwrap().iter().count(), 0);
        let mut pids = Pids::default();
        pids.set("coordinator", 7);
        pids.write(dir.path()).unwrap();
        let read = Pids::of(dir.path()).unwrap();
        assert_eq!(read.iter().collect::<Vec<_>>(), [("coordinator", 7)]);
        std::fs::write(dir.path().join(PIDS_FILE), "[]").unwrap();
        assert!(Pids::of(dir.path()).is_err());
    }
}
