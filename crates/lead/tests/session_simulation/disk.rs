//! A disk in memory that can lose power in the middle of a write.

use std::collections::BTreeMap;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use quorate_keystore::{AppendFile, FileSystem, Storage};

/// How much of the write that is cut off reaches the disk.
#[derive(Debug, Clone, Copy)]
pub enum Survives {
    Nothing,
    Half,
    Everything,
}

#[derive(Default)]
struct State {
    files: BTreeMap<PathBuf, Vec<u8>>,
    cut: Option<Survives>,
    off: bool,
}

#[derive(Clone, Default)]
pub struct MemoryDisk(Arc<Mutex<State>>);

impl MemoryDisk {
    /// The next append loses power.
    pub fn cut_power(&self, survives: Survives) {
        self.0.lock().unwrap().cut = Some(survives);
    }

    pub fn power_on(&self) {
        let mut state = self.0.lock().unwrap();
        state.off = false;
        state.cut = None;
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.0.lock().unwrap();
        if state.off {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        act(&mut state)
    }
}

fn missing() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl Storage for MemoryDisk {
    fn create_folder(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn write_file(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.with(|state| {
            state.files.insert(path.to_owned(), bytes.to_vec());
            Ok(())
        })
    }

    fn write_unsynced(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.write_file(path, bytes)
    }

    fn file_system(&self, _: &Path) -> io::Result<Box<dyn FileSystem>> {
        Err(io::ErrorKind::Unsupported.into()) // only shares need it
    }

    fn read_file(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>> {
        let bytes = self.with(|state| state.files.get(path).cloned().ok_or_else(missing))?;
        if bytes.len() > limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(bytes)
    }

    fn open_read(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(Cursor::new(self.read_file(path, usize::MAX)?)))
    }

    fn open_append(&self, path: &Path) -> io::Result<Box<dyn AppendFile>> {
        self.read_file(path, usize::MAX)?;
        let (disk, path) = (self.clone(), path.to_owned());
        Ok(Box::new(MemoryFile { disk, path }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.with(|state| {
            let bytes = state.files.remove(from).ok_or_else(missing)?;
            state.files.insert(to.to_owned(), bytes);
            Ok(())
        })
    }

    fn sync_folder(&self, _: &Path) -> io::Result<()> {
        self.with(|_| Ok(()))
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.with(|state| state.files.remove(path).map(drop).ok_or_else(missing))
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        self.with(|state| {
            state.files.retain(|file, _| !file.starts_with(path));
            Ok(())
        })
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.with(|state| {
            let inside = state
                .files
                .keys()
                .filter(|file| file.parent() == Some(path));
            let name = |file: &PathBuf| Some(file.file_name()?.to_string_lossy().into_owned());
            Ok(inside.filter_map(name).collect())
        })
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.with(|state| Ok(state.files.contains_key(path)))
    }
}

struct MemoryFile {
    disk: MemoryDisk,
    path: PathBuf,
}

impl AppendFile for MemoryFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.disk.with(|state| {
            let survives = state.cut.take();
            let kept = match survives {
                Some(Survives::Nothing) => 0,
                Some(Survives::Half) => bytes.len() / 2,
                Some(Survives::Everything) | None => bytes.len(),
            };
            let file = state.files.get_mut(&self.path).ok_or_else(missing)?;
            file.extend_from_slice(&bytes[..kept]);
            if survives.is_some() {
                state.off = true;
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            Ok(())
        })
    }

    fn sync(&mut self) -> io::Result<()> {
        self.disk.with(|_| Ok(()))
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.disk.with(|state| {
            let file = state.files.get_mut(&self.path).ok_or_else(missing)?;
            file.truncate(usize::try_from(length).map_err(io::Error::other)?);
            Ok(())
        })
    }
}
