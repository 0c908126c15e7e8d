use quorate_keystore::{Check, KeystoreError, Recovered, ShareState};
use quorate_types::Epoch;
use zeroize::Zeroizing;

use crate::fixture::{
    Node, TestMaster, assert_damaged, assert_opens, certificate, key_id, metadata, node_id,
    payload, signer,
};

#[test]
fn share__should_go_from_pending_to_active_and_survive_reopening() {
    let node = Node::new();
    let (keystore, _) = node.open();
    keystore.put_pending(&metadata(1), &payload(1)).unwrap();
    let refused = keystore.open_share(key_id(1));
    assert!(
        matches!(refused, Err(KeystoreError::InvalidState { .. })),
        "pending must not sign"
    );
    drop(keystore);

    let (keystore, report) = node.open();
    assert_eq!(report.pending, [key_id(1)]);
    let pending = keystore.open_pending(key_id(1)).unwrap();
    assert!(pending.payload == payload(1));
    keystore.activate(key_id(1), &certificate(1)).unwrap();
    assert_opens(&keystore, 1);
    keystore.activate(key_id(1), &certificate(1)).unwrap();
    assert!(keystore.activate(key_id(1), b"another").is_err());
    drop(keystore);

    let (keystore, report) = node.open();
    assert_eq!((report.active, report.pending.len()), (1, 0));
    assert!(report.damaged.is_empty() && report.recovered.is_empty());
    assert_opens(&keystore, 1);
    assert_eq!(
        keystore.describe(key_id(1)).unwrap().1,
        Some(certificate(1))
    );
}

#[test]
fn payload__must_not_be_in_any_file() {
    let node = Node::with_two_keys();
    let files = node.disk.files(&node.root());
    assert!(files.len() >= 13, "{}", files.len());
    for (path, bytes) in files {
        for window in [&payload(1)[..16], &payload(2)[..16], &payload(1)[20..]] {
            let found = bytes.windows(window.len()).any(|part| part == window);
            assert!(!found, "{}", path.display());
        }
    }
}

#[test]
fn put__must_refuse_duplicates_foreign_shares_and_large_payloads() {
    let mut node = Node::with_two_keys();
    node.limits.payload_bytes = 100;
    node.limits.certificate_bytes = 100;
    let (keystore, _) = node.open();
    let again = keystore.put_pending(&metadata(1), &payload(1));
    assert!(matches!(again, Err(KeystoreError::InvalidDuplicate(key)) if key == key_id(1)));
    let mut foreign = metadata(3);
    foreign.node_id = node_id("p2");
    let refused = keystore.put_pending(&foreign, &payload(3));
    assert!(matches!(refused, Err(KeystoreError::InvalidOwner(_))));
    let large = Zeroizing::new(vec![0; 101]);
    let refused = keystore.put_pending(&metadata(3), &large);
    assert!(matches!(
        refused,
        Err(KeystoreError::InvalidSize { limit: 100, .. })
    ));
    let refused = keystore.activate(key_id(1), &[0; 101]);
    assert!(matches!(
        refused,
        Err(KeystoreError::InvalidSize { limit: 100, .. })
    ));
    assert!(matches!(
        keystore.open_share(key_id(9)),
        Err(KeystoreError::UnknownKey(_))
    ));
}

#[test]
fn discard__should_destroy_and_allow_another_attempt() {
    let node = Node::new();
    let (keystore, _) = node.open();
    keystore.put_pending(&metadata(1), &payload(1)).unwrap();
    keystore.discard_pending(key_id(1)).unwrap();
    assert!(node.disk.files(&node.path("key-shares")).is_empty());
    assert_eq!(keystore.list()[0].state, ShareState::Discarded);
    keystore.put_pending(&metadata(1), &payload(1)).unwrap();
    keystore.activate(key_id(1), &certificate(1)).unwrap();
    assert!(
        keystore.discard_pending(key_id(1)).is_err(),
        "active shares are archived"
    );
    assert_opens(&keystore, 1);
}

