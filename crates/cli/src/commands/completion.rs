use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::args::Cli;
use crate::console::write_stdout;
use crate::error::CliError;

/// Prints the completion script of a shell.
pub(super) fn print(shell: Shell) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "quorate", &mut script);
    write_stdout(&String::from_utf8_lossy(&script))
}
