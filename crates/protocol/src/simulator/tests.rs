//! Does the simulator replay, and can each of its invariants fail?

use quorate_types::{Digest32, PartyIndex, SecretBytes};
use rand_core::CryptoRng;

use super::*;
use crate::abort::{Abort, Reason};
use crate::driver::{Driver, Effect};
use crate::toy::Toy;

const BOUNDS: Bounds = Bounds {
    max_parties: 5,
    rounds: 2,
};

fn toy(plan: Plan) -> Result<Outcome<Vec<[u8; 4]>>, Box<Failure>> {
    Simulation::<Driver<Toy>>::new(plan, b"toy", Toy::describe, |cast, me, _| {
        Toy::start(cast, me)
    })
    .run()
}

#[test]
fn simulator__should_hold_every_invariant_over_many_seeds() {
    let (mut finished, mut aborted) = (0, 0);
    for seed in 0..400 {
        let outcome = toy(Plan::from_seed(seed, BOUNDS)).unwrap();
        for record in outcome.records.values() {
            finished += record.results.len();
            aborted += record.aborts.len();
        }
    }
    assert!(finished > 100 && aborted > 100, "{finished} and {aborted}");
}

#[test]
fn simulator__must_refuse_the_lies_of_every_strategy_in_every_round() {
    let liar = PartyIndex::new(2).unwrap();
    for strategy in Strategy::ALL {
        for round in 1..=2 {
            let plan = Plan::honest(5, 4, 3).with_byzantine(liar, strategy, round);
            let outcome = toy(plan.clone()).unwrap();
            let deceived = outcome.records.values().any(|record| record.took_a_lie);
            let blamed = outcome.records.iter().any(|(party, record)| {
                plan.is_honest(*party) && record.aborts.iter().any(|a| a.culprits == [liar])
            });
            // Whoever sees the lie itself names the liar; who only hears of an abort names nobody.
            let is_blameless = matches!(strategy, Strategy::AbortNow | Strategy::Repeat);
            let expected = (deceived || strategy == Strategy::Mute) && !is_blameless;
            assert_eq!(
                blamed, expected,
                "{strategy:?} in {round}:
{}",
                outcome.log
            );
        }
    }
}

#[test]
fn log__should_replay_from_its_seed() {
    for seed in 0..100 {
        let scenario = |seed| toy(Plan::from_seed(seed, BOUNDS)).unwrap().log;
        let log = scenario(seed);
        log.replay(scenario).unwrap();
        assert!(log.to_string().starts_with(&format!("seed {seed}\n")));
    }
}

#[test]
fn log__must_show_where_a_replay_differs() {
    let log = toy(Plan::from_seed(3, BOUNDS)).unwrap().log;
    let other = |_| toy(Plan::from_seed(4, BOUNDS)).unwrap().log;
    assert!(log.replay(other).is_err());
    let mut longer = log.clone();
    longer.events.push((0, Event::Crashed { party: first() }));
    let divergence = log.replay(|_| longer).unwrap_err();
    assert_eq!(divergence.position, log.events.len());
}

fn first() -> PartyIndex {
    PartyIndex::new(1).unwrap()
}

/// A party of a broken protocol.
struct Broken {
    me: PartyIndex,
    running: bool,
    on_message: fn(PartyIndex) -> Vec<Effect<u8>>,
    on_expiry: fn(PartyIndex) -> Vec<Effect<u8>>,
}

impl Actor for Broken {
    type Output = u8;

    fn receive(&mut self, _: PartyIndex, _: &[u8], _: &mut dyn CryptoRng) -> Vec<Effect<u8>> {
        (self.on_message)(self.me)
    }

    fn expire(&mut self) -> Vec<Effect<u8>> {
        (self.on_expiry)(self.me)
    }

    fn is_running(&self) -> bool {
        self.running
    }
}

fn send(to: PartyIndex) -> Effect<u8> {
    let message = SecretBytes::new(b"hello".to_vec());
    Effect::Send { to, message }
}

fn nothing(_: PartyIndex) -> Vec<Effect<u8>> {
    Vec::new()
}

