//! One lie at a time: the right check fires, and nobody honest is named.

use std::collections::BTreeMap;
use std::rc::Rc;

use curve25519_dalek::constants::EIGHT_TORSION;
use quorate_frost::{Payload, Sign, TaprootTweak};
use quorate_protocol::{Abort, Reason, Sanction};
use quorate_types::{Curve, PartyIndex};
use quorate_verify::Signature;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::committee::{Committee, THREE_OF_FIVE, THREE_OF_THREE, TWO_OF_THREE, index};
use crate::pump::{self, Lie, Outcomes};
use crate::signing::sign_with;

const LIAR: u8 = 2;

/// Where the fields of the two messages are; `docs/protocols/frost.md` §2 lists them.
const BINDING: usize = 0;
const HIDING: usize = 32;
const LIST: usize = 0;
const SHARE: usize = 32;

fn binding_nonce(curve: Curve) -> usize {
    HIDING + curve.point_length()
}

/// A lie to everyone in one round.
fn lie(round: u8, change: impl Fn(&mut Vec<u8>) + 'static) -> Lie {
    Rc::new(move |at, _, body| {
        if at == round {
            change(body);
        }
    })
}

fn overwrite(round: u8, at: usize, with: Vec<u8>) -> Lie {
    lie(round, move |body| {
        body[at..at + with.len()].copy_from_slice(&with);
    })
}

/// What the honest parties found in a run in which [`LIAR`] lies.
fn found(committee: &Committee, signers: &[PartyIndex], lie: Lie) -> Vec<Abort> {
    let lies = BTreeMap::from([(index(LIAR), lie)]);
    let payload = committee.payload("misbehaviour", TaprootTweak::KeyPath);
    finders(sign_with(committee, signers, [3; 16], payload, &lies))
}

/// Aborts of those who found something, without the liar's own; no honest party has a result.
pub(crate) fn finders(outcomes: Outcomes<Signature>) -> Vec<Abort> {
    let honest = outcomes.into_iter().filter(|(who, _)| *who != index(LIAR));
    let aborts = honest.map(|(_, outcome)| outcome.expect_err("nothing leaves on failure"));
    aborts
        .filter(|abort| abort.reason != Reason::PeerAborted)
        .collect()
}

fn cases() -> Vec<(&'static Committee, Vec<PartyIndex>)> {
    let mut cases = Vec::new();
    for (two, three) in TWO_OF_THREE.iter().zip(THREE_OF_FIVE.iter()) {
        cases.push((two, vec![index(1), index(LIAR)]));
        cases.push((three, vec![index(1), index(LIAR), index(5)]));
    }
    cases
}

fn must_name_the_liar(make: impl Fn(&Committee) -> Lie, name: &str) {
    for (committee, signers) in cases() {
        let aborts = found(committee, &signers, make(committee));
        assert!(!aborts.is_empty(), "{name}: nobody noticed");
        for abort in aborts {
            assert_eq!(abort.reason.name(), name, "{}", committee.curve);
            assert_eq!(abort.culprits, [index(LIAR)], "{name}");
            assert_eq!(abort.sanction(), Sanction::Retry);
            // What it signed is kept, for others to check.
            let is_signed = name != "malformed";
            assert!(!is_signed || !abort.evidence.is_empty(), "{name}");
        }
    }
}

/// An encoded point that is fit to be a commitment.
pub(crate) fn point(curve: Curve) -> Vec<u8> {
    use quorate_crypto::{Ed25519, Group, Secp256k1};
    match curve {
        Curve::Ed25519 => Ed25519::point_to_bytes(&Ed25519::mul_base(&Ed25519::scalar_from_u8(7))),
        _ => Secp256k1::point_to_bytes(&Secp256k1::mul_base(&Secp256k1::scalar_from_u8(7))),
    }
}

pub(crate) fn last_of_share(curve: Curve) -> usize {
    match curve {
        Curve::Ed25519 => SHARE,
        _ => SHARE + 31,
    }
}

#[test]
fn c14_wrong_share__must_be_found_by_everybody_and_name_its_sender() {
    must_name_the_liar(
        |committee| {
            let at = last_of_share(committee.curve);
            lie(2, move |body| body[at] ^= 1)
        },
        "signature_share",
    );
    must_name_the_liar(|_| overwrite(2, SHARE, vec![0; 32]), "signature_share");
}

