//! The tables of stocked nonces: what is taken once, what dies with what, what is refused.

use std::time::Duration;

use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
use quorate_frost::{
    Announcement, BadAnnouncement, HeldStocks, MAX_STOCK_ENTRIES, OwnStocks, StockLimits,
    Unannounced, Untaken, Unwelcome,
};
use quorate_types::{Canonical, Curve};

use crate::committee::{Committee, THREE_OF_FIVE, TWO_OF_THREE, index};
use crate::misbehaviour::bad_points;
use crate::shelf::{LIMITS, announcement, batch, link, name, set};

const START: Duration = Duration::ZERO;

fn ed25519() -> &'static Committee {
    &TWO_OF_THREE[0]
}

/// A table with one stock of `count` entries for key 1, epoch 1, signers 1 and 2, over link 2.
fn own(count: u16) -> OwnStocks {
    let mut own = OwnStocks::new(LIMITS);
    let set = set(1, 1, &[index(1), index(2)]);
    let nonces = batch(ed25519(), index(2), count);
    own.add(name(2, 0).stock, &set, link(2), nonces, START)
        .unwrap();
    own
}

#[test]
fn c7_entry__must_be_had_once_however_often_it_is_asked_for() {
    let set = set(1, 1, &[index(1), index(2)]);
    let mut own = own(3);
    for number in [1, 0, 2] {
        assert!(own.take(&name(2, number), &set, START).is_ok());
        for _ in 0..2 {
            let again = own.take(&name(2, number), &set, START).err();
            assert_eq!(again, Some(Untaken::Used));
        }
    }
    assert_eq!((own.left(&set, START), own.entries()), (0, 0));
    let beyond = own.take(&name(2, 3), &set, START).err();
    assert_eq!(beyond, Some(Untaken::Misplaced), "it never was");
}

#[test]
fn c7_entry_of_another_key_epoch_or_set__must_be_refused_and_stay() {
    let ours = set(1, 1, &[index(1), index(2)]);
    let mut own = own(1);
    for other in [
        set(2, 1, &[index(1), index(2)]),
        set(1, 2, &[index(1), index(2)]),
        set(1, 1, &[index(1), index(3)]),
        set(1, 1, &[index(1), index(2), index(3)]),
    ] {
        let refused = own.take(&name(2, 0), &other, START).err();
        assert_eq!(refused, Some(Untaken::Misplaced));
    }
    let beyond = own.take(&name(2, 1), &ours, START).err();
    assert_eq!(beyond, Some(Untaken::Misplaced));
    let unknown = own.take(&name(3, 0), &ours, START).err();
    assert_eq!(unknown, Some(Untaken::Unknown));
    assert!(own.take(&name(2, 0), &ours, START).is_ok());
}

#[test]
fn c7_stock__must_die_with_its_link_session_and_by_time() {
    let set = set(1, 1, &[index(1), index(2)]);
    let mut ended = own(2);
    ended.end_link(link(3));
    assert_eq!(ended.entries(), 2, "another link's end changes nothing");
    ended.end_link(link(2));
    assert_eq!(ended.entries(), 0);
    let gone = ended.take(&name(2, 0), &set, START).err();
    assert_eq!(gone, Some(Untaken::Unknown));

    let mut aged = own(2);
    let last = LIMITS.lifetime - Duration::from_millis(1);
    assert_eq!(aged.left(&set, last), 2);
    assert!(aged.take(&name(2, 0), &set, last).is_ok());
    assert_eq!(aged.left(&set, LIMITS.lifetime), 0);
    let expired = aged.take(&name(2, 1), &set, LIMITS.lifetime).err();
    assert_eq!(expired, Some(Untaken::Unknown));
    assert_eq!(aged.entries(), 0);
}

