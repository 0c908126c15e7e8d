//! Signing under faults and lies, from seeds.

use std::collections::BTreeSet;

use quorate_frost::{Ahead, Sign, TaprootTweak};
use quorate_protocol::Driver;
use quorate_protocol::simulator::{Bounds, Outcome, Plan, Simulation, Strategy};
use quorate_types::{Digest32, PartyIndex};
use quorate_verify::Signature;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::committee::{Committee, THREE_OF_THREE, TWO_OF_THREE, index};
use crate::shelf::{Shelf, link};

/// Runs in `make test`; more in `make soak`.
const DEFAULT_SEEDS: u64 = 400;

fn seeds() -> u64 {
    let set = std::env::var("QUORATE_SIM_SEEDS").ok();
    set.map_or(DEFAULT_SEEDS, |seeds| seeds.parse().unwrap())
}

/// The run of a seed; all parties of the plan sign.
fn plan(seed: u64) -> Plan {
    let bounds = Bounds {
        max_parties: 3,
        rounds: 2,
    };
    let mut plan = Plan::from_seed(seed, bounds);
    plan.min_signers = plan.parties;
    plan
}

fn committee(plan: &Plan) -> &'static Committee {
    let both = match plan.parties {
        2 => &*TWO_OF_THREE,
        _ => &*THREE_OF_THREE,
    };
    &both[(plan.seed / 7 % 2) as usize]
}

fn tweak(plan: &Plan) -> TaprootTweak {
    match plan.seed % 3 {
        0 => TaprootTweak::None,
        1 => TaprootTweak::KeyPath,
        _ => TaprootTweak::ScriptTree([3; 32]),
    }
}

fn run(plan: Plan) -> Outcome<Signature> {
    run_with(plan, |_| Ahead::Nothing)
}

/// A run of parties that have stocks; in some seeds one of them has lost its own, or the leader has.
fn run_stocked(plan: Plan) -> Outcome<Signature> {
    let signers: Vec<_> = plan.indices().collect();
    let shelf = Shelf::filled(committee(&plan), &signers, 1);
    match plan.seed / 14 % 8 {
        5 => shelf.held.borrow_mut().drop_set(&shelf.set),
        6 => shelf.own[&index(2)].lock().unwrap().end_link(link(2)),
        _ => {}
    }
    run_with(plan, |me| shelf.ahead(me))
}

/// Whether all parties of the run have the stock that the leader asks for.
fn has_stock(plan: &Plan) -> bool {
    plan.seed / 14 % 8 != 6
}

fn run_with(plan: Plan, ahead: impl Fn(PartyIndex) -> Ahead) -> Outcome<Signature> {
    let (committee, tweak) = (committee(&plan), tweak(&plan));
    let text = plan.seed.to_string();
    let describe =
        |signature: &Signature| Digest32::of(b"signature", &[signature.as_bytes().as_slice()]);
    Simulation::new(plan, b"sign", describe, |cast, me, rng| {
        let roster = cast.roster(me);
        let mut rng = ChaCha20Rng::from_rng(rng);
        let (share, context) = (&committee.shares[&me], cast.context());
        let payload = committee.payload(&text, tweak);
        let (sign, outbox) =
            Sign::start_with(&roster, context, share, payload, ahead(me), &mut rng).unwrap();
        Driver::start(roster, context, cast.signer(me), sign, outbox)
    })
    .run()
    .unwrap_or_else(|failure| panic!("{failure:?}"))
}

#[test]
fn sign__should_be_safe_and_live_under_faults_and_lies() {
    let (mut nonces, mut signed, mut benign) = (BTreeSet::new(), 0, 0);
    for seed in 0..seeds() {
        let plan = plan(seed);
        benign += usize::from(plan.is_benign());
        let outcome = run(plan);
        // Row C1: no nonce twice. All that finish a run have one signature (invariant_agreement).
        if let Some(signature) = outcome.outputs.into_values().next() {
            assert!(nonces.insert(signature.as_bytes()[..32].to_vec()));
            signed += 1;
        }
    }
    assert!(signed >= benign && benign > 0, "{signed} of {benign}");
}