/// Name of the invariant that a broken protocol of three parties violates.
fn violated_by(
    plan: Plan,
    on_message: fn(PartyIndex) -> Vec<Effect<u8>>,
    on_expiry: fn(PartyIndex) -> Vec<Effect<u8>>,
) -> &'static str {
    let describe = |output: &u8| Digest32::of(b"broken", &[&[*output]]);
    let simulation = Simulation::new(plan, b"broken", describe, |cast, me, _| {
        let broken = Broken {
            me,
            running: true,
            on_message,
            on_expiry,
        };
        let others: Vec<_> = cast.parties().filter(|party| *party != me).collect();
        (broken, others.into_iter().map(send).collect())
    });
    let failure = simulation.run().map(|_| ()).expect_err("it is broken");
    let text = format!("{failure:?}");
    assert!(text.contains("seed 1"), "{text}");
    failure.violation.invariant
}

fn plan() -> Plan {
    Plan::honest(1, 3, 2)
}

#[test]
fn invariant_agreement__must_fail_when_outputs_differ() {
    let own_index = |me: PartyIndex| vec![Effect::Finished(me.get())];
    assert_eq!(violated_by(plan(), nothing, own_index), "agreement");
}

#[test]
fn invariant_no_false_blame__must_fail_when_an_honest_party_is_blamed() {
    let blame = |_| {
        let abort = Abort::new(Reason::BadSignature, [first()]);
        vec![Effect::Aborted(abort)]
    };
    assert_eq!(violated_by(plan(), nothing, blame), "no_false_blame");
}

#[test]
fn invariant_no_result_after_a_lie__must_fail_when_lies_are_not_checked() {
    /// Marks everything that the byzantine party sends as a lie.
    struct Liar;
    impl Byzantine for Liar {
        fn outgoing(&mut self, _: &mut Impostor<'_>, to: PartyIndex, bytes: &[u8]) -> Vec<Sent> {
            let bytes = bytes.to_vec();
            vec![Sent {
                to,
                bytes,
                tampered: true,
            }]
        }
    }
    let describe = |output: &u8| Digest32::of(b"broken", &[&[*output]]);
    let plan = plan().with_byzantine(first(), Strategy::Repeat, 1);
    let simulation = Simulation::new(plan, b"broken", describe, |cast, me, _| {
        let gullible = Broken {
            me,
            running: true,
            on_message: nothing,
            on_expiry: |_| vec![Effect::Finished(0)],
        };
        (
            gullible,
            cast.parties().filter(|p| *p != me).map(send).collect(),
        )
    });
    let failure = simulation.with_hook(Liar).run().map(|_| ()).unwrap_err();
    assert_eq!(failure.violation.invariant, "no_result_after_a_lie");
}

#[test]
fn invariant_one_end__must_fail_when_a_party_ends_twice() {
    let twice = |_| vec![Effect::Finished(0), Effect::Aborted(Abort::local("twice"))];
    assert_eq!(violated_by(plan(), nothing, twice), "one_end");
}

#[test]
fn invariant_silence_after_the_end__must_fail_when_a_party_goes_on() {
    let chatty = |me: PartyIndex| {
        let other = PartyIndex::new(me.get() % 3 + 1).unwrap();
        vec![Effect::Aborted(Abort::local("enough")), send(other)]
    };
    assert_eq!(
        violated_by(plan(), nothing, chatty),
        "silence_after_the_end"
    );
}

#[test]
fn invariant_liveness__must_fail_when_a_party_never_ends() {
    assert_eq!(violated_by(plan(), nothing, nothing), "liveness");
}

#[test]
fn invariant_liveness__must_fail_when_a_run_without_faults_has_no_result() {
    let gives_up = |_| vec![Effect::Aborted(Abort::new(Reason::TimedOut, [first()]))];
    assert_eq!(violated_by(plan(), nothing, gives_up), "liveness");
}

#[test]
fn invariants__must_be_checked_of_honest_parties_only() {
    let blame = |me: PartyIndex| {
        let end = Effect::Finished(0);
        let extra = (me == first()).then(|| Effect::Finished(1));
        std::iter::once(end).chain(extra).collect()
    };
    let describe = |output: &u8| Digest32::of(b"broken", &[&[*output]]);
    let plan = plan().with_byzantine(first(), Strategy::Repeat, 1);
    let simulation = Simulation::new(plan, b"broken", describe, |_, me, _| {
        let broken = Broken {
            me,
            running: true,
            on_message: nothing,
            on_expiry: blame,
        };
        (broken, Vec::new())
    });
    assert!(simulation.run().is_ok());
}
