use quorate_keystore::{Bound, IntentError, Keystore};
use quorate_types::UnixSeconds;

use crate::fixture::{Node, digest, session};
use crate::simulated_disk::Loss;

const EXPIRY: UnixSeconds = UnixSeconds(1_000);

fn bind(keystore: &Keystore, intent: u8, digests: &[u8]) -> Result<Bound, IntentError> {
    let digests: Vec<_> = digests.iter().map(|n| digest(*n)).collect();
    Ok(keystore
        .intents()
        .bind(digest(intent), &digests, EXPIRY)?
        .wait()?)
}

fn attempt(keystore: &Keystore, intent: u8, number: u8) -> Result<(), IntentError> {
    Ok(keystore
        .intents()
        .begin_attempt(digest(intent), session(number))?
        .wait()?)
}

#[test]
fn d10_intent__must_stay_bound_to_its_first_digests() {
    let node = Node::new();
    let (mut keystore, _) = node.open();
    assert_eq!(bind(&keystore, 1, &[10, 11]).unwrap(), Bound::New);
    for _ in 0..2 {
        assert_eq!(bind(&keystore, 1, &[10, 11]).unwrap(), Bound::Again);
        for other in [&[11, 10][..], &[10], &[10, 11, 12], &[], &[12]] {
            let refused = bind(&keystore, 1, other).unwrap_err();
            let named =
                matches!(refused, IntentError::InvalidDigests { intent } if intent == digest(1));
            assert!(named, "{refused}");
        }
        drop(keystore);
        keystore = node.open().0;
    }
    assert_eq!(
        keystore.intents().digests_of(digest(1)).unwrap(),
        [digest(10), digest(11)]
    );
}

#[test]
fn c3_session__must_never_be_accepted_twice() {
    let node = Node::new();
    let (mut keystore, _) = node.open();
    bind(&keystore, 1, &[10]).unwrap();
    bind(&keystore, 2, &[10]).unwrap();
    attempt(&keystore, 1, 1).unwrap();
    for _ in 0..2 {
        for intent in [1, 2] {
            let refused = attempt(&keystore, intent, 1).unwrap_err();
            let named =
                matches!(refused, IntentError::InvalidSession { session: s } if s == session(1));
            assert!(named, "{refused}");
        }
        drop(keystore);
        keystore = node.open().0;
    }
    attempt(&keystore, 1, 2).unwrap();
    assert!(matches!(
        attempt(&keystore, 3, 9),
        Err(IntentError::UnknownIntent { .. })
    ));
}

#[test]
fn d10_intent__should_return_its_signature_instead_of_another_attempt() {
    let node = Node::new();
    let (keystore, _) = node.open();
    bind(&keystore, 1, &[10]).unwrap();
    attempt(&keystore, 1, 1).unwrap();
    keystore
        .intents()
        .complete(digest(1), b"first")
        .unwrap()
        .wait()
        .unwrap();
    // The same again is welcome, also from the disk; another one is refused with the first.
    let keystore = {
        let complete = |keystore: &Keystore, signature: &[u8]| -> Result<(), IntentError> {
            let durable = keystore.intents().complete(digest(1), signature)?;
            Ok(durable.wait()?)
        };
        let refuses_others = |keystore: &Keystore| {
            complete(keystore, b"first").unwrap();
            for other in [&b"second"[..], b"firs", b"first "] {
                match complete(keystore, other) {
                    Err(IntentError::AlreadySigned { intent, signature }) => {
                        assert_eq!((intent, signature.as_slice()), (digest(1), &b"first"[..]));
                    }
                    refused => panic!("{refused:?}"),
                }
            }
        };
        refuses_others(&keystore);
        drop(keystore);
        let (keystore, _) = node.open();
        refuses_others(&keystore);
        keystore
    };
    assert_eq!(
        keystore.intents().signature_of(digest(1)).unwrap().unwrap(),
        b"first"
    );
    match attempt(&keystore, 1, 2) {
        Err(IntentError::AlreadySigned { signature, .. }) => assert_eq!(signature, b"first"),
        other => panic!("{other:?}"),
    }
    let never_bound = keystore.intents().complete(digest(9), b"x").map(drop);
    let named =
        matches!(never_bound, Err(IntentError::UnknownIntent { intent }) if intent == digest(9));
    assert!(named, "{never_bound:?}");
    assert_eq!(keystore.intents().signature_of(digest(9)).unwrap(), None);
}

/// The disk fails under the record of the signature. Whoever asks then, by whichever way, must not
/// hear a signature that the next start may not know.
#[test]
fn d10_signature__must_not_be_shown_before_it_is_durable() {
    for way in 0..3 {
        let node = Node::new();
        let (keystore, _) = node.open();
        bind(&keystore, 1, &[10]).unwrap();
        attempt(&keystore, 1, 1).unwrap();
        node.disk.stop_after(0, Loss::Nothing);
        let intents = keystore.intents();
        let lost = intents.complete(digest(1), b"first").unwrap();
        let shown = match way {
            0 => intents.signature_of(digest(1)).map_err(IntentError::Log),
            1 => attempt(&keystore, 1, 2).map(|()| None),
            _ => intents.complete(digest(1), b"second").map(|_| None),
        };
        assert!(matches!(shown, Err(IntentError::Log(_))), "{way} {shown:?}");
        assert!(lost.wait().is_err());
    }
}

