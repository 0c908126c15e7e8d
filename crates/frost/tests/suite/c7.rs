//! Row C7: the attack of Drijvers and others, and ROS, need many sessions of one node open at once,
//! whose nonces the attacker knows before it says anything.

use std::collections::{BTreeMap, BTreeSet};

use ed25519_dalek::{Signer, SigningKey};
use quorate_frost::{Sign, TaprootTweak};
use quorate_protocol::{Driver, Effect, Envelope, Reason, Roster, SignBytes};
use quorate_types::{Canonical, Digest32, PartyIndex};
use quorate_verify::Signature;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::committee::{Committee, TWO_OF_THREE, identity, index, roster};
use crate::shelf::Shelf;

const SESSIONS: u16 = 512;

struct Identity(SigningKey);

impl SignBytes for Identity {
    fn sign(&self, statement: &[u8]) -> [u8; 64] {
        self.0.sign(statement).to_bytes()
    }
}

/// One side of one session, and what it sent.
struct Side {
    driver: Driver<Sign>,
    sent: Vec<Vec<u8>>,
    result: Option<Signature>,
}

impl Side {
    fn open(committee: &Committee, me: u8, session: u16, text: &str) -> Self {
        let me = index(me);
        let (roster, context) = run(me, session);
        let mut rng = ChaCha20Rng::from_seed(crate::pump::fresh_seed());
        let payload = committee.payload(text, TaprootTweak::None);
        let share = &committee.shares[&me];
        let (sign, outbox) = Sign::start(&roster, context, share, payload, &mut rng).unwrap();
        let signer = Box::new(Identity(identity(me)));
        let (driver, effects) = Driver::start(roster, context, signer, sign, outbox);
        let (sent, result) = (Vec::new(), None);
        let mut side = Self {
            driver,
            sent,
            result,
        };
        side.take(effects);
        side
    }

    fn receive(&mut self, from: u8, message: &[u8]) {
        let mut rng = ChaCha20Rng::seed_from_u64(0);
        let effects = self.driver.receive(index(from), message, &mut rng);
        self.take(effects);
    }

    fn take(&mut self, effects: Vec<Effect<Signature>>) {
        for effect in effects {
            match effect {
                Effect::Send { message, .. } => self.sent.push(message.to_vec()),
                Effect::Finished(signature) => self.result = Some(signature),
                Effect::Aborted(_) => {}
            }
        }
    }

    fn body(&self, round: usize) -> Vec<u8> {
        Envelope::from_bytes(&self.sent[round - 1])
            .unwrap()
            .body
            .to_vec()
    }
}

fn run(me: PartyIndex, session: u16) -> (Roster, Digest32) {
    let mut id = [0; 16];
    id[..2].copy_from_slice(&session.to_be_bytes());
    let roster = roster(me, &[index(1), index(2)], 2, id);
    let context = roster.context(b"c7");
    (roster, context)
}

/// 512 sessions of node 1, all open, with their commitments known to the attacker.
fn opened(committee: &Committee) -> BTreeMap<u16, Side> {
    (0..SESSIONS)
        .map(|session| {
            let text = format!("message {session}");
            (session, Side::open(committee, 1, session, &text))
        })
        .collect()
}

#[test]
fn c7_parallel_sessions__must_share_no_nonce_and_give_one_share_each() {
    for committee in TWO_OF_THREE.iter() {
        let length = committee.curve.point_length();
        let mut sessions = opened(committee);
        let mut points = BTreeSet::new();
        for side in sessions.values() {
            let body = side.body(1);
            for point in body[32..].chunks(length) {
                assert!(points.insert(point.to_vec()), "a nonce came twice");
            }
        }
        assert_eq!(points.len(), 2 * usize::from(SESSIONS));
        // The attacker opens its own side only now, knowing all commitments, and last to first.
        let mut shares = BTreeSet::new();
        for (session, side) in sessions.iter_mut().rev() {
            let text = format!("message {session}");
            let mut peer = Side::open(committee, 2, *session, &text);
            side.receive(2, &peer.sent[0]);
            assert_eq!(side.sent.len(), 2, "one commitment and one share");
            assert!(shares.insert(side.body(2)[32..].to_vec()));
            // Another commitment for the same nonces: refused, and no second share.
            let other = Side::open(committee, 2, *session, &text);
            peer.receive(1, &side.sent[0]);
            peer.receive(1, &side.sent[1]);
            assert!(peer.result.is_some());
            side.receive(2, &other.sent[0]);
            let sent: Vec<_> = side.sent[2..]
                .iter()
                .map(|m| Envelope::from_bytes(m))
                .collect();
            assert!(
                sent.iter().all(|m| m.as_ref().unwrap().body.is_empty()),
                "only an abort"
            );
            assert!(!side.driver.is_running());
        }
        assert_eq!(shares.len(), usize::from(SESSIONS));
    }
}

