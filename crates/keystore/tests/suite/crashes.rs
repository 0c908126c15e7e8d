//! The machine stops at every single step of the disk, in eight ways, and starts again.

use std::collections::BTreeMap;

use quorate_keystore::{Keystore, KeystoreError, ShareState};
use quorate_types::UnixSeconds;

use crate::fixture::{Node, assert_opens, certificate, digest, key_id, metadata, payload, session};
use crate::simulated_disk::Loss;

const LOSSES: [Loss; 8] = [
    Loss::Everything,
    Loss::AllButReplacedNames,
    Loss::Nothing,
    Loss::HalfOfTheLastWrite,
    some_blocks(512, 1),
    some_blocks(512, 2),
    some_blocks(512, 3),
    some_blocks(4_096, 1),
];

const fn some_blocks(size: usize, seed: u64) -> Loss {
    Loss::SomeBlocks { size, seed }
}

/// What a caller was told, and what it had asked for when the machine stopped.
#[derive(Default)]
struct Told {
    states: BTreeMap<u8, ShareState>,
    asked: Option<(u8, ShareState)>,
    sessions: Vec<u8>,
    signed: bool,
    banned: bool,
    audited: u64,
}

impl Told {
    fn act(
        &mut self,
        key: u8,
        state: ShareState,
        act: impl FnOnce() -> Result<(), KeystoreError>,
    ) -> Option<()> {
        self.asked = Some((key, state));
        act().ok()?;
        self.asked = None;
        self.states.insert(key, state);
        Some(())
    }

    fn run(&mut self, keystore: &Keystore) -> Option<()> {
        let put = |key| keystore.put_pending(&metadata(key), &payload(key));
        let activate = |key| keystore.activate(key_id(key), &certificate(key));
        self.act(1, ShareState::Pending, || put(1))?;
        self.act(1, ShareState::Active, || activate(1))?;
        self.act(2, ShareState::Pending, || put(2))?;
        self.act(2, ShareState::Discarded, || {
            keystore.discard_pending(key_id(2))
        })?;
        self.act(2, ShareState::Pending, || put(2))?;
        self.act(3, ShareState::Pending, || put(3))?;
        self.act(3, ShareState::Active, || activate(3))?;
        self.act(3, ShareState::Archived, || keystore.archive(key_id(3)))?;
        let intents = keystore.intents();
        intents
            .bind(digest(1), &[digest(2)], UnixSeconds(100))
            .ok()?
            .wait()
            .ok()?;
        for number in 1..4 {
            intents
                .begin_attempt(digest(1), session(number))
                .ok()?
                .wait()
                .ok()?;
            self.sessions.push(number);
        }
        intents
            .complete(digest(1), b"signature")
            .ok()?
            .wait()
            .ok()?;
        self.signed = true;
        crate::bans::try_ban_one(keystore, 1).ok()?;
        self.banned = true;
        let event = crate::audit_log::event(1);
        let begun = keystore.audit().begin(event).ok()?.wait().ok()?;
        self.audited = begun.sequence();
        Some(())
    }

    /// Nothing that was told is lost, and nothing is half there.
    fn invariant_holds(&self, keystore: &Keystore) {
        let list: BTreeMap<_, _> = keystore
            .list()
            .into_iter()
            .map(|entry| (entry.key_id, entry.state))
            .collect();
        for number in 1..4 {
            let found = list.get(&key_id(number)).copied();
            let told = self.states.get(&number).copied();
            let asked = self
                .asked
                .filter(|(key, _)| *key == number)
                .map(|(_, state)| state);
            assert!(
                found == told || found == asked,
                "key {number}: {found:?} {told:?} {asked:?}"
            );
            match found {
                Some(ShareState::Active) => assert_opens(keystore, number),
                Some(ShareState::Pending) => {
                    assert!(
                        keystore.open_pending(key_id(number)).unwrap().payload == payload(number)
                    );
                }
                _ => assert!(keystore.open_share(key_id(number)).is_err()),
            }
        }
        for &number in &self.sessions {
            let again = keystore.intents().begin_attempt(digest(1), session(number));
            assert!(again.is_err(), "session {number} was accepted twice");
        }
        if self.signed {
            assert_eq!(
                keystore.intents().signature_of(digest(1)).unwrap().unwrap(),
                b"signature"
            );
        }
        if self.banned {
            assert!(crate::bans::is_banned(keystore, 1));
        }
        assert!(keystore.audit().head().sequence >= self.audited);
        let unfinished = keystore.audit().unfinished();
        assert!(self.audited == 0 || unfinished[0].sequence() == self.audited);
    }
}

