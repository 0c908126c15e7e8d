//! The node's master key: a random key in `master.json`, protected by a passphrase or a key file.
//!
//! Two steps, so that a new passphrase rewrites one small file and no share:
//! passphrase or key file → protection key → master key → data key of each share.
//!
//! Source: Argon2id, RFC 9106; HKDF, RFC 5869. Our spec: `docs/protocols/share-files.md` §2.

mod file;

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use argon2::{Algorithm, Argon2, Params, Version};
use hkdf::Hkdf;
use sha2::Sha256;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::seal::{self, DataKey, WrapError, WrapKey};
use crate::storage::{Storage, write_atomically};
use file::{KdfFields, MasterFile};

/// Most bytes of a key file: 64 hex digits and a line break.
const KEY_FILE_BYTES: u64 = 65;

/// Cost of deriving a key from a passphrase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Argon2Cost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub iterations: u32,
    /// Lanes.
    pub parallelism: u32,
}

impl Default for Argon2Cost {
    /// RFC 9106 §4, second recommended option, with one lane: 64 MiB, 3 passes.
    fn default() -> Self {
        Self {
            memory_kib: 64 << 10,
            iterations: 3,
            parallelism: 1,
        }
    }
}

impl Argon2Cost {
    /// Most memory that a file may ask for: 4 GiB.
    const MAX_MEMORY_KIB: u32 = 4 << 20;
    /// Most passes that a file may ask for.
    const MAX_ITERATIONS: u32 = 64;

    fn params(self) -> Option<Params> {
        if self.memory_kib > Self::MAX_MEMORY_KIB || self.iterations > Self::MAX_ITERATIONS {
            return None;
        }
        Params::new(self.memory_kib, self.iterations, self.parallelism, Some(32)).ok()
    }
}

/// What protects the master key. Holds a secret: no `Debug`, zeroized on drop.
pub enum Protection {
    /// A passphrase, stretched by Argon2id.
    Passphrase(Zeroizing<String>),
    /// A file with 32 random bytes in hex, readable by its owner only.
    KeyFile(PathBuf),
}

/// Why there is no master key. The operator acts.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum MasterKeyError {
    /// The passphrase or key file is not the one that protects this file.
    #[error("{}: wrong {kind}; the file itself is intact", .path.display())]
    Wrong {
        /// `master.json`.
        path: PathBuf,
        /// "passphrase" or "key file".
        kind: &'static str,
    },
    /// The file is protected in the other way.
    #[error("{}: the master key is protected by a {kind}", .path.display())]
    OtherProtection {
        /// `master.json`.
        path: PathBuf,
        /// How it is protected.
        kind: &'static str,
    },
    /// The file was changed, or is not a master key file of a known version.
    #[error(
        "{}: check `{check}` failed; restore master.json from a backup of this node",
        .path.display()
    )]
    Damaged {
        /// `master.json`.
        path: PathBuf,
        /// Which check.
        check: &'static str,
    },
    /// There is a master key already.
    #[error("{}: a master key exists here already", .path.display())]
    InvalidCreation {
        /// `master.json`.
        path: PathBuf,
    },
    /// Other users may read the key file.
    #[error(
        "{}: mode {mode:03o} lets others read the key file; run: chmod 600 {}",
        .path.display(), .path.display()
    )]
    KeyFileMode {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The key file belongs to another user.
    #[error("{}: the key file belongs to user {owner}, not to the user of this process", .path.display())]
    KeyFileOwner {
        /// The key file.
        path: PathBuf,
        /// Owner's user id.
        owner: u32,
    },
    /// The key file does not hold 64 hex digits.
    #[error("{}: a key file holds 32 random bytes as 64 hex digits", .path.display())]
    KeyFileForm {
        /// The key file.
        path: PathBuf,
    },
    /// The cost of the passphrase is out of bounds (the caller's fault).
    #[error("Argon2id cost is out of bounds")]
    InvalidCost,
    /// There is not enough memory to stretch the passphrase.
    #[error("not enough memory for Argon2id")]
    Memory,
    /// The operating system gives no randomness. The process must stop.
    #[error("the operating system gives no randomness; the process must stop")]
    Randomness,
    /// The disk failed.
    #[error("{}: {doing} failed ({source})", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// The disk's error.
        source: Arc<io::Error>,
    },
}