#[test]
fn c14_two_wrong_shares__must_name_both_senders() {
    for committee in THREE_OF_FIVE.iter() {
        let at = last_of_share(committee.curve);
        // Not both by one bit: such lies can cancel each other, and the signature is right.
        let (one, other) = (lie(2, move |body| body[at] ^= 1), vec![0; 32]);
        let lies = BTreeMap::from([(index(2), one), (index(3), overwrite(2, SHARE, other))]);
        let payload = committee.payload("two", TaprootTweak::None);
        let signers = [index(1), index(2), index(3)];
        let outcomes = sign_with(committee, &signers, [3; 16], payload, &lies);
        let abort = outcomes[&index(1)].as_ref().unwrap_err();
        assert_eq!(abort.reason.name(), "signature_share");
        assert_eq!(abort.culprits, [index(2), index(3)]);
    }
}

#[test]
fn c7_share_for_another_list__must_be_refused_and_name_its_sender() {
    must_name_the_liar(|_| lie(2, |body| body[LIST] ^= 1), "commitment_list");
}

#[test]
fn c7_commitment_changed_between_rounds__must_be_refused_and_never_blamed_on_the_honest() {
    // The liar computes its share with the commitments that it drew, and told others of other ones.
    for (committee, signers) in cases() {
        let (curve, forged) = (committee.curve, point(committee.curve));
        for at in [HIDING, binding_nonce(curve)] {
            let aborts = found(committee, &signers, overwrite(1, at, forged.clone()));
            assert!(!aborts.is_empty());
            for abort in aborts {
                assert_eq!(abort.reason.name(), "commitment_list");
                assert_eq!(abort.culprits, [index(LIAR)]);
            }
        }
    }
}

#[test]
fn c14_different_commitments_to_different_signers__must_name_the_equivocator_with_proof() {
    for committee in THREE_OF_THREE.iter() {
        let forged = point(committee.curve);
        let signers = [index(1), index(LIAR), index(3)];
        let payload = committee.payload("equivocate", TaprootTweak::None);
        let outcomes = pump::equivocate(
            &signers,
            3,
            index(LIAR),
            index(3),
            (HIDING, forged),
            |roster, context| {
                let mut rng = ChaCha20Rng::from_seed(pump::fresh_seed());
                let share = &committee.shares[&roster.me()];
                Sign::start(roster, context, share, payload, &mut rng).unwrap()
            },
        );
        let aborts = finders(outcomes);
        assert!(!aborts.is_empty());
        for abort in aborts {
            assert_eq!(abort.reason, Reason::Equivocation);
            assert_eq!(abort.culprits, [index(LIAR)]);
            // Two statements that contradict each other, both signed by it.
            assert_eq!(abort.evidence.len(), 2);
            assert_ne!(abort.evidence[0].statement, abort.evidence[1].statement);
        }
    }
}

#[test]
fn c14_different_messages_at_different_signers__must_blame_nobody() {
    // A dishonest coordinator: both signers are honest, and were told different things.
    for committees in [&TWO_OF_THREE, &THREE_OF_THREE] {
        for committee in committees.iter() {
            let t = committee.min_signers();
            let signers: Vec<_> = (1..=t as u8).map(index).collect();
            let outcomes = pump::run(&signers, t, [4; 16], |roster, context| {
                let me = roster.me();
                let text = if me == index(1) { "one" } else { "two" };
                let payload = committee.payload(text, TaprootTweak::None);
                let mut rng = ChaCha20Rng::from_seed(pump::fresh_seed());
                Sign::start(roster, context, &committee.shares[&me], payload, &mut rng).unwrap()
            });
            must_be_out_of_step(outcomes);
        }
    }
}

fn must_be_out_of_step(outcomes: Outcomes<Signature>) {
    let aborts: Vec<_> = outcomes.into_values().map(|o| o.unwrap_err()).collect();
    let named = |abort: &Abort| abort.reason.name() == "out_of_step";
    assert!(aborts.iter().any(named));
    for abort in aborts {
        assert!(named(&abort) || abort.reason == Reason::PeerAborted);
        assert!(abort.culprits.is_empty());
    }
}