#[test]
fn own_stocks__must_keep_their_limits_and_give_room_back() {
    let limits = StockLimits {
        entries_per_set: 8,
        bytes_per_peer: 12 * 768 + 2 * 2_048,
        bytes: 16 * 768 + 3 * 2_048,
        ..LIMITS
    };
    let mut own = OwnStocks::new(limits);
    let add = |own: &mut OwnStocks, stock: u8, key: u8, at: u8, count: u16| {
        let set = set(key, 1, &[index(1), index(2)]);
        let nonces = batch(ed25519(), index(2), count);
        own.add(name(stock, 0).stock, &set, link(at), nonces, START)
    };
    assert_eq!(add(&mut own, 1, 1, 1, 8), Ok(()));
    assert_eq!(add(&mut own, 1, 2, 1, 1), Err(Unannounced), "the same name");
    assert_eq!(add(&mut own, 2, 1, 1, 1), Err(Unannounced), "of the set");
    assert_eq!(add(&mut own, 2, 2, 1, 5), Err(Unannounced), "of the peer");
    assert_eq!(add(&mut own, 2, 2, 1, 4), Ok(()));
    assert_eq!(add(&mut own, 3, 3, 2, 5), Err(Unannounced), "of the node");
    assert_eq!(add(&mut own, 3, 3, 2, 4), Ok(()));
    assert_eq!(add(&mut own, 4, 4, 3, 0), Err(Unannounced), "nothing");
    let first = set(1, 1, &[index(1), index(2)]);
    assert!(own.take(&name(1, 0), &first, START).is_ok());
    assert_eq!(add(&mut own, 5, 3, 2, 1), Ok(()), "room of what was used");
    own.drop_set(&first);
    assert_eq!((own.left(&first, START), own.entries()), (0, 9));
    own.expire(LIMITS.lifetime);
    assert_eq!(own.entries(), 0);
}

#[test]
fn held_stocks__should_give_one_entry_of_every_other_signer_or_none() {
    let committee = &THREE_OF_FIVE[0];
    let signers = [index(1), index(2), index(4)];
    let set = set(1, 1, &signers);
    let mut held = HeldStocks::new(LIMITS);
    let announce = |held: &mut HeldStocks, party: u8, stock: u8, count| {
        let nonces = batch(committee, index(party), count);
        let told = announcement(&set, link(party), stock, nonces.announced());
        held.add(index(party), told.check(committee.curve).unwrap(), START)
    };
    assert!(held.take(&set, START).is_none());
    assert_eq!(announce(&mut held, 2, 2, 2), Ok(2));
    assert!(held.take(&set, START).is_none(), "4 has none");
    assert_eq!(held.left(&set, index(2)), 2, "and nothing was taken");
    assert_eq!(announce(&mut held, 4, 4, 1), Ok(1));
    assert_eq!(
        announce(&mut held, 4, 4, 1),
        Err(Unwelcome),
        "the same name"
    );
    assert_eq!(announce(&mut held, 4, 5, 1), Ok(1));
    for (second, fourth) in [(name(2, 0), name(4, 0)), (name(2, 1), name(5, 0))] {
        let taken = held.take(&set, START).unwrap();
        let taken: Vec<_> = taken.iter().map(|e| (e.party(), e.name())).collect();
        assert_eq!(taken, [(index(2), second), (index(4), fourth)]);
    }
    assert!(held.take(&set, START).is_none());
    assert_eq!(held.entries(), 0);
    // The leader itself and strangers have no place.
    for party in [1, 3] {
        assert_eq!(announce(&mut held, party, 6, 1), Err(Unwelcome));
    }
}

#[test]
fn c7_held_stocks__must_die_with_a_link_with_a_failure_and_before_the_other_side() {
    let set = set(1, 1, &[index(1), index(2)]);
    let filled = || {
        let mut held = HeldStocks::new(LIMITS);
        let nonces = batch(ed25519(), index(2), 2);
        let told = announcement(&set, link(2), 2, nonces.announced());
        held.add(index(2), told.check(Curve::Ed25519).unwrap(), START)
            .unwrap();
        held
    };
    let mut held = filled();
    held.end_link(link(3));
    assert_eq!(held.entries(), 2);
    held.end_link(link(2));
    assert!(held.take(&set, START).is_none() && held.entries() == 0);
    let mut held = filled();
    held.drop_set(&set);
    assert!(held.take(&set, START).is_none() && held.entries() == 0);
    let end = LIMITS.lifetime - LIMITS.margin;
    let mut held = filled();
    assert!(held.take(&set, end - Duration::from_millis(1)).is_some());
    assert!(held.take(&set, end).is_none() && held.entries() == 0);
}

