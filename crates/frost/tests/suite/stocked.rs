//! Signing with stocked nonces: results, ways back to two rounds, and one lie at a time.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

use ed25519_dalek::Signer;
use quorate_frost::{Ahead, Sign, TaprootTweak};
use quorate_protocol::{Abort, Envelope, Reason, Sanction, Slot};
use quorate_types::{Canonical, Curve, PartyIndex, SecretBytes};
use quorate_verify::Signature;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::committee::{
    Committee, THREE_OF_FIVE, THREE_OF_THREE, TWO_OF_THREE, TWO_OF_TWENTY, identity, index,
};
use crate::misbehaviour::{bad_points, last_of_share, point};
use crate::pump::{self, Lie, Outcomes};
use crate::shelf::{Shelf, batch};
use crate::signing::must_be_one_valid_signature;

const TWEAKS: [TaprootTweak; 3] = [
    TaprootTweak::None,
    TaprootTweak::KeyPath,
    TaprootTweak::ScriptTree([3; 32]),
];

/// Committees with who signs: two and three signers, both schemes.
fn cases() -> Vec<(&'static Committee, Vec<PartyIndex>)> {
    let mut cases = Vec::new();
    for (two, three) in TWO_OF_THREE.iter().zip(THREE_OF_FIVE.iter()) {
        cases.push((two, vec![index(1), index(2)]));
        cases.push((three, vec![index(2), index(3), index(5)]));
    }
    cases
}

fn start(
    committee: &Committee,
    roster: &quorate_protocol::Roster,
    context: quorate_types::Digest32,
    text: &str,
    tweak: TaprootTweak,
    ahead: Ahead,
) -> (Sign, quorate_protocol::Outbox) {
    let mut rng = ChaCha20Rng::from_seed(pump::fresh_seed());
    let share = &committee.shares[&roster.me()];
    let payload = committee.payload(text, tweak);
    Sign::start_with(roster, context, share, payload, ahead, &mut rng).unwrap()
}

/// One run with what the shelf has.
fn sign(
    committee: &Committee,
    shelf: &Shelf,
    text: &str,
    tweak: TaprootTweak,
    lies: &BTreeMap<PartyIndex, Lie>,
) -> Outcomes<Signature> {
    let signers: Vec<_> = shelf.set.signers.iter().collect();
    let t = committee.min_signers();
    pump::run_with(&signers, t, [9; 16], lies, |roster, context| {
        let ahead = shelf.ahead(roster.me());
        start(committee, roster, context, text, tweak, ahead)
    })
}

/// Counts what is said in each round, and changes nothing.
fn listener(said: &Rc<Cell<[usize; 3]>>) -> Lie {
    let said = Rc::clone(said);
    Rc::new(move |round, _, _| {
        let mut now = said.get();
        now[usize::from(round)] += 1;
        said.set(now);
    })
}

#[test]
fn stocked__should_sign_in_one_round_with_every_scheme_and_tweak() {
    for (committee, signers) in cases() {
        let shelf = Shelf::filled(committee, &signers, 4);
        for (n, tweak) in TWEAKS.into_iter().enumerate() {
            let said = Rc::new(Cell::new([0; 3]));
            let lies = signers.iter().map(|party| (*party, listener(&said)));
            let outcomes = sign(committee, &shelf, "stocked", tweak, &lies.collect());
            must_be_one_valid_signature(committee, outcomes, "stocked", tweak);
            assert_eq!(said.get(), [0, signers.len(), 0], "one broadcast each");
            for party in &signers[1..] {
                assert_eq!(shelf.left(*party), 3 - n, "one entry each");
            }
        }
    }
}

#[test]
fn stocked__should_sign_with_the_highest_indices() {
    for committee in TWO_OF_TWENTY.iter() {
        let shelf = Shelf::filled(committee, &[index(19), index(20)], 1);
        let outcomes = sign(
            committee,
            &shelf,
            "ends",
            TaprootTweak::None,
            &BTreeMap::new(),
        );
        must_be_one_valid_signature(committee, outcomes, "ends", TaprootTweak::None);
    }
}

#[test]
fn c8_stocked__must_sign_the_same_message_with_another_nonce_each_time() {
    for (committee, signers) in cases() {
        let shelf = Shelf::filled(committee, &signers, 20);
        let mut nonces = std::collections::BTreeSet::new();
        // More often than the stock lasts: the rest goes by two rounds.
        for _ in 0..25 {
            let outcomes = sign(
                committee,
                &shelf,
                "same",
                TaprootTweak::None,
                &BTreeMap::new(),
            );
            let tweak = TaprootTweak::None;
            let signature = must_be_one_valid_signature(committee, outcomes, "same", tweak);
            assert!(nonces.insert(signature.as_bytes()[..32].to_vec()));
        }
    }
}