#[test]
fn c14_another_binding__must_stop_everybody_and_blame_nobody() {
    // It cannot be told from an honest signer whom the coordinator told something else.
    for (committee, signers) in cases() {
        let aborts = found(committee, &signers, lie(1, |body| body[BINDING] ^= 1));
        assert_eq!(aborts.len(), signers.len() - 1);
        for abort in aborts {
            assert_eq!(abort.reason.name(), "out_of_step");
            assert!(abort.culprits.is_empty());
        }
    }
}

#[test]
fn c16_different_output_keys_at_different_signers__must_stop_before_any_nonce_is_used() {
    let committee = &TWO_OF_THREE[1];
    let signers = [index(1), index(2)];
    let tweaks = [
        TaprootTweak::None,
        TaprootTweak::KeyPath,
        TaprootTweak::ScriptTree([1; 32]),
        TaprootTweak::ScriptTree([2; 32]),
    ];
    for first in tweaks {
        for second in tweaks.into_iter().filter(|second| *second != first) {
            let outcomes = pump::run(&signers, 2, [4; 16], |roster, context| {
                let me = roster.me();
                let tweak = if me == index(1) { first } else { second };
                let payload = committee.payload("tweak", tweak);
                let mut rng = ChaCha20Rng::from_seed(pump::fresh_seed());
                Sign::start(roster, context, &committee.shares[&me], payload, &mut rng).unwrap()
            });
            must_be_out_of_step(outcomes);
        }
    }
}

#[test]
fn c10_commitment__must_be_refused_unless_it_is_a_canonical_point_of_prime_order() {
    for (committee, signers) in cases() {
        for (what, bytes) in bad_points(committee.curve) {
            for at in [HIDING, binding_nonce(committee.curve)] {
                let aborts = found(committee, &signers, overwrite(1, at, bytes.clone()));
                assert!(!aborts.is_empty(), "{what}");
                for abort in aborts {
                    assert_eq!(abort.reason, Reason::Malformed, "{what}");
                    assert_eq!(abort.culprits, [index(LIAR)], "{what}");
                }
            }
        }
    }
}

pub(crate) fn bad_points(curve: Curve) -> Vec<(String, Vec<u8>)> {
    let named = |what: &str, bytes: &[u8]| (what.to_owned(), bytes.to_vec());
    if curve == Curve::Ed25519 {
        let mut points: Vec<_> = EIGHT_TORSION
            .iter()
            .enumerate()
            .map(|(i, p)| (format!("torsion {i}"), p.compress().to_bytes().to_vec()))
            .collect();
        // A point of the prime-order group moved by one of small order: verifies under cofactored
        // equations only.
        let good = curve25519_dalek::constants::ED25519_BASEPOINT_POINT;
        let mixed = (good + EIGHT_TORSION[1]).compress().to_bytes();
        points.push(named("mixed order", &mixed));
        // y = 1 with the sign bit: the identity, spelled in a second way; y = p + 1 in a third.
        let mut negative_zero = [0; 32];
        (negative_zero[0], negative_zero[31]) = (1, 0x80);
        points.push(named("negative zero", &negative_zero));
        let mut unreduced = [0xff; 32];
        (unreduced[0], unreduced[31]) = (0xee, 0x7f);
        points.push(named("unreduced y", &unreduced));
        points.push(named("y = 2, on no point", &{
            let mut bytes = [0; 32];
            bytes[0] = 2;
            bytes
        }));
        points.push(named("all ones", &[0xff; 32]));
        return points;
    }
    let good = point(curve);
    let mut points = vec![named("zeros", &[0; 33]), named("ones", &[0xff; 33])];
    for tag in [0, 1, 4, 5, 6, 7] {
        let mut bytes = good.clone();
        bytes[0] = tag;
        points.push((format!("tag {tag}"), bytes));
    }
    // x = 5 is on no point; p + 1 would be x = 1, unreduced.
    let mut off_curve = [0; 33];
    (off_curve[0], off_curve[32]) = (2, 5);
    points.push(named("off curve", &off_curve));
    let mut unreduced = [0xff; 33];
    unreduced[0] = 2;
    unreduced[28] = 0xfe;
    unreduced[31] = 0xfc;
    unreduced[32] = 0x30;
    points.push(named("unreduced x", &unreduced));
    points
}

