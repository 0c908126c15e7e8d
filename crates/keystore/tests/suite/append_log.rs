use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use quorate_keystore::{AppendLog, Disk, LogError, LogKind, Storage, TornTail};

use crate::simulated_disk::{Loss, SimulatedDisk};

const KIND: LogKind = LogKind::new("test");

struct Bench {
    disk: SimulatedDisk,
    path: std::path::PathBuf,
}

impl Bench {
    fn new() -> Self {
        let bench = Self {
            disk: SimulatedDisk::new(),
            path: "/log".into(),
        };
        AppendLog::create(&bench.disk, &bench.path, KIND).unwrap();
        bench
    }

    fn try_open(&self, disk: &SimulatedDisk) -> Result<Opened, LogError> {
        let mut records = Vec::new();
        let mut visit = |record: &[u8]| {
            records.push(record.to_vec());
            Ok(())
        };
        let (log, torn) = AppendLog::open(
            Arc::new(disk.clone()),
            &self.path,
            KIND,
            1 << 20,
            &mut visit,
        )?;
        Ok(Opened { log, torn, records })
    }

    fn open(&self) -> Opened {
        self.try_open(&self.disk).unwrap()
    }

    fn length(&self) -> usize {
        self.disk.read_file(&self.path, 1 << 20).unwrap().len()
    }
}

struct Opened {
    log: AppendLog,
    torn: Option<TornTail>,
    records: Vec<Vec<u8>>,
}

fn record(number: usize) -> Vec<u8> {
    format!("record {number}").into_bytes()
}

#[test]
fn log__should_keep_records_in_order_over_reopening() {
    let bench = Bench::new();
    for round in 0..3 {
        let opened = bench.open();
        let expected: Vec<_> = (0..round * 10).map(record).collect();
        assert_eq!((opened.records, opened.torn), (expected, None));
        for number in round * 10..(round + 1) * 10 {
            opened.log.append(record(number)).unwrap().wait().unwrap();
        }
    }
}

#[test]
fn log__should_acknowledge_many_callers_with_few_syncs_and_lose_none() {
    let bench = Bench::new();
    let opened = bench.open();
    let before = bench.disk.steps();
    let log = &opened.log;
    std::thread::scope(|scope| {
        for caller in 0..16 {
            scope.spawn(move || {
                let tickets: Vec<_> = (0..50)
                    .map(|n| log.append(record(caller * 50 + n)).unwrap())
                    .collect();
                tickets
                    .into_iter()
                    .for_each(|ticket| ticket.wait().unwrap());
            });
        }
    });
    let steps = bench.disk.steps() - before;
    assert!(steps < 2 * 800, "{steps} steps for 800 appends");
    // All were acknowledged, so a power cut loses none.
    let after = bench.disk.restarted(Loss::Everything);
    drop(opened);
    let mut found = bench.try_open(&after).unwrap().records;
    let mut expected: Vec<_> = (0..800).map(record).collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn ticket__should_wake_a_task() {
    use std::future::Future as _;
    use std::task::{Context, Wake, Waker};
    struct Unpark(std::thread::Thread, AtomicUsize);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.1.fetch_add(1, Ordering::SeqCst);
            self.0.unpark();
        }
    }
    let bench = Bench::new();
    let opened = bench.open();
    let unpark = Arc::new(Unpark(std::thread::current(), AtomicUsize::new(0)));
    let waker = Waker::from(Arc::clone(&unpark));
    let mut context = Context::from_waker(&waker);
    for number in 0..100 {
        let mut ticket = std::pin::pin!(opened.log.append(record(number)).unwrap());
        while ticket.as_mut().poll(&mut context).is_pending() {
            std::thread::park_timeout(std::time::Duration::from_secs(10));
        }
    }
    drop(opened);
    assert_eq!(bench.open().records.len(), 100);
}

