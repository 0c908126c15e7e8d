//! A disk in memory that can stop after any step and lose what was not synced.

use std::collections::BTreeMap;
use std::io::{self, Cursor, ErrorKind, Read};
use std::path::{Component, Path};
use std::sync::{Arc, Mutex, MutexGuard};

use quorate_keystore::{AppendFile, FileSystem, Storage};

/// What becomes of unsynced changes when the machine stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    /// All are lost (power cut).
    Everything,
    /// Of the names in a folder, those that were replaced arrived and those that were added did
    /// not; all else is lost (a file system may order them so).
    AllButReplacedNames,
    /// None is lost (the process was killed).
    Nothing,
    /// None is lost, and of the write that was interrupted the first half arrived.
    HalfOfTheLastWrite,
    /// Of what was not synced, some blocks of this size arrived, and the others did not, by the
    /// toss of a coin; names arrived.
    SomeBlocks { size: usize, seed: u64 },
}

/// A coin for each place, the same each time.
fn arrives(seed: u64, node: usize, place: usize) -> bool {
    let mut x = seed ^ (node as u64) << 40 ^ place as u64;
    for _ in 0..3 {
        x = (x ^ x >> 31).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    x >> 63 == 1
}

/// What is on the disk of a file that was `durable` when its blocks came in any order.
fn some_blocks(
    durable: &[u8],
    now: &[u8],
    size: usize,
    arrives: impl Fn(usize) -> bool,
) -> Vec<u8> {
    // Its length is that of before, seldom.
    let length = if arrives(usize::MAX) || arrives(usize::MAX - 1) {
        now.len()
    } else {
        durable.len()
    };
    let byte = |place: usize| {
        let from = if arrives(place / size) { now } else { durable };
        from.get(place).copied().unwrap_or(0)
    };
    (0..length).map(byte).collect()
}

#[derive(Clone)]
enum Node {
    File {
        now: Vec<u8>,
        durable: Vec<u8>,
    },
    Folder {
        now: BTreeMap<String, usize>,
        durable: BTreeMap<String, usize>,
    },
}

struct World {
    nodes: Vec<Node>,
    /// Steps until the machine stops.
    left: Option<u64>,
    stopped: bool,
    half: bool,
    steps: u64,
    /// What happens just before the next file is read.
    before_read: Option<Box<dyn FnOnce() + Send>>,
}

/// Node 0 is the root folder.
#[derive(Clone)]
pub(crate) struct SimulatedDisk(Arc<Mutex<World>>);

impl SimulatedDisk {
    pub(crate) fn new() -> Self {
        let root = Node::Folder {
            now: BTreeMap::new(),
            durable: BTreeMap::new(),
        };
        let nodes = vec![root];
        Self(Arc::new(Mutex::new(World {
            nodes,
            left: None,
            stopped: false,
            half: false,
            steps: 0,
            before_read: None,
        })))
    }

    /// The machine stops instead of doing the step after `steps` more.
    pub(crate) fn stop_after(&self, steps: u64, loss: Loss) {
        let mut world = self.world();
        world.left = Some(steps);
        world.half = loss == Loss::HalfOfTheLastWrite;
    }

    /// Something comes in between before the next file is read.
    pub(crate) fn before_read(&self, act: impl FnOnce() + Send + 'static) {
        self.world().before_read = Some(Box::new(act));
    }

    pub(crate) fn stopped(&self) -> bool {
        self.world().stopped
    }

    /// Changing steps so far, syncs and writes alike.
    pub(crate) fn steps(&self) -> u64 {
        self.world().steps
    }

    /// The disk as the next process finds it.
    pub(crate) fn restarted(&self, loss: Loss) -> Self {
        let mut nodes = self.world().nodes.clone();
        for (id, node) in nodes.iter_mut().enumerate() {
            if let (Loss::SomeBlocks { size, seed }, Node::File { now, durable }) =
                (loss, &mut *node)
                && now != durable
            {
                *now = some_blocks(durable, now, size, |place| arrives(seed, id, place));
            }
            let lost = matches!(loss, Loss::Everything | Loss::AllButReplacedNames);
            if let (Loss::AllButReplacedNames, Node::Folder { now, durable }) = (loss, &mut *node) {
                for (name, id) in durable.iter_mut() {
                    *id = *now.get(name).unwrap_or(id);
                }
            }
            match node {
                Node::File { now, durable } if lost => now.clone_from(durable),
                Node::Folder { now, durable } if lost => now.clone_from(durable),
                Node::File { now, durable } => durable.clone_from(now),
                Node::Folder { now, durable } => durable.clone_from(now),
            }
        }
        Self(Arc::new(Mutex::new(World {
            nodes,
            left: None,
            stopped: false,
            half: false,
            steps: 0,
            before_read: None,
        })))
    }

    /// Replaces a file's content, as an attacker or a bad disk does.
    pub(crate) fn tamper(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut world = self.world();
        let id = world.find(path).unwrap();
        let Some(Node::File { now, durable }) = world.nodes.get_mut(id) else {
            panic!("a file")
        };
        change(now);
        durable.clone_from(now);
    }

    /// Every file with its content.
    pub(crate) fn files(&self, folder: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
        let world = self.world();
        let mut found = Vec::new();
        let mut open = vec![(folder.to_owned(), world.find(folder).unwrap())];
        while let Some((path, id)) = open.pop() {
            match &world.nodes[id] {
                Node::File { now, .. } => found.push((path, now.clone())),
                Node::Folder { now, .. } => {
                    open.extend(now.iter().map(|(name, id)| (path.join(name), *id)));
                }
            }
        }
        found.sort();
        found
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }
}

fn stopped() -> io::Error {
    io::Error::new(ErrorKind::StorageFull, "the simulated machine has stopped")
}

impl World {
    /// Counts a changing step; `Ok(false)`: it is the last, and half of it still happens.
    fn step(&mut self) -> io::Result<bool> {
        if self.stopped {
            return Err(stopped());
        }
        self.steps += 1;
        match &mut self.left {
            Some(0) => {
                self.stopped = true;
                if self.half { Ok(false) } else { Err(stopped()) }
            }
            Some(left) => {
                *left -= 1;
                Ok(true)
            }
            None => Ok(true),
        }
    }

    fn alive(&self) -> io::Result<()> {
        if self.stopped { Err(stopped()) } else { Ok(()) }
    }

    fn find(&self, path: &Path) -> io::Result<usize> {
        let mut id = 0;
        for part in path.components() {
            let Component::Normal(name) = part else {
                continue;
            };
            let Node::Folder { now, .. } = &self.nodes[id] else {
                return Err(ErrorKind::NotADirectory.into());
            };
            id = *now.get(name.to_str().unwrap()).ok_or(ErrorKind::NotFound)?;
        }
        Ok(id)
    }

    fn folder(&mut self, path: &Path) -> io::Result<&mut BTreeMap<String, usize>> {
        let id = self.find(path)?;
        match &mut self.nodes[id] {
            Node::Folder { now, .. } => Ok(now),
            Node::File { .. } => Err(ErrorKind::NotADirectory.into()),
        }
    }

    fn parent(&mut self, path: &Path) -> io::Result<(&mut BTreeMap<String, usize>, String)> {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        Ok((self.folder(path.parent().unwrap())?, name))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.alive()?;
        match &self.nodes[self.find(path)?] {
            Node::File { now, .. } => Ok(now.clone()),
            Node::Folder { .. } => Err(ErrorKind::IsADirectory.into()),
        }
    }
}

impl Storage for SimulatedDisk {
    fn create_folder(&self, path: &Path) -> io::Result<()> {
        let mut world = self.world();
        let mut so_far = std::path::PathBuf::from("/");
        for part in path.components() {
            let Component::Normal(name) = part else {
                continue;
            };
            so_far.push(name);
            if world.find(&so_far).is_ok() {
                continue;
            }
            if !world.step()? {
                return Err(stopped());
            }
            let id = world.nodes.len();
            world.nodes.push(Node::Folder {
                now: BTreeMap::new(),
                durable: BTreeMap::new(),
            });
            let (folder, name) = world.parent(&so_far)?;
            folder.insert(name, id);
        }
        Ok(())
    }

    fn write_file(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut world = self.world();
        let whole = world.step()?;
        let id = match world.find(path) {
            Ok(id) => id,
            Err(_) => {
                let id = world.nodes.len();
                world.nodes.push(Node::File {
                    now: Vec::new(),
                    durable: Vec::new(),
                });
                let (folder, name) = world.parent(path)?;
                folder.insert(name, id);
                id
            }
        };
        let kept = if whole {
            bytes
        } else {
            &bytes[..bytes.len() / 2]
        };
        world.nodes[id] = Node::File {
            now: kept.to_vec(),
            durable: Vec::new(),
        };
        if !whole {
            return Err(stopped());
        }
        // Writing and syncing are two steps.
        if !world.step()? {
            return Err(stopped());
        }
        world.nodes[id] = Node::File {
            now: bytes.to_vec(),
            durable: bytes.to_vec(),
        };
        Ok(())
    }

    fn write_unsynced(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut world = self.world();
        let whole = world.step()?;
        let kept = if whole {
            bytes
        } else {
            &bytes[..bytes.len() / 2]
        };
        if let Ok(id) = world.find(path) {
            if let Node::File { now, .. } = &mut world.nodes[id] {
                *now = kept.to_vec();
            }
        } else {
            let id = world.nodes.len();
            world.nodes.push(Node::File {
                now: kept.to_vec(),
                durable: Vec::new(),
            });
            let (folder, name) = world.parent(path)?;
            folder.insert(name, id);
        }
        if whole { Ok(()) } else { Err(stopped()) }
    }

    fn file_system(&self, _: &Path) -> io::Result<Box<dyn FileSystem>> {
        self.world().alive()?;
        Ok(Box::new(self.clone()))
    }

    fn read_file(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>> {
        let before = self.world().before_read.take();
        if let Some(act) = before {
            act();
        }
        let bytes = self.world().read(path)?;
        if bytes.len() > limit {
            return Err(ErrorKind::FileTooLarge.into());
        }
        Ok(bytes)
    }

    fn open_read(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(Cursor::new(self.world().read(path)?)))
    }

    fn open_append(&self, path: &Path) -> io::Result<Box<dyn AppendFile>> {
        let world = self.world();
        world.alive()?;
        let id = world.find(path)?;
        Ok(Box::new(SimulatedFile {
            disk: self.clone(),
            id,
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut world = self.world();
        let id = world.find(from)?;
        if !world.step()? {
            return Err(stopped());
        }
        let (folder, name) = world.parent(from)?;
        folder.remove(&name);
        let (folder, name) = world.parent(to)?;
        folder.insert(name, id);
        Ok(())
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        let mut world = self.world();
        let id = world.find(path)?;
        if !world.step()? {
            return Err(stopped());
        }
        if let Node::Folder { now, durable } = &mut world.nodes[id] {
            durable.clone_from(now);
        }
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.remove_folder(path)
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        let mut world = self.world();
        world.find(path)?;
        if !world.step()? {
            return Err(stopped());
        }
        let (folder, name) = world.parent(path)?;
        folder.remove(&name);
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let mut world = self.world();
        world.alive()?;
        Ok(world.folder(path)?.keys().cloned().collect())
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        let world = self.world();
        world.alive()?;
        Ok(world.find(path).is_ok())
    }
}

impl FileSystem for SimulatedDisk {
    fn sync(&self) -> io::Result<()> {
        let mut world = self.world();
        if !world.step()? {
            return Err(stopped());
        }
        for node in &mut world.nodes {
            match node {
                Node::File { now, durable } => durable.clone_from(now),
                Node::Folder { now, durable } => durable.clone_from(now),
            }
        }
        Ok(())
    }
}

struct SimulatedFile {
    disk: SimulatedDisk,
    id: usize,
}

impl AppendFile for SimulatedFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut world = self.disk.world();
        let whole = world.step()?;
        let kept = if whole {
            bytes
        } else {
            &bytes[..bytes.len() / 2]
        };
        if let Node::File { now, .. } = &mut world.nodes[self.id] {
            now.extend_from_slice(kept);
        }
        if whole { Ok(()) } else { Err(stopped()) }
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut world = self.disk.world();
        if !world.step()? {
            return Err(stopped());
        }
        if let Node::File { now, durable } = &mut world.nodes[self.id] {
            durable.clone_from(now);
        }
        Ok(())
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        let mut world = self.disk.world();
        if !world.step()? {
            return Err(stopped());
        }
        if let Node::File { now, durable } = &mut world.nodes[self.id] {
            now.truncate(usize::try_from(length).unwrap());
            durable.clone_from(now);
        }
        Ok(())
    }
}
