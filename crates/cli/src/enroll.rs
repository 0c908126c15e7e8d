//! A new machine: its keys are made where they stay, the operator signs a certificate for them.
//!
//! Three files and no network: `request.json` goes from the machine to the operator, the approval
//! goes back. Both are public. What the operator must compare over another way is one fingerprint.
//! Runbook: `docs/runbooks/enroll-node.md`.

mod authority;
mod files;
mod install;
mod request;
mod revoke;

use crate::args::EnrollAction;
use crate::console::Report;
use crate::error::CliError;

/// Does one step.
///
/// # Errors
/// [`CliError::Invalid`] for what must not be signed or installed; nothing is written then.
pub(crate) fn run(action: EnrollAction) -> Result<Report, CliError> {
    match action {
        EnrollAction::Authority { dir } => authority::create(&dir),
        EnrollAction::Request(args) => request::make(&args),
        EnrollAction::Approve(args) => authority::approve(&args),
        EnrollAction::Install { dir, approval } => install::install(&dir, &approval),
        EnrollAction::Revoke(args) => revoke::revoke(&args),
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