#[test]
fn log__should_cut_a_torn_tail_and_report_it() {
    let bench = Bench::new();
    let opened = bench.open();
    opened.log.append(record(1)).unwrap().wait().unwrap();
    let whole = bench.length();
    opened.log.append(record(2)).unwrap().wait().unwrap();
    drop(opened);
    for cut in whole + 1..bench.length() {
        let disk = bench.disk.restarted(Loss::Nothing);
        disk.tamper(&bench.path, |bytes| bytes.truncate(cut));
        let opened = bench.try_open(&disk).unwrap();
        let (offset, bytes) = (whole as u64, (cut - whole) as u64);
        assert_eq!(opened.torn, Some(TornTail { offset, bytes }));
        assert_eq!(opened.records, [record(1)]);
        opened.log.append(record(3)).unwrap().wait().unwrap();
        drop(opened);
        assert_eq!(
            bench.try_open(&disk).unwrap().records,
            [record(1), record(3)]
        );
    }
    // A file that grew, while its new blocks were never written.
    for kept in [whole, bench.length() - 16] {
        let disk = bench.disk.restarted(Loss::Nothing);
        disk.tamper(&bench.path, |bytes| {
            let length = bytes.len();
            bytes.truncate(kept);
            bytes.resize(length, 0);
        });
        let opened = bench.try_open(&disk).unwrap();
        assert_eq!(opened.records, [record(1)], "{kept}");
        assert!(opened.torn.is_some());
    }
}

#[test]
fn log__must_refuse_corruption_anywhere_and_name_the_offset() {
    let bench = Bench::new();
    let opened = bench.open();
    let mut starts = Vec::new();
    for number in 0..3 {
        starts.push(bench.length() as u64);
        opened.log.append(record(number)).unwrap().wait().unwrap();
    }
    drop(opened);
    for place in 0..bench.length() {
        for bit in [1, 0x80] {
            let disk = bench.disk.restarted(Loss::Nothing);
            disk.tamper(&bench.path, |bytes| bytes[place] ^= bit);
            let expected = starts.iter().rev().find(|start| **start <= place as u64);
            match (bench.try_open(&disk).err().unwrap(), expected) {
                (LogError::Header { .. }, None) => {}
                (LogError::Corrupt { offset, .. }, Some(start)) => assert_eq!(offset, *start),
                (other, _) => panic!("{place}: {other}"),
            }
        }
    }
    // A batch taken out, repeated, or moved.
    let (a, b) = (
        usize::try_from(starts[0]).unwrap(),
        usize::try_from(starts[1]).unwrap(),
    );
    let disk = bench.disk.restarted(Loss::Nothing);
    disk.tamper(&bench.path, |bytes| drop(bytes.drain(a..b)));
    assert!(matches!(
        bench.try_open(&disk).err(),
        Some(LogError::Corrupt { .. })
    ));
    let disk = bench.disk.restarted(Loss::Nothing);
    disk.tamper(&bench.path, |bytes| {
        let again = bytes[a..b].to_vec();
        bytes.extend_from_slice(&again);
    });
    assert!(matches!(
        bench.try_open(&disk).err(),
        Some(LogError::Corrupt { .. })
    ));
}

/// A log with one acknowledged record, then one whose sync may not have returned: where that begins.
fn two_batches(first: usize, second: usize) -> (Bench, usize) {
    let bench = Bench::new();
    let opened = bench.open();
    opened.log.append(vec![1; first]).unwrap().wait().unwrap();
    let start = bench.length();
    opened.log.append(vec![2; second]).unwrap().wait().unwrap();
    (bench, start)
}