#[test]
fn c7_withheld_round_2__must_leave_nothing_behind_when_the_session_expires() {
    for committee in TWO_OF_THREE.iter() {
        for (session, mut side) in opened(committee) {
            let text = format!("message {session}");
            let peer = Side::open(committee, 2, session, &text);
            let effects = side.driver.give_up(Reason::TimedOut);
            side.take(effects);
            let before = side.sent.len();
            side.receive(2, &peer.sent[0]);
            assert!(side.sent.len() == before && side.result.is_none());
        }
    }
}

#[test]
fn c7_answer_of_another_session__must_end_the_session_without_a_share() {
    let committee = &TWO_OF_THREE[0];
    let mut sessions = opened(committee);
    for session in 0..SESSIONS {
        let other = (session + 1) % SESSIONS;
        let peer = Side::open(committee, 2, other, &format!("message {other}"));
        let side = sessions.get_mut(&session).unwrap();
        side.receive(2, &peer.sent[0]);
        assert!(!side.driver.is_running());
        assert!(
            side.sent[1..]
                .iter()
                .all(|m| Envelope::from_bytes(m).unwrap().body.is_empty())
        );
    }
}

#[test]
fn c7_effective_nonce__must_change_with_anybodys_commitment() {
    // What the attack needs is a nonce that stays while the attacker chooses its own. Here the
    // attacker answers the same commitments (same randomness, in two runs) in two ways.
    let committee = &TWO_OF_THREE[0];
    let share = |answer: u64| {
        let (roster, context) = run(index(1), 7);
        let payload = committee.payload("same", TaprootTweak::None);
        let start = |me: PartyIndex, roster: &Roster, seed: u64| {
            let mut rng = ChaCha20Rng::seed_from_u64(seed);
            Sign::start(roster, context, &committee.shares[&me], payload, &mut rng).unwrap()
        };
        let (sign, outbox) = start(index(1), &roster, 1);
        let signer = Box::new(Identity(identity(index(1))));
        let (driver, effects) = Driver::start(roster, context, signer, sign, outbox);
        let (roster, _) = run(index(2), 7);
        let (sign, outbox) = start(index(2), &roster, answer);
        let signer = Box::new(Identity(identity(index(2))));
        let (_, answers) = Driver::start(roster, context, signer, sign, outbox);
        let mut side = Side {
            driver,
            sent: Vec::new(),
            result: None,
        };
        side.take(effects);
        let Some(Effect::Send { message, .. }) = answers.first() else {
            panic!("it answers");
        };
        side.receive(2, message);
        (side.body(1), side.body(2))
    };
    let ((same, one), (again, other)) = (share(2), share(3));
    assert_eq!(same, again, "the same commitments");
    assert_ne!(one[..32], other[..32], "another list");
    assert_ne!(one[32..], other[32..], "another share");
}

/// A side of a session that may use what a shelf has.
fn open_stocked(committee: &Committee, shelf: &Shelf, me: u8, session: u16, text: &str) -> Side {
    let me = index(me);
    let (roster, context) = run(me, session);
    let mut rng = ChaCha20Rng::from_seed(crate::pump::fresh_seed());
    let payload = committee.payload(text, TaprootTweak::None);
    let (share, ahead) = (&committee.shares[&me], shelf.ahead(me));
    let (sign, outbox) =
        Sign::start_with(&roster, context, share, payload, ahead, &mut rng).unwrap();
    let signer = Box::new(Identity(identity(me)));
    let (driver, effects) = Driver::start(roster, context, signer, sign, outbox);
    let (sent, result) = (Vec::new(), None);
    let mut side = Side {
        driver,
        sent,
        result,
    };
    side.take(effects);
    side
}

/// Stock and number of the entry that an opening between two names.
fn named(opening: &[u8]) -> Vec<u8> {
    opening[32..50].to_vec()
}

