//! What a start with many keys checks, and when.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use quorate_keystore::{
    AppendFile, Check, Disk, FileSystem, Keystore, KeystoreError, Limits, ShareMetadata,
    ShareState, Storage,
};
use quorate_types::KeyId;
use zeroize::Zeroizing;

use crate::fixture::{
    Node, assert_damaged, assert_opens, certificate, key_id, metadata, payload, signer,
};
use crate::simulated_disk::{Loss, SimulatedDisk};

/// Enough that a start which looked at each of them would be seen.
const KEYS: u32 = 2_000;

/// A disk that notes which files of shares are read or written, and can fail to sync.
struct Watched {
    disk: Arc<dyn Storage>,
    touched: Arc<Mutex<Vec<PathBuf>>>,
    fails: Arc<AtomicBool>,
}

/// A file system that cannot be synced while a test says so.
struct Failing {
    file_system: Box<dyn FileSystem>,
    fails: Arc<AtomicBool>,
}

impl FileSystem for Failing {
    fn sync(&self) -> io::Result<()> {
        if self.fails.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.file_system.sync()
    }
}

impl Watched {
    fn note(&self, path: &Path) {
        if path.to_string_lossy().contains("key-shares/key_00") {
            self.touched.lock().unwrap().push(path.to_owned());
        }
    }
}

impl Storage for Watched {
    fn create_folder(&self, path: &Path) -> io::Result<()> {
        self.disk.create_folder(path)
    }
    fn write_file(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.note(path);
        self.disk.write_file(path, bytes)
    }
    fn write_unsynced(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.note(path);
        self.disk.write_unsynced(path, bytes)
    }
    fn file_system(&self, folder: &Path) -> io::Result<Box<dyn FileSystem>> {
        let file_system = self.disk.file_system(folder)?;
        let fails = Arc::clone(&self.fails);
        Ok(Box::new(Failing { file_system, fails }))
    }
    fn read_file(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>> {
        self.note(path);
        self.disk.read_file(path, limit)
    }
    fn open_read(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        self.note(path);
        self.disk.open_read(path)
    }
    fn open_append(&self, path: &Path) -> io::Result<Box<dyn AppendFile>> {
        self.disk.open_append(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }
    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.disk.sync_folder(path)
    }
    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.disk.remove_file(path)
    }
    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        self.disk.remove_folder(path)
    }
    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.disk.list(path)
    }
    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.disk.exists(path)
    }
}

/// Ids whose names begin with a zero, so that no other file looks like one of them.
fn many(number: u32) -> KeyId {
    let mut id = [0; 16];
    id[1..5].copy_from_slice(&number.to_be_bytes());
    KeyId::from_array(id)
}

fn many_metadata(number: u32) -> ShareMetadata {
    ShareMetadata {
        key_id: many(number),
        ..metadata(1)
    }
}

fn open(node: &Node, disk: Arc<dyn Storage>) -> (Keystore, quorate_keystore::OpenReport) {
    let (master, signer) = (Arc::clone(&node.master), Arc::clone(&node.signer));
    Keystore::open(disk, &node.root(), master, signer, node.limits).unwrap()
}

#[test]
fn start_with_many_keys__should_read_none_of_their_files_and_check_each_before_its_use() {
    let node = Node::without_keystore();
    let real: Arc<dyn Storage> = Arc::new(Disk);
    Keystore::create(&real, &node.root(), &node.signer).unwrap();
    let (keystore, _) = open(&node, Arc::clone(&real));
    std::thread::scope(|scope| {
        for first in 0..32 {
            let keystore = &keystore;
            scope.spawn(move || {
                for number in (first..KEYS).step_by(32) {
                    let metadata = many_metadata(number);
                    keystore.put_pending(&metadata, &payload(1)).unwrap();
                    keystore.activate(many(number), &certificate(1)).unwrap();
                }
            });
        }
    });
    keystore.put_pending(&metadata(9), &payload(9)).unwrap();
    drop(keystore);
    let (used, unused) = (7, 1_234);
    for number in [used, unused] {
        let path = node.share_file(many(number), "share.enc");
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[40] ^= 1;
        std::fs::write(&path, bytes).unwrap();
    }

    let touched = Arc::default();
    let watched = Watched {
        disk: real,
        touched: Arc::clone(&touched),
        fails: Arc::default(),
    };
    let (keystore, report) = open(&node, Arc::new(watched));
    // The signed index is there, and no file of a share in use was read.
    assert_eq!(report.active, usize::try_from(KEYS).unwrap());
    assert_eq!(report.pending, [key_id(9)]);
    assert!(report.damaged.is_empty() && report.recovered.is_empty());
    assert_eq!(*touched.lock().unwrap(), Vec::<PathBuf>::new());
    // Before each use.
    assert!(keystore.open_share(many(3)).unwrap().payload == payload(1));
    assert_eq!(touched.lock().unwrap().len(), 4);
    let is_damaged = |outcome: Result<(), KeystoreError>, number| match outcome {
        Err(KeystoreError::Damaged(damage)) => {
            damage.key == Some(many(number)) && damage.check == Check::CiphertextHash
        }
        _ => false,
    };
    assert!(is_damaged(keystore.open_share(many(used)).map(drop), used));
    // The rest, one after the other, as the node does it in the background.
    let (mut last, mut checked, mut damaged) = (None, 0, Vec::new());
    while let Some(key) = keystore.next_active(last) {
        last = Some(key);
        checked += 1;
        if keystore.check_share(key).is_err() {
            damaged.push(key);
        }
    }
    assert_eq!((checked, damaged), (KEYS, vec![many(used), many(unused)]));
    let reported: Vec<_> = keystore.damaged().iter().map(|found| found.key).collect();
    assert_eq!(reported, [Some(many(used)), Some(many(unused))]);
    assert!(is_damaged(
        keystore.open_share(many(unused)).map(drop),
        unused
    ));
    assert!(keystore.open_share(many(8)).is_ok(), "others go on");
}

