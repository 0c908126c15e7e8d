//! B5: different broadcasts to different peers, each validly signed.

use quorate_crypto::Group;
use quorate_protocol::Reason;
use quorate_protocol::simulator::{Event, Strategy};
use quorate_protocol::{Evidence, Slot};

use crate::attack::{Aftermath, EVIL, attack_on_the_wire, plan};
use crate::stage::party;

/// No honest party dealt a share.
fn no_share_left(aftermath: &Aftermath) -> bool {
    !aftermath.outcome.log.events.iter().any(|(_, event)| {
        matches!(event, Event::Sent { from, message, .. }
            if *from != party(EVIL) && message.place.is_some_and(|(_, slot)| slot == Slot::Direct))
    })
}

fn two_statements(evidence: &[Evidence]) -> bool {
    matches!(evidence, [first, second] if first.statement != second.statement)
}

/// In each echoed round: found by the echo, before any share is dealt, with two signed statements
/// of the equivocator as evidence at every honest party.
fn b5_equivocation__must_convict_before_any_share_is_dealt<G: Group>() {
    for round in 1..=2 {
        for seed in 50..55 {
            let plan = plan(seed).with_byzantine(party(EVIL), Strategy::Equivocate, round);
            let aftermath = attack_on_the_wire::<G>(plan, None);
            aftermath.must_blame_evil_everywhere::<G>(&Reason::Equivocation);
            for index in aftermath.honest() {
                assert!(two_statements(&aftermath.abort_of(index).evidence));
            }
            assert!(no_share_left(&aftermath));
        }
    }
}

/// A lie about what another party broadcast convicts the liar, not the other party.
fn b5_false_echo__must_convict_the_liar<G: Group>() {
    for round in 1..=2 {
        for strategy in [Strategy::WrongEcho, Strategy::ShortEcho] {
            let plan = plan(56).with_byzantine(party(EVIL), strategy, round);
            let aftermath = attack_on_the_wire::<G>(plan, None);
            aftermath.must_blame_evil_everywhere::<G>(&Reason::BadEcho);
            assert!(no_share_left(&aftermath));
        }
    }
}

/// With five parties, and while messages are late and out of order: whoever names somebody names
/// the equivocator, and nobody gets a key.
fn b5_equivocation_on_a_bad_network__must_leave_no_key<G: Group>() {
    for seed in 500..540 {
        let mut plan = plan(seed).with_byzantine(party(EVIL), Strategy::Equivocate, 2);
        (plan.parties, plan.min_signers) = (5, 3);
        plan.faults.max_delay_ms = 300;
        plan.faults.reorder = true;
        let aftermath = attack_on_the_wire::<G>(plan, None);
        assert!(aftermath.outcome.outputs.is_empty());
        let reasons = aftermath.honest().map(|p| aftermath.abort_of(p));
        let convictions = reasons.filter(|abort| {
            let convicts = abort.reason == Reason::Equivocation;
            assert!(!convicts || abort.culprits == [party(EVIL)]);
            convicts
        });
        assert!(convictions.count() > 0);
    }
}

crate::on_both_curves!(
    b5_equivocation__must_convict_before_any_share_is_dealt,
    b5_false_echo__must_convict_the_liar,
    b5_equivocation_on_a_bad_network__must_leave_no_key,
);
