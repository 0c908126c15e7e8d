use std::path::Path;
use std::time::Duration;

use quorate_api::ErrorCode;
use quorate_coordinator::CoordinatorError;
use serde_json::{Map, Value, json};
use thiserror::Error;

use crate::check::Mismatch;

/// What the process says to the shell. Documented in `docs/cli.md`; never renumbered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// It was done.
    Ok = 0,
    /// It failed on this machine.
    Failure = 1,
    /// The command line, the configuration or the input is not valid.
    Usage = 2,
    /// The service refused; its error code is shown.
    Refused = 3,
    /// The service did not answer.
    Unreachable = 4,
    /// An answer or a signature is not what it claims to be.
    Unverified = 5,
}

/// A documented refusal of the service.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// Stable code (`docs/errors.md`).
    pub code: String,
    /// For people.
    pub message: String,
    /// Facts behind it.
    pub details: Map<String, Value>,
    /// Names the request in the service's logs; empty if there was none.
    pub request_id: String,
    /// When the service wants to be asked again (`Retry-After`), if it said so.
    pub retry_after: Option<Duration>,
}

/// Why a command did not do what was asked.
///
/// `Display` is safe to show and to log: names, paths and public values, never a secret.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CliError {
    /// Caller: command line, configuration or input.
    #[error("{what}")]
    Invalid {
        /// What is wrong.
        what: String,
        /// What to do.
        remedy: String,
    },
    /// Caller: the service and every participant would refuse this too, so nothing was sent.
    #[error("{}: {message}", .code.as_str())]
    NotSent {
        /// The code that they would answer with.
        code: ErrorCode,
        /// What is wrong.
        message: String,
    },
    /// Operator of this machine.
    #[error("{what}")]
    Failed {
        /// What failed.
        what: String,
        /// What to do.
        remedy: String,
    },
    /// The service refused.
    #[error("{}: {}", .0.code, .0.message)]
    Refused(Box<Refusal>),
    /// The service did not answer.
    #[error("{endpoint} did not answer: {why}")]
    Unreachable {
        /// Where it was looked for.
        endpoint: String,
        /// What happened.
        why: String,
    },
    /// An answer is not what it claims to be.
    #[error("NOT VERIFIED: {0}")]
    Unverified(#[from] Mismatch),
}

impl CliError {
    pub(crate) fn invalid(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        let (what, remedy) = (what.into(), remedy.into());
        Self::Invalid { what, remedy }
    }

    /// What the coordinator's own early checks would say.
    pub(crate) fn not_sent(error: impl Into<CoordinatorError>) -> Self {
        let error = error.into();
        Self::NotSent {
            code: error.code(),
            message: error.to_string(),
        }
    }

    pub(crate) fn failed(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        let (what, remedy) = (what.into(), remedy.into());
        Self::Failed { what, remedy }
    }

    pub(crate) fn file(path: &Path, doing: &str, error: &std::io::Error) -> Self {
        let what = format!("{}: cannot be {doing}: {error}", path.display());
        Self::failed(
            what,
            "check that the path exists, its permissions and the free space",
        )
    }

    /// What the process ends with.
    #[must_use]
    pub const fn exit_code(&self) -> ExitCode {
        match self {
            Self::Invalid { .. } | Self::NotSent { .. } => ExitCode::Usage,
            Self::Failed { .. } => ExitCode::Failure,
            Self::Refused(_) => ExitCode::Refused,
            Self::Unreachable { .. } => ExitCode::Unreachable,
            Self::Unverified(_) => ExitCode::Unverified,
        }
    }

    /// The next step for whoever sees the error.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::Invalid { remedy, .. } | Self::Failed { remedy, .. } => remedy.clone(),
            Self::NotSent { code, .. } => format!("nothing was sent. {}", code.help()),
            Self::Refused(refusal) => ErrorCode::parse(&refusal.code)
                .map_or("see docs/errors.md", ErrorCode::help)
                .to_owned(),
            Self::Unreachable { .. } => {
                "is the coordinator running? `quorate doctor` looks for the cause; `quorate dev` \
                 starts a cluster on this machine"
                    .to_owned()
            }
            Self::Unverified(Mismatch::GivenSignature(_)) => {
                "do not rely on this signature. If it should be valid, compare signature, key and \
                 payload with those of whoever made it"
                    .to_owned()
            }
            Self::Unverified(_) => {
                "do not use this answer. Service or configuration is wrong: compare the manifest \
                 of your configuration with the nodes' own, and tell the cluster's owner"
                    .to_owned()
            }
        }
    }

    /// One document for programs.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let (code, details, request_id) = match self {
            Self::Invalid { .. } => ("USAGE", Map::new(), ""),
            Self::NotSent { code, .. } => (code.as_str(), Map::new(), ""),
            Self::Failed { .. } => ("FAILED", Map::new(), ""),
            Self::Unreachable { .. } => ("UNREACHABLE", Map::new(), ""),
            Self::Unverified(_) => ("NOT_VERIFIED", Map::new(), ""),
            Self::Refused(refusal) => (
                &*refusal.code,
                refusal.details.clone(),
                &*refusal.request_id,
            ),
        };
        let message = match self {
            Self::Refused(refusal) => refusal.message.clone(),
            Self::NotSent { message, .. } => message.clone(),
            other => other.to_string(),
        };
        json!({"error": {
            "code": code,
            "message": message,
            "details": details,
            "remedy": self.remedy(),
            "request_id": request_id,
            "exit_code": self.exit_code() as u8,
        }})
    }
}
