//! Key and certificate change together: at any moment a machine has one pair that fits, or none.
//!
//! Each pair lies in a folder of its own below `tls.pairs`. One link, `tls.pair`, names the folder in
//! use, and `tls.key` and `tls.crt` lead through it. Replacing that link is the one step that
//! changes anything; whatever is interrupted before or after it is finished by the next `install`.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::request::{NEXT_TLS_KEY, TLS_KEY};
use crate::dev::own_folder;
use crate::error::CliError;

/// The certificate in use.
pub(super) const TLS_CERTIFICATE: &str = "tls.crt";
/// Folder of the pairs.
const PAIRS: &str = "tls.pairs";
/// Link to the pair in use.
const CURRENT: &str = "tls.pair";

/// Called before each step; a test stops there.
pub(super) type Interrupt<'a> = &'a mut dyn FnMut() -> Result<(), CliError>;

/// A pair that is about to be used.
pub(super) struct Pair<'a> {
    pub(super) dir: &'a Path,
    /// PEM.
    pub(super) certificate: &'a str,
}

impl Pair<'_> {
    /// The key that the certificate must fit: that of the newest request, or of a pair that was
    /// installed already.
    pub(super) fn key(&self) -> PathBuf {
        let next = self.dir.join(NEXT_TLS_KEY);
        if next.exists() {
            return next;
        }
        self.dir.join(TLS_KEY)
    }

    /// Puts the pair in place of the one in use.
    pub(super) fn install(&self, interrupt: Interrupt<'_>) -> Result<(), CliError> {
        let name: String = hex::encode(Sha256::digest(self.certificate));
        let target = Path::new(PAIRS).join(&name);
        if fs::read_link(self.dir.join(CURRENT)).ok() != Some(target.clone()) {
            interrupt()?;
            self.write(&target, interrupt)?;
            self.lead_through_link(interrupt)?;
            interrupt()?;
            link(self.dir, CURRENT, &target)?;
        }
        interrupt()?;
        self.forget_others(&name, interrupt)
    }

    /// The pair's own folder, whole and durable.
    fn write(&self, target: &Path, interrupt: Interrupt<'_>) -> Result<(), CliError> {
        own_folder(&self.dir.join(PAIRS))?;
        let folder = self.dir.join(target);
        // Left over from an installation that was interrupted.
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(|e| CliError::file(&folder, "removed", &e))?;
        }
        own_folder(&folder)?;
        interrupt()?;
        copy_link(&self.key(), &folder.join(TLS_KEY))?;
        interrupt()?;
        let certificate = folder.join(TLS_CERTIFICATE);
        fs::write(&certificate, self.certificate)
            .map_err(|e| CliError::file(&certificate, "written", &e))?;
        for path in [certificate, folder.join(TLS_KEY), folder] {
            durable(&path)?;
        }
        durable(&self.dir.join(PAIRS))
    }

    /// Makes `tls.key` and `tls.crt` lead through the link. Files of before become a pair of their
    /// own first, so that they stay in use until the link changes.
    fn lead_through_link(&self, interrupt: Interrupt<'_>) -> Result<(), CliError> {
        let own = [TLS_KEY, TLS_CERTIFICATE].map(|name| self.dir.join(name));
        let is_file = |path: &PathBuf| fs::symlink_metadata(path).is_ok_and(|m| m.is_file());
        if own.iter().all(is_file) {
            let before = Path::new(PAIRS).join("before");
            let folder = self.dir.join(&before);
            // While both are files, nothing leads through the link.
            if folder.exists() {
                fs::remove_dir_all(&folder).map_err(|e| CliError::file(&folder, "removed", &e))?;
            }
            own_folder(&folder)?;
            for (path, name) in own.iter().zip([TLS_KEY, TLS_CERTIFICATE]) {
                interrupt()?;
                copy_link(path, &folder.join(name))?;
            }
            durable(&folder)?;
            interrupt()?;
            link(self.dir, CURRENT, &before)?;
        }
        for name in [TLS_KEY, TLS_CERTIFICATE] {
            interrupt()?;
            link(self.dir, name, &Path::new(CURRENT).join(name))?;
        }
        Ok(())
    }

    /// Pairs that were in use before, and the key of the request: it has its place.
    fn forget_others(&self, name: &str, interrupt: Interrupt<'_>) -> Result<(), CliError> {
        let next = self.dir.join(NEXT_TLS_KEY);
        match fs::remove_file(&next) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(CliError::file(&next, "removed", &error));
            }
            _ => {}
        }
        let pairs = self.dir.join(PAIRS);
        let unreadable = |e| CliError::file(&pairs, "read", &e);
        for entry in fs::read_dir(&pairs).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            if entry.file_name() != *name {
                interrupt()?;
                let path = entry.path();
                fs::remove_dir_all(&path).map_err(|e| CliError::file(&path, "removed", &e))?;
            }
        }
        Ok(())
    }
}

/// The same file under another name.
fn copy_link(from: &Path, to: &Path) -> Result<(), CliError> {
    // A link to a link would end with what it leads to.
    let from = fs::canonicalize(from).map_err(|e| CliError::file(from, "read", &e))?;
    fs::hard_link(&from, to).map_err(|e| CliError::file(to, "written", &e))
}

/// Makes or replaces a link in one step.
fn link(dir: &Path, name: &str, target: &Path) -> Result<(), CliError> {
    let (path, temporary) = (dir.join(name), dir.join(format!("{name}.link")));
    let unwritable = |e| CliError::file(&path, "written", &e);
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(unwritable(error)),
        _ => {}
    }
    symlink(target, &temporary).map_err(unwritable)?;
    fs::rename(&temporary, &path).map_err(unwritable)?;
    durable(dir)
}

fn durable(path: &Path) -> Result<(), CliError> {
    let synced = fs::File::open(path).and_then(|file| file.sync_all());
    synced.map_err(|e| CliError::file(path, "written", &e))
}
