//! Who may call: a file that only its owner can read.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use quorate_types::Tenant;
use quorate_verify::check_ed25519_point;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use zeroize::{Zeroize as _, Zeroizing};

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

/// What a caller's requests are checked with. No `Debug`: it may hold a secret.
pub enum Verifier {
    /// HMAC-SHA256 with 32 bytes that the caller has too.
    Hmac(Zeroizing<[u8; 32]>),
    /// Ed25519 public key, checked; the server holds no secret.
    Ed25519([u8; 32]),
}

impl Verifier {
    /// Tells verifiers apart without keeping another copy of a secret.
    fn fingerprint(&self) -> [u8; 32] {
        match self {
            Self::Hmac(secret) => Sha256::digest(secret.as_slice()).into(),
            Self::Ed25519(key) => Sha256::digest(key).into(),
        }
    }
}

/// One caller. No `Debug`: it may hold a secret.
pub struct Credential {
    /// What its requests are checked with.
    pub verifier: Verifier,
    /// Whose keys the caller may see and use.
    pub tenant: Tenant,
    /// For people.
    pub name: String,
}

/// The callers, by the id of their credential.
#[derive(Default)]
pub struct Credentials(HashMap<String, Credential>);

#[derive(Deserialize, Clone, Copy, Default)]
#[serde(rename_all = "lowercase")]
enum Kind {
    #[default]
    Hmac,
    Ed25519,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    key: String,
    #[serde(default)]
    kind: Kind,
    #[serde(default)]
    secret: Option<String>,
    #[serde(default)]
    public_key: Option<String>,
    tenant: Tenant,
    name: String,
}

impl Entry {
    fn verifier(&self) -> Result<Verifier, &'static str> {
        match (self.kind, &self.secret, &self.public_key) {
            (Kind::Hmac, Some(text), None) => {
                let mut secret = Zeroizing::new([0; 32]);
                let decoded = hex::decode_to_slice(text, secret.as_mut_slice());
                decoded.map_err(|_| "its secret must be 32 bytes in hex")?;
                Ok(Verifier::Hmac(secret))
            }
            (Kind::Ed25519, None, Some(text)) => {
                let mut key = [0; 32];
                let decoded = hex::decode_to_slice(text, &mut key);
                decoded.map_err(|_| "its public_key must be 32 bytes in hex")?;
                check_ed25519_point(&key)
                    .map_err(|_| "its public_key is no point of the prime-order group")?;
                Ok(Verifier::Ed25519(key))
            }
            (Kind::Hmac, ..) => Err("kind hmac has a `secret`, and no `public_key`"),
            (Kind::Ed25519, ..) => Err("kind ed25519 has a `public_key`, and no `secret`"),
        }
    }
}

impl Credentials {
    /// Reads a list of `{"key", "kind": "hmac", "secret", "tenant", "name"}` with secrets of 32
    /// bytes in hex, and `{"key", "kind": "ed25519", "public_key", "tenant", "name"}`.
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
                why: "the file must be a JSON list of {key, kind, secret or public_key, tenant, \
                      name}",
            })?;
        let mut credentials = Self::default();
        let mut seen = HashSet::new();
        for (position, mut entry) in entries.into_iter().enumerate() {
            let invalid = |why| CredentialsError::Invalid {
                number: position + 1,
                why,
            };
            let verifier = entry.verifier().map_err(invalid);
            entry.secret.zeroize();
            let verifier = verifier?;
            // Its id is not among the signed lines: what one credential signed must not count for
            // another one.
            if !seen.insert(verifier.fingerprint()) {
                return Err(invalid(
                    "another credential has the same secret or public key",
                ));
            }
            let safe = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
            if entry.key.is_empty() || entry.key.len() > MAX_KEY || !entry.key.bytes().all(safe) {
                return Err(invalid("its key must be 1 to 64 of A-Z a-z 0-9 - _ ."));
            }
            let credential = Credential {
                verifier,
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

    fn why(text: &str) -> String {
        Credentials::from_json(text.as_bytes())
            .err()
            .unwrap()
            .to_string()
    }

    fn service(kind: &str, fields: &str) -> String {
        format!(r#"[{{"key":"k1","kind":"{kind}",{fields},"tenant":"acme","name":"n"}}]"#)
    }

    #[test]
    fn credential__must_have_what_its_kind_needs_and_nothing_else() {
        let point = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
        let (public, secret) = (
            format!(r#""public_key":"{point}""#),
            format!(r#""secret":"{point}""#),
        );
        assert!(Credentials::from_json(service("ed25519", &public).as_bytes()).is_ok());
        assert!(Credentials::from_json(service("hmac", &secret).as_bytes()).is_ok());
        assert!(why(&service("hmac", &public)).contains("`secret`"));
        assert!(why(&service("ed25519", &secret)).contains("`public_key`"));
        let both = format!("{public},{secret}");
        assert!(why(&service("hmac", &both)).contains("no `public_key`"));
        assert!(why(&service("ed25519", &both)).contains("no `secret`"));
        assert!(why(&service("rsa", &public)).contains("JSON list"));
        // The identity, a point of small order, no point at all.
        for bad in ["01", "00", "02"] {
            let key = format!("{bad}{}", "00".repeat(31));
            let fields = format!(r#""public_key":"{key}""#);
            assert!(why(&service("ed25519", &fields)).contains("prime-order"));
        }
    }

    #[test]
    fn credentials__must_not_share_a_secret_or_a_public_key() {
        let two = json(&"ab".repeat(32)).replace(
            "]",
            &json(&"ab".repeat(32)).replace('[', ",").replace("k1", "k2"),
        );
        assert!(why(&two).contains("the same secret"), "{}", why(&two));
    }
}