#[test]
fn start__must_refuse_an_index_whose_newest_entry_is_not_signed() {
    let node = Node::with_two_keys();
    let path = node.path("index.log");
    let mut records = Vec::new();
    let kind = quorate_keystore::LogKind::new("share index");
    let mut visit = |record: &[u8]| {
        records.push(record.to_vec());
        Ok(())
    };
    let log = quorate_keystore::AppendLog::open(node.storage(), &path, kind, 1 << 20, &mut visit);
    let (log, _) = log.unwrap();
    *records.last_mut().unwrap().last_mut().unwrap() ^= 1;
    log.replace(records).unwrap().wait().unwrap();
    drop(log);
    let refusal = node.refusal();
    assert!(
        refusal.contains("index.log") && refusal.contains("signed index"),
        "{refusal}"
    );
}

/// The machine loses power with shares that are durable in the journal only.
#[test]
fn journal__must_bring_back_what_a_power_cut_took_and_nothing_that_was_destroyed() {
    let node = Node::new();
    let (keystore, _) = node.open();
    for key in [1, 2, 3] {
        keystore.put_pending(&metadata(key), &payload(key)).unwrap();
    }
    keystore.activate(key_id(1), &certificate(1)).unwrap();
    keystore.discard_pending(key_id(3)).unwrap();
    let journal = node.path("journal.log");
    let held = node.disk.read_file(&journal, 1 << 20).unwrap();
    let cut = node.on(node.disk.restarted(Loss::Everything));
    keystore.empty_journal().unwrap();
    let emptied = node.disk.read_file(&journal, 1 << 20).unwrap();
    let later = node.on(node.disk.restarted(Loss::Everything));
    drop(keystore);

    let lost = cut
        .disk
        .read_file(&node.share_file(key_id(1), "share.enc"), 1 << 20);
    assert!(lost.is_err(), "no file was synced");
    let (again, report) = cut.open();
    assert!(report.damaged.is_empty() && report.recovered.is_empty());
    assert_opens(&again, 1);
    assert_eq!(again.state(key_id(2)), Some(ShareState::Pending));
    assert!(again.open_pending(key_id(2)).unwrap().payload == payload(2));
    assert_eq!(again.state(key_id(3)), Some(ShareState::Discarded));
    let destroyed = node.path("key-shares").join(key_id(3).to_string());
    assert!(!cut.disk.exists(&destroyed).unwrap());
    drop(again);

    // Once the files are synced, nothing is left in the journal, and nothing depends on it.
    assert!(emptied.len() == 48 && held.len() > 1_000);
    assert_opens(&later.open().0, 1);
}

/// A journal of an older backup holds the seal of before the certificate.
#[test]
fn journal_of_an_older_backup__must_not_undo_an_activation() {
    let node = Node::new();
    let (keystore, _) = node.open();
    keystore.put_pending(&metadata(1), &payload(1)).unwrap();
    let journal = node.path("journal.log");
    let old = node.disk.read_file(&journal, 1 << 20).unwrap();
    keystore.activate(key_id(1), &certificate(1)).unwrap();
    drop(keystore);
    node.disk.tamper(&journal, |bytes| *bytes = old);
    let (keystore, report) = node.open();
    assert!(report.damaged.is_empty() && report.recovered.is_empty());
    assert_opens(&keystore, 1);
}