#[test]
fn c7_parallel_stocked_sessions__must_use_each_entry_once_whatever_is_withheld() {
    for committee in TWO_OF_THREE.iter() {
        let signers = [index(1), index(2)];
        let shelf = Shelf::new(&signers);
        let stocks = SESSIONS / 64;
        for stock in 0..stocks {
            let batch = crate::shelf::batch(committee, index(2), 64);
            let told = crate::shelf::announcement(
                &shelf.set,
                crate::shelf::link(2),
                stock as u8,
                batch.announced(),
            );
            let now = std::time::Duration::ZERO;
            let mut own = shelf.own[&index(2)].lock().unwrap();
            own.add(told.stock, &shelf.set, told.link, batch, now)
                .unwrap();
            let checked = told.check(committee.curve).unwrap();
            shelf.held.borrow_mut().add(index(2), checked, now).unwrap();
        }
        // 512 openings, all open at once; the answers are withheld from the leader.
        let mut entries = BTreeSet::new();
        let mut sides: BTreeMap<u16, (Side, Side)> = BTreeMap::new();
        for session in 0..SESSIONS {
            let text = format!("message {session}");
            let leader = open_stocked(committee, &shelf, 1, session, &text);
            let follower = open_stocked(committee, &shelf, 2, session, &text);
            assert!(entries.insert(named(&leader.body(1))), "an entry twice");
            assert!(follower.sent.is_empty(), "it lets the leader speak first");
            sides.insert(session, (leader, follower));
        }
        assert_eq!(shelf.held.borrow().entries(), 0);
        // The attacker leads, knows all its openings, and delivers them last to first.
        let (mut shares, mut nonces) = (BTreeSet::new(), BTreeSet::new());
        for (session, (leader, follower)) in sides.iter_mut().rev() {
            follower.receive(1, &leader.sent[0]);
            assert_eq!(follower.sent.len(), 1, "one share");
            assert!(shares.insert(follower.body(1)[32..].to_vec()));
            let signature = follower.result.unwrap();
            assert!(
                nonces.insert(signature.as_bytes()[..32].to_vec()),
                "R twice"
            );
            // The same opening again changes nothing, and in no other session.
            follower.receive(1, &leader.sent[0]);
            assert_eq!(follower.sent.len(), 1, "{session}");
        }
        assert_eq!(shelf.left(index(2)), 0);
        // Withheld for ever: nothing is put back, nothing is sent again.
        for (leader, _) in sides.values_mut() {
            let effects = leader.driver.give_up(Reason::TimedOut);
            leader.take(effects);
            assert!(leader.result.is_none());
        }
        assert_eq!(shelf.held.borrow().entries(), 0);
        assert_eq!(shelf.left(index(2)), 0);
    }
}

#[test]
fn c7_opening_for_a_used_entry__must_get_no_second_share_in_any_session() {
    // The leader chooses another commitment of its own, and another message, for one entry of ours:
    // what a second share would be solved for.
    let committee = &TWO_OF_THREE[0];
    let signers = [index(1), index(2)];
    let shelf = Shelf::filled(committee, &signers, 2);
    let leader = open_stocked(committee, &shelf, 1, 0, "message 0");
    let mut follower = open_stocked(committee, &shelf, 2, 0, "message 0");
    follower.receive(1, &leader.sent[0]);
    assert!(follower.result.is_some());
    for session in 1..SESSIONS {
        let text = format!("message {session}");
        let (roster, context) = run(index(1), session);
        // Signed by the leader, bound to this session, with fresh commitments of its own.
        let fresh = Shelf::filled(committee, &signers, 1);
        let forged = open_stocked(committee, &fresh, 1, session, &text);
        let mut envelope = Envelope::from_bytes(&forged.sent[0]).unwrap();
        let first = leader.body(1);
        envelope.body[32..50].copy_from_slice(&named(&first));
        envelope.body[114..178].copy_from_slice(&first[114..178]);
        let signature = identity(index(1)).sign(&envelope.statement(&context));
        envelope.signature = Some(signature.to_bytes());
        assert_eq!(roster.session(), envelope.session);
        let mut side = open_stocked(committee, &shelf, 2, session, &text);
        side.receive(1, &envelope.to_bytes());
        assert!(!side.driver.is_running() && side.result.is_none());
        let silent = |m: &Vec<u8>| Envelope::from_bytes(m).unwrap().body.is_empty();
        assert!(side.sent.iter().all(silent), "only an abort");
    }
}