#[test]
fn plain__should_be_the_way_wherever_somebody_has_no_stock() {
    for (committee, signers) in cases() {
        let (leader, last) = (signers[0], *signers.last().unwrap());
        // Only some followers have announced: the leader has no full set.
        let shelf = Shelf::new(&signers);
        if signers.len() > 2 {
            shelf.announce(committee, last, batch(committee, last, 3));
        }
        // The leader forgot everything; all followers still wait for it.
        let forgotten = Shelf::filled(committee, &signers, 3);
        forgotten.held.borrow_mut().drop_set(&forgotten.set);
        for shelf in [shelf, forgotten] {
            let before: Vec<_> = signers.iter().map(|party| shelf.left(*party)).collect();
            let outcomes = sign(
                committee,
                &shelf,
                "plain",
                TaprootTweak::KeyPath,
                &BTreeMap::new(),
            );
            must_be_one_valid_signature(committee, outcomes, "plain", TaprootTweak::KeyPath);
            let after: Vec<_> = signers.iter().map(|party| shelf.left(*party)).collect();
            assert_eq!(before, after, "fresh nonces for all of {leader}'s");
        }
    }
}

#[test]
fn c14_follower_without_the_stock__must_end_it_without_a_culprit() {
    // It restarted, or its stock expired before the leader's: nobody is at fault.
    for (committee, signers) in cases() {
        for forgetful in &signers[1..] {
            for knows_it_has_none in [true, false] {
                let shelf = Shelf::filled(committee, &signers, 2);
                if !knows_it_has_none {
                    // It waits for the leader with a stock, but not with the one that is asked for.
                    let told = crate::shelf::announcement(
                        &shelf.set,
                        crate::shelf::link(99),
                        99,
                        batch(committee, *forgetful, 1).announced(),
                    );
                    let nonces = batch(committee, *forgetful, 1);
                    let mut own = shelf.own[forgetful].lock().unwrap();
                    let now = std::time::Duration::ZERO;
                    own.add(told.stock, &shelf.set, told.link, nonces, now)
                        .unwrap();
                }
                let link = crate::shelf::link(forgetful.get());
                shelf.own[forgetful].lock().unwrap().end_link(link);
                let outcomes = sign(
                    committee,
                    &shelf,
                    "gone",
                    TaprootTweak::None,
                    &BTreeMap::new(),
                );
                let mut noticed = 0;
                for abort in outcomes.into_values().map(|outcome| outcome.unwrap_err()) {
                    assert!(abort.culprits.is_empty(), "{abort}");
                    assert_eq!(abort.sanction(), Sanction::Retry);
                    noticed += usize::from(abort.reason.name() == "no_stock");
                }
                assert!(noticed > 0);
            }
        }
    }
}

/// A lie of `liar` in its one message.
fn lie(change: impl Fn(&mut Vec<u8>) + 'static) -> Lie {
    Rc::new(move |round, _, body| {
        if round == 1 {
            change(body);
        }
    })
}

/// What the honest signers found, in a run in which one lies.
fn found(committee: &Committee, signers: &[PartyIndex], liar: PartyIndex, lie: Lie) -> Vec<Abort> {
    let shelf = Shelf::filled(committee, signers, 4);
    let lies = BTreeMap::from([(liar, lie)]);
    let outcomes = sign(committee, &shelf, "lie", TaprootTweak::KeyPath, &lies);
    finders(outcomes, liar)
}

fn finders(outcomes: Outcomes<Signature>, liar: PartyIndex) -> Vec<Abort> {
    let honest = outcomes.into_iter().filter(|(who, _)| *who != liar);
    let aborts = honest.map(|(_, outcome)| outcome.expect_err("nothing leaves on failure"));
    aborts
        .filter(|abort| abort.reason != Reason::PeerAborted)
        .collect()
}

#[track_caller]
fn must_be(aborts: Vec<Abort>, name: &str, culprits: &[PartyIndex]) {
    assert!(!aborts.is_empty(), "{name}: nobody noticed");
    for abort in aborts {
        assert_eq!(abort.reason.name(), name);
        assert_eq!(abort.culprits, culprits, "{name}");
        assert_eq!(abort.sanction(), Sanction::Retry);
    }
}

