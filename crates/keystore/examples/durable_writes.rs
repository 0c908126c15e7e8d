//! Measures durable writes on the disk under a folder: `durable_writes [FOLDER]`.
//!
//! Prints appends per second with 1 and 64 callers, intents per second (bind, attempt, complete),
//! stored shares per second (pending and active), and opened shares per second.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "an example that prints, and stops on any error"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ed25519_dalek::SigningKey;
use quorate_keystore::{
    AppendLog, Argon2Cost, Disk, Keystore, Limits, LogKind, MasterKey, NodeSigner, Protection,
    ShareMetadata, Storage,
};
use quorate_types::{
    Algorithm, Digest32, Epoch, KeyId, NodeId, PartyIndex, SessionId, Tenant, Threshold,
    UnixSeconds,
};
use zeroize::Zeroizing;

const CALLERS: u64 = 64;
const TIME: Duration = Duration::from_secs(3);

fn main() {
    let base = std::env::args()
        .nth(1)
        .map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = base.join(format!("quorate-durable-writes-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    appends(&folder);
    shares(&folder);
    std::fs::remove_dir_all(&folder).unwrap();
}

/// Runs `act` with ever new numbers from `callers` threads, and prints how often per second.
fn measure(what: &str, callers: u64, act: impl Fn(u64) + Sync) {
    let (next, end) = (AtomicU64::new(0), Instant::now() + TIME);
    let slowest = AtomicU64::new(0);
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..callers {
            scope.spawn(|| {
                while Instant::now() < end {
                    let begin = Instant::now();
                    act(next.fetch_add(1, Ordering::Relaxed));
                    let took = u64::try_from(begin.elapsed().as_micros()).unwrap();
                    slowest.fetch_max(took, Ordering::Relaxed);
                }
            });
        }
    });
    let count = next.load(Ordering::Relaxed) as f64;
    let rate = count / start.elapsed().as_secs_f64();
    let mean = 1e3 * callers as f64 / rate;
    let slowest = slowest.load(Ordering::Relaxed) as f64 / 1e3;
    println!(
        "{what:<28} {callers:>3} callers {rate:>9.0}/s  mean {mean:>7.2} ms  max {slowest:>7.2} ms"
    );
}

fn appends(folder: &Path) {
    let (path, kind) = (folder.join("log"), LogKind::new("bench"));
    AppendLog::create(&Disk, &path, kind).unwrap();
    let visit = &mut |_: &[u8]| Ok(());
    let (log, _) = AppendLog::open(Arc::new(Disk), &path, kind, 64 << 20, visit).unwrap();
    for callers in [1, CALLERS] {
        measure("append of 200 bytes", callers, |_| {
            log.append(vec![7; 200]).unwrap().wait().unwrap();
        });
    }
}

fn shares(folder: &Path) {
    let root = folder.join("keystore");
    let storage: Arc<dyn Storage> = Arc::new(Disk);
    let node = NodeId::new("p1").unwrap();
    let signer = Arc::new(NodeSigner::new(
        node.clone(),
        SigningKey::from_bytes(&[1; 32]),
    ));
    Keystore::create(&storage, &root, &signer).unwrap();
    let passphrase = Protection::Passphrase(Zeroizing::new("bench".into()));
    let cost = Argon2Cost::default();
    let begin = Instant::now();
    let master = MasterKey::create(&Disk, &root.join("master.json"), &passphrase, cost).unwrap();
    println!(
        "master key by passphrase     {:>7.0} ms",
        begin.elapsed().as_secs_f64() * 1e3
    );
    let master = Arc::new(master);
    let open = || {
        let (storage, signer) = (Arc::clone(&storage), Arc::clone(&signer));
        let begin = Instant::now();
        let opened = Keystore::open(
            storage,
            &root,
            Arc::clone(&master) as _,
            signer,
            Limits::default(),
        );
        let (keystore, report) = opened.unwrap();
        let took = begin.elapsed().as_secs_f64() * 1e3;
        println!("opening, {:>6} active shares {took:>7.0} ms", report.active);
        keystore
    };
    let keystore = open();
    let key = |n: u64| KeyId::of_intent(&Digest32::of(b"bench", &[&n.to_be_bytes()]));
    let stored = AtomicU64::new(0);
    measure("share, pending and active", 32, |n| {
        let metadata = ShareMetadata {
            tenant: Tenant::new("acme").unwrap(),
            key_id: key(n),
            node_id: node.clone(),
            share_index: PartyIndex::new(1).unwrap(),
            threshold: Threshold::new(2, 3).unwrap(),
            algorithm: Algorithm::Ecdsa,
            epoch: Epoch::FIRST,
            created_at: UnixSeconds(1),
        };
        keystore
            .put_pending(&metadata, &Zeroizing::new(vec![3; 300]))
            .unwrap();
        keystore.activate(key(n), &[4; 600]).unwrap();
        stored.fetch_max(n + 1, Ordering::Relaxed);
    });
    let stored = stored.load(Ordering::Relaxed);
    measure("opening of a share", 2, |n| {
        drop(keystore.open_share(key(n % stored)).unwrap());
    });
    measure("intent: bind, attempt, sign", CALLERS, |n| {
        let intent = Digest32::of(b"intent", &[&n.to_be_bytes()]);
        let session = SessionId::from_array(*intent.as_bytes().first_chunk().unwrap());
        let intents = keystore.intents();
        let expiry = UnixSeconds(100);
        intents
            .bind(intent, &[intent], expiry)
            .unwrap()
            .wait()
            .unwrap();
        intents
            .begin_attempt(intent, session)
            .unwrap()
            .wait()
            .unwrap();
        intents.complete(intent, &[1; 65]).unwrap().wait().unwrap();
    });
    drop(keystore);
    drop(open());
}
