use secp256k1::SecretKey;

use super::*;

fn key(number: u16) -> (KeyBytes, PublicKey) {
    let mut bytes = [1; 32];
    bytes[..2].copy_from_slice(&number.to_be_bytes());
    let point = PublicKey::from_secret_key(&SecretKey::from_secret_bytes(bytes).unwrap());
    (point.serialize(), point)
}

/// Verifies `times` as callers do; whether there was a table at the end.
fn verify(points: &KnownPoints, (key, point): &(KeyBytes, PublicKey), times: u32) -> bool {
    for _ in 0..times {
        match points.find(key) {
            Some(known) => points.has_confirmed(&known),
            None => points.has_verified(key, point),
        }
    }
    points.find(key).is_some()
}

fn tables(points: &KnownPoints) -> usize {
    points.points.read().unwrap().len()
}

/// A key with its table, where there are tables at all.
pub(crate) fn known(point: &PublicKey) -> Option<Arc<Point>> {
    let (points, key) = (KnownPoints::new(), (point.serialize(), *point));
    verify(&points, &key, NEEDED);
    points.find(&key.0)
}

/// Nothing to see where no key ever gets a table.
fn has_tables() -> bool {
    in_use().known_points
}

#[test]
fn key__should_have_a_table_once_it_has_verified_often() {
    let points = KnownPoints::new();
    assert!(!verify(&points, &key(1), NEEDED - 1));
    assert_eq!(verify(&points, &key(1), 1), has_tables());
    assert!(!verify(&points, &key(2), NEEDED - 1));
    assert_eq!(tables(&points), usize::from(has_tables()));
}

#[test]
fn sum__should_be_that_of_the_key() {
    let points = KnownPoints::new();
    for number in 0..4 {
        let key = key(number);
        if verify(&points, &key, NEEDED) {
            let point = points.find(&key.0).unwrap();
            let one = Residue::from_blocks(1, 0);
            let found = point.sum(&Residue::default(), &one).unwrap();
            let bytes = key.1.serialize_uncompressed();
            assert_eq!([found.x, found.y].concat(), bytes[1..]);
            assert_eq!(point.is_odd(), found.is_odd());
        }
    }
}

#[test]
fn many_keys__must_not_have_more_tables_than_allowed_nor_take_those_in_use() {
    let points = KnownPoints::new();
    let mine = key(0);
    verify(&points, &mine, NEEDED);
    for other in 1..200 {
        verify(&points, &key(other), 2 * NEEDED);
        assert_eq!(verify(&points, &mine, 1), has_tables());
        assert!(tables(&points) <= TABLES);
    }
}

#[test]
fn table__must_not_be_kept_by_signatures_that_do_not_verify() {
    if !has_tables() {
        return;
    }
    let points = KnownPoints::new();
    let limit = u16::try_from(TABLES).unwrap();
    for number in 0..limit {
        assert!(verify(&points, &key(number), NEEDED));
    }
    for _ in 0..=IDLE {
        assert!(
            points.find(&key(0).0).is_some(),
            "found, and confirms nothing"
        );
    }
    assert!(verify(&points, &key(limit), NEEDED));
}

#[test]
fn table__should_go_to_a_new_key_once_nobody_uses_it() {
    if !has_tables() {
        return;
    }
    let points = KnownPoints::new();
    let limit = u16::try_from(TABLES).unwrap();
    for number in 0..limit {
        assert!(verify(&points, &key(number), NEEDED));
    }
    let newcomer = key(limit);
    assert!(!verify(&points, &newcomer, NEEDED), "all are in use");
    let idle = u32::try_from(IDLE).unwrap();
    for number in 1..limit {
        assert!(verify(&points, &key(number), idle / 16));
    }
    assert!(verify(&points, &newcomer, NEEDED));
    assert!(points.find(&key(0).0).is_none(), "the one that was idle");
    for number in 1..limit {
        assert!(points.find(&key(number).0).is_some());
    }
    assert_eq!(tables(&points), TABLES);
}

/// Keys that are counted in one group with key 0.
fn alike() -> impl Iterator<Item = (KeyBytes, PublicKey)> {
    let group = |key: &KeyBytes| usize::from(key[32]) % GROUPS;
    let mine = group(&key(0).0);
    (1..4_000)
        .map(key)
        .filter(move |(key, _)| group(key) == mine)
}

#[test]
fn keys_that_verify_once__must_not_keep_another_from_a_table() {
    let points = KnownPoints::new();
    let mine = key(0);
    for other in alike().take(NEEDED as usize) {
        verify(&points, &other, 1);
        verify(&points, &mine, 3);
    }
    assert_eq!(points.find(&mine.0).is_some(), has_tables());
}

#[test]
fn keys_of_one_group__should_each_have_a_table() {
    // Also if one more verifies seldom.
    let points = KnownPoints::new();
    let mut others = alike();
    let keys: Vec<_> = others.by_ref().take(KEYS_OF_GROUP).collect();
    for other in others.take(NEEDED as usize) {
        for key in &keys {
            verify(&points, key, 3);
        }
        verify(&points, &other, 1);
    }
    for (key, _) in &keys {
        assert_eq!(points.find(key).is_some(), has_tables());
    }
}