#[test]
fn held_stocks__must_keep_their_limits() {
    let limits = StockLimits {
        entries_per_set: 8,
        bytes_per_peer: 12 * 768 + 2 * 2_048,
        bytes: 16 * 768 + 3 * 2_048,
        ..LIMITS
    };
    let mut held = HeldStocks::new(limits);
    let announce = |held: &mut HeldStocks, stock: u8, key: u8, at: u8, count: u16| {
        let nonces = batch(ed25519(), index(2), count);
        let set = set(key, 1, &[index(1), index(2)]);
        let told = announcement(&set, link(at), stock, nonces.announced());
        let has_room = held.has_room(index(2), &told, count.into(), START);
        let added = held.add(index(2), told.check(Curve::Ed25519).unwrap(), START);
        assert_eq!(has_room, added.is_ok());
        added.is_ok()
    };
    assert!(announce(&mut held, 1, 1, 1, 8));
    assert!(!announce(&mut held, 2, 1, 1, 1), "of the set");
    assert!(!announce(&mut held, 2, 2, 1, 5), "of the peer");
    assert!(announce(&mut held, 2, 2, 1, 4));
    assert!(!announce(&mut held, 3, 3, 2, 5), "of the node");
    assert!(announce(&mut held, 3, 3, 2, 4));
    let first = set(1, 1, &[index(1), index(2)]);
    assert!(held.take(&first, START).is_some());
    assert!(announce(&mut held, 4, 3, 2, 1), "room of what was used");
}

/// An announcement of the second signer, by the time, over `link`.
fn hold(held: &mut HeldStocks, stock: u8, key: u8, at: u8, count: u16, now: Duration) -> bool {
    let nonces = batch(ed25519(), index(2), count);
    let told = announcement(
        &set(key, 1, &[index(1), index(2)]),
        link(at),
        stock,
        nonces.announced(),
    );
    let has_room = held.has_room(index(2), &told, count.into(), now);
    let added = held.add(index(2), told.check(Curve::Ed25519).unwrap(), now);
    assert_eq!(has_room, added.is_ok());
    added.is_ok()
}

#[test]
fn held_stocks__should_make_room_from_what_the_same_peer_left_unused() {
    let limits = StockLimits {
        bytes_per_peer: 3 * (4 * 768 + 2_048),
        bytes: 4 * (4 * 768 + 2_048),
        ..LIMITS
    };
    let sets = [0, 1, 2, 3].map(|key| set(key, 1, &[index(1), index(2)]));
    let (later, latest) = (Duration::from_secs(10), Duration::from_secs(35));
    let mut held = HeldStocks::new(limits);
    for key in 1..=3 {
        assert!(hold(&mut held, key, key, 1, 4, START));
    }
    assert!(!hold(&mut held, 4, 4, 1, 4, later), "all is fresh");
    assert!(held.take(&sets[1], later).is_some());
    assert!(hold(&mut held, 5, 5, 1, 4, latest));
    let left = |held: &HeldStocks, key: usize| held.left(&sets[key], index(2));
    // The first was used lately; one of the others made room.
    assert_eq!((left(&held, 1), left(&held, 2) + left(&held, 3)), (3, 4));
    // Two peers share what there is, and neither makes room for the other.
    held.share_among(2);
    let much_later = Duration::from_secs(100);
    for (stock, key) in [(11, 11), (12, 12), (13, 13)] {
        let fits = hold(&mut held, stock, key, 2, 4, much_later);
        assert_eq!(fits, key == 11, "the node is full of the first peer's");
    }
}

#[test]
fn reserve__should_count_until_it_is_released_and_leave_half_to_sets_that_sign_again() {
    let limits = StockLimits {
        bytes_per_peer: 4 * (4 * 768 + 2_048),
        ..LIMITS
    };
    let mut own = OwnStocks::new(limits);
    let ours = set(1, 1, &[index(1), index(2)]);
    let mut reserve = |first| own.reserve(&ours, link(1), 4, first, START);
    assert!(reserve(true) && reserve(true), "half");
    assert!(!reserve(true));
    assert!(reserve(false) && reserve(false) && !reserve(false));
    for _ in 0..4 {
        own.release(link(1), 4);
    }
    assert!(own.reserve(&ours, link(1), 4, true, START));
    own.release(link(1), 4);
    let nonces = batch(ed25519(), index(2), 4);
    let added = own.add(name(1, 0).stock, &ours, link(1), nonces, START);
    assert_eq!(added, Ok(()));
}

