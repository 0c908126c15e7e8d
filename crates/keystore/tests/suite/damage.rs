use std::path::PathBuf;

use quorate_keystore::{AppendLog, Check, Keystore, LogKind, Storage as _};

use crate::fixture::{
    Node, assert_damaged, assert_opens, certificate, digest, key_id, metadata, payload, session,
};
use crate::simulated_disk::{Loss, SimulatedDisk};

const FILES: [&str; 4] = ["metadata.json", "share.enc", "share.sig", "certificate.bin"];

/// A copy of the node whose disk was changed.
fn changed(node: &Node, change: impl FnOnce(&SimulatedDisk)) -> Node {
    let disk = node.disk.restarted(Loss::Nothing);
    change(&disk);
    node.on(disk)
}

#[test]
fn b11_share__must_not_open_after_any_changed_byte_of_any_of_its_files() {
    let node = Node::with_two_keys();
    let mut flips = 0;
    for name in FILES {
        let path = node.share_file(key_id(1), name);
        let length = node.disk.read_file(&path, 1 << 20).unwrap().len();
        for place in 0..length {
            let bit = 1 << (place % 8);
            let node = changed(&node, |disk| {
                disk.tamper(&path, |bytes| bytes[place] ^= bit)
            });
            let (keystore, report) = node.open();
            let damage = assert_damaged(&keystore, 1);
            assert_eq!(report.damaged, [damage], "{name} {place}");
            assert_opens(&keystore, 2);
            flips += 1;
        }
    }
    assert!(flips > 800, "{flips}");
}

#[test]
fn b11_share__must_not_open_after_any_cut_or_growth_or_loss_of_a_file() {
    let node = Node::with_two_keys();
    for name in FILES {
        let path = node.share_file(key_id(1), name);
        let length = node.disk.read_file(&path, 1 << 20).unwrap().len();
        for kept in (0..length).step_by(7) {
            let node = changed(&node, |disk| {
                disk.tamper(&path, |bytes| bytes.truncate(kept))
            });
            assert_damaged(&node.open().0, 1);
        }
        let longer = changed(&node, |disk| disk.tamper(&path, |bytes| bytes.push(0)));
        assert_damaged(&longer.open().0, 1);
        let huge = changed(&node, |disk| {
            disk.tamper(&path, |bytes| bytes.resize(4 << 20, 0))
        });
        assert_eq!(assert_damaged(&huge.open().0, 1).check, Check::Size);
        let lost = changed(&node, |disk| disk.remove_file(&path).unwrap());
        let (keystore, _) = lost.open();
        let damage = assert_damaged(&keystore, 1);
        assert_eq!(
            (damage.check, damage.path),
            (Check::Present, path),
            "{name}"
        );
        assert_opens(&keystore, 2);
    }
}

#[test]
fn b11_share__must_not_open_with_files_of_another_key() {
    let node = Node::with_two_keys();
    for name in FILES {
        let (one, two) = (
            node.share_file(key_id(1), name),
            node.share_file(key_id(2), name),
        );
        let read = |path: &PathBuf| node.disk.read_file(path, 1 << 20).unwrap();
        let (a, b) = (read(&one), read(&two));
        let swapped = changed(&node, |disk| {
            disk.tamper(&one, |bytes| *bytes = b);
            disk.tamper(&two, |bytes| *bytes = a);
        });
        let (keystore, report) = swapped.open();
        assert_damaged(&keystore, 1);
        assert_damaged(&keystore, 2);
        assert_eq!(report.damaged.len(), 2, "{name}");
    }
    let folders = changed(&node, |disk| {
        let folder = |key| node.path("key-shares").join(key_id(key).to_string());
        let aside = node.path("aside");
        disk.rename(&folder(1), &aside).unwrap();
        disk.rename(&folder(2), &folder(1)).unwrap();
        disk.rename(&aside, &folder(2)).unwrap();
    });
    let (keystore, _) = folders.open();
    assert_eq!(assert_damaged(&keystore, 1).check, Check::MetadataDigest);
    assert_eq!(assert_damaged(&keystore, 2).check, Check::MetadataDigest);
}

