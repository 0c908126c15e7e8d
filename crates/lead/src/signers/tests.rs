use std::collections::BTreeSet;

use quorate_types::{Committee, NodeId};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use super::*;
use crate::NodeView;
use crate::suspicion::{ACCUSED, ACCUSER};

fn node(number: usize) -> NodeId {
    NodeId::new(&format!("p{number}")).unwrap()
}

fn cluster(n: usize) -> (Committee, ClusterView) {
    let committee = Committee::new((1..=n).map(node).collect()).unwrap();
    let mut view = ClusterView::new();
    for number in 1..=n {
        view.set(node(number), up());
    }
    (committee, view)
}

fn up() -> NodeView {
    NodeView {
        connected: true,
        ..NodeView::default()
    }
}

struct Ask {
    committee: Committee,
    view: ClusterView,
    suspicion: Suspicion,
    rng: ChaCha20Rng,
}

fn ask(n: usize) -> Ask {
    let (committee, view) = cluster(n);
    let suspicion = Suspicion::default();
    let rng = ChaCha20Rng::seed_from_u64(7);
    Ask {
        committee,
        view,
        suspicion,
        rng,
    }
}

impl Ask {
    fn choose(&mut self, size: usize) -> Option<(Vec<u8>, bool)> {
        let banned = BTreeSet::new();
        let (suspicion, rng) = (&self.suspicion, &mut self.rng);
        let candidates = Candidates::rank(&self.committee, &self.view, &banned, suspicion, rng);
        let choice = candidates.choose(size)?;
        let indices = choice.signers.iter().map(PartyIndex::get).collect();
        Some((indices, choice.has_suspect))
    }
}

#[test]
fn choice__should_take_the_cheapest_connected_nodes() {
    let mut ask = ask(4);
    let loaded = |load_factor, in_flight, recent_failures| NodeView {
        load_factor,
        in_flight,
        recent_failures,
        ..up()
    };
    ask.view.set(node(1), loaded(90, 0, 0));
    ask.view.set(node(2), loaded(0, 7, 0));
    ask.view.set(node(3), loaded(0, 0, 1));
    ask.view.set(node(4), NodeView::default());
    assert_eq!(ask.choose(2), Some((vec![2, 3], false)));
    assert_eq!(ask.choose(3), Some((vec![1, 2, 3], false)));
    assert_eq!(ask.choose(4), None);
}

#[test]
fn choice__should_spread_over_equal_nodes() {
    let mut ask = ask(3);
    let sets: BTreeSet<_> = (0..100).map(|_| ask.choose(2).unwrap().0).collect();
    assert_eq!(sets.len(), 3, "each pair comes up: {sets:?}");
}

#[test]
fn c12_choice__must_never_hold_a_banned_pair() {
    let mut ask = ask(4);
    ask.view.ban(node(2), node(1));
    ask.view.ban(node(1), node(3));
    ask.view.ban(node(2), node(3));
    for _ in 0..100 {
        let (signers, _) = ask.choose(2).unwrap();
        assert!(signers.contains(&4), "only node 4 may sign with others");
    }
    assert_eq!(ask.choose(3), None);
}

#[test]
fn choice__should_prefer_an_expensive_node_to_a_suspect() {
    let mut ask = ask(3);
    let expensive = NodeView {
        load_factor: 100,
        in_flight: 1_000,
        ..up()
    };
    ask.view.set(node(3), expensive);
    ask.suspicion.mark([&node(1)], ACCUSED);
    assert_eq!(ask.choose(2), Some((vec![2, 3], false)));
    ask.view.set(node(3), NodeView::default());
    assert_eq!(ask.choose(2), Some((vec![1, 2], true)));
}

#[test]
fn choice__should_admit_suspects_only_where_bans_leave_no_other_set() {
    let mut ask = ask(4);
    ask.suspicion.mark([&node(4)], ACCUSED);
    ask.view.ban(node(1), node(2));
    let (signers, has_suspect) = ask.choose(3).unwrap();
    assert!(has_suspect);
    assert!(signers == [1, 3, 4] || signers == [2, 3, 4], "{signers:?}");
}

#[test]
fn choice__should_rank_an_accuser_after_the_clean_but_not_avoid_it() {
    let mut ask = ask(3);
    ask.suspicion.mark([&node(1)], ACCUSER);
    assert_eq!(ask.choose(2), Some((vec![2, 3], false)));
    ask.view.set(node(2), NodeView::default());
    assert_eq!(ask.choose(2), Some((vec![1, 3], false)));
}
