//! A small signed file that says how far a log had come, so that a shortened log is noticed.
//!
//! `docs/protocols/share-files.md` §8.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use quorate_audit::Head;
use quorate_types::{Canonical as _, Reader, Writer};

use crate::damage::Check;
use crate::error::KeystoreError;
use crate::signer::NodeSigner;
use crate::storage::{Storage, write_atomically};

const MAX_HEAD_BYTES: usize = 1_024;

/// The head file of one log.
pub(crate) struct SignedHead {
    storage: Arc<dyn Storage>,
    path: PathBuf,
    signer: Arc<NodeSigner>,
    /// Tag of the statement; keeps heads of different logs apart.
    tag: &'static str,
}

impl SignedHead {
    pub(crate) fn new(
        storage: Arc<dyn Storage>,
        path: &Path,
        signer: Arc<NodeSigner>,
        tag: &'static str,
    ) -> Self {
        Self {
            storage,
            path: path.to_owned(),
            signer,
            tag,
        }
    }

    /// Writes the head, durably.
    ///
    /// # Errors
    /// [`KeystoreError::Io`]; the old head is then still there.
    pub(crate) fn write(&self, head: Head) -> Result<(), KeystoreError> {
        let mut bytes = head.to_bytes();
        bytes.extend_from_slice(&self.signer.sign(&self.statement(head)));
        write_atomically(&*self.storage, &self.path, &bytes)
            .map_err(|e| KeystoreError::io(&self.path, "writing a signed head", e))
    }

    /// Reads the head and checks its signature.
    ///
    /// # Errors
    /// [`KeystoreError::Damaged`], also for a missing file: a log without its head proves nothing.
    pub(crate) fn read(&self) -> Result<Head, KeystoreError> {
        let bytes = self
            .storage
            .read_file(&self.path, MAX_HEAD_BYTES)
            .map_err(|e| match e.kind() {
                ErrorKind::NotFound => self.damaged(Check::Present),
                ErrorKind::FileTooLarge => self.damaged(Check::Size),
                _ => KeystoreError::io(&self.path, "reading a signed head", e),
            })?;
        let mut input = Reader::new(&bytes);
        let parsed = Head::read(&mut input).and_then(|head| {
            let signature = input.array::<64>("signature")?;
            input.finish()?;
            Ok((head, signature))
        });
        match parsed {
            Ok((head, signature)) if self.signer.signed(&self.statement(head), &signature) => {
                Ok(head)
            }
            _ => Err(self.damaged(Check::HeadSignature)),
        }
    }

    /// The bytes that this node signs for a head: a checkpoint that peers can keep.
    pub(crate) fn statement(&self, head: Head) -> Vec<u8> {
        let mut out = Writer::new();
        out.text(self.tag).value(self.signer.node()).value(&head);
        out.finish()
    }

    /// A signature that peers can check over [`Self::statement`].
    pub(crate) fn sign(&self, head: Head) -> [u8; 64] {
        self.signer.sign(&self.statement(head))
    }

    fn damaged(&self, check: Check) -> KeystoreError {
        KeystoreError::damaged(None, &self.path, check)
    }
}