/// How many honest parties took a lie, and how often they named somebody: none of them finished, and
/// nobody but the liar was named.
fn lies_and_names(
    plan: &Plan,
    outcome: &Outcome<Signature>,
    liar: PartyIndex,
    what: &str,
) -> (usize, usize) {
    let (mut lies, mut named) = (0, 0);
    let honest = |party: &PartyIndex| plan.is_honest(*party);
    for (party, record) in outcome.records.iter().filter(|(p, _)| honest(p)) {
        lies += usize::from(record.took_a_lie);
        let finished = !record.results.is_empty();
        assert!(!record.took_a_lie || !finished, "{party}: {what}");
        for culprit in record.aborts.iter().flat_map(|abort| &abort.culprits) {
            assert_eq!(*culprit, liar, "{what}:\n{}", outcome.log);
            named += 1;
        }
    }
    (lies, named)
}

#[test]
fn sign__must_refuse_the_lies_of_every_strategy_and_name_nobody_honest() {
    let liar = index(2);
    let (mut lies, mut named) = (0, 0);
    for strategy in Strategy::ALL {
        for (seed, parties, round) in [(1, 2, 1), (2, 2, 2), (3, 3, 1), (4, 3, 2), (9, 3, 1)] {
            let plan = Plan::honest(seed, parties, parties).with_byzantine(liar, strategy, round);
            let outcome = run(plan.clone());
            let what = format!("{strategy:?} in {round}");
            let (took, blamed) = lies_and_names(&plan, &outcome, liar, &what);
            lies += took;
            named += blamed;
        }
    }
    // Who only hears that another stops names nobody.
    assert!(lies > 100 && named > 90, "{lies} and {named}");
}

#[test]
fn log__should_replay_from_its_seed() {
    for seed in 0..50 {
        let log = run(plan(seed)).log;
        log.replay(|seed| run(plan(seed)).log).unwrap();
    }
}

#[test]
fn stocked__should_be_safe_and_live_under_faults_and_lies() {
    let (mut nonces, mut signed, mut benign) = (BTreeSet::new(), 0, 0);
    for seed in (0..seeds()).filter(|seed| has_stock(&plan(*seed))) {
        let plan = plan(seed);
        benign += usize::from(plan.is_benign());
        let outcome = run_stocked(plan);
        if let Some(signature) = outcome.outputs.into_values().next() {
            assert!(nonces.insert(signature.as_bytes()[..32].to_vec()));
            signed += 1;
        }
    }
    assert!(signed >= benign && benign > 0, "{signed} of {benign}");
}

#[test]
fn stocked__must_refuse_the_lies_of_every_strategy_and_name_nobody_honest() {
    let (mut lies, mut named) = (0, 0);
    for strategy in Strategy::ALL {
        for liar in [index(1), index(2)] {
            for (seed, parties) in [(1, 2), (2, 2), (7, 2), (3, 3), (4, 3), (9, 3), (11, 3)] {
                let plan = Plan::honest(seed, parties, parties).with_byzantine(liar, strategy, 1);
                let outcome = run_stocked(plan.clone());
                let what = format!("{strategy:?}");
                let (took, blamed) = lies_and_names(&plan, &outcome, liar, &what);
                lies += took;
                named += blamed;
            }
        }
    }
    assert!(lies > 100 && named > 90, "{lies} and {named}");
}

#[test]
fn c14_stock_that_one_lost__must_end_without_a_culprit_in_any_order_of_messages() {
    // Lost messages are among the faults, so that nobody expects a result.
    let mut ended = 0;
    let lost = |seed: &u64| {
        let plan = plan(*seed);
        !has_stock(&plan) && !plan.is_benign() && plan.byzantine.is_none()
    };
    for seed in (0..100 * seeds()).filter(lost).take(200) {
        let outcome = run_stocked(plan(seed));
        for record in outcome.records.values() {
            assert!(record.results.is_empty());
            for abort in &record.aborts {
                let named = abort.reason.is_attributable() && !abort.culprits.is_empty();
                assert!(!named, "{abort}:\n{}", outcome.log);
                ended += usize::from(abort.reason.name() == "no_stock");
            }
        }
    }
    assert!(ended > 100, "{ended}");
}
