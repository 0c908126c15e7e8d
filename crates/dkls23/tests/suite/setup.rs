//! Pair state: both sides agree on the generation; its encoding is one and only one.

use quorate_dkls23::{MAX_PAIR_STATE, PairSetup, PairState};
use quorate_types::DecodeError;

use crate::committee::{THREE_OF_FIVE, index, set_up_pair};
use crate::pump;

#[test]
fn setup__should_give_both_nodes_of_a_pair_one_generation_and_each_pair_another() {
    let mut generations = Vec::new();
    for (me, pairs) in &THREE_OF_FIVE.pairs {
        assert_eq!(pairs.len(), 4);
        for (peer, state) in pairs {
            let other = &THREE_OF_FIVE.pairs[peer][me];
            assert_eq!(other.generation(), state.generation());
            assert_ne!(other.me(), state.me());
            generations.push(state.generation());
        }
    }
    generations.sort_unstable();
    generations.dedup();
    assert_eq!(generations.len(), 10);
}

#[test]
fn setup__should_give_another_generation_in_every_run() {
    // Even where two nodes repeat a session, which they must not.
    let run = || {
        let members = [index(1), index(2)];
        let outcomes = pump::run(&members, 2, [9; 16], |roster, context, rng| {
            PairSetup::start(roster, context, rng).unwrap()
        });
        outcomes[&index(1)]
            .as_ref()
            .map(PairState::generation)
            .unwrap()
    };
    assert_ne!(run(), run());
}

#[test]
fn pair_state__should_survive_its_encoding() {
    for state in set_up_pair([7, 8, 9, 10]) {
        let bytes = state.to_secret_bytes();
        assert_eq!(bytes.len(), MAX_PAIR_STATE);
        let again = PairState::from_secret_bytes(&bytes).unwrap();
        assert_eq!(again.me(), state.me());
        assert_eq!(again.generation(), state.generation());
        assert_eq!(again.to_secret_bytes(), bytes);
    }
}

#[test]
fn pair_state__must_refuse_damaged_bytes() {
    let [state, _] = set_up_pair([7, 8, 9, 10]);
    let bytes = state.to_secret_bytes();
    let refused = |bytes: &[u8]| PairState::from_secret_bytes(bytes).err();
    for cut in [0, 1, 33, 34, 66, 100, bytes.len() - 1] {
        assert!(refused(&bytes[..cut]).is_some(), "cut at {cut}");
    }
    let changed = |at: usize, to: u8| {
        let mut bytes = bytes.to_vec();
        bytes[at] = to;
        refused(&bytes)
    };
    let what = "pair state version";
    assert_eq!(changed(0, 1), Some(DecodeError::Unknown { what }));
    assert_eq!(state.me(), index(1));
    for place in [0, 3, 20, 255] {
        assert!(changed(33, place).is_some(), "place {place}");
    }
    let trailing = [bytes.as_slice(), &[0]].concat();
    assert_eq!(
        refused(&trailing),
        Some(DecodeError::TrailingBytes { count: 1 })
    );
}