/// What is destroyed is gone from the journal too when the call returns.
#[test]
fn journal__must_not_keep_a_destroyed_share() {
    let node = Node::new();
    let (keystore, _) = node.open();
    for key in [1, 2] {
        keystore.put_pending(&metadata(key), &payload(key)).unwrap();
    }
    let sealed = node.share_file(key_id(1), "share.enc");
    let sealed = node.disk.read_file(&sealed, 1 << 20).unwrap();
    let holds = |needle: &[u8]| {
        let journal = node.disk.read_file(&node.path("journal.log"), 1 << 20);
        let journal = journal.unwrap();
        journal.windows(needle.len()).any(|bytes| bytes == needle)
    };
    assert!(holds(&sealed));
    keystore.discard_pending(key_id(1)).unwrap();
    assert!(!holds(&sealed));
    let other = node.share_file(key_id(2), "share.enc");
    assert!(holds(&node.disk.read_file(&other, 1 << 20).unwrap()));
}

/// A disk that failed to sync once: what it lost is unknown, so the journal keeps everything until the
/// files are written again.
#[test]
fn journal__must_not_be_emptied_after_the_files_could_not_be_synced() {
    let node = Node::new();
    let fails = Arc::<AtomicBool>::default();
    let watched = || Watched {
        disk: node.storage(),
        touched: Arc::default(),
        fails: Arc::clone(&fails),
    };
    let journal = || {
        node.disk
            .read_file(&node.path("journal.log"), 1 << 20)
            .unwrap()
    };
    let (keystore, _) = open(&node, Arc::new(watched()));
    keystore.put_pending(&metadata(1), &payload(1)).unwrap();
    let held = journal();
    fails.store(true, Ordering::SeqCst);
    assert!(keystore.empty_journal().is_err());
    fails.store(false, Ordering::SeqCst);
    assert!(
        keystore.empty_journal().is_err(),
        "trying again proves nothing"
    );
    assert_eq!(journal(), held);
    keystore.put_pending(&metadata(2), &payload(2)).unwrap();
    drop(keystore);
    let cut = node.on(node.disk.restarted(Loss::Everything));
    let (again, _) = cut.open();
    for key in [1, 2] {
        assert!(again.open_pending(key_id(key)).unwrap().payload == payload(key));
    }
    drop(again);
    // The next start writes them again, and may empty it.
    let (keystore, _) = open(&node, Arc::new(watched()));
    keystore.empty_journal().unwrap();
    assert!(journal().len() < held.len());
}

/// A keystore of before there was a journal starts with an empty one, once.
#[test]
fn keystore_of_before_the_journal__should_be_brought_up_to_date_once() {
    use ed25519_dalek::{Signer as _, SigningKey};
    let node = Node::with_two_keys();
    let (marker, journal) = (node.path("keystore.json"), node.path("journal.log"));
    let new = node.disk.read_file(&marker, 4_096).unwrap();
    let key = SigningKey::from_bytes(&[1; 32]);
    let mut signed = quorate_types::Writer::new();
    signed.text("quorate keystore marker v1").u16(2);
    signed
        .value(signer("p1", 1).node())
        .fixed(key.verifying_key().as_bytes());
    let signature = hex::encode(key.sign(&signed.finish()).to_bytes());
    let text = String::from_utf8(new.clone()).unwrap();
    let at = text.find("\"signature\": \"").unwrap() + 14;
    let old = format!("{}{signature}{}", &text[..at], &text[at + 128..]);
    let old = old.replace("\"version\": 3", "\"version\": 2");
    let before = |disk: &SimulatedDisk| {
        disk.tamper(&marker, |bytes| *bytes = old.clone().into_bytes());
    };
    let node = node.on(node.disk.restarted(Loss::Nothing));
    before(&node.disk);
    node.disk.remove_file(&journal).unwrap();
    let (keystore, report) = node.open();
    assert_eq!((report.active, report.damaged.len()), (2, 0));
    keystore.put_pending(&metadata(5), &payload(5)).unwrap();
    assert_eq!(node.disk.read_file(&marker, 4_096).unwrap(), new);
    // From now on a journal that is missing is no empty one, and one that holds something is not
    // thrown away.
    let with_content = node.on(node.disk.restarted(Loss::Nothing));
    drop(keystore);
    before(&with_content.disk);
    assert!(with_content.refusal().contains("keystore.json"));
    node.disk.remove_file(&journal).unwrap();
    assert!(node.refusal().contains("journal.log"));
}

#[test]
fn limits__should_let_every_share_into_the_journal() {
    let node = Node::new();
    let (keystore, _) = node.open();
    let limit = Limits::default().payload_bytes;
    let largest = Zeroizing::new(vec![7; limit]);
    keystore.put_pending(&metadata(1), &largest).unwrap();
    let certificate = vec![8; Limits::default().certificate_bytes];
    keystore.activate(key_id(1), &certificate).unwrap();
    drop(keystore);
    let (keystore, _) = node.open();
    assert!(keystore.open_share(key_id(1)).unwrap().payload == largest);
    node.disk
        .tamper(&node.share_file(key_id(1), "share.enc"), |bytes| {
            bytes[99] ^= 1
        });
    assert_eq!(assert_damaged(&keystore, 1).check, Check::CiphertextHash);
}
