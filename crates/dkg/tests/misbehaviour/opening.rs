//! The opening of round 2 is exactly what round 1 committed to.

use quorate_crypto::{Group, Polynomial, SecretName};
use quorate_dkg::{Opening, reason};
use quorate_protocol::Reason;
use quorate_protocol::simulator::Strategy;

use crate::attack::{EVIL, attack, attack_on_the_wire, foresee, plan, secret_opening};
use crate::stage::party;

/// Each field of the opening changed alone.
fn opening__must_be_what_was_committed_to<G: Group>() {
    let changes: [fn(&mut Opening); 6] = [
        |opening| opening.salt[0] ^= 1,
        |opening| opening.chain_code[31] ^= 1,
        |opening| opening.x.proof[0] ^= 1,
        |opening| opening.k.proof[0] ^= 1,
        |opening| opening.x.commitments[1][5] ^= 1,
        |opening| std::mem::swap(&mut opening.x, &mut opening.k),
    ];
    for change in changes {
        let aftermath = attack::<G>(plan(81), |dealer, _| change(&mut dealer.shown));
        aftermath.must_blame_evil_everywhere::<G>(&reason::OPENING);
    }
}

/// Another polynomial, with a valid proof: what a dealer would choose after it saw the others.
fn opening__must_not_be_another_valid_one<G: Group>() {
    let aftermath = attack::<G>(plan(82), |dealer, rng| {
        let other = Polynomial::random(2, rng);
        let name = SecretName::SigningKey;
        dealer.shown.x = secret_opening::<G>(&dealer.context, dealer.me, name, &other, rng);
    });
    aftermath.must_blame_evil_everywhere::<G>(&reason::OPENING);
}

/// With foresight, a copied chain code contribution commits and opens; it is refused all the same.
fn opening__must_not_repeat_the_contribution_of_another<G: Group>() {
    let seed = 83;
    let copied = foresee::<G>(seed)[&party(1)].clone();
    let of_chain_code = attack::<G>(plan(seed), |dealer, _| {
        dealer.open(|opening| opening.chain_code = copied.chain_code);
    });
    let of_salt = attack::<G>(plan(seed), |dealer, _| {
        dealer.open(|opening| opening.salt = copied.salt);
    });
    for aftermath in [of_chain_code, of_salt] {
        // The copied party knows who copied. Another one cannot tell, and blames nobody.
        aftermath.must_blame_evil(party(1), &reason::REPEATED);
        let abort = aftermath.abort_of(party(2));
        assert_eq!(abort.reason, reason::REPEATED);
        assert!(abort.culprits.is_empty());
        assert!(aftermath.outcome.outputs.is_empty());
    }
}

/// The same changed bytes to everybody, validly signed.
fn opening__must_be_what_was_committed_to_when_all_see_the_same<G: Group>() {
    let plan = plan(84).with_byzantine(party(EVIL), Strategy::AlterBroadcast, 2);
    let aftermath = attack_on_the_wire::<G>(plan, None);
    for index in aftermath.honest() {
        let reason = &aftermath.abort_of(index).reason;
        // Its own echo still names the honest opening, which it signed too.
        assert_eq!(reason, &Reason::Equivocation);
    }
}

crate::on_both_curves!(
    opening__must_be_what_was_committed_to,
    opening__must_not_be_another_valid_one,
    opening__must_not_repeat_the_contribution_of_another,
    opening__must_be_what_was_committed_to_when_all_see_the_same,
);
