//! The node's own keys: Ed25519 for what it says, X25519 for its links.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ed25519_dalek::{Signer as _, SigningKey};
use quorate_protocol::SignBytes;
use thiserror::Error;
use zeroize::Zeroizing;

/// Why a key file is not used. The operator acts.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// It cannot be read.
    #[error("{}: the key file cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Others may read it.
    #[error("{}: others can read this key; run `chmod 600 {}`", path.display(), path.display())]
    Permissions {
        /// The file.
        path: PathBuf,
    },
    /// It does not hold 32 bytes in hex.
    #[error("{}: a key file holds 32 bytes in hex and nothing else", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
    },
}

/// Reads a 32-byte secret in hex from a file that only its owner can read.
pub(crate) fn read_secret(path: &Path) -> Result<Zeroizing<[u8; 32]>, KeyFileError> {
    let path = path.to_owned();
    let unreadable = |source| KeyFileError::Unreadable {
        path: path.clone(),
        source,
    };
    let metadata = fs::metadata(&path).map_err(unreadable)?;
    if metadata.mode() & 0o077 != 0 {
        return Err(KeyFileError::Permissions { path });
    }
    let unreadable = |source| KeyFileError::Unreadable {
        path: path.clone(),
        source,
    };
    let text = Zeroizing::new(fs::read_to_string(&path).map_err(unreadable)?);
    let mut secret = Zeroizing::new([0; 32]);
    hex::decode_to_slice(text.trim_end(), secret.as_mut_slice())
        .map_err(|_| KeyFileError::Malformed { path: path.clone() })?;
    Ok(secret)
}

/// The identity that signs this node's messages and statements. The key never leaves it.
#[derive(Clone)]
pub(crate) struct Identity(Arc<SigningKey>);

impl Identity {
    pub(crate) fn new(secret: &Zeroizing<[u8; 32]>) -> Self {
        Self(Arc::new(SigningKey::from_bytes(secret)))
    }

    pub(crate) fn public_key(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    pub(crate) fn sign_statement(&self, statement: &[u8]) -> [u8; 64] {
        self.0.sign(statement).to_bytes()
    }
}

impl SignBytes for Identity {
    fn sign(&self, statement: &[u8]) -> [u8; 64] {
        self.sign_statement(statement)
    }
}
