//! What a start with many keys checks, and when.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use quorate_keystore::{
    AppendFile, AppendLog, Check, Disk, FileSystem, Keystore, KeystoreError, Limits, LogKind,
    ShareMetadata, ShareState, Storage,
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
    /// Syncs of the file system wait while a test holds this.
    hangs: Arc<Mutex<()>>,
    /// The file that cannot be written.
    refuses: Arc<Mutex<Option<PathBuf>>>,
}

/// A file system that cannot be synced while a test says so.
struct Failing {
    file_system: Box<dyn FileSystem>,
    fails: Arc<AtomicBool>,
    hangs: Arc<Mutex<()>>,
}

impl FileSystem for Failing {
    fn sync(&self) -> io::Result<()> {
        let _turn = self.hangs.lock().unwrap();
        if self.fails.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.file_system.sync()
    }
}

impl Watched {
    fn new(disk: Arc<dyn Storage>) -> Self {
        Self {
            disk,
            touched: Arc::default(),
            fails: Arc::default(),
            hangs: Arc::default(),
            refuses: Arc::default(),
        }
    }

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
        if self.refuses.lock().unwrap().as_deref() == Some(path) {
            // As when the disk is full: something of it is there.
            self.disk.write_unsynced(path, &bytes[..bytes.len() / 2])?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.disk.write_unsynced(path, bytes)
    }
    fn file_system(&self, folder: &Path) -> io::Result<Box<dyn FileSystem>> {
        let file_system = self.disk.file_system(folder)?;
        Ok(Box::new(Failing {
            file_system,
            fails: Arc::clone(&self.fails),
            hangs: Arc::clone(&self.hangs),
        }))
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

    let watched = Watched::new(real);
    let touched = Arc::clone(&watched.touched);
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
        fails: Arc::clone(&fails),
        ..Watched::new(node.storage())
    };
    let journal = || {
        node.disk
            .read_file(&node.path("journal.log"), 1 << 20)
            .unwrap()
    };
    let (keystore, _) = open(&node, Arc::new(watched()));
    for key in [1, 2] {
        keystore.put_pending(&metadata(key), &payload(key)).unwrap();
    }
    let held = journal();
    assert!(keystore.failure().is_none());
    fails.store(true, Ordering::SeqCst);
    assert!(keystore.empty_journal().is_err());
    fails.store(false, Ordering::SeqCst);
    assert!(
        keystore.empty_journal().is_err(),
        "trying again proves nothing"
    );
    assert_eq!(journal(), held);
    // It would grow without end, so it takes no new share, and the node says so; what was begun ends.
    let failure = keystore.failure().unwrap().to_string();
    assert!(failure.contains("syncing all shares"), "{failure}");
    let refused = keystore.put_pending(&metadata(3), &payload(3));
    assert!(matches!(refused, Err(KeystoreError::Log(_))));
    assert_eq!(journal(), held);
    keystore.activate(key_id(2), &certificate(2)).unwrap();
    drop(keystore);
    let cut = node.on(node.disk.restarted(Loss::Everything));
    let (again, report) = cut.open();
    assert!(report.damaged.is_empty());
    assert!(again.open_pending(key_id(1)).unwrap().payload == payload(1));
    assert_opens(&again, 2);
    assert_eq!(again.state(key_id(3)), None);
    drop(again);
    // The next start writes them again, and may empty it.
    let (keystore, _) = open(&node, Arc::new(watched()));
    keystore.empty_journal().unwrap();
    assert!(journal().len() < held.len());
}

/// A start that ends before it has written the files again leaves the journal as it is.
#[test]
fn journal__must_keep_everything_if_a_start_breaks_off_before_the_files_are_there() {
    let node = Node::with_two_keys_in_the_journal(Loss::Everything);
    for key in [1, 2] {
        let lost = node.share_file(key_id(key), "share.enc");
        assert!(!node.disk.exists(&lost).unwrap());
    }
    let audit = node.path("audit.log");
    let good = node.disk.read_file(&audit, 1 << 20).unwrap();
    node.disk.tamper(&audit, |bytes| bytes[0] ^= 1);
    assert!(node.refusal().contains("audit.log"));
    node.disk.tamper(&audit, |bytes| *bytes = good);
    let (keystore, report) = node.open();
    assert!(report.damaged.is_empty());
    assert_opens(&keystore, 1);
    assert_opens(&keystore, 2);
}

#[test]
fn journal__must_keep_all_records_if_the_files_of_one_share_cannot_be_written_again() {
    for name in ["share.enc", "certificate.bin"] {
        let node = Node::with_two_keys_in_the_journal(Loss::Everything);
        let held = node.disk.read_file(&node.path("journal.log"), 1 << 20);
        let watched = Watched::new(node.storage());
        *watched.refuses.lock().unwrap() = Some(node.share_file(key_id(1), name));
        let (keystore, report) = open(&node, Arc::new(watched));
        let [damage] = &report.damaged[..] else {
            panic!("{:?}", report.damaged)
        };
        assert_eq!(damage.check, Check::WrittenAgain);
        assert!(damage.to_string().contains("leave that file"), "{damage}");
        assert_eq!(&assert_damaged(&keystore, 1), damage);
        assert_opens(&keystore, 2);
        assert!(keystore.empty_journal().is_err() && keystore.failure().is_some());
        drop(keystore);
        let after = node.disk.read_file(&node.path("journal.log"), 1 << 20);
        assert_eq!(after.unwrap(), held.unwrap());
        // With another disk all of it is there.
        let node = node.on(node.disk.restarted(Loss::Everything));
        let (keystore, report) = node.open();
        assert!(report.damaged.is_empty());
        assert_opens(&keystore, 1);
        assert_opens(&keystore, 2);
    }
}

