//! B2: index 0, an index beyond n, a party twice, another party's index.

use std::collections::BTreeMap;

use quorate_crypto::{Ed25519, Group, Secp256k1};
use quorate_dkg::Dkg;
use quorate_protocol::simulator::{Cast, Plan, Strategy};
use quorate_protocol::{InvalidRoster, Member, Reason, Roster};
use quorate_types::{NodeId, PartyIndex, SessionId};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

use crate::attack::{Aftermath, EVIL, attack_on_the_wire, must_complete, plan};
use crate::stage::party;

fn member(name: u8) -> Member {
    Member {
        node: NodeId::new(&format!("p{name}")).unwrap(),
        identity: [name; 32],
    }
}

fn roster(indices: &[u8], min_signers: u8) -> Result<Roster, InvalidRoster> {
    let members: BTreeMap<_, _> = indices.iter().map(|i| (party(*i), member(*i))).collect();
    Roster::new(
        SessionId::from_array([1; 16]),
        party(1),
        min_signers,
        members,
    )
}

fn refuses<G: Group>(roster: Roster) -> bool {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let context = roster.context(b"test");
    let refusal = Dkg::<G>::start(roster, context, &mut rng).err();
    refusal.is_some_and(|abort| {
        assert!(abort.culprits.is_empty());
        matches!(abort.reason, Reason::LocalState { .. })
    })
}

#[test]
fn b2_index_zero_and_beyond_twenty__must_not_exist() {
    assert_eq!(PartyIndex::new(0), None);
    assert_eq!(PartyIndex::new(21), None);
    assert_eq!(PartyIndex::new(255), None);
}

#[test]
fn b2_key_generation__must_refuse_parties_that_are_not_one_to_n() {
    for indices in [&[1, 3][..], &[1, 2, 4], &[1, 20]] {
        assert!(refuses::<Secp256k1>(roster(indices, 2).unwrap()));
        assert!(refuses::<Ed25519>(roster(indices, 2).unwrap()));
    }
    assert!(!refuses::<Secp256k1>(roster(&[1, 2, 3], 2).unwrap()));
}

#[test]
fn b2_roster__must_refuse_thresholds_that_do_not_fit() {
    for (indices, t) in [(&[1, 2][..], 3), (&[1, 2], 1), (&[1, 2], 0), (&[1], 2)] {
        assert!(matches!(
            roster(indices, t),
            Err(InvalidRoster::TooFew { .. })
        ));
    }
}

#[test]
fn b2_roster__must_refuse_one_node_with_two_indices() {
    for same_key in [true, false] {
        let mut twice = member(2);
        if same_key {
            twice.node = NodeId::new("another").unwrap();
        } else {
            twice.identity = [9; 32];
        }
        let members = BTreeMap::from([
            (party(1), member(1)),
            (party(2), member(2)),
            (party(3), twice),
        ]);
        let session = SessionId::from_array([1; 16]);
        let refused = Roster::new(session, party(1), 2, members);
        let same = InvalidRoster::SameNode(party(2), party(3));
        assert_eq!(refused.map(|_| ()), Err(same));
    }
}

fn attack_in_every_round<G: Group>(strategy: Strategy) -> Vec<Aftermath> {
    let in_round = |round| {
        let plan = plan(round).with_byzantine(party(EVIL), strategy, u8::try_from(round).unwrap());
        attack_on_the_wire::<G>(plan, None)
    };
    (1..=3).map(in_round).collect()
}

/// Messages under another party's index, signed with the own key, in each round.
fn b2_messages_under_the_index_of_another__must_be_blamed_on_the_link<G: Group>() {
    for aftermath in attack_in_every_round::<G>(Strategy::WrongSender) {
        for index in aftermath.honest() {
            let abort = aftermath.abort_of(index);
            // Who only hears of the other's abort can name nobody; nobody names an honest party.
            match abort.reason {
                Reason::WrongSender => assert_eq!(abort.culprits, [party(EVIL)]),
                ref reason => assert_eq!(reason, &Reason::PeerAborted),
            }
        }
        let blamed = aftermath
            .honest()
            .filter(|index| aftermath.abort_of(*index).reason == Reason::WrongSender);
        assert!(blamed.count() > 0);
        must_complete::<G>(7);
    }
}

crate::on_both_curves!(b2_messages_under_the_index_of_another__must_be_blamed_on_the_link);

#[test]
fn b2_cast__should_use_indices_from_one() {
    let cast = Cast::new(
        &Plan::honest(1, 3, 2),
        b"",
        &mut ChaCha8Rng::seed_from_u64(1),
    );
    assert!(cast.parties().eq([1, 2, 3].map(party)));
}
