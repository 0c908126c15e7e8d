//! A new machine: its keys are made where they stay, the operator signs a certificate for them.
//!
//! Three files and no network: `request.json` goes from the machine to the operator, the approval
//! goes back. Both are public. What must be told over another way are two fingerprints: that of the
//! request to the operator, and that of the authority to the machine.
//! Runbook: `docs/runbooks/enroll-node.md`.

mod authority;
mod files;
mod install;
mod pair;
mod request;
mod revoke;

use crate::args::EnrollAction;
use crate::console::{Console, Report};
use crate::error::CliError;

/// Does one step.
///
/// # Errors
/// [`CliError::Invalid`] for what must not be signed or installed; nothing is written then.
pub(crate) fn run(action: EnrollAction, console: &Console) -> Result<Report, CliError> {
    match action {
        EnrollAction::Authority { dir } => authority::create(&dir),
        EnrollAction::Request(args) => request::make(&args),
        EnrollAction::Approve(args) => authority::approve(&args),
        EnrollAction::Install(args) => install::install(&args, &mut Terminal(console)),
        EnrollAction::Revoke(args) => revoke::revoke(&args),
    }
}

/// Whoever sits before this machine.
struct Terminal<'a>(&'a Console);

impl install::Ask for Terminal<'_> {
    fn fingerprint(&mut self) -> Result<Option<String>, CliError> {
        self.0.ask(
            "This machine trusts no authority yet. Fingerprint of the authority, as the operator \
             told it over another way: ",
        )
    }
}

fn defect(doing: &str, error: &impl std::fmt::Display) -> CliError {
    CliError::failed(format!("{doing}: {error}"), "report this as a defect")
}

#[cfg(test)]
#[allow(
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]
pub(crate) mod tests;
