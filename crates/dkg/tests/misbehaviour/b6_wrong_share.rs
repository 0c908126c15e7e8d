//! B6: a share that does not fit the commitments.

use quorate_crypto::{Group, SecretScalar};
use quorate_dkg::reason;
use quorate_protocol::Reason;

use crate::attack::{Aftermath, EvilDealer, attack, must_complete, plan};
use crate::stage::party;

/// Adds one to a little scalar of the encoded pair.
fn add_one<G: Group>(share: &mut [u8]) {
    let bytes: &[u8; 32] = (&*share).try_into().unwrap();
    let value = SecretScalar::<G>::from_bytes(bytes).unwrap();
    let wrong = SecretScalar::<G>::new(*value.expose() + G::scalar_from_u8(1));
    share.copy_from_slice(wrong.to_bytes().as_slice());
}

/// The victim names the dealer with its signed message; the key is nobody's, because a certificate
/// needs all n, and the other party at most waits for it.
fn must_blame_at_victim_only<G: Group>(aftermath: &Aftermath, reason: &Reason) {
    aftermath.must_blame_evil(party(1), reason);
    assert!(!aftermath.outcome.outputs.contains_key(&party(1)));
    assert!(aftermath.outcome.outputs.len() < 3, "no certificate");
    must_complete::<G>(61);
}

/// share + 1 of x, or of k, to one party.
fn b6_wrong_share_to_one_party__must_blame_the_dealer_with_evidence<G: Group>() {
    for half in [0..32, 32..64] {
        let aftermath = attack::<G>(plan(62), |dealer, _| {
            let share = dealer.shares.get_mut(&party(1)).unwrap();
            add_one::<G>(&mut share[half.clone()]);
        });
        must_blame_at_victim_only::<G>(&aftermath, &reason::WRONG_SHARE);
    }
}

fn b6_wrong_shares_to_all__must_blame_the_dealer_everywhere<G: Group>() {
    let aftermath = attack::<G>(plan(63), |dealer: &mut EvilDealer<G>, _| {
        for share in dealer.shares.values_mut() {
            add_one::<G>(&mut share[..32]);
        }
    });
    aftermath.must_blame_evil_everywhere::<G>(&reason::WRONG_SHARE);
}

/// The share of another party, valid but not ours; and x and k exchanged.
fn b6_share_of_another_index__must_blame_the_dealer<G: Group>() {
    let aftermath = attack::<G>(plan(64), |dealer, _| {
        let of_two = dealer.shares[&party(2)].clone();
        dealer.shares.insert(party(1), of_two);
    });
    must_blame_at_victim_only::<G>(&aftermath, &reason::WRONG_SHARE);
    let aftermath = attack::<G>(plan(65), |dealer, _| {
        dealer.shares.get_mut(&party(1)).unwrap().rotate_left(32);
    });
    must_blame_at_victim_only::<G>(&aftermath, &reason::WRONG_SHARE);
}

/// C10: zero is a scalar but a wrong share; the order and above are no scalars.
fn c10_scalars_that_are_not_reduced__must_blame_the_dealer<G: Group>() {
    for (bytes, reason) in [
        ([0xff; 32], reason::INVALID_SCALAR),
        ([0; 32], reason::WRONG_SHARE),
    ] {
        for half in [0..32, 32..64] {
            let aftermath = attack::<G>(plan(66), |dealer, _| {
                let share = dealer.shares.get_mut(&party(1)).unwrap();
                share[half.clone()].copy_from_slice(&bytes);
            });
            must_blame_at_victim_only::<G>(&aftermath, &reason);
        }
    }
}

/// Shares of 63 bytes and of none.
fn b6_share_of_another_length__must_blame_the_dealer<G: Group>() {
    for length in [0, 63] {
        let aftermath = attack::<G>(plan(67), |dealer, _| {
            dealer.shares.get_mut(&party(1)).unwrap().truncate(length);
        });
        must_blame_at_victim_only::<G>(&aftermath, &Reason::Malformed);
    }
}

crate::on_both_curves!(
    b6_wrong_share_to_one_party__must_blame_the_dealer_with_evidence,
    b6_wrong_shares_to_all__must_blame_the_dealer_everywhere,
    b6_share_of_another_index__must_blame_the_dealer,
    c10_scalars_that_are_not_reduced__must_blame_the_dealer,
    b6_share_of_another_length__must_blame_the_dealer,
);
