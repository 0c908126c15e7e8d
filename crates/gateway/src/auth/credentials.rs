//! Who may call: a file that only its owner can read.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use quorate_types::Tenant;
use serde::Deserialize;
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

const OPEN_TO_OTHERS: u32 = 0o077;
const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;
const MAX_KEY: usize = 64;

/// Why the credentials cannot be used. The operator must act.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// The file cannot be read.
    #[error("cannot read {}", .path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Others may read it.
    #[error("{} is open to others (mode {mode:03o}): run `chmod 600 {}`",
            .path.display(), .path.display())]
    Permissions {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is not a list of credentials.
    #[error("credential {number} is not valid: {why}")]
    Invalid {
        /// Position in the file, from 1; 0 for the file as a whole.
        number: usize,
        /// The rule.
        why: &'static str,
    },
}

/// One caller. No `Debug`: it holds a secret.
pub struct Credential {
    /// 32 bytes, shared with the caller.
    pub secret: Zeroizing<[u8; 32]>,
    /// Whose keys the caller may see and use.
    pub tenant: Tenant,
    /// For people.
    pub name: String,
}

/// The callers, by the id of their credential.
#[derive(Default)]
pub struct Credentials(HashMap<String, Credential>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    key: String,
    secret: String,
    tenant: Tenant,
    name: String,
}

impl Credentials {
    /// Reads `[{"key", "secret", "tenant", "name"}]` with secrets of 32 bytes in hex.
    ///
    /// # Errors
    /// [`CredentialsError`].
    pub fn from_file(path: &Path) -> Result<Self, CredentialsError> {
        let unreadable = |source| CredentialsError::Unreadable {
            path: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(unreadable)?;
        let mode = file.metadata().map_err(unreadable)?.permissions().mode() & 0o777;
        if mode & OPEN_TO_OTHERS != 0 {
            let path = path.to_owned();
            return Err(CredentialsError::Permissions { path, mode });
        }
        let mut text = Zeroizing::new(Vec::new());
        file.take(MAX_FILE_BYTES)
            .read_to_end(&mut text)
            .map_err(unreadable)?;
        Self::from_json(&text)
    }

    /// As [`Self::from_file`], from the file's bytes.
    ///
    /// # Errors
    /// [`CredentialsError::Invalid`].
    pub fn from_json(text: &[u8]) -> Result<Self, CredentialsError> {
        let entries: Vec<Entry> =
            serde_json::from_slice(text).map_err(|_| CredentialsError::Invalid {
                number: 0,
                why: "the file must be a JSON list of {key, secret, tenant, name}",
            })?;
        let mut credentials = Self::default();
        for (position, mut entry) in entries.into_iter().enumerate() {
            let invalid = |why| CredentialsError::Invalid {
                number: position + 1,
                why,
            };
            let mut secret = Zeroizing::new([0; 32]);
            let decoded = hex::decode_to_slice(&entry.secret, secret.as_mut_slice());
            entry.secret.zeroize();
            decoded.map_err(|_| invalid("its secret must be 32 bytes in hex"))?;
            let safe = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
            if entry.key.is_empty() || entry.key.len() > MAX_KEY || !entry.key.bytes().all(safe) {
                return Err(invalid("its key must be 1 to 64 of A-Z a-z 0-9 - _ ."));
            }
            let credential = Credential {
                secret,
                tenant: entry.tenant,
                name: entry.name,
            };
            if credentials.0.insert(entry.key, credential).is_some() {
                return Err(invalid("its key is there twice"));
            }
        }
        Ok(credentials)
    }

    pub(super) fn get(&self, key: &str) -> Option<&Credential> {
        self.0.get(key)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::OpenOptionsExt as _;

    use super::*;

    fn json(secret: &str) -> String {
        format!(r#"[{{"key":"k1","secret":"{secret}","tenant":"acme","name":"n"}}]"#)
    }

    #[test]
    fn credentials__must_refuse_a_file_that_others_may_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("credentials.json");
        let mut options = std::fs::OpenOptions::new();
        options
            .write(true)
            .create(true)
            .mode(0o640)
            .open(&path)
            .unwrap();
        std::fs::write(&path, json(&"ab".repeat(32))).unwrap();
        let refused = Credentials::from_file(&path).err().unwrap();
        assert!(matches!(
            refused,
            CredentialsError::Permissions { mode: 0o640, .. }
        ));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert!(Credentials::from_file(&path).unwrap().get("k1").is_some());
    }

    #[test]
    fn credentials__must_refuse_short_secrets_and_double_keys() {
        assert!(Credentials::from_json(json(&"ab".repeat(31)).as_bytes()).is_err());
        let one = json(&"ab".repeat(32));
        let entry = one.trim_matches(['[', ']']);
        assert!(Credentials::from_json(format!("[{entry},{entry}]").as_bytes()).is_err());
        assert!(Credentials::from_json(one.as_bytes()).is_ok());
    }
}