/// Where the fields of an opening are; `docs/protocols/frost.md` §7.3.
struct Places {
    signers: usize,
    point: usize,
}

impl Places {
    fn of(committee: &Committee, signers: &[PartyIndex]) -> Self {
        Self {
            signers: signers.len(),
            point: committee.curve.point_length(),
        }
    }
    fn stock(&self, follower: usize) -> usize {
        32 + 18 * (follower - 1)
    }
    fn number(&self, follower: usize) -> usize {
        self.stock(follower) + 16
    }
    fn commitments(&self, signer: usize) -> usize {
        32 + 18 * (self.signers - 1) + 2 * self.point * signer
    }
    fn share(&self) -> usize {
        self.commitments(self.signers)
    }
}

fn overwrite(at: usize, with: &[u8]) -> Lie {
    let with = with.to_vec();
    lie(move |body| body[at..at + with.len()].copy_from_slice(&with))
}

#[test]
fn c7_leader_that_names_the_wrong_entry__must_be_refused_and_named() {
    for (committee, signers) in cases() {
        let (leader, places) = (signers[0], Places::of(committee, &signers));
        let told = |lie| found(committee, &signers, leader, lie);
        // Beyond the stock.
        let beyond = overwrite(places.number(1), &[0, 4]);
        must_be(told(beyond), "stocked_nonces_misplaced", &[leader]);
        // Another live entry than the one whose commitments are in the list.
        let other = overwrite(places.number(1), &[0, 1]);
        must_be(told(other), "own_commitment", &[leader]);
        // A stock that never was: an honest leader may know one of before a restart.
        must_be(
            told(overwrite(places.stock(1), &[0xee; 16])),
            "no_stock",
            &[],
        );
    }
}

#[test]
fn c7_entry_asked_for_twice__must_be_refused_and_name_the_leader() {
    for (committee, signers) in cases() {
        let shelf = Shelf::filled(committee, &signers, 4);
        let places = Places::of(committee, &signers);
        let opening = Rc::new(std::cell::RefCell::new(Vec::new()));
        let heard = Rc::clone(&opening);
        let spy: Lie = Rc::new(move |_, _, body| heard.borrow_mut().clone_from(body));
        let lies = BTreeMap::from([(signers[0], spy)]);
        let first = sign(committee, &shelf, "first", TaprootTweak::None, &lies);
        must_be_one_valid_signature(committee, first, "first", TaprootTweak::None);
        // The leader names the same entries, with the same commitments, for another message.
        let (from, to) = (places.stock(1), places.commitments(0));
        let again: Lie =
            lie(move |body| body[from..to].copy_from_slice(&opening.borrow()[from..to]));
        let lies = BTreeMap::from([(signers[0], again)]);
        let second = sign(committee, &shelf, "second", TaprootTweak::None, &lies);
        must_be(
            finders(second, signers[0]),
            "stocked_nonces_used",
            &[signers[0]],
        );
    }
}

#[test]
fn c7_entry_of_another_set__must_be_refused_and_name_the_leader() {
    for (committee, signers) in cases() {
        let shelf = Shelf::filled(committee, &signers, 2);
        // The followers' tables have the stock, of another epoch.
        let other = crate::shelf::set(1, 2, &signers);
        for party in &signers[1..] {
            let mut own = shelf.own[party].lock().unwrap();
            let stock = crate::shelf::name(party.get(), 0).stock;
            own.end_link(crate::shelf::link(party.get()));
            let nonces = batch(committee, *party, 2);
            let now = std::time::Duration::ZERO;
            own.add(stock, &other, crate::shelf::link(7), nonces, now)
                .unwrap();
        }
        let t = committee.min_signers();
        let outcomes = pump::run(&signers, t, [9; 16], |roster, context| {
            let ahead = match roster.me() {
                me if me == signers[0] => shelf.ahead(me),
                me => Ahead::Follow(shelf.taker(me)),
            };
            start(
                committee,
                roster,
                context,
                "epoch",
                TaprootTweak::None,
                ahead,
            )
        });
        let aborts = finders(outcomes, signers[0]);
        must_be(aborts, "stocked_nonces_misplaced", &[signers[0]]);
    }
}

#[test]
fn c7_changed_commitment__must_be_refused_and_name_the_leader() {
    for (committee, signers) in cases() {
        let (leader, places) = (signers[0], Places::of(committee, &signers));
        let told = |lie| found(committee, &signers, leader, lie);
        let forged = point(committee.curve);
        for half in [0, places.point] {
            // A follower's own: it knows better.
            let at = places.commitments(1) + half;
            must_be(told(overwrite(at, &forged)), "own_commitment", &[leader]);
            // The leader's: its share, made for others, does not fit.
            let at = places.commitments(0) + half;
            must_be(told(overwrite(at, &forged)), "signature_share", &[leader]);
        }
    }
}

