//! What is wrong with stored data: which file, which check, how to recover.

use std::fmt;
use std::path::PathBuf;

use quorate_types::KeyId;
use thiserror::Error;

/// A check that stored data failed. Steps are those of `docs/protocols/share-files.md` §4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Check {
    /// 4.1 The index lists the share, but its folder or a file of it is missing.
    Present,
    /// 4.1 The folder exists, but the index does not list it.
    Listed,
    /// 4.1 The index says that this share was destroyed, and other files stand in its place.
    Destroyed,
    /// 4.2 The file is larger than its limit.
    Size,
    /// 4.3 `metadata.json` is the file that the index names.
    MetadataDigest,
    /// 4.4 `metadata.json` can be read, in its one spelling.
    MetadataForm,
    /// 4.4 The metadata are about this key, node and epoch.
    MetadataOwner,
    /// 4.5 `share.sig` is the file that the index names.
    SealDigest,
    /// 4.5 `share.sig` can be read.
    SealForm,
    /// 4.6 `share.enc` has the hash that the metadata name.
    CiphertextHash,
    /// 4.7 `certificate.bin` has the hash that `share.sig` names.
    CertificateHash,
    /// 4.8 The node's signature covers metadata, ciphertext and certificate.
    Signature,
    /// 4.9 `share.enc` can be read, and agrees with the metadata.
    CiphertextForm,
    /// 4.10 The master key unwraps the data key.
    DataKey,
    /// 4.11 The data key opens the share.
    Payload,
    /// The signed index continues itself and carries the node's signature.
    Index,
    /// A head file carries the node's signature.
    HeadSignature,
    /// A log still holds what its signed head proves that it held.
    HeadReached,
    /// The marker of the keystore is that of this node.
    Marker,
    /// 6.1 The files of a share in the journal were written again.
    WrittenAgain,
    /// 11.1 The index names a pair state as usable, and its file is there.
    PairPresent,
    /// 11.2 The file of a pair state is not larger than its limit.
    PairSize,
    /// 11.3 The file of a pair state is the one that the index names.
    PairDigest,
    /// 11.4 The master key opens the pair state, for this pair and generation.
    PairSecret,
    /// 11.5 What was opened is state of this pair and generation.
    PairForm,
}

impl Check {
    /// Short name of the check.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Listed => "listed in the index",
            Self::Destroyed => "destroyed",
            Self::Size => "size",
            Self::MetadataDigest => "metadata digest in the index",
            Self::MetadataForm => "form of the metadata",
            Self::MetadataOwner => "owner in the metadata",
            Self::SealDigest => "seal digest in the index",
            Self::SealForm => "form of the seal",
            Self::CiphertextHash => "hash of the ciphertext",
            Self::CertificateHash => "hash of the certificate",
            Self::Signature => "signature of the node",
            Self::CiphertextForm => "form of the ciphertext",
            Self::DataKey => "data key under the master key",
            Self::Payload => "authenticated decryption",
            Self::Index => "signed index",
            Self::HeadSignature => "signature of the head",
            Self::HeadReached => "length named by the signed head",
            Self::Marker => "keystore marker",
            Self::WrittenAgain => "written again from the journal",
            Self::PairPresent => "pair state present",
            Self::PairSize => "size of the pair state",
            Self::PairDigest => "digest of the pair state in the index",
            Self::PairSecret => "authenticated decryption of the pair state",
            Self::PairForm => "form of the pair state",
        }
    }

    /// What the operator does about it.
    #[must_use]
    pub const fn recovery(self) -> &'static str {
        match self {
            Self::Listed => {
                "move the folder away; if index.log was restored from an older backup, \
                 restore the newest one instead"
            }
            Self::Destroyed => "move the folder away: this share was destroyed on purpose",
            Self::DataKey => {
                "the share was sealed under another master key: restore master.json and the \
                 folder from the same backup, or repair the share from the other nodes"
            }
            Self::Index | Self::HeadSignature | Self::HeadReached | Self::Marker => {
                "restore the keystore of this node from its newest backup; do not delete the file"
            }
            Self::WrittenAgain => {
                "the share is whole in journal.log and stays there, so leave that file: free space, \
                 or mend permissions or the disk, then restart the node"
            }
            Self::PairPresent
            | Self::PairSize
            | Self::PairDigest
            | Self::PairSecret
            | Self::PairForm => {
                "nothing to restore: the two nodes make new state by themselves once they are \
                 linked, unless the pair is banned; look at the disk, and leave the file for those \
                 who do"
            }
            _ => {
                "restore the folder from a backup of the same epoch, or repair the share from the \
                 other nodes; other keys are not affected"
            }
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Stored data that failed a check and are not used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}: check `{check}` failed; {}", .path.display(), .check.recovery())]
pub struct Damage {
    /// The key whose share is unusable; `None` if the file is not about one key.
    pub key: Option<KeyId>,
    /// The file or folder.
    pub path: PathBuf,
    /// The check.
    pub check: Check,
}