#[test]
fn c7_stock_of_a_known_name__must_be_refused_as_long_as_the_link_stands() {
    let mut held = HeldStocks::new(LIMITS);
    let ours = set(1, 1, &[index(1), index(2)]);
    let nonces = batch(ed25519(), index(2), 1);
    let again = || announcement(&ours, link(2), 2, nonces.announced());
    assert!(!held.is_repeated(&again()));
    assert!(hold(&mut held, 2, 1, 2, 1, START));
    assert!(held.take(&ours, START).is_some());
    // Also for another set, and long after all of it was used.
    for now in [START, LIMITS.lifetime * 5] {
        held.expire(now);
        assert!(held.is_repeated(&again()));
        assert!(!hold(&mut held, 2, 1, 2, 1, now));
        assert!(!hold(&mut held, 2, 9, 2, 1, now));
    }
    assert!(hold(&mut held, 2, 1, 3, 1, START), "another link");
    held.end_link(link(2));
    assert!(!held.is_repeated(&again()));
}

#[test]
fn declined_stock__should_stay_and_be_announced_anew_only_if_nothing_else_is_heard() {
    let set = set(1, 1, &[index(1), index(2)]);
    let seconds = Duration::from_secs;
    // Many sessions at once after a long pause: those without stock may be heard first.
    let mut own = own(4);
    for n in 0..40 {
        own.declined(&set, seconds(60) + Duration::from_millis(n * 50));
    }
    for number in 0..2 {
        assert!(own.take(&name(2, number), &set, seconds(62)).is_ok());
    }
    // Now and then is not for long.
    for n in 1..10 {
        own.declined(&set, seconds(62 + 4 * n));
    }
    assert_eq!(own.reliable(&set, seconds(100)), 2);
    // Without a break it is, unless something is used.
    for n in 0..=10 {
        own.declined(&set, seconds(110 + n));
    }
    assert!(own.take(&name(2, 2), &set, seconds(121)).is_ok());
    for n in 0..=12 {
        own.declined(&set, seconds(122 + n));
        assert_eq!(own.reliable(&set, seconds(122 + n)), 1);
    }
    own.declined(&set, seconds(135));
    assert_eq!(own.reliable(&set, seconds(135)), 0);
    // It may be there all the same.
    assert_eq!(own.left(&set, seconds(135)), 1);
    assert!(own.take(&name(2, 3), &set, seconds(136)).is_ok());
}

#[test]
fn stock_that_was_passed_over__should_go_once_nothing_of_it_can_be_on_the_way() {
    let ours = set(1, 1, &[index(1), index(2)]);
    let mut own = own(4);
    let nonces = batch(ed25519(), index(2), 4);
    own.add(name(3, 0).stock, &ours, link(2), nonces, START)
        .unwrap();
    let seconds = Duration::from_secs;
    assert!(own.take(&name(2, 0), &ours, seconds(1)).is_ok());
    assert_eq!(own.reliable(&ours, seconds(1)), 7);
    assert!(own.take(&name(3, 0), &ours, seconds(2)).is_ok());
    // Leaders take in order: of the first they have nothing any more, but it may be on the way.
    let left = |own: &mut OwnStocks, now| (own.reliable(&ours, now), own.left(&ours, now));
    assert_eq!(left(&mut own, seconds(2)), (3, 6));
    assert!(own.take(&name(2, 1), &ours, seconds(3)).is_ok());
    assert_eq!(left(&mut own, seconds(7)), (3, 5));
    assert_eq!(left(&mut own, seconds(8)), (3, 3));
    let gone = own.take(&name(2, 2), &ours, seconds(8)).err();
    assert_eq!(gone, Some(Untaken::Unknown));
}

