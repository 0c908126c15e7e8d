//! The `quorate` command.

use std::process::ExitCode;

use clap::Parser as _;
use quorate_cli::args::Cli;
use quorate_cli::console::Console;

fn main() -> ExitCode {
    let cli = Cli::parse(); // wrong usage ends here with code 2
    let console = Console::new(cli.global.json);
    forbid_core_dumps();
    let environment = |name: &str| std::env::var(name).ok();
    let ended = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
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

/// A core dump would hold the caller's keys. Best effort: the command works without it.
fn forbid_core_dumps() {
    let none = rustix::process::Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let _ = rustix::process::setrlimit(rustix::process::Resource::Core, none);
}