#[test]
fn c10_opening__must_be_refused_unless_points_scalar_and_length_are_right() {
    for (committee, signers) in cases() {
        let (leader, places) = (signers[0], Places::of(committee, &signers));
        let told = |lie| found(committee, &signers, leader, lie);
        for (what, bytes) in bad_points(committee.curve) {
            if what == "mixed order" {
                continue; // it stands for eight times itself
            }
            for half in [0, places.point] {
                let at = places.commitments(0) + half;
                must_be(told(overwrite(at, &bytes)), "malformed", &[leader]);
            }
        }
        must_be(
            told(overwrite(places.share(), &[0xff; 32])),
            "malformed",
            &[leader],
        );
        must_be(told(lie(|body| body.push(0))), "malformed", &[leader]);
        must_be(
            told(lie(|body| body.truncate(body.len() - 1))),
            "malformed",
            &[leader],
        );
        must_be(told(lie(Vec::clear)), "malformed", &[leader]);
    }
}

#[test]
fn c14_leaders_wrong_share__must_be_found_by_everybody_and_name_it() {
    for (committee, signers) in cases() {
        let (leader, places) = (signers[0], Places::of(committee, &signers));
        let last = places.share() + last_of_share(committee.curve) - 32;
        let told = found(
            committee,
            &signers,
            leader,
            lie(move |body| body[last] ^= 1),
        );
        must_be(told, "signature_share", &[leader]);
    }
}

#[test]
fn c14_opening_for_something_else__must_blame_nobody_and_use_the_entry_up() {
    for (committee, signers) in cases() {
        let shelf = Shelf::filled(committee, &signers, 1);
        let lies = BTreeMap::from([(signers[0], lie(|body| body[0] ^= 1))]);
        let outcomes = sign(committee, &shelf, "one", TaprootTweak::None, &lies);
        must_be(finders(outcomes, signers[0]), "out_of_step", &[]);
        assert_eq!(shelf.left(signers[1]), 0, "whoever asked, it is gone");
    }
    // A dishonest coordinator: all signers are honest, and were told different things.
    for (committee, signers) in cases() {
        let shelf = Shelf::filled(committee, &signers, 1);
        let t = committee.min_signers();
        let outcomes = pump::run(&signers, t, [9; 16], |roster, context| {
            let (me, leader) = (roster.me(), signers[0]);
            let text = if me == leader { "one" } else { "two" };
            start(
                committee,
                roster,
                context,
                text,
                TaprootTweak::None,
                shelf.ahead(me),
            )
        });
        for abort in outcomes.into_values().map(|outcome| outcome.unwrap_err()) {
            assert!(abort.culprits.is_empty(), "{abort}");
        }
    }
}

#[test]
fn c7_c14_answers_that_are_wrong__must_be_refused_and_name_their_sender() {
    for (committee, signers) in cases() {
        let liar = *signers.last().unwrap();
        let told = |lie| found(committee, &signers, liar, lie);
        let last = last_of_share(committee.curve);
        must_be(
            told(lie(move |body| body[last] ^= 1)),
            "signature_share",
            &[liar],
        );
        must_be(told(overwrite(32, &[0; 32])), "signature_share", &[liar]);
        must_be(told(overwrite(32, &[0xff; 32])), "malformed", &[liar]);
        must_be(told(lie(|body| body[0] ^= 1)), "commitment_list", &[liar]);
        must_be(told(lie(|body| body.push(0))), "malformed", &[liar]);
        must_be(
            told(lie(|body| body.truncate(body.len() - 1))),
            "malformed",
            &[liar],
        );
        if signers.len() > 2 {
            // Without the quote of the opening, and with one that nobody signed.
            must_be(told(lie(|body| body.truncate(64))), "malformed", &[liar]);
            must_be(told(lie(|body| body[64] ^= 1)), "bad_echo", &[liar]);
            must_be(told(lie(|body| body[159] ^= 1)), "bad_echo", &[liar]);
        } else {
            must_be(told(lie(|body| body.resize(160, 0))), "malformed", &[liar]);
        }
    }
}

