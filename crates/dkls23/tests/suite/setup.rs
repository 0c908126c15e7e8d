//! Pair state: both sides agree on generations; its encoding is one and only one.

use quorate_dkls23::{MAX_PAIR_SETUP, PairSetup, PairSetups};
use quorate_types::DecodeError;

use crate::committee::{THREE_OF_FIVE, TWO_OF_THREE, index};

#[test]
fn setup__should_give_both_parties_of_a_pair_one_generation_and_each_pair_another() {
    let setups = &THREE_OF_FIVE.setups;
    let mut generations = Vec::new();
    for (me, own) in setups {
        assert_eq!(own.generations().len(), 4);
        for (peer, generation) in own.generations() {
            assert_eq!(setups[&peer].generation(*me), Some(generation));
            generations.push(generation);
        }
    }
    generations.sort_unstable();
    generations.dedup();
    assert_eq!(generations.len(), 10);
}

#[test]
fn pair_setups__should_survive_their_encoding() {
    let setups = &TWO_OF_THREE.setups[&index(2)];
    let bytes = setups.to_secret_bytes();
    let again = PairSetups::from_secret_bytes(&bytes).unwrap();
    assert_eq!(again.me(), index(2));
    assert_eq!(again.to_secret_bytes(), bytes);
    assert!(again.generations().eq(setups.generations()));
}

#[test]
fn pair_setup__must_refuse_damaged_bytes() {
    let setup = TWO_OF_THREE.setups[&index(1)].get(index(3)).unwrap();
    let bytes = setup.to_secret_bytes();
    assert!(bytes.len() < MAX_PAIR_SETUP);
    let refused = |bytes: &[u8]| PairSetup::from_secret_bytes(bytes).err();
    for cut in [0, 1, 33, 34, 35, 100, bytes.len() - 1] {
        assert!(refused(&bytes[..cut]).is_some(), "cut at {cut}");
    }
    let changed = |at: usize, to: u8| {
        let mut bytes = bytes.to_vec();
        bytes[at] = to;
        refused(&bytes)
    };
    assert_eq!(
        changed(0, 2),
        Some(DecodeError::Unknown {
            what: "pair set-up version"
        })
    );
    assert!(changed(33, 3).is_some(), "a pair with itself");
    assert!(changed(34, 2).is_some(), "another peer");
    assert!(changed(35, 2).is_some(), "not a truth value");
    let trailing = [bytes.as_slice(), &[0]].concat();
    assert_eq!(
        refused(&trailing),
        Some(DecodeError::TrailingBytes { count: 1 })
    );
}