#[test]
fn c7_stocks__must_agree_whenever_a_signer_that_had_none_has_some() {
    // Three signers, one signature a second. The third has no stock for some seconds (it was restarted,
    // or went without): whenever it gets one, what the leader takes of the second is there, and it
    // takes something before long.
    let committee = &THREE_OF_FIVE[0];
    let ours = set(1, 1, &[index(1), index(2), index(4)]);
    let at = |second: u64| Duration::from_secs(second);
    for joins in 1..60 {
        let mut held = HeldStocks::new(LIMITS);
        let mut second = OwnStocks::new(LIMITS);
        let mut stock = 100;
        let announce = |held: &mut HeldStocks, own: &mut OwnStocks, party, stock, now| {
            let nonces = batch(committee, index(party), 2);
            let told = announcement(&ours, link(party), stock, nonces.announced());
            own.add(told.stock, &ours, link(party), nonces, now)
                .unwrap();
            let checked = told.check(committee.curve).unwrap();
            held.add(index(party), checked, now).unwrap();
        };
        announce(&mut held, &mut second, 2, stock, at(0));
        let mut third = OwnStocks::new(LIMITS);
        let mut hits = 0;
        for n in 1..joins + 20 {
            if n >= joins && third.reliable(&ours, at(n)) == 0 {
                stock += 1;
                announce(&mut held, &mut third, 4, stock, at(n));
            }
            let heard = at(n) + Duration::from_millis(100);
            if let Some(taken) = held.take(&ours, at(n)) {
                hits += 1;
                for (entry, own) in taken.iter().zip([&mut second, &mut third]) {
                    let nonces = own.take(&entry.name(), &ours, heard);
                    assert!(nonces.is_ok(), "{joins}: {:?} at {n}", nonces.err());
                }
            } else {
                second.declined(&ours, heard);
                third.declined(&ours, heard);
            }
            if second.reliable(&ours, heard) == 0 {
                stock += 1;
                announce(&mut held, &mut second, 2, stock, heard);
            }
        }
        assert!(hits >= 5, "{joins}: {hits}");
    }
}

#[test]
fn c10_announced_point__must_be_refused_unless_canonical_and_not_the_identity() {
    for committee in TWO_OF_THREE.iter() {
        let curve = committee.curve;
        let length = curve.point_length();
        let nonces = batch(committee, index(2), 3);
        let set = set(1, 1, &[index(1), index(2)]);
        let announce = |at: usize, bytes: &[u8]| {
            let mut commitments = nonces.announced().to_vec();
            commitments[at..at + length].copy_from_slice(bytes);
            announcement(&set, link(2), 2, &commitments)
                .check(curve)
                .err()
        };
        for (what, bytes) in bad_points(curve) {
            // It stands for eight times itself, which is of prime order: next test.
            if what == "mixed order" {
                continue;
            }
            for (at, number) in [(0, 0), (length, 0), (4 * length, 2), (5 * length, 2)] {
                let refused = announce(at, &bytes);
                assert_eq!(refused, Some(BadAnnouncement::Point(number)), "{what}");
            }
        }
    }
}

#[test]
fn c10_announced_point_with_torsion__must_stand_for_the_same_commitment_as_without() {
    // Whoever announces A + T announces 8·A: nothing of small order enters, and it has no use of it.
    let set = set(1, 1, &[index(1), index(2)]);
    let held = |point: curve25519_dalek::EdwardsPoint| {
        let bytes = [point.compress().to_bytes(), point.compress().to_bytes()].concat();
        announcement(&set, link(2), 2, &bytes).check(Curve::Ed25519)
    };
    assert!(held(ED25519_BASEPOINT_POINT).is_ok());
    for torsion in EIGHT_TORSION {
        assert!(held(ED25519_BASEPOINT_POINT + torsion).is_ok());
        let alone = held(torsion).err();
        assert_eq!(
            alone,
            Some(BadAnnouncement::Point(0)),
            "8·T is the identity"
        );
    }
}

#[test]
fn announcement__must_have_1_to_64_whole_entries_and_one_spelling() {
    for committee in TWO_OF_THREE.iter() {
        let set = set(1, 1, &[index(1), index(2)]);
        let most = batch(committee, index(2), MAX_STOCK_ENTRIES + 1);
        let told = announcement(&set, link(2), 2, most.announced());
        assert_eq!(told.entries(committee.curve), MAX_STOCK_ENTRIES.into());
        let bytes = told.to_bytes();
        assert!(Announcement::from_bytes(&bytes).is_ok_and(|read| read == told));
        assert!(Announcement::from_bytes(&bytes[..bytes.len() - 1]).is_err());
        assert!(told.check(committee.curve).is_ok());
        let one = 2 * committee.curve.point_length();
        let more = [most.announced(), &most.announced()[..one]].concat();
        for commitments in [&[][..], &most.announced()[..one - 1], &more] {
            let told = announcement(&set, link(2), 2, commitments);
            let refused = told.check(committee.curve).err();
            assert_eq!(refused, Some(BadAnnouncement::Length));
        }
    }
}