#[test]
fn b11_share__must_not_open_with_edited_metadata() {
    let node = Node::with_two_keys();
    let path = node.share_file(key_id(1), "metadata.json");
    for (from, to) in [
        ("\"threshold\": 2", "\"threshold\": 3"),
        ("\"epoch\": 1", "\"epoch\": 2"),
        ("\"share_index\": 1", "\"share_index\": 2"),
        ("\"acme\"", "\"evil\""),
        ("\"encrypted\": true", "\"encrypted\": false"),
    ] {
        let edited = changed(&node, |disk| {
            disk.tamper(&path, |bytes| {
                let text = String::from_utf8(bytes.clone()).unwrap();
                assert!(text.contains(from), "{text}");
                *bytes = text.replace(from, to).into_bytes();
            });
        });
        let damage = assert_damaged(&edited.open().0, 1);
        assert_eq!((damage.check, &damage.path), (Check::MetadataDigest, &path));
        let text = damage.to_string();
        assert!(
            text.contains("metadata.json") && text.contains("restore the folder"),
            "{text}"
        );
    }
}

#[test]
fn b11_share__must_not_open_after_damage_while_the_keystore_is_open() {
    let node = Node::with_two_keys();
    let (keystore, _) = node.open();
    assert_opens(&keystore, 1);
    let path = node.share_file(key_id(1), "share.enc");
    node.disk.tamper(&path, |bytes| bytes[40] ^= 1);
    assert_eq!(assert_damaged(&keystore, 1).check, Check::CiphertextHash);
    assert_opens(&keystore, 2);
}

#[test]
fn folders__must_be_reported_when_missing_planted_or_rolled_back() {
    let node = Node::new();
    let (keystore, _) = node.open();
    keystore.put_pending(&metadata(1), &payload(1)).unwrap();
    let old = node.disk.restarted(Loss::Nothing);
    keystore.discard_pending(key_id(1)).unwrap();
    keystore.put_pending(&metadata(1), &payload(1)).unwrap();
    keystore.activate(key_id(1), &certificate(1)).unwrap();
    keystore.put_pending(&metadata(2), &payload(2)).unwrap();
    keystore.activate(key_id(2), &certificate(2)).unwrap();
    drop(keystore);

    let folder = node.path("key-shares").join(key_id(1).to_string());
    let missing = changed(&node, |disk| disk.remove_folder(&folder).unwrap());
    assert_eq!(assert_damaged(&missing.open().0, 1).check, Check::Present);

    let rolled_back = changed(&node, |disk| {
        for name in ["metadata.json", "share.enc", "share.sig"] {
            let path = node.share_file(key_id(1), name);
            let before = old.read_file(&path, 1 << 20).unwrap();
            disk.tamper(&path, |bytes| *bytes = before);
        }
    });
    let (keystore, _) = rolled_back.open();
    assert_eq!(assert_damaged(&keystore, 1).check, Check::MetadataDigest);
    assert_opens(&keystore, 2);
    drop(keystore);

    let planted = changed(&node, |disk| {
        disk.create_folder(&node.path("key-shares/notes")).unwrap();
        let folder = node.path("key-shares").join(key_id(7).to_string());
        disk.create_folder(&folder).unwrap();
        for name in FILES {
            let bytes = disk
                .read_file(&node.share_file(key_id(1), name), 1 << 20)
                .unwrap();
            disk.write_file(&folder.join(name), &bytes).unwrap();
        }
    });
    let (keystore, report) = planted.open();
    assert_eq!(report.damaged.len(), 2);
    assert!(
        report
            .damaged
            .iter()
            .all(|damage| damage.check == Check::Listed)
    );
    assert_eq!(assert_damaged(&keystore, 7).check, Check::Listed);
    assert_opens(&keystore, 1);
}

#[test]
fn seal__must_not_be_rolled_back_from_active_to_pending() {
    let node = Node::new();
    let (keystore, _) = node.open();
    keystore.put_pending(&metadata(1), &payload(1)).unwrap();
    let path = node.share_file(key_id(1), "share.sig");
    let old = node.disk.read_file(&path, 1 << 20).unwrap();
    keystore.activate(key_id(1), &certificate(1)).unwrap();
    drop(keystore);
    node.disk.tamper(&path, |bytes| *bytes = old);
    assert_eq!(assert_damaged(&node.open().0, 1).check, Check::SealDigest);
}

