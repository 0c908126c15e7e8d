//! A whole cluster on this machine: one coordinator and several participants as separate
//! processes, with their own keys, certificates, data folders and logs. Only the gateway's plain
//! HTTP differs from production; it listens on loopback.

mod certificates;
mod cluster;
mod create;
mod exec;
mod lifecycle;
mod ports;
mod process;
mod ready;
mod shares;
mod status;

use std::path::{Path, PathBuf};

pub(crate) use cluster::replace_file;
pub(crate) use create::own_folder;
pub(crate) use process::Pids;

use crate::args::{DevAction, DevArgs, DevFolder};
use crate::config::Environment;
use crate::console::Console;
use crate::error::CliError;

/// Runs `quorate dev …`.
///
/// # Errors
/// [`CliError`].
pub async fn run(
    args: DevArgs,
    console: Console,
    environment: Environment<'_>,
) -> Result<(), CliError> {
    let folder = |given: &DevFolder| folder(given, environment);
    match args.action {
        None => {
            let dir = folder(&args.start.folder)?;
            lifecycle::start(&dir, &args.start, console, environment).await
        }
        Some(DevAction::Stop(given)) => {
            let report = lifecycle::stop(&folder(&given)?).await?;
            console.report(&report)
        }
        Some(DevAction::Status(given)) => console.report(&status::report(&folder(&given)?)?),
        Some(DevAction::StartNode {
            folder: given,
            name,
        }) => {
            let report = lifecycle::start_node(&folder(&given)?, &name, environment).await?;
            console.report(&report)
        }
        Some(DevAction::StopNode {
            folder: given,
            name,
            kill,
        }) => {
            let report = lifecycle::stop_node(&folder(&given)?, &name, kill).await?;
            console.report(&report)
        }
        Some(DevAction::Exec { program }) => exec::become_program(&program),
    }
}

/// The cluster's folder, absolute: the processes' command lines name files in it.
fn folder(given: &DevFolder, environment: Environment<'_>) -> Result<PathBuf, CliError> {
    let default = || {
        let data = environment("XDG_DATA_HOME")
            .filter(|text| !text.is_empty())
            .map(PathBuf::from);
        let data = data.or_else(|| Some(Path::new(&environment("HOME")?).join(".local/share")));
        data.map(|data| data.join("quorate").join("dev"))
    };
    let dir = given.dir.clone().or_else(default);
    let dir = dir.ok_or_else(|| CliError::invalid("no folder for the cluster", "give --dir"))?;
    std::path::absolute(&dir).map_err(|error| CliError::file(&dir, "found", &error))
}