/// Between a durable record and the last of its files the disk is full.
#[test]
fn journal__must_keep_a_record_whose_files_were_not_written() {
    for name in ["metadata.json", "share.sig"] {
        let node = Node::new();
        let watched = Watched::new(node.storage());
        let refuses = Arc::clone(&watched.refuses);
        let (keystore, _) = open(&node, Arc::new(watched));
        keystore.put_pending(&metadata(2), &payload(2)).unwrap();
        *refuses.lock().unwrap() = Some(node.share_file(key_id(1), name));
        let failed = keystore.put_pending(&metadata(1), &payload(1));
        assert!(matches!(failed, Err(KeystoreError::Io { .. })));
        *refuses.lock().unwrap() = None;
        assert!(keystore.empty_journal().is_err(), "{name}");
        assert!(keystore.failure().is_some());
        drop(keystore);
        let (keystore, report) = node.open();
        assert!(report.damaged.is_empty(), "{name}: {}", report.damaged[0]);
        for key in [1, 2] {
            assert!(keystore.open_pending(key_id(key)).unwrap().payload == payload(key));
        }
    }
    for name in ["certificate.bin", "share.sig"] {
        let node = Node::new();
        let watched = Watched::new(node.storage());
        let refuses = Arc::clone(&watched.refuses);
        let (keystore, _) = open(&node, Arc::new(watched));
        keystore.put_pending(&metadata(1), &payload(1)).unwrap();
        // Of the share itself nothing is in the journal any more.
        keystore.empty_journal().unwrap();
        *refuses.lock().unwrap() = Some(node.share_file(key_id(1), name));
        let failed = keystore.activate(key_id(1), &certificate(1));
        assert!(matches!(failed, Err(KeystoreError::Io { .. })));
        *refuses.lock().unwrap() = None;
        assert!(keystore.empty_journal().is_err(), "{name}");
        drop(keystore);
        let (keystore, report) = node.open();
        assert!(report.damaged.is_empty(), "{name}: {}", report.damaged[0]);
        assert_eq!(report.recovered.len(), 1);
        assert_opens(&keystore, 1);
    }
}

/// Destroying a share does not wait until the files of all others are synced.
#[test]
fn discard__must_not_wait_for_a_sync_of_the_file_system() {
    let node = Node::new();
    let watched = Watched::new(node.storage());
    let hangs = Arc::clone(&watched.hangs);
    let (keystore, _) = open(&node, Arc::new(watched));
    for key in [1, 2] {
        keystore.put_pending(&metadata(key), &payload(key)).unwrap();
    }
    let holds = |key| {
        let journal = node.disk.read_file(&node.path("journal.log"), 1 << 20);
        let id: KeyId = key_id(key);
        let journal = journal.unwrap();
        journal.windows(16).any(|bytes| bytes == id.as_bytes())
    };
    let (began, begins) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let hanging = hangs.lock().unwrap();
        let emptying = scope.spawn(|| {
            began.send(()).unwrap();
            keystore.empty_journal()
        });
        begins.recv().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(100));
        let (done, waits) = std::sync::mpsc::channel();
        let keystore = &keystore;
        scope.spawn(move || done.send(keystore.discard_pending(key_id(1))));
        let outcome = waits.recv_timeout(std::time::Duration::from_secs(10));
        // The record of the other share stays until the sync is over, and what comes meanwhile
        // until the next.
        let held = (holds(1), holds(2));
        keystore.put_pending(&metadata(3), &payload(3)).unwrap();
        drop(hanging);
        outcome.expect("it waited").unwrap();
        assert_eq!(held, (false, true));
        emptying.join().unwrap().unwrap();
    });
    assert!(!holds(2) && holds(3));
    keystore.empty_journal().unwrap();
    assert!(!holds(3));
}