/// A keystore with something in every log.
fn busy() -> Node {
    let node = Node::with_two_keys();
    let (keystore, _) = node.open();
    let intents = keystore.intents();
    let expiry = quorate_types::UnixSeconds(100);
    intents
        .bind(digest(1), &[digest(2)], expiry)
        .unwrap()
        .wait()
        .unwrap();
    intents
        .begin_attempt(digest(1), session(1))
        .unwrap()
        .wait()
        .unwrap();
    crate::bans::ban_one(&keystore, 1);
    crate::pairs::store_one(&keystore, 1);
    crate::audit_log::write_some(&keystore, 3);
    keystore.audit().checkpoint().unwrap();
    drop(keystore);
    node
}

#[test]
fn logs__must_not_be_opened_after_any_changed_byte() {
    let node = busy();
    for name in [
        "index.log",
        "intents.log",
        "bans.log",
        "pairs.log",
        "audit.log",
        "bans.head",
        "audit.head",
        "keystore.json",
    ] {
        let path = node.path(name);
        let length = node.disk.read_file(&path, 1 << 20).unwrap().len();
        assert!(length > 48, "{name}");
        for place in 0..length {
            let bit = 1 << (place % 8);
            let node = changed(&node, |disk| {
                disk.tamper(&path, |bytes| bytes[place] ^= bit)
            });
            let refusal = node.refusal();
            // A head that is damaged is named itself.
            assert!(refusal.contains(name), "{name} {place}: {refusal}");
        }
        let lost = changed(&node, |disk| disk.remove_file(&path).unwrap());
        assert!(lost.refusal().contains(name));
    }
}

fn records_of(node: &Node, name: &str, kind: LogKind) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    let mut visit = |record: &[u8]| {
        records.push(record.to_vec());
        Ok(())
    };
    AppendLog::open(node.storage(), &node.path(name), kind, 1 << 20, &mut visit).unwrap();
    records
}

fn rewrite(node: &Node, name: &str, kind: LogKind, records: Vec<Vec<u8>>) {
    let path = node.path(name);
    node.disk.remove_file(&path).unwrap();
    AppendLog::create(&node.disk, &path, kind).unwrap();
    let (log, _) = AppendLog::open(node.storage(), &path, kind, 1 << 20, &mut |_| Ok(())).unwrap();
    log.replace(records).unwrap().wait().unwrap();
}

#[test]
fn index__must_refuse_entries_that_the_node_did_not_sign_for_their_place() {
    const KIND: LogKind = LogKind::new("share index");
    let node = Node::with_two_keys();
    let records = records_of(&node, "index.log", KIND);
    assert_eq!(records.len(), 4);
    rewrite(&node, "index.log", KIND, records.clone());
    assert_opens(&node.open().0, 1);

    let mut dropped = records.clone();
    dropped.remove(1);
    let mut swapped = records.clone();
    swapped.swap(1, 2);
    let mut repeated = records.clone();
    repeated.insert(2, records[1].clone());
    let mut state = records.clone();
    let place = state[3].len() - 64 - 64 - 1;
    state[3][place] = 1;
    let mut signature = records.clone();
    *signature[0].last_mut().unwrap() ^= 1;
    for forged in [dropped, swapped, repeated, state, signature] {
        rewrite(&node, "index.log", KIND, forged);
        let refusal = node.refusal();
        assert!(
            refusal.contains("index.log") && refusal.contains("signed index"),
            "{refusal}"
        );
    }

    // Entries lost at the end cannot be told from a crash; the folders tell.
    rewrite(&node, "index.log", KIND, records[..2].to_vec());
    let (keystore, report) = node.open();
    assert_eq!(report.damaged.len(), 1);
    assert_eq!(assert_damaged(&keystore, 2).check, Check::Listed);
    assert_opens(&keystore, 1);
}

#[test]
fn errors__should_name_file_check_and_recovery_and_no_secret() {
    let node = Node::with_two_keys();
    let path = node.share_file(key_id(1), "share.enc");
    node.disk.tamper(&path, |bytes| bytes[0] ^= 1);
    let (keystore, _): (Keystore, _) = node.open();
    let text = keystore.open_share(key_id(1)).err().unwrap().to_string();
    assert!(text.contains("share.enc"), "{text}");
    assert!(
        text.contains("check `hash of the ciphertext` failed"),
        "{text}"
    );
    assert!(
        text.contains("repair the share from the other nodes"),
        "{text}"
    );
    assert!(!text.contains("secret"), "{text}");
}
