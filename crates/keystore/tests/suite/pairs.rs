//! Pair states: sealed, used only as the index says, kept over every crash, replaced and destroyed.

use ed25519_dalek::{Signer as _, SigningKey};
use quorate_keystore::{Check, KeystoreError, PairStateStatus, PairStates, Storage as _};
use quorate_types::{Digest32, Writer};
use zeroize::Zeroizing;

use crate::fixture::{Node, TestMaster, digest, node_id};
use crate::simulated_disk::Loss;

fn secret(number: u8) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(format!("seeds of generation {number}, known to two nodes").into_bytes())
}

fn store(pairs: &PairStates, number: u8) -> Result<(), KeystoreError> {
    pairs.store(&node_id("p2"), digest(number), &secret(number))
}

pub(crate) fn store_one(keystore: &quorate_keystore::Keystore, number: u8) {
    store(keystore.pairs(), number).unwrap();
}

fn switch(pairs: &PairStates, number: u8) -> Result<Option<Digest32>, KeystoreError> {
    pairs.make_current(&node_id("p2"), digest(number))
}

fn opens(pairs: &PairStates, number: u8) -> bool {
    let opened = pairs.open_state(&node_id("p2"), digest(number));
    opened.is_ok_and(|opened| opened == secret(number))
}

fn file(node: &Node, number: u8) -> std::path::PathBuf {
    node.path("pairs").join(format!("{}.pair", digest(number)))
}

