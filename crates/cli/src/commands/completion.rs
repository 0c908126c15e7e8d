use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::args::Cli;
use crate::console::Report;

/// The completion script of a shell.
pub(super) fn script(shell: Shell) -> Report {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "quorate", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    let json = serde_json::json!({ "shell": shell.to_string(), "script": script });
    Report {
        json,
        human: script,
    }
}