#[test]
fn c10_share__must_be_refused_unless_it_is_below_the_group_order() {
    const ED25519_ORDER: &str = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";
    const SECP256K1_ORDER: &str =
        "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
    for (committee, signers) in cases() {
        let order = match committee.curve {
            Curve::Ed25519 => ED25519_ORDER,
            _ => SECP256K1_ORDER,
        };
        for bytes in [hex::decode(order).unwrap(), vec![0xff; 32]] {
            let aborts = found(committee, &signers, overwrite(2, SHARE, bytes));
            assert!(!aborts.is_empty());
            for abort in aborts {
                assert_eq!(abort.reason, Reason::Malformed);
                assert_eq!(abort.culprits, [index(LIAR)]);
            }
        }
    }
}

#[test]
fn c10_message__must_be_refused_if_it_is_longer_or_shorter() {
    for round in [1, 2] {
        must_name_the_liar(move |_| lie(round, |body| body.push(0)), "malformed");
        must_name_the_liar(
            move |_| lie(round, |body| body.truncate(body.len() - 1)),
            "malformed",
        );
        must_name_the_liar(move |_| lie(round, Vec::clear), "malformed");
    }
}

#[test]
fn c10_commitments_that_cancel__must_not_make_a_signature() {
    // The liar answers with the negated commitments of the first signer: the sum of the hiding
    // points is the identity; the binding factors keep R from being it.
    let committee = &TWO_OF_THREE[1];
    let first = Rc::new(std::cell::RefCell::new(Vec::new()));
    let heard = Rc::clone(&first);
    let spy: Lie = Rc::new(move |round, _, body| {
        if round == 1 {
            *heard.borrow_mut() = body[HIDING..].to_vec();
        }
    });
    let negated: Lie = Rc::new(move |round, _, body| {
        if round == 1 {
            body[HIDING..].copy_from_slice(&first.borrow());
            body[HIDING] ^= 1;
            body[binding_nonce(Curve::Secp256k1)] ^= 1;
        }
    });
    let lies = BTreeMap::from([(index(1), spy), (index(LIAR), negated)]);
    let payload = committee.payload("cancel", TaprootTweak::None);
    let signers = [index(1), index(LIAR)];
    let aborts = finders(sign_with(committee, &signers, [3; 16], payload, &lies));
    assert_eq!(aborts.len(), 1);
    assert_eq!(aborts[0].culprits, [index(LIAR)]);
}

#[test]
fn c7_message_of_another_session__must_be_refused() {
    // A share or commitment of one session, played again in another: the driver's signature and
    // the binding of the session both stand in the way.
    for committee in TWO_OF_THREE.iter() {
        let signers = [index(1), index(LIAR)];
        let kept = Rc::new(std::cell::RefCell::new(BTreeMap::new()));
        let heard = Rc::clone(&kept);
        let spy: Lie = Rc::new(move |round, _, body| {
            heard.borrow_mut().insert(round, body.clone());
        });
        let payload = committee.payload("replay", TaprootTweak::None);
        let lies = BTreeMap::from([(index(LIAR), spy)]);
        let outcomes = sign_with(committee, &signers, [3; 16], payload, &lies);
        assert!(outcomes[&index(1)].is_ok());
        for round in [1, 2] {
            let kept = Rc::clone(&kept);
            let replay: Lie = Rc::new(move |at, _, body| {
                if at == round {
                    body.clone_from(&kept.borrow()[&round]);
                }
            });
            let lies = BTreeMap::from([(index(LIAR), replay)]);
            let aborts = finders(sign_with(committee, &signers, [5; 16], payload, &lies));
            let expected = ["out_of_step", "commitment_list"][usize::from(round) - 1];
            assert_eq!(aborts[0].reason.name(), expected);
        }
    }
}

#[test]
fn payload__should_say_its_scheme() {
    use quorate_types::Algorithm;
    assert_eq!(Payload::EdDsa(b"").algorithm(), Algorithm::EdDsa);
    let schnorr = TWO_OF_THREE[1].payload("", TaprootTweak::None);
    assert_eq!(schnorr.algorithm(), Algorithm::Schnorr);
}
