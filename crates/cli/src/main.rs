//! The `quorate` command.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Parser as _;
use quorate_cli::args::Cli;
use quorate_cli::console::Console;

/// A tenth of the CPU time of a signature was the system's allocator (docs/benchmarks/overhead.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(usage) => return refuse_usage(&usage),
    };
    let console = Console::new(cli.global.json);
    forbid_core_dumps();
    let environment = |name: &str| std::env::var(name).ok();
    // `quorate bench` adds CPU time up by these names. Threads that run tasks are all spawned by
    // `build`; what comes later blocks.
    let built = Arc::new(AtomicBool::new(false));
    let is_built = Arc::clone(&built);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name_fn(move || match is_built.load(Ordering::Relaxed) {
            false => "quorate-tasks".to_owned(),
            true => "quorate-block".to_owned(),
        })
        .build();
    built.store(true, Ordering::Relaxed);
    let ended = match runtime {
        Ok(runtime) => runtime.block_on(quorate_cli::commands::run(cli, &environment)),
        Err(error) => Err(quorate_cli::CliError::Failed {
            what: format!("no threads: {error}"),
            remedy: "raise the limits of this user (`ulimit -u`)".to_owned(),
        }),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            console.error(&error);
            ExitCode::from(error.exit_code() as u8)
        }
    }
}

/// Help and version are no errors; whoever asks for JSON gets it for wrong usage too.
fn refuse_usage(usage: &clap::Error) -> ExitCode {
    let asked: Vec<_> = std::env::args_os().skip(1).collect();
    let wants_json = asked
        .iter()
        .take_while(|argument| *argument != "--")
        .any(|argument| argument == "--json");
    if !usage.use_stderr() || !wants_json {
        usage.exit();
    }
    let text = usage.render().to_string();
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let what = lines.next().unwrap_or("wrong usage").to_owned();
    let error = quorate_cli::CliError::Invalid {
        what: what.trim_start_matches("error: ").to_owned(),
        remedy: lines.collect::<Vec<_>>().join("; "),
    };
    Console::new(true).error(&error);
    ExitCode::from(error.exit_code() as u8)
}

/// A core dump would hold the caller's keys. Best effort: the command works without it.
fn forbid_core_dumps() {
    let none = rustix::process::Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let _ = rustix::process::setrlimit(rustix::process::Resource::Core, none);
}
