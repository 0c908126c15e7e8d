use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use crate::error::CliError;

/// Leaves the terminal's session, then becomes the program: the process id stays, and neither
/// Ctrl-C nor the end of the terminal reaches it.
pub(super) fn become_program(program: &[OsString]) -> Result<(), CliError> {
    let Some((program, arguments)) = program.split_first() else {
        return Err(CliError::invalid(
            "no program was given",
            "this is for `quorate dev` itself",
        ));
    };
    // It fails only for the leader of a process group, which has left its session already.
    let _ = rustix::process::setsid();
    let error = Command::new(program).args(arguments).exec();
    Err(CliError::file(Path::new(program), "started", &error))
}