#[test]
fn c1_c3_keystore__must_keep_what_it_acknowledged_when_stopped_at_any_step() {
    for loss in LOSSES {
        let mut stops = 0;
        for step in 0.. {
            let node = Node::new();
            let mut told = Told::default();
            let (keystore, _) = node.open();
            node.disk.stop_after(step, loss);
            let done = told.run(&keystore).is_some();
            assert_eq!(done, !node.disk.stopped(), "{loss:?} step {step}");
            drop(keystore);

            let node = node.on(node.disk.restarted(loss));
            let (keystore, report) = node.open();
            assert!(
                report.damaged.is_empty(),
                "{loss:?} step {step}: {}",
                report.damaged[0]
            );
            told.invariant_holds(&keystore);
            keystore.put_pending(&metadata(9), &payload(9)).unwrap();
            drop(keystore);

            let (keystore, report) = node.open();
            let left = (
                report.damaged.len(),
                report.recovered.len(),
                report.torn.len(),
            );
            assert_eq!(
                left,
                (0, 0, 0),
                "{loss:?} step {step}: the second start finds it whole"
            );
            told.invariant_holds(&keystore);
            if done {
                break;
            }
            stops += 1;
        }
        assert!(stops > 60, "{loss:?}: only {stops} steps");
    }
}

#[test]
fn recovery__must_survive_being_stopped_itself() {
    for loss in LOSSES {
        for first in 0.. {
            let node = Node::new();
            let mut told = Told::default();
            let (keystore, _) = node.open();
            node.disk.stop_after(first, loss);
            let done = told.run(&keystore).is_some();
            drop(keystore);
            if done {
                break;
            }
            for second in 0.. {
                let node = node.on(node.disk.restarted(loss));
                node.disk.stop_after(second, loss);
                let opened = node.try_open().is_ok();
                let node = node.on(node.disk.restarted(loss));
                let (keystore, report) = node.open();
                assert!(report.damaged.is_empty(), "{loss:?} {first} {second}");
                told.invariant_holds(&keystore);
                if opened {
                    break;
                }
            }
        }
    }
}

#[test]
fn create__must_leave_nothing_or_a_whole_keystore_when_stopped_at_any_step() {
    for loss in LOSSES {
        for step in 0.. {
            let node = Node::without_keystore();
            node.disk.stop_after(step, loss);
            let done = Keystore::create(&node.storage(), &node.root(), &node.signer).is_ok();
            let node = node.on(node.disk.restarted(loss));
            if !Keystore::exists(&node.disk, &node.root()).unwrap() {
                assert!(!done, "{loss:?} step {step}");
                Keystore::create(&node.storage(), &node.root(), &node.signer).unwrap();
            }
            let (keystore, report) = node.open();
            assert!(report.damaged.is_empty());
            keystore.put_pending(&metadata(1), &payload(1)).unwrap();
            if done {
                break;
            }
        }
    }
}

#[test]
fn keystore__must_refuse_everything_after_the_disk_failed() {
    let node = Node::with_two_keys();
    let (keystore, _) = node.open();
    node.disk.stop_after(0, Loss::Nothing);
    let intents = keystore.intents();
    let first = intents
        .bind(digest(1), &[digest(2)], UnixSeconds(100))
        .unwrap()
        .wait();
    assert!(first.is_err());
    assert!(
        intents
            .bind(digest(3), &[digest(4)], UnixSeconds(100))
            .is_err()
    );
    assert!(intents.begin_attempt(digest(1), session(1)).is_err());
    assert!(keystore.put_pending(&metadata(3), &payload(3)).is_err());
    assert!(keystore.failure().is_some());
}
