//! What is a retry and never a ban, and what a new attempt shares with an old one: nothing.

use quorate_dkls23::{Sign, ban_targets};
use quorate_protocol::{Abort, Reason, Sanction};
use quorate_types::{Digest32, PartyIndex, Threshold};
use quorate_verify::EcdsaSignature;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::committee::{
    Committee, THREE_OF_FIVE, THREE_OF_THREE, TWO_OF_THREE, digest, index, roster,
};
use crate::pump::{self, Outcomes};
use crate::signing;

/// Signs with [`TWO_OF_THREE`]'s 1 and 2, where each may see context and message differently.
fn disagreeing(
    context_of: impl Fn(PartyIndex, Digest32) -> Digest32,
    message_of: impl Fn(PartyIndex) -> [u8; 32],
) -> Outcomes<EcdsaSignature> {
    let committee = &*TWO_OF_THREE;
    pump::run(&[index(1), index(2)], 2, [6; 16], |roster, context, rng| {
        let me = roster.me();
        let context = context_of(me, context);
        let (share, pairs) = (&committee.shares[&me], &committee.pairs[&me]);
        Sign::start(roster, context, share, pairs, message_of(me), rng).unwrap()
    })
}

fn must_all_be_retries(outcomes: Outcomes<EcdsaSignature>, name: &str) {
    let aborts: Vec<Abort> = outcomes.into_values().map(|o| o.err().unwrap()).collect();
    assert!(
        aborts.iter().any(|abort| abort.reason.name() == name),
        "{name}"
    );
    for abort in aborts {
        assert!(abort.reason.name() == name || abort.reason == Reason::PeerAborted);
        assert_eq!(abort.sanction(), Sanction::Retry);
        assert!(ban_targets(&abort, &TWO_OF_THREE.pairs[&index(1)]).is_empty());
    }
}

#[test]
fn sign__must_retry_and_never_ban_when_signers_disagree_on_the_message() {
    let outcomes = disagreeing(|_, context| context, |me| digest(&me.to_string()));
    must_all_be_retries(outcomes, "session_binding");
}

#[test]
fn sign__must_retry_and_never_ban_when_signers_disagree_on_the_context() {
    let context = |me: PartyIndex, context: Digest32| {
        Digest32::of(b"other", &[context.as_bytes(), &[me.get()]])
    };
    must_all_be_retries(disagreeing(context, |_| digest("same")), "session_binding");
}

#[test]
fn sign__must_retry_and_never_ban_when_signers_disagree_on_the_generation() {
    // Party 2 has state of another set-up run.
    let (ours, other) = (&*TWO_OF_THREE, &*THREE_OF_THREE);
    let outcomes = pump::run(&[index(1), index(2)], 2, [6; 16], |roster, context, rng| {
        let me = roster.me();
        let pairs = if me == index(2) {
            &other.pairs[&me]
        } else {
            &ours.pairs[&me]
        };
        Sign::start(
            roster,
            context,
            &ours.shares[&me],
            pairs,
            digest("same"),
            rng,
        )
        .unwrap()
    });
    must_all_be_retries(outcomes, "pair_generation");
}

#[test]
fn c3_sign__must_use_another_nonce_in_every_attempt() {
    let message = digest("twice");
    let mut nonces = Vec::new();
    // Even where a caller repeats session and context, which it must not.
    for _ in 0..8 {
        let outcomes = signing::sign(&TWO_OF_THREE, &[index(1), index(2)], [8; 16], message);
        let signature = signing::must_be_one_valid_signature(&TWO_OF_THREE, outcomes, message);
        nonces.push(*signature.r());
    }
    nonces.sort_unstable();
    nonces.dedup();
    assert_eq!(nonces.len(), 8);
}

#[test]
fn c3_sign__must_use_another_nonce_after_an_abort_with_another_message() {
    let (first, second) = (digest("first"), digest("second"));
    let lie = crate::misbehaviour::lie(3, |body| body[31] ^= 1);
    let mut nonces = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    let kept = std::rc::Rc::clone(&nonces);
    // Party 2 spoils round 3 of the first attempt; both had computed r by then.
    let spy: pump::Lie = std::rc::Rc::new(move |round, to, body| {
        if round == 2 {
            let at = crate::misbehaviour::layout::INSTANCE_POINT;
            kept.borrow_mut().push(body[at..at + 65].to_vec());
        }
        lie(round, to, body);
    });
    let lies = std::collections::BTreeMap::from([(index(2), spy)]);
    let signers = [index(1), index(2)];
    let failed = signing::sign_with(&TWO_OF_THREE, &signers, [8; 16], first, &lies);
    assert!(failed[&index(1)].is_err());
    drop(signing::sign_with(
        &TWO_OF_THREE,
        &signers,
        [8; 16],
        second,
        &lies,
    ));
    drop(lies);
    let points = std::rc::Rc::get_mut(&mut nonces).unwrap().get_mut();
    assert_eq!(points.len(), 2);
    assert_ne!(points[0], points[1]);
}

fn refused(committee: &Committee, me: u8, members: &[u8], t: u64) -> Option<Abort> {
    let members: Vec<PartyIndex> = members.iter().copied().map(index).collect();
    let roster = roster(index(me), &members, t, [7; 16]);
    let (share, pairs) = (&committee.shares[&index(1)], &committee.pairs[&index(1)]);
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    Sign::start(
        &roster,
        roster.context(b""),
        share,
        pairs,
        [1; 32],
        &mut rng,
    )
    .err()
}

#[test]
fn b2_sign__must_refuse_signers_that_do_not_fit_the_share() {
    for (what, refused) in [
        ("one too many", refused(&TWO_OF_THREE, 1, &[1, 2, 3], 2)),
        ("one too few", refused(&THREE_OF_FIVE, 1, &[1, 2], 2)),
        ("not a holder", refused(&TWO_OF_THREE, 1, &[1, 4], 2)),
        ("another's share", refused(&TWO_OF_THREE, 2, &[1, 2], 2)),
    ] {
        let abort = refused.expect(what);
        assert!(matches!(abort.reason, Reason::LocalState { .. }), "{what}");
        assert!(abort.culprits.is_empty(), "{what}");
    }
    assert!(refused(&TWO_OF_THREE, 1, &[1, 2], 2).is_none());
    assert_eq!(TWO_OF_THREE.threshold, Threshold::new(2, 3).unwrap());
}
