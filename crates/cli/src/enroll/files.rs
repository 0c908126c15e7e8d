//! What travels between the machine and the operator. All of it is public.

use std::path::Path;

use quorate_transport::tls::PeerIdentity;
use quorate_types::{NodeId, Writer};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::error::CliError;

/// Longest request or approval that is read, in bytes.
const MAX_FILE_BYTES: u64 = 256 << 10;
const REQUEST_FORMAT: &str = "quorate enrolment request v1";
const APPROVAL_FORMAT: &str = "quorate enrolment approval v1";

/// What a machine is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Participant,
    Coordinator,
}

/// What a machine asks for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Request {
    format: String,
    pub(super) node: NodeId,
    pub(super) kind: Kind,
    /// Certificate signing request of the TLS key, PEM. The names in it are not used.
    pub(super) csr: String,
    /// Keys of a participant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) keys: Option<NodeKeys>,
}

/// Public keys of a participant, and the proof that it has the first one.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NodeKeys {
    #[serde(with = "hex::serde")]
    pub(super) identity: [u8; 32],
    #[serde(with = "hex::serde")]
    pub(super) noise: [u8; 32],
    #[serde(with = "hex::serde")]
    pub(super) signature: [u8; 64],
}

/// What the operator signed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Approval {
    format: String,
    pub(super) node: NodeId,
    pub(super) kind: Kind,
    pub(super) certificate: String,
    pub(super) authority: String,
}

impl Kind {
    pub(super) fn identity(self, node: &NodeId) -> PeerIdentity {
        match self {
            Self::Participant => PeerIdentity::participant(node.clone()),
            Self::Coordinator => PeerIdentity::coordinator(node.clone()),
        }
    }
}

impl Request {
    pub(super) fn new(node: NodeId, kind: Kind, csr: String) -> Self {
        Self {
            format: REQUEST_FORMAT.to_owned(),
            node,
            kind,
            csr,
            keys: None,
        }
    }

    /// What the identity key signs: who, which link key and which TLS key belong together.
    pub(super) fn statement(&self, noise: &[u8; 32]) -> Vec<u8> {
        let mut out = Writer::new();
        out.text(REQUEST_FORMAT).value(&self.node).fixed(noise);
        out.text(&self.csr);
        out.finish()
    }

    /// What two people compare: 16 bytes of SHA-256 over everything that is asked for.
    pub(super) fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        let (identity, noise) = self
            .keys
            .as_ref()
            .map_or(([0; 32], [0; 32]), |keys| (keys.identity, keys.noise));
        hash.update(identity);
        hash.update([u8::from(self.kind == Kind::Coordinator)]);
        hash.update(self.statement(&noise));
        grouped(hash.finalize().as_slice())
    }

    pub(super) fn read(path: &Path) -> Result<Self, CliError> {
        let request: Self = read(path, "a request of `quorate node enroll request`")?;
        check_format(path, &request.format, REQUEST_FORMAT)?;
        Ok(request)
    }
}

/// The first 16 bytes of a digest, as two people read them to each other.
fn grouped(digest: &[u8]) -> String {
    let groups = digest.chunks(2).take(8).map(hex::encode);
    groups.collect::<Vec<_>>().join("-")
}

/// What two people compare of an authority: 16 bytes of SHA-256 over its certificate's text.
pub(super) fn authority_fingerprint(pem: &str) -> String {
    grouped(Sha256::digest(pem.trim()).as_slice())
}

impl Approval {
    pub(super) fn new(request: &Request, certificate: String, authority: String) -> Self {
        Self {
            format: APPROVAL_FORMAT.to_owned(),
            node: request.node.clone(),
            kind: request.kind,
            certificate,
            authority,
        }
    }

    pub(super) fn read(path: &Path) -> Result<Self, CliError> {
        let approval: Self = read(path, "an approval of `quorate node enroll approve`")?;
        check_format(path, &approval.format, APPROVAL_FORMAT)?;
        Ok(approval)
    }
}

fn read<T: DeserializeOwned>(path: &Path, what: &str) -> Result<T, CliError> {
    use std::io::Read as _;
    let unreadable = |error| CliError::file(path, "read", &error);
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut text = String::new();
    file.take(MAX_FILE_BYTES)
        .read_to_string(&mut text)
        .map_err(unreadable)?;
    serde_json::from_str(&text).map_err(|error| {
        CliError::invalid(
            format!("{}: not {what}: {error}", path.display()),
            "name the file that was carried over, unchanged",
        )
    })
}

fn check_format(path: &Path, found: &str, expected: &str) -> Result<(), CliError> {
    if found == expected {
        return Ok(());
    }
    let what = format!("{}: not a file of the format `{expected}`", path.display());
    Err(CliError::invalid(
        what,
        "use the same version on both sides",
    ))
}