#[test]
fn archive__should_keep_metadata_only_and_refuse_the_same_epoch_again() {
    let node = Node::with_two_keys();
    let (keystore, _) = node.open();
    keystore.archive(key_id(1)).unwrap();
    assert!(matches!(
        keystore.open_share(key_id(1)),
        Err(KeystoreError::InvalidState { .. })
    ));
    let again = keystore.put_pending(&metadata(1), &payload(1));
    assert!(matches!(again, Err(KeystoreError::InvalidDuplicate(_))));
    let mut later = metadata(1);
    later.epoch = Epoch::new(2).unwrap();
    keystore.put_pending(&later, &payload(1)).unwrap();
    drop(keystore);
    let (keystore, report) = node.open();
    assert!(report.damaged.is_empty());
    assert_opens(&keystore, 2);
    let names: Vec<_> = node
        .disk
        .files(&node.path("key-shares/archive"))
        .into_iter()
        .collect();
    assert_eq!(names.len(), 1);
    assert!(names[0].0.ends_with(format!("{}.1.json", key_id(1))));
}

#[test]
fn b11_share__must_not_open_under_another_master_key() {
    let mut node = Node::with_two_keys();
    node.master = std::sync::Arc::new(TestMaster(2));
    let (keystore, _) = node.open();
    assert_eq!(assert_damaged(&keystore, 1).check, Check::DataKey);
}

#[test]
fn keystore__must_refuse_a_second_process_and_another_node() {
    let node = Node::with_two_keys();
    let (keystore, _) = node.open();
    assert!(matches!(node.try_open(), Err(KeystoreError::InUse { .. })));
    drop(keystore);
    let mut other = node.on(node.disk.clone());
    other.signer = signer("p2", 1);
    assert!(other.refusal().contains("keystore.json"));
    other.signer = signer("p1", 2);
    assert!(other.refusal().contains("keystore marker"));
}

#[test]
fn create__must_refuse_a_folder_with_remains_of_a_keystore() {
    use quorate_keystore::{Keystore, Storage as _};
    let node = Node::with_two_keys();
    let create = || Keystore::create(&node.storage(), &node.root(), &node.signer);
    assert!(matches!(
        create(),
        Err(KeystoreError::InvalidCreation { .. })
    ));
    node.disk.remove_file(&node.path("keystore.json")).unwrap();
    assert!(matches!(
        node.try_open(),
        Err(KeystoreError::NotCreated { .. })
    ));
    assert!(matches!(
        create(),
        Err(KeystoreError::InvalidCreation { .. })
    ));
    node.disk.remove_folder(&node.path("key-shares")).unwrap();
    assert!(
        matches!(create(), Err(KeystoreError::InvalidCreation { .. })),
        "the logs remain"
    );
}

#[test]
fn share__should_be_adopted_only_if_it_was_never_more_than_pending() {
    use quorate_keystore::Storage as _;
    let node = Node::new();
    let (keystore, _) = node.open();
    keystore.put_pending(&metadata(1), &payload(1)).unwrap();
    let before = node.disk.restarted(crate::simulated_disk::Loss::Nothing);
    keystore.activate(key_id(1), &certificate(1)).unwrap();
    drop(keystore);

    // Index lost both entries; the folder has a certificate: not ours to touch.
    let empty = Node::new();
    let take = |disk: &crate::simulated_disk::SimulatedDisk| {
        let index = empty
            .disk
            .read_file(&empty.path("index.log"), 1 << 20)
            .unwrap();
        disk.tamper(&node.path("index.log"), |bytes| *bytes = index);
    };
    take(&node.disk);
    let (keystore, report) = node.open();
    assert_eq!(report.damaged[0].check, Check::Listed);
    assert_eq!(assert_damaged(&keystore, 1).check, Check::Listed);
    let refused = keystore.put_pending(&metadata(1), &payload(1));
    assert!(
        matches!(refused, Err(KeystoreError::Damaged(_))),
        "nothing is overwritten"
    );
    drop(keystore);

    take(&before);
    let (_keystore, report) = node.on(before).open();
    assert_eq!(report.recovered, [Recovered::Listed(key_id(1))]);
    assert_eq!(report.pending, [key_id(1)]);
}
