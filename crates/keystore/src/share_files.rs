//! The files of one share: making them, and checking them before each use.
//!
//! Specification: `docs/protocols/share-files.md` §3 (layout) and §4 (checks).

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use quorate_types::{Digest32, Reader, Writer};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::damage::Check;
use crate::error::KeystoreError;
use crate::limits::Limits;
use crate::metadata::{
    MAX_METADATA_BYTES, SHARE_FORMAT_VERSION, SealedMetadata, ShareMetadata, metadata_digest,
};
use crate::seal::{self, IV_BYTES, MAX_WRAPPED_BYTES, WrapError, WrapKey};
use crate::signer::NodeSigner;
use crate::storage::Storage;

pub(crate) const METADATA: &str = "metadata.json";
pub(crate) const CIPHERTEXT: &str = "share.enc";
pub(crate) const SEAL: &str = "share.sig";
pub(crate) const CERTIFICATE: &str = "certificate.bin";

const CIPHERTEXT_MAGIC: &[u8; 8] = b"QSHARE01";
const SEAL_MAGIC: &[u8; 8] = b"QSEAL001";
pub(crate) const MAX_SEAL_BYTES: usize = 8 + 2 + 1 + 32 + 64;
/// Bytes of `share.enc` beside payload and wrapped key.
pub(crate) const CIPHERTEXT_OVERHEAD: usize = 64;

/// The files of a sealed share, in memory.
pub(crate) struct ShareFiles {
    pub(crate) metadata: Vec<u8>,
    pub(crate) ciphertext: Vec<u8>,
    pub(crate) seal: Vec<u8>,
    pub(crate) certificate: Option<Vec<u8>>,
}

/// Digests by which the index names a share's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileDigests {
    pub(crate) metadata: Digest32,
    pub(crate) seal: Digest32,
}

/// Files that passed every check that needs no secret (witness).
pub(crate) struct CheckedFiles {
    metadata: SealedMetadata,
    metadata_json: Vec<u8>,
    ciphertext: Vec<u8>,
    certificate: Option<Vec<u8>>,
}

