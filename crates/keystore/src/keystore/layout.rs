//! Where things are in a keystore. `docs/protocols/share-files.md` §1.

use std::path::{Path, PathBuf};

use quorate_types::{Epoch, KeyId};

/// Folder in `key-shares/` for what is left of deleted keys.
pub(super) const ARCHIVE: &str = "archive";
/// Folder in `key-shares/` for what is being written or removed.
pub(super) const TEMPORARY: &str = "temp";

/// The paths of one keystore.
pub(super) struct Layout {
    root: PathBuf,
    shares: PathBuf,
}

impl Layout {
    pub(super) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            shares: root.join("key-shares"),
        }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    /// Written last when a keystore is created: with it, everything else must exist.
    pub(super) fn marker(&self) -> PathBuf {
        self.root.join("keystore.json")
    }

    pub(super) fn index(&self) -> PathBuf {
        self.root.join("index.log")
    }

    pub(super) fn journal(&self) -> PathBuf {
        self.root.join("journal.log")
    }

    pub(super) fn pairs_index(&self) -> PathBuf {
        self.root.join("pairs.log")
    }

    pub(super) fn pairs(&self) -> PathBuf {
        self.root.join("pairs")
    }

    pub(super) fn intents(&self) -> PathBuf {
        self.root.join("intents.log")
    }

    pub(super) fn bans(&self) -> PathBuf {
        self.root.join("bans.log")
    }

    pub(super) fn bans_head(&self) -> PathBuf {
        self.root.join("bans.head")
    }

    pub(super) fn audit(&self) -> PathBuf {
        self.root.join("audit.log")
    }

    pub(super) fn audit_head(&self) -> PathBuf {
        self.root.join("audit.head")
    }

    pub(super) fn shares(&self) -> &Path {
        &self.shares
    }

    pub(super) fn archive(&self) -> PathBuf {
        self.shares.join(ARCHIVE)
    }

    pub(super) fn temporaries(&self) -> PathBuf {
        self.shares.join(TEMPORARY)
    }

    pub(super) fn share(&self, key: KeyId) -> PathBuf {
        self.shares.join(key.to_string())
    }

    pub(super) fn temporary(&self, key: KeyId) -> PathBuf {
        self.temporaries().join(key.to_string())
    }

    pub(super) fn archived(&self, key: KeyId, epoch: Epoch) -> PathBuf {
        self.archive().join(format!("{key}.{epoch}.json"))
    }
}