#[test]
fn log__must_cut_an_interrupted_batch_whichever_of_its_sectors_arrived() {
    let mut cut = 0;
    for first in (400..960).step_by(3) {
        for second in [0, 9, 400, 500, 1_500] {
            let (bench, start) = two_batches(first, second);
            let end = bench.length();
            let sectors: Vec<_> = (start / 512..end.div_ceil(512)).collect();
            for lost in 0..1_u32 << sectors.len() {
                let parts: Vec<_> = sectors
                    .iter()
                    .enumerate()
                    .filter(|(bit, _)| lost >> bit & 1 == 1)
                    .map(|(_, sector)| (sector * 512).max(start)..(sector * 512 + 512).min(end))
                    .collect();
                // That may as well be a byte that was changed (the second of two is zero anyway
                // once in a while).
                let alone = match &parts[..] {
                    [only] if only.end == end => only.len() <= 2,
                    [first, ..] => first.start == start && first.len() == 1,
                    [] => false,
                };
                if alone {
                    continue;
                }
                let disk = bench.disk.restarted(Loss::Nothing);
                disk.tamper(&bench.path, |bytes| {
                    for part in parts.iter().cloned() {
                        bytes[part].fill(0);
                    }
                });
                let opened = bench.try_open(&disk);
                let opened = opened.unwrap_or_else(|e| panic!("{first} {second} {lost:b}: {e}"));
                if parts.is_empty() {
                    assert_eq!((opened.records.len(), opened.torn), (2, None));
                    continue;
                }
                cut += 1;
                assert_eq!(opened.records, [vec![1; first]]);
                let (offset, bytes) = (start as u64, (end - start) as u64);
                assert_eq!(opened.torn, Some(TornTail { offset, bytes }));
                opened.log.append(record(3)).unwrap().wait().unwrap();
                drop(opened);
                let again = bench.try_open(&disk).unwrap();
                assert_eq!((again.records.len(), again.torn), (2, None));
            }
        }
    }
    assert!(cut > 3_000, "{cut}");
}

/// Records that do not fit one batch: no batch follows one that is not synced.
#[test]
fn log__must_open_after_a_long_queue_was_interrupted() {
    for step in 0..7 {
        let bench = Bench::new();
        let disk = Arc::new(bench.disk.clone());
        let opened = AppendLog::open(disk, &bench.path, KIND, 64 << 20, &mut |_| Ok(()));
        let (log, _) = opened.unwrap();
        bench.disk.stop_after(step, Loss::Nothing);
        let records: Vec<_> = (1..4).map(|number| vec![number; 9 << 20]).collect();
        let tickets = records
            .into_iter()
            .map_while(|record| log.append(record).ok());
        let tickets: Vec<_> = tickets.collect();
        let told = tickets.into_iter().map(|ticket| ticket.wait());
        let told = told.filter(Result::is_ok).count();
        drop(log);
        for seed in 1..5 {
            let left = bench.disk.restarted(Loss::SomeBlocks { size: 512, seed });
            let opened = bench.try_open(&left);
            let opened = opened.unwrap_or_else(|e| panic!("{step} {seed}: {e}"));
            assert!(opened.records.len() >= told, "{step} {seed}");
        }
    }
}

#[test]
fn log__must_not_take_a_changed_byte_for_an_interrupted_write() {
    // Batches that begin and end at, before and behind boundaries of sectors.
    for first in [400, 415, 416, 417, 418, 430, 443, 444, 445, 600] {
        for second in [9, 400, 444, 464, 467, 468, 469, 980] {
            let (bench, start) = two_batches(first, second);
            for place in start..bench.length() {
                for change in [0x00, 0xff] {
                    let disk = bench.disk.restarted(Loss::Nothing);
                    let mut changed = false;
                    disk.tamper(&bench.path, |bytes| {
                        changed = bytes[place] != change;
                        bytes[place] = change;
                    });
                    let opened = bench.try_open(&disk);
                    assert_eq!(opened.is_err(), changed, "{first} {second} {place}");
                }
            }
        }
    }
}