#[test]
fn d14_intent__must_be_refused_once_forgotten() {
    let node = Node::new();
    let (mut keystore, _) = node.open();
    bind(&keystore, 1, &[10]).unwrap();
    attempt(&keystore, 1, 1).unwrap();
    let later = UnixSeconds(2_000);
    keystore
        .intents()
        .bind(digest(2), &[digest(20)], later)
        .unwrap()
        .wait()
        .unwrap();
    assert_eq!(
        keystore
            .intents()
            .prune(UnixSeconds(1_000))
            .unwrap()
            .wait()
            .unwrap(),
        0
    );
    assert_eq!(
        keystore
            .intents()
            .prune(UnixSeconds(1_001))
            .unwrap()
            .wait()
            .unwrap(),
        1
    );
    // The mark does not move back.
    assert_eq!(
        keystore
            .intents()
            .prune(UnixSeconds(5))
            .unwrap()
            .wait()
            .unwrap(),
        0
    );
    for _ in 0..2 {
        assert!(keystore.intents().is_before_mark(EXPIRY));
        assert!(!keystore.intents().is_before_mark(UnixSeconds(1_001)));
        let refused = bind(&keystore, 1, &[10]).unwrap_err();
        assert!(
            matches!(refused, IntentError::InvalidExpiry { .. }),
            "{refused}"
        );
        assert_eq!(keystore.intents().len(), 1);
        drop(keystore);
        keystore = node.open().0;
    }
    assert!(keystore.intents().digests_of(digest(2)).is_some());
}

#[test]
fn prune__should_shrink_the_file_and_keep_what_lives() {
    use quorate_keystore::Storage as _;
    use quorate_types::Digest32;
    let node = Node::new();
    let (keystore, _) = node.open();
    let intents = keystore.intents();
    let name = |n: u32| Digest32::of(b"test", &[&n.to_be_bytes()]);
    for n in 0..5_000 {
        let expires = if n % 100 == 0 {
            UnixSeconds(5_000)
        } else {
            EXPIRY
        };
        drop(intents.bind(name(n), &[digest(1)], expires).unwrap());
    }
    attempt_and_sign(&keystore, name(0));
    let length = || {
        node.disk
            .read_file(&node.path("intents.log"), 1 << 24)
            .unwrap()
            .len()
    };
    let before = length();
    assert_eq!(
        intents.prune(UnixSeconds(4_000)).unwrap().wait().unwrap(),
        4_950
    );
    assert!(length() * 10 < before, "{before} {}", length());
    drop(keystore);
    let (keystore, _) = node.open();
    assert_eq!(keystore.intents().len(), 50);
    assert_eq!(
        keystore.intents().signature_of(name(0)).unwrap().unwrap(),
        b"s"
    );
    assert!(keystore.intents().is_before_mark(EXPIRY));
    let again = keystore.intents().begin_attempt(name(100), session(7));
    assert!(matches!(again, Err(IntentError::InvalidSession { .. })));
}

fn attempt_and_sign(keystore: &Keystore, intent: quorate_types::Digest32) {
    keystore
        .intents()
        .begin_attempt(intent, session(7))
        .unwrap()
        .wait()
        .unwrap();
    keystore
        .intents()
        .complete(intent, b"s")
        .unwrap()
        .wait()
        .unwrap();
}

#[test]
fn intents__must_refuse_what_is_over_their_limits() {
    let mut node = Node::new();
    node.limits.digests_per_intent = 2;
    node.limits.attempts_per_intent = 1;
    node.limits.signature_bytes = 3;
    node.limits.intents = 1;
    let (keystore, _) = node.open();
    let counted = |refused| matches!(refused, Err(IntentError::InvalidCount { .. }));
    assert!(counted(bind(&keystore, 1, &[]).map(drop)));
    assert!(counted(bind(&keystore, 1, &[1, 2, 3]).map(drop)));
    bind(&keystore, 1, &[1, 2]).unwrap();
    assert!(matches!(
        bind(&keystore, 2, &[1]),
        Err(IntentError::Overloaded { limit: 1 })
    ));
    attempt(&keystore, 1, 1).unwrap();
    assert!(counted(attempt(&keystore, 1, 2)));
    assert!(counted(
        keystore.intents().complete(digest(1), b"long").map(drop)
    ));
}

#[test]
fn d10_intent__must_be_bound_once_by_many_callers_at_once() {
    let node = Node::new();
    let (keystore, _) = node.open();
    let keystore = &keystore;
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..32)
            .map(|n| scope.spawn(move || bind(keystore, 1, &[n])))
            .collect();
        callers
            .into_iter()
            .map(|caller| caller.join().unwrap())
            .collect()
    });
    let bound = outcomes
        .iter()
        .filter(|o| matches!(o, Ok(Bound::New)))
        .count();
    let refused = outcomes
        .iter()
        .filter(|o| matches!(o, Err(IntentError::InvalidDigests { .. })));
    assert_eq!((bound, refused.count()), (1, 31));
    let started: Vec<_> = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..32)
            .map(|_| scope.spawn(move || attempt(keystore, 1, 1).is_ok()))
            .collect();
        callers
            .into_iter()
            .map(|caller| caller.join().unwrap())
            .collect()
    });
    assert_eq!(started.into_iter().filter(|started| *started).count(), 1);
}