/// A check that failed, and the file that failed it.
pub(crate) type Failed = (&'static str, Check);

impl ShareFiles {
    /// Seals a payload under a fresh data key.
    ///
    /// # Errors
    /// [`KeystoreError::Wrap`] or [`KeystoreError::Randomness`].
    pub(crate) fn seal(
        share: &ShareMetadata,
        payload: &[u8],
        master: &dyn WrapKey,
        signer: &NodeSigner,
    ) -> Result<Self, KeystoreError> {
        let refused = |error| match error {
            WrapError::Randomness => KeystoreError::Randomness,
            _ => KeystoreError::Wrap,
        };
        let data_key = seal::fresh_data_key().map_err(refused)?;
        let iv = seal::random::<IV_BYTES>().map_err(refused)?;
        let wrapped = master
            .wrap(&data_key, &share.binding("key"))
            .map_err(refused)?;
        let encrypted = seal::encrypt(&data_key, iv, &share.binding("share"), payload);
        let mut out = Writer::new();
        out.fixed(CIPHERTEXT_MAGIC).u16(SHARE_FORMAT_VERSION);
        out.bytes(&wrapped).fixed(&iv).bytes(&encrypted);
        let ciphertext = out.finish();
        let metadata = SealedMetadata {
            share: share.clone(),
            master_key_id: master.key_id().to_owned(),
            iv,
            ciphertext_hash: hash(&ciphertext),
        }
        .to_json();
        let mut files = Self {
            metadata,
            ciphertext,
            seal: Vec::new(),
            certificate: None,
        };
        files.sign(signer);
        Ok(files)
    }

    /// Adds the certificate and signs again.
    pub(crate) fn certify(&mut self, certificate: &[u8], signer: &NodeSigner) {
        self.certificate = Some(certificate.to_vec());
        self.sign(signer);
    }

    fn sign(&mut self, signer: &NodeSigner) {
        let certificate = self.certificate.as_deref().map(certificate_digest);
        let statement = statement(
            metadata_digest(&self.metadata),
            hash(&self.ciphertext),
            certificate,
        );
        self.seal = seal_bytes(certificate, &signer.sign(&statement));
    }

    pub(crate) fn digests(&self) -> FileDigests {
        FileDigests {
            metadata: metadata_digest(&self.metadata),
            seal: seal_digest(&self.seal),
        }
    }

    /// Reads a folder. A certificate that is not there is `None`: the seal says if it must be.
    pub(crate) fn read(
        storage: &dyn Storage,
        folder: &Path,
        limits: &Limits,
    ) -> Result<Self, ReadError> {
        let file = |name, limit| read(storage, folder, name, limit);
        let ciphertext = limits.payload_bytes + MAX_WRAPPED_BYTES + CIPHERTEXT_OVERHEAD;
        let certificate = match file(CERTIFICATE, limits.certificate_bytes) {
            Err(ReadError::Failed((_, Check::Present))) => None,
            other => Some(other?),
        };
        Ok(Self {
            metadata: file(METADATA, MAX_METADATA_BYTES)?,
            ciphertext: file(CIPHERTEXT, ciphertext)?,
            seal: file(SEAL, MAX_SEAL_BYTES)?,
            certificate,
        })
    }

    /// Writes the files of a share without certificate into a folder. None is durable: the journal is.
    ///
    /// # Errors
    /// Those of the disk.
    pub(crate) fn write(&self, storage: &dyn Storage, folder: &Path) -> Result<(), KeystoreError> {
        let files = [
            (METADATA, &self.metadata),
            (CIPHERTEXT, &self.ciphertext),
            (SEAL, &self.seal),
        ];
        for (name, bytes) in files {
            let path = folder.join(name);
            storage
                .write_unsynced(&path, bytes)
                .map_err(|e| KeystoreError::io(&path, "writing a share", e))?;
        }
        Ok(())
    }

    /// Steps 4.3 to 4.9: every check that needs no secret.
    ///
    /// With `expected` digests, the files must be exactly those that the index names. Without (a
    /// folder whose index entry was not written before a crash) the signature alone decides.
    ///
    /// A `certificate.bin` beside a seal that names none is left over from an interrupted
    /// activation, and is ignored.
    ///
    /// # Errors
    /// The first check that fails, and the file that fails it.
    pub(crate) fn check(
        self,
        expected: Option<FileDigests>,
        signer: &NodeSigner,
    ) -> Result<CheckedFiles, Failed> {
        let need = |right: bool, file, check| if right { Ok(()) } else { Err((file, check)) };
        let digests = self.digests();
        // 4.3
        let same = |expected: FileDigests| expected.metadata == digests.metadata;
        need(expected.is_none_or(same), METADATA, Check::MetadataDigest)?;
        // 4.4
        let metadata =
            SealedMetadata::parse(&self.metadata).ok_or((METADATA, Check::MetadataForm))?;
        let own = metadata.share.node_id == *signer.node();
        need(own, METADATA, Check::MetadataOwner)?;
        // 4.5
        let same = |expected: FileDigests| expected.seal == digests.seal;
        need(expected.is_none_or(same), SEAL, Check::SealDigest)?;
        let (certified, signature) = parse_seal(&self.seal).ok_or((SEAL, Check::SealForm))?;
        // 4.6
        let ciphertext_hash = hash(&self.ciphertext);
        let same = ciphertext_hash == metadata.ciphertext_hash;
        need(same, CIPHERTEXT, Check::CiphertextHash)?;
        // 4.7
        let certificate = match certified {
            None => None,
            Some(digest) => {
                let bytes = self.certificate.ok_or((CERTIFICATE, Check::Present))?;
                let same = certificate_digest(&bytes) == digest;
                need(same, CERTIFICATE, Check::CertificateHash)?;
                Some(bytes)
            }
        };
        // 4.8
        let statement = statement(digests.metadata, ciphertext_hash, certified);
        need(
            signer.signed(&statement, &signature),
            SEAL,
            Check::Signature,
        )?;
        // 4.9
        let parts = parse_ciphertext(&self.ciphertext);
        let agrees = parts.is_some_and(|(_, iv, _)| iv == metadata.iv);
        need(agrees, CIPHERTEXT, Check::CiphertextForm)?;
        Ok(CheckedFiles {
            metadata,
            metadata_json: self.metadata,
            ciphertext: self.ciphertext,
            certificate,
        })
    }
}

impl CheckedFiles {
    /// The files with a certificate and the seal that names it.
    pub(crate) fn certify(self, certificate: &[u8], signer: &NodeSigner) -> ShareFiles {
        let mut files = ShareFiles {
            metadata: self.metadata_json,
            ciphertext: self.ciphertext,
            seal: Vec::new(),
            certificate: None,
        };
        files.certify(certificate, signer);
        files
    }

    pub(crate) const fn share(&self) -> &ShareMetadata {
        &self.metadata.share
    }

    pub(crate) const fn certificate(&self) -> Option<&Vec<u8>> {
        self.certificate.as_ref()
    }

    /// Steps 4.10 and 4.11: opens the payload.
    ///
    /// # Errors
    /// The check that fails.
    pub(crate) fn open(&self, master: &dyn WrapKey) -> Result<Zeroizing<Vec<u8>>, Failed> {
        let (wrapped, iv, ciphertext) =
            parse_ciphertext(&self.ciphertext).ok_or((CIPHERTEXT, Check::CiphertextForm))?;
        let share = &self.metadata.share;
        // 4.10
        let same_master = self.metadata.master_key_id == master.key_id();
        let data_key = same_master
            .then(|| master.unwrap_key(wrapped, &share.binding("key")).ok())
            .flatten()
            .ok_or((CIPHERTEXT, Check::DataKey))?;
        // 4.11
        seal::decrypt(&data_key, iv, &share.binding("share"), ciphertext)
            .ok_or((CIPHERTEXT, Check::Payload))
    }
}

/// Why a folder was not read.
pub(crate) enum ReadError {
    /// A file is missing or too large.
    Failed(Failed),
    /// The disk failed.
    Io(PathBuf, std::io::Error),
}

fn read(
    storage: &dyn Storage,
    folder: &Path,
    name: &'static str,
    limit: usize,
) -> Result<Vec<u8>, ReadError> {
    let path = folder.join(name);
    storage.read_file(&path, limit).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => {
            ReadError::Failed((name, Check::Present))
        }
        std::io::ErrorKind::FileTooLarge => ReadError::Failed((name, Check::Size)),
        _ => ReadError::Io(path, e),
    })
}