fn damage(pairs: &PairStates, number: u8) -> Check {
    match pairs.open_state(&node_id("p2"), digest(number)) {
        Err(KeystoreError::Damaged(damage)) => {
            assert!(damage.to_string().contains(&digest(number).to_string()));
            assert!(damage.to_string().contains("new state by themselves"));
            damage.check
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it opened"),
    }
}

#[test]
fn pair_state__should_become_current_and_be_superseded_and_destroyed() {
    let node = Node::new();
    let (keystore, _) = node.open();
    let (pairs, peer) = (keystore.pairs(), node_id("p2"));
    assert_eq!((pairs.current(&peer), pairs.stored(&peer)), (None, None));
    assert!(switch(pairs, 1).is_err(), "it was never stored");
    store(pairs, 1).unwrap();
    assert_eq!(
        (pairs.current(&peer), pairs.stored(&peer)),
        (None, Some(digest(1)))
    );
    assert_eq!(switch(pairs, 1).unwrap(), None);
    assert_eq!(switch(pairs, 1).unwrap(), None, "once more changes nothing");
    assert_eq!(
        (pairs.current(&peer), pairs.stored(&peer)),
        (Some(digest(1)), None)
    );
    assert!(store(pairs, 1).is_err(), "a generation comes once");
    assert!(pairs.destroy(&peer, digest(1)).is_err(), "it is in use");
    // One that was stored and never used makes room for the next.
    store(pairs, 2).unwrap();
    store(pairs, 3).unwrap();
    assert_eq!(
        pairs.status(&peer, digest(2)),
        Some(PairStateStatus::Destroyed)
    );
    assert!(!node.disk.exists(&file(&node, 2)).unwrap());
    assert_eq!(switch(pairs, 3).unwrap(), Some(digest(1)));
    assert!(opens(pairs, 1), "what began with it may end with it");
    assert!(opens(pairs, 3));
    pairs.destroy(&peer, digest(1)).unwrap();
    assert!(!node.disk.exists(&file(&node, 1)).unwrap());
    assert!(!opens(pairs, 1) && switch(pairs, 1).is_err(), "never again");
    assert_eq!(
        pairs.current(&node_id("p3")),
        None,
        "another pair has its own"
    );
    drop(keystore);

    let (keystore, report) = node.open();
    assert!(report.damaged.is_empty() && opens(keystore.pairs(), 3));
    assert_eq!(keystore.pairs().list().len(), 3);
}

#[test]
fn superseded_state__must_be_gone_after_a_start() {
    let node = Node::new();
    let (keystore, _) = node.open();
    for number in [1, 2] {
        store(keystore.pairs(), number).unwrap();
        switch(keystore.pairs(), number).unwrap();
    }
    drop(keystore);
    let (keystore, report) = node.open();
    assert!(report.damaged.is_empty());
    assert!(!node.disk.exists(&file(&node, 1)).unwrap());
    assert!(!opens(keystore.pairs(), 1) && opens(keystore.pairs(), 2));
}

#[test]
fn pair_state_that_is_destroyed_while_it_is_read__must_be_no_damage() {
    let node = Node::new();
    let (keystore, _) = node.open();
    let pairs = keystore.pairs();
    for number in [1, 2] {
        store(pairs, number).unwrap();
        switch(pairs, number).unwrap();
    }
    let destroying = std::sync::Arc::clone(pairs);
    node.disk.before_read(move || {
        destroying.destroy(&node_id("p2"), digest(1)).unwrap();
    });
    let opened = pairs.open_state(&node_id("p2"), digest(1));
    assert!(matches!(
        opened,
        Err(KeystoreError::InvalidPairState { .. })
    ));
    assert!(keystore.damaged().is_empty(), "nobody must look at it");
    assert!(opens(pairs, 2));
}

#[test]
fn pair_state_on_disk__must_be_sealed_for_its_pair_and_generation() {
    let node = Node::new();
    let (keystore, _) = node.open();
    store(keystore.pairs(), 1).unwrap();
    let other = keystore
        .pairs()
        .store(&node_id("p3"), digest(2), &secret(1));
    other.unwrap();
    drop(keystore);
    for (path, bytes) in node.disk.files(&node.root()) {
        let found = bytes.windows(5).any(|window| window == b"seeds");
        assert!(!found, "{} holds the secret", path.display());
    }
    // The file of another pair, under this name: not the one that the index names.
    let other = node.disk.read_file(&file(&node, 2), 1 << 16).unwrap();
    node.disk.tamper(&file(&node, 1), |bytes| *bytes = other);
    let (keystore, _) = node.open();
    assert_eq!(damage(keystore.pairs(), 1), Check::PairDigest);
    assert!(keystore.pairs().stored(&node_id("p3")).is_some());
    drop(keystore);
    // Another master key opens nothing.
    let mut node = node;
    node.master = std::sync::Arc::new(TestMaster(2));
    let (keystore, _) = node.open();
    let opened = keystore.pairs().open_state(&node_id("p3"), digest(2));
    let Err(KeystoreError::Damaged(damage)) = opened else {
        panic!("it opened under another master key")
    };
    assert_eq!(damage.check, Check::PairSecret);
}

#[test]
fn damaged_pair_state__must_be_named_and_never_used() {
    let node = Node::new();
    let (keystore, _) = node.open();
    store(keystore.pairs(), 1).unwrap();
    switch(keystore.pairs(), 1).unwrap();
    drop(keystore);
    let whole = node.disk.read_file(&file(&node, 1), 1 << 16).unwrap();
    type Change = fn(&mut Vec<u8>);
    let changes: [(Change, Check); 4] = [
        (|bytes| bytes[0] ^= 1, Check::PairDigest),
        (
            |bytes| *bytes.last_mut().unwrap() ^= 0x80,
            Check::PairDigest,
        ),
        (|bytes| bytes.truncate(20), Check::PairDigest),
        (|bytes| bytes.resize(1 << 20, 0), Check::PairSize),
    ];
    for (change, check) in changes {
        node.disk.tamper(&file(&node, 1), change);
        let (keystore, report) = node.open();
        assert_eq!(report.damaged.len(), 1);
        assert_eq!(damage(keystore.pairs(), 1), check);
        assert_eq!(
            keystore.pairs().current(&node_id("p2")),
            None,
            "not to be signed with"
        );
        assert_eq!(keystore.damaged().len(), 1);
        drop(keystore);
        node.disk
            .tamper(&file(&node, 1), |bytes| bytes.clone_from(&whole));
    }
    node.disk.remove_file(&file(&node, 1)).unwrap();
    let (keystore, report) = node.open();
    assert_eq!(report.damaged[0].check, Check::PairPresent);
    assert_eq!(keystore.pairs().current(&node_id("p2")), None);
    // The next generation takes its place all the same.
    store(keystore.pairs(), 2).unwrap();
    assert_eq!(switch(keystore.pairs(), 2).unwrap(), Some(digest(1)));
    keystore.pairs().destroy(&node_id("p2"), digest(1)).unwrap();
    assert!(keystore.damaged().is_empty());
}

#[test]
fn pair_index__must_be_the_one_that_this_node_wrote() {
    let node = Node::new();
    let (keystore, _) = node.open();
    store(keystore.pairs(), 1).unwrap();
    drop(keystore);
    node.disk.tamper(&node.path("pairs.log"), |bytes| {
        let last = bytes.len() - 20;
        bytes[last] ^= 1;
    });
    assert!(node.refusal().contains("pairs.log"));
    node.disk.remove_file(&node.path("pairs.log")).unwrap();
    assert!(node.refusal().contains("pairs.log"), "never an empty one");
}

#[test]
fn d14_lift_of_a_ban__should_be_remembered_for_its_generation() {
    let node = Node::new();
    let (keystore, _) = node.open();
    let peer = node_id("p2");
    keystore.pairs().lift(&peer, digest(1), digest(9)).unwrap();
    drop(keystore);
    let (keystore, _) = node.open();
    assert_eq!(
        keystore.pairs().lifted_by(&peer, digest(1)),
        Some(digest(9))
    );
    assert_eq!(keystore.pairs().lifted_by(&peer, digest(2)), None);
    assert_eq!(keystore.pairs().lifted_by(&node_id("p3"), digest(1)), None);
}

/// What the caller knows to be done when the machine stopped.
fn run(pairs: &PairStates, done: &mut Vec<&'static str>) -> Option<()> {
    let peer = node_id("p2");
    store(pairs, 1).ok()?;
    done.push("stored 1");
    switch(pairs, 1).ok()?;
    done.push("current 1");
    pairs.lift(&peer, digest(1), digest(9)).ok()?;
    done.push("lifted 1");
    store(pairs, 2).ok()?;
    done.push("stored 2");
    switch(pairs, 2).ok()?;
    done.push("current 2");
    pairs.destroy(&peer, digest(1)).ok()?;
    done.push("destroyed 1");
    store(pairs, 3).ok()?;
    done.push("stored 3");
    store(pairs, 4).ok()?;
    done.push("stored 4");
    Some(())
}

#[test]
fn pair_states__must_keep_what_was_acknowledged_when_stopped_at_any_step() {
    let losses = [
        Loss::Everything,
        Loss::AllButReplacedNames,
        Loss::Nothing,
        Loss::HalfOfTheLastWrite,
    ];
    for loss in losses {
        for step in 0.. {
            let node = Node::new();
            let (keystore, _) = node.open();
            node.disk.stop_after(step, loss);
            let mut told = Vec::new();
            let done = run(keystore.pairs(), &mut told).is_some();
            drop(keystore);
            let node = node.on(node.disk.restarted(loss));
            let (keystore, report) = node.open();
            assert!(
                report.damaged.is_empty(),
                "{loss:?} {step}: {}",
                report.damaged[0]
            );
            let (pairs, peer) = (keystore.pairs(), node_id("p2"));
            let was = |what| told.contains(&what);
            let current = pairs.current(&peer);
            match current {
                Some(now) if now == digest(2) => assert!(was("stored 2") && opens(pairs, 2)),
                Some(now) => {
                    assert!(now == digest(1) && was("stored 1") && !was("current 2"));
                    assert!(opens(pairs, 1));
                }
                None => assert!(!was("current 1"), "{loss:?} {step}"),
            }
            if was("stored 4") {
                assert_eq!(pairs.stored(&peer), Some(digest(4)));
            }
            if let Some(stored) = pairs.stored(&peer) {
                assert!(pairs.open_state(&peer, stored).is_ok(), "{loss:?} {step}");
            }
            if was("destroyed 1") {
                assert!(!opens(pairs, 1) && !node.disk.exists(&file(&node, 1)).unwrap());
            }
            assert!(!was("lifted 1") || pairs.lifted_by(&peer, digest(1)).is_some());
            // As many files as states in use.
            let files = node.disk.list(&node.path("pairs")).unwrap();
            let used = [current, pairs.stored(&peer)].into_iter().flatten().count();
            assert_eq!(files.len(), used, "{loss:?} {step}: {files:?}");
            if done {
                assert!(step > 25, "{loss:?}: only {step} steps");
                break;
            }
        }
    }
}

#[test]
fn keystore_of_before_pair_states__should_be_brought_up_to_date_once() {
    let node = Node::with_two_keys();
    let marker = node.path("keystore.json");
    let new = node.disk.read_file(&marker, 4_096).unwrap();
    let key = SigningKey::from_bytes(&[1; 32]);
    let mut signed = Writer::new();
    signed.text("quorate keystore marker v1").u16(1);
    signed
        .value(&node_id("p1"))
        .fixed(key.verifying_key().as_bytes());
    let text = serde_json::json!({
        "version": 1,
        "node_id": "p1",
        "verifying_key": hex::encode(key.verifying_key().as_bytes()),
        "signature": hex::encode(key.sign(&signed.finish()).to_bytes()),
    });
    // The order of the fields is that of the new marker.
    let fields = ["version", "node_id", "verifying_key", "signature"];
    let lines = fields.map(|name| format!("  \"{name}\": {}", text[name]));
    let old = format!("{{\n{}\n}}\n", lines.join(",\n"));
    for step in 0.. {
        let node = node.on(node.disk.restarted(Loss::Nothing));
        node.disk
            .tamper(&marker, |bytes| *bytes = old.clone().into_bytes());
        node.disk.remove_file(&node.path("pairs.log")).unwrap();
        node.disk.remove_folder(&node.path("pairs")).unwrap();
        node.disk.stop_after(step, Loss::Everything);
        let opened = node.try_open().is_ok();
        let node = node.on(node.disk.restarted(Loss::Nothing));
        let (keystore, report) = node.open();
        assert_eq!((report.active, report.damaged.len()), (2, 0), "step {step}");
        store(keystore.pairs(), 1).unwrap();
        drop(keystore);
        assert_eq!(node.disk.read_file(&marker, 4_096).unwrap(), new);
        if opened {
            // From now on an index that is missing is no empty one.
            node.disk.remove_file(&node.path("pairs.log")).unwrap();
            assert!(node.refusal().contains("pairs.log"));
            break;
        }
    }
}