/// A journal of an older backup holds shares that were destroyed since, of keys that have others now.
#[test]
fn journal_of_an_older_backup__must_not_bring_back_what_was_destroyed() {
    let node = Node::new();
    let (keystore, _) = node.open();
    keystore.put_pending(&metadata(1), &payload(1)).unwrap();
    keystore.put_pending(&metadata(2), &payload(2)).unwrap();
    keystore.activate(key_id(2), &certificate(2)).unwrap();
    let journal = node.path("journal.log");
    let old = node.disk.read_file(&journal, 1 << 20).unwrap();
    // Key 1: this share and then another of it are destroyed. Key 2: the first epoch is archived, then
    // another one.
    keystore.discard_pending(key_id(1)).unwrap();
    keystore.put_pending(&metadata(1), &payload(1)).unwrap();
    keystore.discard_pending(key_id(1)).unwrap();
    keystore.archive(key_id(2)).unwrap();
    let later = ShareMetadata {
        epoch: quorate_types::Epoch::new(2).unwrap(),
        ..metadata(2)
    };
    keystore.put_pending(&later, &payload(2)).unwrap();
    keystore.activate(key_id(2), &certificate(2)).unwrap();
    keystore.archive(key_id(2)).unwrap();
    drop(keystore);
    node.disk.tamper(&journal, |bytes| *bytes = old);
    let (keystore, report) = node.open();
    assert!(report.recovered.is_empty() && report.pending.is_empty());
    assert!(report.damaged.is_empty(), "{}", report.damaged[0]);
    assert_eq!(keystore.state(key_id(1)), Some(ShareState::Discarded));
    assert_eq!(keystore.state(key_id(2)), Some(ShareState::Archived));
    for key in [1, 2] {
        let folder = node.path("key-shares").join(key_id(key).to_string());
        assert!(!node.disk.exists(&folder).unwrap());
    }
}

/// Nor a share that was never listed, of an epoch that is archived since.
#[test]
fn journal_of_an_older_backup__must_not_bring_back_an_epoch_that_is_archived() {
    let node = Node::new();
    let (journal, before) = (node.path("journal.log"), node.disk.restarted(Loss::Nothing));
    let (keystore, _) = node.open();
    keystore.put_pending(&metadata(1), &payload(1)).unwrap();
    let old = node.disk.read_file(&journal, 1 << 20).unwrap();
    drop(keystore);
    let node = node.on(before);
    let (keystore, _) = node.open();
    keystore.put_pending(&metadata(1), &payload(1)).unwrap();
    keystore.activate(key_id(1), &certificate(1)).unwrap();
    keystore.archive(key_id(1)).unwrap();
    drop(keystore);
    node.disk.tamper(&journal, |bytes| *bytes = old);
    let (keystore, report) = node.open();
    assert!(report.damaged.is_empty(), "{}", report.damaged[0]);
    assert!(report.recovered.is_empty());
    assert_eq!(keystore.state(key_id(1)), Some(ShareState::Archived));
    let folder = node.path("key-shares").join(key_id(1).to_string());
    assert!(!node.disk.exists(&folder).unwrap());
}

/// What the journal holds is checked like files are, before any file is overwritten.
#[test]
fn journal__must_not_write_over_files_what_this_node_did_not_seal() {
    const KIND: LogKind = LogKind::new("share journal");
    let sealed = Node::with_two_keys_in_the_journal(Loss::Nothing);
    let mut records = Vec::new();
    let mut visit = |record: &[u8]| {
        records.push(record.to_vec());
        Ok(())
    };
    let path = sealed.path("journal.log");
    let opened = AppendLog::open(sealed.storage(), &path, KIND, 1 << 20, &mut visit);
    drop(opened.unwrap());
    assert_eq!(records.len(), 4);
    let files = sealed.disk.files(&sealed.path("key-shares"));
    let intact = records.clone();
    for place in [0, 1] {
        // Of a share that is stored: its ciphertext and its seal. Of one that is certified: the
        // certificate and the seal.
        let length = intact[place].len();
        for changed in [length - 1, length - 150] {
            let mut records = intact.clone();
            records[place][changed] ^= 1;
            let disk = sealed.disk.restarted(Loss::Nothing);
            let path = sealed.path("journal.log");
            disk.remove_file(&path).unwrap();
            AppendLog::create(&disk, &path, KIND).unwrap();
            let disk = sealed.on(disk);
            let log = AppendLog::open(disk.storage(), &path, KIND, 1 << 20, &mut |_| Ok(()));
            let (log, _) = log.unwrap();
            log.replace(records).unwrap().wait().unwrap();
            drop(log);
            let (keystore, report) = disk.open();
            assert!(
                report.damaged.is_empty(),
                "{place} {changed}: {}",
                report.damaged[0]
            );
            assert_opens(&keystore, 1);
            assert_eq!(disk.disk.files(&disk.path("key-shares")), files);
        }
    }
}

#[test]
fn a_journal_that_is_damaged__must_not_be_replaced_by_an_older_one() {
    let node = Node::with_two_keys_in_the_journal(Loss::Nothing);
    let journal = node.path("journal.log");
    let length = node.disk.read_file(&journal, 1 << 20).unwrap().len();
    for place in [0, 60, length - 1] {
        let node = node.on(node.disk.restarted(Loss::Nothing));
        node.disk.tamper(&journal, |bytes| bytes[place] ^= 1);
        let refusal = node.refusal();
        assert!(refusal.contains("journal.log"), "{refusal}");
        assert!(refusal.contains("no other one in its place"), "{refusal}");
        assert!(!refusal.contains("restore this file"), "{refusal}");
    }
    node.disk.remove_file(&journal).unwrap();
    assert!(node.refusal().contains("no older one in its place"));
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