fn hash(bytes: &[u8]) -> Digest32 {
    Digest32::from_array(Sha256::digest(bytes).into())
}

fn certificate_digest(bytes: &[u8]) -> Digest32 {
    Digest32::of(b"quorate share certificate v1", &[bytes])
}

fn seal_digest(bytes: &[u8]) -> Digest32 {
    Digest32::of(b"quorate share seal file v1", &[bytes])
}

/// What the node signs in `share.sig`.
fn statement(metadata: Digest32, ciphertext: Digest32, certificate: Option<Digest32>) -> Vec<u8> {
    let mut out = Writer::new();
    out.text("quorate share seal v1").u16(SHARE_FORMAT_VERSION);
    out.value(&metadata).value(&ciphertext);
    out.list(certificate.as_slice().iter());
    out.finish()
}

fn seal_bytes(certificate: Option<Digest32>, signature: &[u8; 64]) -> Vec<u8> {
    let mut out = Writer::new();
    out.fixed(SEAL_MAGIC).u16(SHARE_FORMAT_VERSION);
    out.u8(u8::from(certificate.is_some()));
    if let Some(digest) = &certificate {
        out.value(digest);
    }
    out.fixed(signature);
    out.finish()
}

fn parse_seal(bytes: &[u8]) -> Option<(Option<Digest32>, [u8; 64])> {
    let mut input = Reader::new(bytes);
    let magic = input.array::<8>("magic").ok()?;
    let version = input.u16("version").ok()?;
    let certificate = match input.u8("certified").ok()? {
        0 => None,
        1 => Some(Digest32::from_array(input.array("certificate").ok()?)),
        _ => return None,
    };
    let signature = input.array("signature").ok()?;
    input.finish().ok()?;
    (&magic == SEAL_MAGIC && version == SHARE_FORMAT_VERSION).then_some((certificate, signature))
}

fn parse_ciphertext(bytes: &[u8]) -> Option<(&[u8], [u8; IV_BYTES], &[u8])> {
    let mut input = Reader::new(bytes);
    let magic = input.array::<8>("magic").ok()?;
    let version = input.u16("version").ok()?;
    let wrapped = input.bytes("wrapped key", MAX_WRAPPED_BYTES).ok()?;
    let iv = input.array("iv").ok()?;
    let ciphertext = input.bytes("ciphertext", bytes.len()).ok()?;
    input.finish().ok()?;
    (&magic == CIPHERTEXT_MAGIC && version == SHARE_FORMAT_VERSION)
        .then_some((wrapped, iv, ciphertext))
}
