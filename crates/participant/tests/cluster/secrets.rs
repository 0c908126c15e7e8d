//! No secret leaves its place: logs at the finest level, audit logs, metrics, and every file that is
//! not a key file, searched for the nodes' keys and for the shares themselves.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use quorate_keystore::{Disk, Keystore, Limits, MasterKey, NodeSigner, Protection, Storage};
use quorate_testkit::Cluster;
use quorate_types::KeyId;

use crate::support::{
    create, must_refuse, options, run, start_with, transfer, transfer_digest, verified,
};

/// How bytes could show up in a text or a file.
fn spellings(secret: &[u8]) -> Vec<Vec<u8>> {
    let list: Vec<String> = secret.iter().take(12).map(u8::to_string).collect();
    vec![
        secret.to_vec(),
        hex::encode(secret).into_bytes(),
        hex::encode_upper(secret).into_bytes(),
        list.join(", ").into_bytes(),
        list.join(",").into_bytes(),
    ]
}

fn contains(text: &[u8], needle: &[u8]) -> bool {
    text.windows(needle.len())
        .any(|window| window[0] == needle[0] && window == needle)
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_none_or(|ending| ending != "key") {
            found.push(path);
        }
    }
}

/// The secrets of a stopped node: both scalars of a key's share, and bits of its pair states.
fn share_secrets(cluster: &Cluster, position: usize, key: KeyId) -> Vec<Vec<u8>> {
    let home = cluster.node_dir(position).unwrap();
    let disk: Arc<dyn Storage> = Arc::new(Disk);
    let root = cluster.data_dir(position).unwrap();
    let protection = Protection::KeyFile(home.join("master.key"));
    let master = MasterKey::unlock(&*disk, &root.join("master.json"), &protection).unwrap();
    let identity = secret_file(home, "identity.key");
    let identity = ed25519_dalek::SigningKey::from_bytes(identity.as_slice().try_into().unwrap());
    let signer = NodeSigner::new(cluster.node_ids()[position].clone(), identity);
    let limits = Limits {
        payload_bytes: 2 << 20,
        ..Limits::default()
    };
    let (keystore, _) =
        Keystore::open(disk, &root, Arc::new(master), Arc::new(signer), limits).unwrap();
    let payload = keystore.open_share(key).unwrap().payload;
    // Magic, index, both scalars, then the statement.
    let mut secrets = vec![payload[17..49].to_vec(), payload[49..81].to_vec()];
    let random = |window: &&[u8]| {
        let zeros = window.iter().filter(|byte| **byte == 0).count();
        zeros < 8 && window.iter().any(|byte| *byte > 1)
    };
    let pairs = keystore.pairs();
    for peer in cluster.node_ids() {
        let Some(generation) = pairs.current(&peer) else {
            continue;
        };
        let state = pairs.open_state(&peer, generation).unwrap();
        // Behind version, generation and place: seeds to the end.
        let samples = state[34..].chunks_exact(32).step_by(17).filter(random);
        secrets.extend(samples.map(<[u8]>::to_vec));
    }
    assert!(secrets.len() > 20, "there is something to look for");
    secrets
}

fn secret_file(home: &Path, name: &str) -> Vec<u8> {
    let text = std::fs::read_to_string(home.join(name)).unwrap();
    hex::decode(text.trim()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_audit_metrics_and_files__must_hold_no_secret_in_any_spelling() {
    let mut options = options(3);
    for position in 0..3 {
        let (name, value) = ("QUORATE_LOG".to_owned(), "trace".to_owned());
        options.environment.push((position, name, value));
    }
    let (mut cluster, mut doubles) = start_with(options).await;
    let key = create(&cluster, &mut doubles, 2).await.statement;
    for (nonce, at) in [[0, 1], [0, 2], [1, 2]].iter().enumerate() {
        let nonce = u64::try_from(nonce).unwrap();
        let proposal = transfer(&cluster, key.key, nonce, at);
        for outcome in run(&mut doubles, at, &proposal).await {
            verified(&outcome, &key, &transfer_digest(nonce));
        }
    }
    let unknown = transfer(&cluster, KeyId::from_array([9; 16]), 9, &[0, 1]);
    must_refuse(&cluster, &mut doubles, &[0, 1], &unknown, "NOT_FOUND").await;
    let metrics: Vec<String> = (0..3).map(|p| cluster.metrics(p).unwrap()).collect();
    assert!(metrics[0].contains("quorate_signatures_total"));
    let mut secrets = Vec::new();
    for position in 0..3 {
        cluster.kill_node(position).unwrap();
        let home = cluster.node_dir(position).unwrap();
        secrets.extend(["identity.key", "noise.key", "master.key"].map(|n| secret_file(home, n)));
        secrets.extend(share_secrets(&cluster, position, key.key));
    }
    let mut texts: Vec<(PathBuf, Vec<u8>)> = metrics
        .into_iter()
        .map(|text| (PathBuf::from("metrics"), text.into_bytes()))
        .collect();
    let mut found = Vec::new();
    files(cluster.folder(), &mut found);
    texts.extend(
        found
            .into_iter()
            .map(|path| (path.clone(), std::fs::read(path).unwrap())),
    );
    // The search would see it: the public address is in every audit log.
    let address = key.address.as_bytes();
    let audits = texts
        .iter()
        .filter(|(path, text)| path.ends_with("audit.log") && contains(text, address));
    assert_eq!(audits.count(), 3);
    for secret in &secrets {
        for spelling in spellings(secret) {
            for (path, text) in &texts {
                assert!(
                    !contains(text, &spelling),
                    "a secret is in {}",
                    path.display()
                );
            }
        }
    }
}