impl MasterKeyError {
    fn io(path: &Path, doing: &'static str, source: io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            doing,
            source: Arc::new(source),
        }
    }
}

/// The master key in memory. No `Debug`, no `Clone`, zeroized on drop.
pub struct MasterKey {
    key_id: String,
    key: Zeroizing<[u8; 32]>,
}

/// What a passphrase or key file gives: a key that wraps, and a value that tells a wrong one.
struct ProtectionKey {
    wrapping: Zeroizing<[u8; 32]>,
    check: [u8; 16],
}

impl MasterKey {
    /// Makes a random master key and writes `path`, durably. `cost` is for passphrases only.
    ///
    /// # Errors
    /// [`MasterKeyError`], also if the file exists.
    pub fn create(
        storage: &dyn Storage,
        path: &Path,
        protection: &Protection,
        cost: Argon2Cost,
    ) -> Result<Self, MasterKeyError> {
        let exists = storage
            .exists(path)
            .map_err(|e| MasterKeyError::io(path, "looking for the master key", e))?;
        if exists {
            return Err(MasterKeyError::InvalidCreation {
                path: path.to_owned(),
            });
        }
        let id: [u8; 8] = seal::random().map_err(|_| MasterKeyError::Randomness)?;
        let key = seal::fresh_data_key().map_err(|_| MasterKeyError::Randomness)?;
        let master = Self {
            key_id: hex::encode(id),
            key,
        };
        master.write(storage, path, protection, cost)?;
        Ok(master)
    }

    /// Opens the master key in `path`. A passphrase takes the time that its cost asks for.
    ///
    /// # Errors
    /// [`MasterKeyError::Wrong`] for another passphrase or key file,
    /// [`MasterKeyError::Damaged`] for a file that was changed, and others.
    pub fn unlock(
        storage: &dyn Storage,
        path: &Path,
        protection: &Protection,
    ) -> Result<Self, MasterKeyError> {
        let file = MasterFile::read(storage, path)?;
        let kind = protection.kind();
        if file.protection != kind {
            let kind = if kind == "passphrase" {
                "key file"
            } else {
                "passphrase"
            };
            return Err(MasterKeyError::OtherProtection {
                path: path.to_owned(),
                kind,
            });
        }
        let derived = protection.derive(file.kdf.as_ref(), path)?;
        if !bool::from(subtle::ConstantTimeEq::ct_eq(
            &derived.check[..],
            &file.key_check[..],
        )) {
            return Err(MasterKeyError::Wrong {
                path: path.to_owned(),
                kind,
            });
        }
        let key = seal::unwrap_key(&derived.wrapping, &file.wrapped_key, &file.binding()).map_err(
            |_| MasterKeyError::Damaged {
                path: path.to_owned(),
                check: "wrapped key",
            },
        )?;
        Ok(Self {
            key_id: file.key_id,
            key,
        })
    }

    /// Protects the same master key by another passphrase or key file, at once and durably.
    /// Shares stay as they are.
    ///
    /// # Errors
    /// [`MasterKeyError`]; the old protection then still holds.
    pub fn protect_by(
        &self,
        storage: &dyn Storage,
        path: &Path,
        protection: &Protection,
        cost: Argon2Cost,
    ) -> Result<(), MasterKeyError> {
        self.write(storage, path, protection, cost)
    }