#[test]
fn c14_different_openings_to_different_signers__must_name_the_leader_with_proof() {
    for committee in THREE_OF_THREE.iter() {
        let signers = [index(1), index(2), index(3)];
        let places = Places::of(committee, &signers);
        let forged = point(committee.curve);
        for (at, forged) in [
            (places.commitments(0), forged.clone()),
            (places.commitments(1), forged),
            (places.number(1), vec![0, 3]),
            (places.share(), vec![0; 32]),
        ] {
            let shelf = Shelf::filled(committee, &signers, 4);
            let outcomes = pump::equivocate(
                &signers,
                3,
                index(1),
                index(3),
                (at, forged),
                |roster, context| {
                    let ahead = shelf.ahead(roster.me());
                    start(committee, roster, context, "two", TaprootTweak::None, ahead)
                },
            );
            let aborts = finders(outcomes, index(1));
            for abort in &aborts {
                // Two statements that contradict each other, both signed by it.
                assert_eq!(abort.evidence.len(), 2);
                assert_ne!(abort.evidence[0].statement, abort.evidence[1].statement);
            }
            must_be(aborts, "equivocation", &[index(1)]);
        }
    }
}

#[test]
fn c14_leader_that_goes_both_ways__must_be_named_with_proof() {
    // Party 2 is told an opening, party 3 plain commitments; 3 has no stock.
    for committee in THREE_OF_THREE.iter() {
        let signers = [index(1), index(2), index(3)];
        let shelf = Shelf::filled(committee, &signers, 4);
        let length = 32 + 2 * committee.curve.point_length();
        let plain = [vec![0; 32], vec![point(committee.curve); 2].concat()].concat();
        assert_eq!(plain.len(), length);
        let twist = |from, to, context: &quorate_types::Digest32, message: &mut SecretBytes| {
            let mut envelope = Envelope::from_bytes(message).unwrap();
            if (from, to, envelope.slot) != (index(1), index(3), Slot::Broadcast) {
                return;
            }
            envelope.body = SecretBytes::new(plain.clone());
            let signature = identity(from).sign(&envelope.statement(context));
            envelope.signature = Some(signature.to_bytes());
            **message = envelope.to_bytes();
        };
        let outcomes = pump::run_over(
            &signers,
            3,
            [9; 16],
            &BTreeMap::new(),
            twist,
            |roster, context| {
                let ahead = match roster.me() {
                    me if me == index(3) => Ahead::Nothing,
                    me => shelf.ahead(me),
                };
                start(
                    committee,
                    roster,
                    context,
                    "both",
                    TaprootTweak::None,
                    ahead,
                )
            },
        );
        let third = outcomes[&index(3)].as_ref().unwrap_err();
        let second = outcomes[&index(2)].as_ref().unwrap_err();
        // Each ends; 3 has both statements, 2 may have heard only that 3 has no stock.
        assert!(second.culprits.is_empty() || second.culprits == [index(1)]);
        assert_eq!(third.reason, Reason::Equivocation);
        assert_eq!(third.culprits, [index(1)]);
        assert_eq!(third.evidence.len(), 2);
    }
}

#[test]
fn stocked__must_refuse_entries_that_do_not_fit_the_attempt() {
    let refused = |committee: &Committee, me: u8, ahead: Ahead| {
        let signers = [index(1), index(2)];
        let roster = crate::committee::roster(index(me), &signers, 2, [9; 16]);
        let mut rng = ChaCha20Rng::from_seed(pump::fresh_seed());
        let payload = committee.payload("misfit", TaprootTweak::None);
        let context = roster.context(b"test");
        let share = &committee.shares[&index(me)];
        Sign::start_with(&roster, context, share, payload, ahead, &mut rng).is_err()
    };
    let [ed25519, bip340] = &*TWO_OF_THREE;
    let of = |committee: &Committee, signers: &[PartyIndex]| {
        Ahead::Lead(Shelf::filled(committee, signers, 1).take().unwrap())
    };
    let (pair, other) = ([index(1), index(2)], [index(1), index(3)]);
    assert!(!refused(ed25519, 1, of(ed25519, &pair)));
    assert!(refused(ed25519, 1, of(bip340, &pair)), "another scheme");
    assert!(refused(ed25519, 1, of(ed25519, &other)), "another signer");
    assert!(refused(ed25519, 1, Ahead::Lead(Vec::new())), "none");
    assert!(refused(ed25519, 2, of(ed25519, &pair)), "2 does not lead");
    let shelf = Shelf::filled(ed25519, &pair, 1);
    assert!(
        refused(ed25519, 1, Ahead::Follow(shelf.taker(index(1)))),
        "1 leads"
    );
    assert_eq!(ed25519.curve, Curve::Ed25519);
}
