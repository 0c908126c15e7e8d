//! One process per keystore.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::error::KeystoreError;

/// Holds the lock until it is dropped, or until the process ends in any way.
pub(crate) struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Takes the lock `path`, without waiting.
    ///
    /// # Errors
    /// [`KeystoreError::InUse`] if another process, or this one, holds it.
    pub(crate) fn take(path: &Path) -> Result<Self, KeystoreError> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let file = options
            .open(path)
            .map_err(|e| KeystoreError::io(path, "opening the lock file", e))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(KeystoreError::InUse {
                path: path.to_owned(),
            }),
            Err(TryLockError::Error(e)) => Err(KeystoreError::io(path, "locking", e)),
        }
    }
}