#[test]
fn log__must_refuse_sectors_that_were_lost_before_an_acknowledged_batch() {
    let bench = Bench::new();
    let opened = bench.open();
    let append = |byte| {
        let start = bench.length();
        let ticket = opened.log.append(vec![byte; 3_000]).unwrap();
        ticket.wait().unwrap();
        start..bench.length()
    };
    let (first, second, _last) = (append(1), append(2), append(3));
    for batch in [first, second] {
        let starts = batch.start as u64;
        for sector in batch.start / 512..batch.end / 512 {
            let disk = bench.disk.restarted(Loss::Nothing);
            disk.tamper(&bench.path, |bytes| {
                let from = (sector * 512).max(batch.start);
                bytes[from..sector * 512 + 512].fill(0);
            });
            match bench.try_open(&disk).err() {
                Some(LogError::Corrupt { offset, .. }) => assert_eq!(offset, starts),
                other => panic!("{sector}: {other:?}"),
            }
        }
    }
}

#[test]
fn log__must_refuse_a_log_of_another_kind_or_generation_and_a_missing_one() {
    let bench = Bench::new();
    bench.open().log.append(record(1)).unwrap().wait().unwrap();
    let open = |kind| {
        let disk = Arc::new(bench.disk.clone());
        AppendLog::open(disk, &bench.path, kind, 1 << 20, &mut |_| Ok(())).map(drop)
    };
    assert!(matches!(
        open(LogKind::new("other")),
        Err(LogError::Header { .. })
    ));
    let other = Bench::new();
    let opened = other.open();
    opened.log.append(record(2)).unwrap().wait().unwrap();
    let batch = other.disk.read_file(&other.path, 1 << 20).unwrap()[48..].to_vec();
    bench.disk.tamper(&bench.path, |bytes| {
        bytes.truncate(48);
        bytes.extend_from_slice(&batch);
    });
    assert!(matches!(
        open(KIND),
        Err(LogError::Corrupt { offset: 48, .. })
    ));
    bench.disk.remove_file(&bench.path).unwrap();
    assert!(matches!(open(KIND), Err(LogError::Missing { .. })));
}

#[test]
fn log__must_fail_closed_after_a_failed_write_or_sync() {
    for step in 0..2 {
        let bench = Bench::new();
        let opened = bench.open();
        bench.disk.stop_after(step, Loss::Nothing);
        let refused = opened.log.append(record(1)).unwrap().wait();
        assert!(matches!(refused, Err(LogError::Failed { .. })));
        assert!(matches!(
            opened.log.append(record(2)),
            Err(LogError::Failed { .. })
        ));
        assert!(opened.log.barrier().is_err());
        assert!(
            opened
                .log
                .failure()
                .unwrap()
                .to_string()
                .contains("free space")
        );
    }
}

