//! The node's own keys: Ed25519 for what it says, X25519 for its links.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
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
///
/// By aws-lc, which signs in half the time of `ed25519-dalek`; the signatures are the same (RFC 8032
/// leaves no choice). It wipes the key when it frees it.
#[derive(Clone)]
pub(crate) struct Identity(Arc<Ed25519KeyPair>);

impl Identity {
    /// # Panics
    /// Never: any 32 bytes are a seed.
    pub(crate) fn new(secret: &Zeroizing<[u8; 32]>) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(secret.as_slice());
        Self(Arc::new(pair.expect("a seed has 32 bytes")))
    }

    /// # Panics
    /// Never: a public key has 32 bytes.
    pub(crate) fn public_key(&self) -> [u8; 32] {
        let key = self.0.public_key().as_ref().try_into();
        key.expect("a public key has 32 bytes")
    }

    /// # Panics
    /// Never: a signature has 64 bytes.
    pub(crate) fn sign_statement(&self, statement: &[u8]) -> [u8; 64] {
        let signature = self.0.sign(statement);
        let signature = signature.as_ref().try_into();
        signature.expect("a signature has 64 bytes")
    }
}

impl SignBytes for Identity {
    fn sign(&self, statement: &[u8]) -> [u8; 64] {
        self.sign_statement(statement)
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signer as _, SigningKey};

    use super::*;

    #[test]
    fn identity__should_sign_as_the_other_library_does() {
        for seed in 0..32 {
            let secret = Zeroizing::new([seed; 32]);
            let (ours, theirs) = (Identity::new(&secret), SigningKey::from_bytes(&secret));
            assert_eq!(ours.public_key(), theirs.verifying_key().to_bytes());
            let statement = vec![seed; usize::from(seed) * 10];
            let signature = theirs.sign(&statement).to_bytes();
            assert_eq!(ours.sign_statement(&statement), signature);
        }
    }
}
