//! Where each share lies: read from the public half of the share files.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::cluster::Cluster;

/// One share file of one node.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Share {
    pub(super) node_id: String,
    /// Folder of the share's files.
    pub(super) path: String,
    pub(super) share_index: u8,
    pub(super) threshold: u8,
    pub(super) total_shares: u8,
    pub(super) epoch: u64,
    /// `sealed` if the ciphertext is beside its metadata; what is wrong otherwise.
    pub(super) state: String,
    pub(super) bytes: u64,
}

/// The fields of `metadata.json` that are shown.
#[derive(Deserialize)]
struct Metadata {
    share_index: u8,
    threshold: u8,
    total_shares: u8,
    epoch: u64,
    encrypted: bool,
    encryption: Value,
}

/// All shares on this machine, by key.
pub(super) fn by_key(dir: &Path, cluster: &Cluster) -> BTreeMap<String, Vec<Share>> {
    let mut keys: BTreeMap<String, Vec<Share>> = BTreeMap::new();
    for node in &cluster.nodes {
        let folder = dir.join(node.id.as_str()).join("data").join("key-shares");
        // A node without keys has no such folder.
        let Ok(entries) = std::fs::read_dir(folder) else {
            continue;
        };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with("key_") {
                let share = share(node.id.as_str(), &entry.path());
                keys.entry(name).or_default().push(share);
            }
        }
    }
    keys
}

fn share(node: &str, folder: &Path) -> Share {
    let text = std::fs::read(folder.join("metadata.json")).unwrap_or_default();
    let metadata: Option<Metadata> = serde_json::from_slice(&text).ok();
    let sealed = std::fs::metadata(folder.join("share.enc")).map(|file| file.len());
    let is_signed = folder.join("share.sig").is_file();
    let state = match (&metadata, &sealed) {
        (None, _) => "metadata.json is missing or damaged".to_owned(),
        (_, Err(_)) => "share.enc is missing".to_owned(),
        _ if !is_signed => "share.sig is missing".to_owned(),
        (Some(metadata), _) if !metadata.encrypted => "NOT ENCRYPTED".to_owned(),
        (Some(metadata), _) => {
            let cipher = metadata.encryption.get("algorithm").and_then(Value::as_str);
            format!("sealed with {}", cipher.unwrap_or("an unknown cipher"))
        }
    };
    Share {
        node_id: node.to_owned(),
        path: folder.display().to_string(),
        share_index: metadata.as_ref().map_or(0, |m| m.share_index),
        threshold: metadata.as_ref().map_or(0, |m| m.threshold),
        total_shares: metadata.as_ref().map_or(0, |m| m.total_shares),
        epoch: metadata.as_ref().map_or(0, |m| m.epoch),
        state,
        bytes: sealed.unwrap_or(0),
    }
}