/// A file on which every write fails with "no space left on device".
#[test]
fn log__must_fail_closed_on_a_full_disk() {
    struct Full;
    impl Storage for Full {
        fn create_folder(&self, path: &std::path::Path) -> std::io::Result<()> {
            Disk.create_folder(path)
        }
        fn write_file(&self, path: &std::path::Path, bytes: &[u8]) -> std::io::Result<()> {
            Disk.write_file(path, bytes)
        }
        fn write_unsynced(&self, path: &std::path::Path, bytes: &[u8]) -> std::io::Result<()> {
            Disk.write_unsynced(path, bytes)
        }
        fn file_system(
            &self,
            folder: &std::path::Path,
        ) -> std::io::Result<Box<dyn quorate_keystore::FileSystem>> {
            Disk.file_system(folder)
        }
        fn read_file(&self, path: &std::path::Path, limit: usize) -> std::io::Result<Vec<u8>> {
            Disk.read_file(path, limit)
        }
        fn open_read(
            &self,
            path: &std::path::Path,
        ) -> std::io::Result<Box<dyn std::io::Read + Send>> {
            Disk.open_read(path)
        }
        fn open_append(
            &self,
            _: &std::path::Path,
        ) -> std::io::Result<Box<dyn quorate_keystore::AppendFile>> {
            Disk.open_append(std::path::Path::new("/dev/full"))
        }
        fn rename(&self, from: &std::path::Path, to: &std::path::Path) -> std::io::Result<()> {
            Disk.rename(from, to)
        }
        fn sync_folder(&self, path: &std::path::Path) -> std::io::Result<()> {
            Disk.sync_folder(path)
        }
        fn remove_file(&self, path: &std::path::Path) -> std::io::Result<()> {
            Disk.remove_file(path)
        }
        fn remove_folder(&self, path: &std::path::Path) -> std::io::Result<()> {
            Disk.remove_folder(path)
        }
        fn list(&self, path: &std::path::Path) -> std::io::Result<Vec<String>> {
            Disk.list(path)
        }
        fn exists(&self, path: &std::path::Path) -> std::io::Result<bool> {
            Disk.exists(path)
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    AppendLog::create(&Full, &path, KIND).unwrap();
    let (log, _) = AppendLog::open(Arc::new(Full), &path, KIND, 1 << 20, &mut |_| Ok(())).unwrap();
    match log.append(record(1)).unwrap().wait() {
        Err(LogError::Failed { source, .. }) => {
            assert_eq!(source.kind(), std::io::ErrorKind::StorageFull);
        }
        other => panic!("{other:?}"),
    }
    assert!(log.append(record(2)).is_err());
}

#[test]
fn log__must_refuse_what_is_over_its_limits() {
    let bench = Bench::new();
    let disk = Arc::new(bench.disk.clone());
    let (log, _) = AppendLog::open(disk, &bench.path, KIND, 100, &mut |_| Ok(())).unwrap();
    assert!(matches!(
        log.append(vec![0; 101]),
        Err(LogError::Overloaded { .. })
    ));
    let refused = log.append(vec![0; 32 << 20]);
    assert!(matches!(refused, Err(LogError::InvalidLength { .. })));
    log.append(vec![0; 100]).unwrap().wait().unwrap();
}

#[test]
fn replace__should_keep_the_new_content_and_what_follows() {
    let bench = Bench::new();
    let opened = bench.open();
    for number in 0..100 {
        let _ticket = opened.log.append(record(number)).unwrap();
    }
    let long = bench.open().records.len();
    assert!(long <= 100);
    opened
        .log
        .replace(vec![record(7), record(8)])
        .unwrap()
        .wait()
        .unwrap();
    opened.log.append(record(200)).unwrap().wait().unwrap();
    drop(opened);
    assert_eq!(bench.open().records, [record(7), record(8), record(200)]);
}

#[test]
fn replace__must_leave_old_or_new_content_when_stopped_at_any_step() {
    for loss in [Loss::Everything, Loss::Nothing, Loss::HalfOfTheLastWrite] {
        for step in 0.. {
            let bench = Bench::new();
            let opened = bench.open();
            opened.log.append(record(1)).unwrap().wait().unwrap();
            opened.log.append(record(2)).unwrap().wait().unwrap();
            bench.disk.stop_after(step, loss);
            let done = opened.log.replace(vec![record(2)]).unwrap().wait().is_ok();
            drop(opened);
            let found = bench.try_open(&bench.disk.restarted(loss)).unwrap().records;
            let old = found == [record(1), record(2)];
            assert!(found == [record(2)] || (old && !done), "{loss:?} {step}");
            if done {
                break;
            }
        }
    }
}

#[test]
fn log__should_work_on_the_real_disk() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    AppendLog::create(&Disk, &path, KIND).unwrap();
    for round in 0..3 {
        let mut seen = 0;
        let mut visit = |_: &[u8]| {
            seen += 1;
            Ok(())
        };
        let (log, torn) =
            AppendLog::open(Arc::new(Disk), &path, KIND, 1 << 20, &mut visit).unwrap();
        assert_eq!((seen, torn.is_some()), (round, round > 0));
        log.append(record(round)).unwrap().wait().unwrap();
        drop(log);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.extend_from_slice(b"QBAT");
        std::fs::write(&path, bytes).unwrap();
    }
}
