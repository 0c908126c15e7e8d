//! The file operations that durability rests on, behind a trait so that tests can stop after
//! each of them, fail them, or lose what was not synced.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Mode of every file: the node's user only.
const FILE_MODE: u32 = 0o600;
/// Mode of every folder.
const FOLDER_MODE: u32 = 0o700;

/// A disk. Each call is one step that a crash can come after.
pub trait Storage: Send + Sync + 'static {
    /// Makes a folder and its parents, if they do not exist; their names are not durable yet.
    ///
    /// # Errors
    /// Those of the disk.
    fn create_folder(&self, path: &Path) -> io::Result<()>;

    /// Writes a whole file and syncs its content, not its name.
    ///
    /// # Errors
    /// Those of the disk.
    fn write_file(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;

    /// Writes a whole file, in place; neither content nor name is durable before
    /// [`FileSystem::sync`], and a crash may leave any mixture of old and new.
    ///
    /// # Errors
    /// Those of the disk.
    fn write_unsynced(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;

    /// The file system that a folder is on.
    ///
    /// # Errors
    /// Those of the disk.
    fn file_system(&self, folder: &Path) -> io::Result<Box<dyn FileSystem>>;

    /// Reads a whole file of at most `limit` bytes.
    ///
    /// # Errors
    /// Those of the disk, and [`io::ErrorKind::FileTooLarge`].
    fn read_file(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>>;

    /// Opens a file for reading from its start.
    ///
    /// # Errors
    /// Those of the disk.
    fn open_read(&self, path: &Path) -> io::Result<Box<dyn Read + Send>>;

    /// Opens an existing file for appending.
    ///
    /// # Errors
    /// Those of the disk.
    fn open_append(&self, path: &Path) -> io::Result<Box<dyn AppendFile>>;

    /// Renames a file or folder, replacing a file of that name at once.
    ///
    /// # Errors
    /// Those of the disk.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Makes the names in a folder durable.
    ///
    /// # Errors
    /// Those of the disk.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// Those of the disk.
    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Removes a folder with all that is in it.
    ///
    /// # Errors
    /// Those of the disk.
    fn remove_folder(&self, path: &Path) -> io::Result<()>;

    /// Names in a folder, sorted.
    ///
    /// # Errors
    /// Those of the disk.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;

    /// Whether something of this name exists.
    ///
    /// # Errors
    /// Those of the disk.
    fn exists(&self, path: &Path) -> io::Result<bool>;
}

/// A file system as a whole. Hold it from before the first write that it shall answer for: the kernel
/// tells a failed write to those that had the file system open when it failed.
pub trait FileSystem: Send + Sync {
    /// Makes durable whatever was written before, names too.
    ///
    /// # Errors
    /// Those of any write since this was opened or synced; what is durable is then unknown, and trying
    /// again proves nothing.
    fn sync(&self) -> io::Result<()>;
}

/// A file that grows at its end.
pub trait AppendFile: Send {
    /// Writes at the end; not durable before [`Self::sync`].
    ///
    /// # Errors
    /// Those of the disk; how much was written is then unknown.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Makes what was appended durable.
    ///
    /// # Errors
    /// Those of the disk; what is durable is then unknown, and trying again proves nothing.
    fn sync(&mut self) -> io::Result<()>;

    /// Cuts the file and syncs.
    ///
    /// # Errors
    /// Those of the disk.
    fn truncate(&mut self, length: u64) -> io::Result<()>;
}

/// Replaces `path` so that a crash leaves the old content or the new one, never a mixture.
///
/// # Errors
/// Those of the disk; the old content is then still there.
pub fn write_atomically(storage: &dyn Storage, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = temporary_of(path);
    storage.write_file(&temporary, bytes)?;
    storage.rename(&temporary, path)?;
    storage.sync_folder(folder_of(path))
}

/// The file beside `path` that [`write_atomically`] writes first.
pub(crate) fn temporary_of(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".temp");
    path.with_file_name(name)
}

pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// The real disk.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

impl Storage for Disk {
    fn create_folder(&self, path: &Path) -> io::Result<()> {
        if path.is_dir() {
            return Ok(());
        }
        DirBuilder::new()
            .recursive(true)
            .mode(FOLDER_MODE)
            .create(path)
    }

    fn write_file(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(FILE_MODE);
        let mut file = options.open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    }

    fn write_unsynced(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        // Over what is there, and cut only if that is longer: file systems take a file that was cut
        // to nothing, or replaced, for one that must reach the disk at once.
        let mut options = OpenOptions::new();
        options
            .write(true)
            .create(true)
            .truncate(false)
            .mode(FILE_MODE);
        let mut file = options.open(path)?;
        file.write_all(bytes)?;
        let length = bytes.len() as u64;
        if file.metadata()?.len() > length {
            file.set_len(length)?;
        }
        Ok(())
    }

    fn file_system(&self, folder: &Path) -> io::Result<Box<dyn FileSystem>> {
        Ok(Box::new(DiskFileSystem {
            folder: File::open(folder)?,
        }))
    }

    fn read_file(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let cap = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
        File::open(path)?.take(cap).read_to_end(&mut bytes)?;
        if bytes.len() > limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(bytes)
    }

    fn open_read(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(File::open(path)?))
    }

    fn open_append(&self, path: &Path) -> io::Result<Box<dyn AppendFile>> {
        let file = OpenOptions::new().append(true).open(path)?;
        Ok(Box::new(DiskFile { file }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir_all(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let mut names = fs::read_dir(path)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect::<io::Result<Vec<_>>>()?;
        names.sort_unstable();
        Ok(names)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        path.try_exists()
    }
}

/// One folder of the file system, open.
struct DiskFileSystem {
    folder: File,
}

impl FileSystem for DiskFileSystem {
    fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::syncfs(&self.folder)?)
    }
}

struct DiskFile {
    file: File,
}

impl AppendFile for DiskFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.file.set_len(length)?;
        self.file.sync_all()
    }
}
