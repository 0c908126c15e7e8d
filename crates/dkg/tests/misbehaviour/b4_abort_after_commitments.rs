//! B4: the last dealer looks, and leaves if it does not like what it sees.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use quorate_crypto::{Group, Secp256k1};
use quorate_protocol::simulator::{Byzantine, Impostor, Sent, Strategy};
use quorate_protocol::{Envelope, Reason, Slot};
use quorate_types::{Canonical, Digest32, KeyId, PartyIndex};

use crate::attack::{EVIL, attack_on_the_wire, must_complete, plan};
use crate::stage::party;

const ATTEMPTS: u64 = 100;

/// Takes part in round 1, then gives up; keeps everything that it was shown.
struct Quitter {
    seen: Rc<RefCell<Vec<Envelope>>>,
    says_so: bool,
}

impl Byzantine for Quitter {
    fn outgoing(&mut self, _: &mut Impostor<'_>, to: PartyIndex, bytes: &[u8]) -> Vec<Sent> {
        let mut envelope = Envelope::from_bytes(bytes).unwrap();
        let shows = matches!(
            (envelope.round, envelope.slot),
            (1, Slot::Echo) | (2.., _) | (_, Slot::Abort)
        );
        if shows && !self.says_so {
            return Vec::new();
        }
        if shows {
            envelope.slot = Slot::Abort;
            envelope.body.clear();
            envelope.signature = None;
        }
        vec![Sent {
            to,
            bytes: envelope.to_bytes(),
            tampered: shows,
        }]
    }

    fn incoming(&mut self, _: &mut Impostor<'_>, _: PartyIndex, bytes: &[u8]) -> Vec<Sent> {
        let envelope = Envelope::from_bytes(bytes).unwrap();
        self.seen.borrow_mut().push(envelope);
        Vec::new()
    }
}

/// What the shell counts: culprits, or who reported the abort.
fn count(failures: &mut BTreeMap<PartyIndex, u64>, abort: &quorate_protocol::Abort) {
    let counted = abort.culprits.iter().chain(&abort.reported_by);
    for peer in counted {
        *failures.entry(*peer).or_default() += 1;
    }
}

fn b4_a_hundred_aborts_after_round_1__must_be_counted_and_gain_nothing<G: Group>() {
    let key = KeyId::of_intent(&Digest32::of(b"the create intent", &[]));
    let mut commitments = std::collections::BTreeSet::new();
    for says_so in [true, false] {
        let mut failures = BTreeMap::new();
        for attempt in 0..ATTEMPTS {
            let seen = Rc::new(RefCell::new(Vec::new()));
            let quitter = Quitter {
                seen: Rc::clone(&seen),
                says_so,
            };
            let seed = 1000 + attempt + u64::from(says_so) * ATTEMPTS;
            let aftermath = attack_on_the_wire::<G>(plan(seed), Some(Box::new(quitter)));
            assert!(aftermath.outcome.outputs.is_empty());
            let abort = aftermath.abort_of(party(1));
            count(&mut failures, abort);
            // It learns nothing but hashes: round 2 opens only when its own echo of round 1 is
            // there, and until then nobody shows a contribution.
            for envelope in seen.borrow().iter().filter(|e| e.slot == Slot::Broadcast) {
                assert_eq!(envelope.round, 1);
                assert_eq!(envelope.body.len(), 32);
                assert!(
                    commitments.insert(envelope.body.to_vec()),
                    "salted, never the same"
                );
            }
            // The key's id is a function of the intent alone: no attempt changes it.
            assert_eq!(
                KeyId::of_intent(&Digest32::of(b"the create intent", &[])),
                key
            );
        }
        assert_eq!(failures.get(&party(EVIL)), Some(&ATTEMPTS), "counted");
        assert_eq!(failures.get(&party(2)), None, "honest parties are not");
    }
    must_complete::<G>(41);
}

/// The same after it saw the openings: it can throw a key away (accepted, and counted), but not
/// make another one of the same run.
fn b4_abort_after_the_reveal__must_end_the_run<G: Group>() {
    for (strategy, reason) in [
        (Strategy::Mute, Reason::TimedOut),
        (Strategy::AbortNow, Reason::PeerAborted),
    ] {
        let plan = plan(42).with_byzantine(party(EVIL), strategy, 3);
        let aftermath = attack_on_the_wire::<G>(plan, None);
        for index in aftermath.honest() {
            let abort = aftermath.abort_of(index);
            assert_eq!(abort.reason, reason);
            let mut failures = BTreeMap::new();
            count(&mut failures, abort);
            assert_eq!(failures, BTreeMap::from([(party(EVIL), 1)]));
            assert!(!aftermath.outcome.outputs.contains_key(&index));
        }
    }
    must_complete::<G>(43);
}

crate::on_both_curves!(b4_abort_after_the_reveal__must_end_the_run);

#[test]
fn b4_aborts_after_round_1__must_be_counted_and_gain_nothing() {
    b4_a_hundred_aborts_after_round_1__must_be_counted_and_gain_nothing::<Secp256k1>();
}
