//! Signing under faults and lies, from seeds.
//!
//! A seed fixes everything: parties, schedule, faults, lies and all randomness.

use std::collections::BTreeSet;

use quorate_dkls23::Sign;
use quorate_protocol::Driver;
use quorate_protocol::simulator::{Bounds, Outcome, Plan, Simulation};
use quorate_types::{Canonical, Digest32};
use quorate_verify::EcdsaSignature;

use crate::committee::{Committee, THREE_OF_THREE, TWO_OF_THREE, digest};

/// Runs in `make test`; more in `make soak`.
const DEFAULT_SEEDS: u64 = 1_000;

fn seeds() -> u64 {
    let set = std::env::var("QUORATE_SIM_SIGN_SEEDS").ok();
    set.map_or(DEFAULT_SEEDS, |seeds| seeds.parse().unwrap())
}

/// The run of a seed; all parties of the plan sign.
fn plan(seed: u64) -> Plan {
    let bounds = Bounds {
        max_parties: 3,
        rounds: 3,
    };
    let mut plan = Plan::from_seed(seed, bounds);
    plan.min_signers = plan.parties;
    plan
}

fn committee(plan: &Plan) -> &'static Committee {
    match plan.parties {
        2 => &TWO_OF_THREE,
        _ => &THREE_OF_THREE,
    }
}

fn run(plan: Plan) -> Outcome<EcdsaSignature> {
    let committee = committee(&plan);
    let message = digest(&plan.seed.to_string());
    let describe =
        |signature: &EcdsaSignature| Digest32::of(b"signature", &[&signature.to_bytes()]);
    Simulation::new(plan, b"sign", describe, |cast, me, rng| {
        let roster = cast.roster(me);
        let (share, pairs) = (&committee.shares[&me], &committee.pairs[&me]);
        let started = Sign::start(&roster, cast.context(), share, pairs, message, rng);
        let (sign, outbox) = started.unwrap();
        Driver::start(roster, cast.context(), cast.signer(me), sign, outbox)
    })
    .run()
    .unwrap_or_else(|failure| panic!("{failure:?}"))
}

#[test]
fn sign__should_be_safe_and_live_under_faults_and_lies() {
    let (mut nonces, mut signed, mut benign) = (BTreeSet::new(), 0, 0);
    for seed in 0..seeds() {
        let plan = plan(seed);
        let public_key = committee(&plan).public_key;
        benign += usize::from(plan.is_benign());
        let outcome = run(plan);
        for signature in outcome.outputs.values() {
            signature
                .verify(&public_key, &digest(&seed.to_string()))
                .unwrap();
        }
        // Row C1: no nonce twice. All that finish a run have one signature (invariant_agreement).
        if let Some(signature) = outcome.outputs.into_values().next() {
            assert!(nonces.insert(*signature.r()), "a nonce came twice");
            signed += 1;
        }
    }
    assert!(signed >= benign, "{signed} of {benign}");
}

#[test]
fn simulation__should_repeat_who_takes_part_and_what_goes_wrong() {
    for seed in 0..20 {
        assert_eq!(plan(seed), plan(seed));
    }
    let plans: Vec<Plan> = (0..100).map(plan).collect();
    assert!(plans.iter().any(|plan| plan.byzantine.is_some()));
    assert!(plans.iter().any(|plan| plan.faults.crash.is_some()));
    assert!(plans.iter().any(|plan| plan.faults.drop_permille > 0));
    assert!(plans.iter().any(|plan| plan.parties == 3));
}

#[test]
fn simulation__should_replay_every_byte_of_a_seed() {
    for seed in 0..5 {
        assert_eq!(run(plan(seed)).outputs, run(plan(seed)).outputs, "{seed}");
    }
    let signed = |seed| run(plan(seed)).outputs.into_values().next();
    let signatures: Vec<_> = (0..10).filter_map(signed).collect();
    assert!(signatures.len() > 1 && signatures[0] != signatures[1]);
}
