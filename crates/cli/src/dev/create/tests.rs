use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use quorate_transport::tls::{ClientTls, ServerTls, TlsFiles};

use super::*;
use crate::config::Settings;
use crate::intents::{IntentSigner, read_manifest};

fn made(count: u8) -> (tempfile::TempDir, Cluster) {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("d");
    let cluster = cluster(&dir, count, None).unwrap();
    (folder, cluster)
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

#[test]
fn cluster__should_keep_its_secrets_to_its_owner() {
    let (folder, _) = made(3);
    let dir = folder.path().join("d");
    assert_eq!(
        fs::metadata(&dir).unwrap().permissions().mode() & 0o777,
        0o700
    );
    let mut secrets = 0;
    for path in files(&dir) {
        let name = path.file_name().unwrap().to_str().unwrap();
        let is_secret = [".key", ".secret"].iter().any(|end| name.ends_with(end));
        if is_secret || name == "credentials.json" {
            secrets += 1;
            let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{}", path.display());
        }
    }
    // Identity, Noise, master and TLS of each node; TLS and credentials of the coordinator; owner,
    // initiator and credential.
    assert_eq!(secrets, 3 * 4 + 2 + 3);
    let authority_keys = files(&dir)
        .into_iter()
        .filter(|path| path.ends_with("ca.key"));
    assert_eq!(authority_keys.count(), 0, "the authority's key is not kept");
}

#[test]
fn cluster__should_give_the_client_a_key_that_the_manifest_knows() {
    let (folder, cluster) = made(2);
    let file = client_file(&folder.path().join("d"));
    let settings = Settings::resolve(&BTreeMap::new(), Some(&file), &|_| None).unwrap();
    let manifest = read_manifest(&settings).unwrap();
    assert_eq!(manifest.nodes.len(), 2);
    IntentSigner::new(&settings, &manifest).unwrap();
    let dir = folder.path().join("d");
    assert_eq!(Cluster::read(&dir).unwrap(), Some(cluster));
}

#[test]
fn certificates__should_be_what_mutual_tls_wants() {
    let (folder, _) = made(2);
    let dir = folder.path().join("d");
    let tls = |name: &str| TlsFiles {
        certificate: dir.join(name).join("tls.crt"),
        key: dir.join(name).join("tls.key"),
        ca: dir.join("ca.crt"),
        crls: Vec::new(),
    };
    ClientTls::from_files(&tls(COORDINATOR)).unwrap();
    ServerTls::from_files(&tls("node-1"), |_| true).unwrap();
}

#[test]
fn cluster__must_refuse_a_folder_with_other_things_or_open_to_others() {
    let folder = tempfile::tempdir().unwrap();
    let (used, open) = (folder.path().join("used"), folder.path().join("open"));
    own_folder(&used).unwrap();
    fs::write(used.join("x"), "").unwrap();
    assert!(
        cluster(&used, 2, None)
            .unwrap_err()
            .to_string()
            .contains("no finished cluster")
    );
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(
        cluster(&open, 2, None)
            .unwrap_err()
            .remedy()
            .contains("chmod 700")
    );
}
