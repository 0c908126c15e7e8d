//! Fills a keystore with many keys, or measures opening it: for the figures in `docs/benchmarks`.
//!
//! - `many_keys fill ROOT NODE IDENTITY_KEY MASTER_KEY COUNT`: stores COUNT shares as key generation
//!   does, each sealed, with certificate, intent and audit records. ROOT may be the `data` folder of
//!   a stopped node of `quorate dev`; the key files are those of the node.
//! - `many_keys open ROOT NODE IDENTITY_KEY MASTER_KEY`: opens it, checks every share as the node does
//!   in the background, and prints times and memory as JSON.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "an example that prints, and stops on any error"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use ed25519_dalek::SigningKey;
use quorate_audit::{AuditEvent, AuditResult};
use quorate_keystore::{
    Argon2Cost, Disk, Keystore, Limits, MasterKey, NodeSigner, Protection, ShareMetadata, Storage,
};
use quorate_types::{
    Algorithm, Digest32, Epoch, KeyId, NodeId, PartyIndex, SessionId, Tenant, Threshold,
    UnixSeconds,
};
use zeroize::Zeroizing;

/// Keys that are stored at the same time.
const CALLERS: u64 = 64;
/// Bytes of what is sealed of a 2-of-3 key, and of its certificate.
const PAYLOAD_BYTES: usize = 900;
const CERTIFICATE_BYTES: usize = 1_050;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (root, node) = (
        PathBuf::from(&arguments[1]),
        NodeId::new(&arguments[2]).unwrap(),
    );
    let mut secret = [0; 32];
    let text = std::fs::read_to_string(&arguments[3]).unwrap();
    hex::decode_to_slice(text.trim(), &mut secret).unwrap();
    let signer = Arc::new(NodeSigner::new(node, SigningKey::from_bytes(&secret)));
    let protection = Protection::KeyFile(PathBuf::from(&arguments[4]));
    match arguments[0].as_str() {
        "fill" => fill(&root, &signer, &protection, arguments[5].parse().unwrap()),
        "open" => measure(&root, &signer, &protection),
        _ => println!("fill or open"),
    }
}

fn open(root: &Path, signer: &Arc<NodeSigner>, protection: &Protection) -> (Keystore, usize) {
    let disk: Arc<dyn Storage> = Arc::new(Disk);
    if !Keystore::exists(&*disk, root).unwrap() {
        Keystore::create(&disk, root, signer).unwrap();
    }
    let file = root.join("master.json");
    let master = if file.exists() {
        MasterKey::unlock(&*disk, &file, protection).unwrap()
    } else {
        MasterKey::create(&*disk, &file, protection, Argon2Cost::default()).unwrap()
    };
    let (signer, limits) = (Arc::clone(signer), Limits::default());
    let (keystore, report) = Keystore::open(disk, root, Arc::new(master), signer, limits).unwrap();
    assert!(report.damaged.is_empty());
    (keystore, report.active)
}

fn fill(root: &Path, signer: &Arc<NodeSigner>, protection: &Protection, count: u64) {
    let (keystore, before) = open(root, signer, protection);
    let (next, start) = (AtomicU64::new(0), Instant::now());
    std::thread::scope(|scope| {
        for _ in 0..CALLERS {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return;
                    }
                    store(&keystore, signer.node(), before as u64 + number);
                }
            });
        }
    });
    let seconds = start.elapsed().as_secs_f64();
    println!("{count} keys in {seconds:.1} s");
}

/// What key generation and the settlement of its certificate write at one node.
fn store(keystore: &Keystore, node: &NodeId, number: u64) {
    let digest = Digest32::of(b"many keys", &[&number.to_be_bytes()]);
    let id: [u8; 16] = digest.as_bytes()[..16].try_into().unwrap();
    let (key, session) = (KeyId::from_array(id), SessionId::from_array(id));
    let intents = keystore.intents();
    let bound = intents
        .bind(digest, &[digest], UnixSeconds(u64::MAX))
        .unwrap();
    let begun = intents.begin_attempt(digest, session).unwrap();
    let mut event = AuditEvent::new(
        UnixSeconds(1_795_000_000),
        "key.create.joined",
        "key.create",
        AuditResult::Intent,
    );
    event.user_id = Some("many-keys".to_owned());
    event.key_id = Some(key);
    event.session_id = Some(session);
    let event = event
        .with("intent", digest.to_string())
        .with("committee", vec!["node-1", "node-2", "node-3"]);
    let announced = keystore.audit().begin(event.clone()).unwrap();
    bound.wait().unwrap();
    begun.wait().unwrap();
    let announced = announced.wait().unwrap();
    let metadata = ShareMetadata {
        tenant: Tenant::new("acme").unwrap(),
        key_id: key,
        node_id: node.clone(),
        share_index: PartyIndex::new(1).unwrap(),
        threshold: Threshold::new(2, 3).unwrap(),
        algorithm: Algorithm::Ecdsa,
        epoch: Epoch::FIRST,
        created_at: UnixSeconds(1_795_000_000),
    };
    let payload = Zeroizing::new(vec![number.to_be_bytes()[7]; PAYLOAD_BYTES]);
    keystore.put_pending(&metadata, &payload).unwrap();
    let statement = [&[0xff], digest.as_bytes().as_slice()].concat();
    intents
        .complete(digest, &statement)
        .unwrap()
        .wait()
        .unwrap();
    let certificate = digest.as_bytes().repeat(CERTIFICATE_BYTES / 32);
    keystore.activate(key, &certificate).unwrap();
    let mut certified = event;
    certified.event_type = "key.certified".to_owned();
    certified.result = AuditResult::Succeeded;
    drop(keystore.audit().record(certified).unwrap());
    let (result, at) = (AuditResult::Succeeded, UnixSeconds(1_795_000_001));
    drop(
        keystore
            .audit()
            .finish(&announced, result, at, Default::default())
            .unwrap(),
    );
}

fn measure(root: &Path, signer: &Arc<NodeSigner>, protection: &Protection) {
    let start = Instant::now();
    let (keystore, active) = open(root, signer, protection);
    let opened = start.elapsed();
    let opened_mib = resident_mib();
    let start = Instant::now();
    let (mut last, mut damaged) = (None, 0);
    while let Some(key) = keystore.next_active(last) {
        last = Some(key);
        damaged += u64::from(keystore.check_share(key).is_err());
    }
    let checked = start.elapsed();
    println!(
        "{{\"keys\": {active}, \"open_seconds\": {:.2}, \"resident_mib_after_open\": {opened_mib}, \
         \"check_all_seconds\": {:.2}, \"damaged\": {damaged}, \"resident_mib_after_checks\": {}}}",
        opened.as_secs_f64(),
        checked.as_secs_f64(),
        resident_mib(),
    );
}

/// Resident memory of this process.
fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib / 1_024
}