    fn write(
        &self,
        storage: &dyn Storage,
        path: &Path,
        protection: &Protection,
        cost: Argon2Cost,
    ) -> Result<(), MasterKeyError> {
        let randomness = |_| MasterKeyError::Randomness;
        let kdf = match protection {
            Protection::KeyFile(_) => None,
            Protection::Passphrase(_) => Some(KdfFields {
                cost,
                salt: seal::random().map_err(randomness)?,
            }),
        };
        let derived = protection.derive(kdf.as_ref(), path)?;
        let mut file = MasterFile {
            key_id: self.key_id.clone(),
            protection: protection.kind(),
            kdf,
            key_check: derived.check,
            wrapped_key: Vec::new(),
        };
        file.wrapped_key =
            seal::wrap(&derived.wrapping, &self.key, &file.binding()).map_err(randomness)?;
        write_atomically(storage, path, file.to_json().as_bytes())
            .map_err(|e| MasterKeyError::io(path, "writing the master key", e))
    }
}

impl WrapKey for MasterKey {
    fn key_id(&self) -> &str {
        &self.key_id
    }

    fn wrap(&self, data_key: &DataKey, binding: &[u8]) -> Result<Vec<u8>, WrapError> {
        seal::wrap(&self.key, data_key, binding)
    }

    fn unwrap_key(&self, wrapped: &[u8], binding: &[u8]) -> Result<DataKey, WrapError> {
        seal::unwrap_key(&self.key, wrapped, binding)
    }
}

impl Protection {
    const fn kind(&self) -> &'static str {
        match self {
            Self::Passphrase(_) => "passphrase",
            Self::KeyFile(_) => "key file",
        }
    }

    fn derive(
        &self,
        kdf: Option<&KdfFields>,
        master: &Path,
    ) -> Result<ProtectionKey, MasterKeyError> {
        let secret = match (self, kdf) {
            (Self::Passphrase(passphrase), Some(kdf)) => stretch(passphrase, kdf)?,
            (Self::KeyFile(path), None) => read_key_file(path)?,
            _ => {
                return Err(MasterKeyError::Damaged {
                    path: master.to_owned(),
                    check: "key derivation fields",
                });
            }
        };
        let hkdf = Hkdf::<Sha256>::new(Some(b"quorate master key protection v1"), &*secret);
        let mut derived = ProtectionKey {
            wrapping: Zeroizing::new([0; 32]),
            check: [0; 16],
        };
        hkdf.expand(b"wrap", derived.wrapping.as_mut_slice())
            .and_then(|()| hkdf.expand(b"check", &mut derived.check))
            .expect("HKDF-SHA256 gives up to 8160 bytes");
        Ok(derived)
    }
}

fn stretch(passphrase: &str, kdf: &KdfFields) -> Result<Zeroizing<[u8; 32]>, MasterKeyError> {
    let params = kdf.cost.params().ok_or(MasterKeyError::InvalidCost)?;
    let mut secret = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.as_bytes(), &kdf.salt, secret.as_mut_slice())
        .map_err(|_| MasterKeyError::Memory)?;
    Ok(secret)
}

/// Reads a key file after checking, on the open file, who may read it.
fn read_key_file(path: &Path) -> Result<Zeroizing<[u8; 32]>, MasterKeyError> {
    let io = |doing| move |e| MasterKeyError::io(path, doing, e);
    let file = File::open(path).map_err(io("opening the key file"))?;
    let metadata = file.metadata().map_err(io("reading the key file's mode"))?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o177 != 0 {
        return Err(MasterKeyError::KeyFileMode {
            path: path.to_owned(),
            mode,
        });
    }
    let owner = metadata.uid();
    if owner != rustix::process::geteuid().as_raw() {
        return Err(MasterKeyError::KeyFileOwner {
            path: path.to_owned(),
            owner,
        });
    }
    // Large enough that reading never moves the text and leaves a copy.
    let mut text = Zeroizing::new(String::with_capacity(256));
    file.take(KEY_FILE_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(io("reading the key file"))?;
    let mut secret = Zeroizing::new([0; 32]);
    let digits = text.strip_suffix('\n').unwrap_or(&text);
    hex::decode_to_slice(digits, secret.as_mut_slice()).map_err(|_| {
        MasterKeyError::KeyFileForm {
            path: path.to_owned(),
        }
    })?;
    Ok(secret)
}
