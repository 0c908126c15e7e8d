//! One lie at a time: the right check fires, at the right party, with the right sanction.

use std::collections::BTreeMap;
use std::rc::Rc;

use quorate_dkls23::{Setup, ban_targets};
use quorate_protocol::{Abort, Reason, Sanction};
use quorate_types::PartyIndex;

use crate::committee::{Committee, THREE_OF_FIVE, TWO_OF_THREE, digest, index};
use crate::pump::{self, Lie, Outcomes};
use crate::signing;

/// Where the fields of the three messages are; `docs/protocols/dkls23.md` §2 lists them.
pub(crate) mod layout {
    pub(crate) const GENERATION: usize = 0;
    pub(crate) const EXTENSION_BINDING: usize = 32;
    pub(crate) const COMMITMENT: usize = 64;
    pub(crate) const NONCE: usize = 96;
    pub(crate) const U: usize = 128;
    pub(crate) const X: usize = U + 256 * 78;
    pub(crate) const T: usize = X + 26;
    pub(crate) const EXTENSION: usize = T + 256 * 26;

    pub(crate) const PRODUCT_BINDING: usize = 0;
    pub(crate) const GAMMA_U: usize = 32;
    pub(crate) const GAMMA_V: usize = GAMMA_U + 33;
    pub(crate) const PUBLIC_SHARE: usize = GAMMA_V + 33;
    pub(crate) const INSTANCE_POINT: usize = PUBLIC_SHARE + 33;
    pub(crate) const PSI: usize = INSTANCE_POINT + 33;
    pub(crate) const SALT: usize = PSI + 32;
    pub(crate) const TAU: usize = SALT + 64;
    pub(crate) const OT_SALT: usize = TAU + 4 * 416 * 32;
    pub(crate) const VERIFY_R: usize = OT_SALT + 32;
    pub(crate) const VERIFY_U: usize = VERIFY_R + 32;
    pub(crate) const GAMMA: usize = VERIFY_U + 64;
    pub(crate) const PRODUCT: usize = GAMMA + 64;
}
use layout::*;

const LIAR: u8 = 2;

/// A lie to everyone in one round.
pub(crate) fn lie(round: u8, change: impl Fn(&mut Vec<u8>) + 'static) -> Lie {
    Rc::new(move |at, _, body| {
        if at == round {
            change(body);
        }
    })
}

/// The last bit of the 32 bytes at `at`: a scalar stays below the order.
fn flip(round: u8, at: usize) -> Lie {
    lie(round, move |body| body[at + 31] ^= 1)
}

fn overwrite(round: u8, at: usize, with: Vec<u8>) -> Lie {
    lie(round, move |body| {
        body[at..at + with.len()].copy_from_slice(&with)
    })
}

fn generator() -> Vec<u8> {
    use k256::elliptic_curve::group::GroupEncoding;
    k256::AffinePoint::GENERATOR.to_bytes().to_vec()
}

/// What the honest parties say of a run in which [`LIAR`] lies.
fn honest_aborts(committee: &Committee, signers: &[PartyIndex], lie: Lie) -> Vec<Abort> {
    let lies = BTreeMap::from([(index(LIAR), lie)]);
    let message = digest("misbehaviour");
    let outcomes = signing::sign_with(committee, signers, [3; 16], message, &lies);
    blaming(outcomes)
}

/// Aborts of those who found something, without the liar's own.
fn blaming<O>(outcomes: Outcomes<O>) -> Vec<Abort> {
    let honest = outcomes.into_iter().filter(|(who, _)| *who != index(LIAR));
    let abort = |(_, outcome): (PartyIndex, Result<O, Abort>)| outcome.err();
    let found = |abort: &Abort| abort.reason != Reason::PeerAborted;
    honest.filter_map(abort).filter(found).collect()
}

fn must_blame_the_liar(what: &str, aborts: &[Abort], name: &str, sanction: Sanction) {
    assert!(!aborts.is_empty(), "{what}: nobody noticed");
    for abort in aborts {
        assert_eq!(abort.reason.name(), name, "{what}");
        assert_eq!(abort.sanction(), sanction, "{what}");
        assert_eq!(abort.culprits, [index(LIAR)], "{what}");
    }
}

/// Each field of each message, changed to another valid value.
fn lies() -> Vec<(&'static str, Lie, &'static str, Sanction)> {
    use Sanction::{Ban, Retry};
    let field = |name, round, at, check, sanction| (name, flip(round, at), check, sanction);
    let point = |name, at, check, sanction| (name, overwrite(2, at, generator()), check, sanction);
    vec![
        field("generation", 1, GENERATION, "pair_generation", Retry),
        field("binding 1", 1, EXTENSION_BINDING, "session_binding", Retry),
        field("commitment", 1, COMMITMENT, "commitment", Retry),
        field("nonce", 1, NONCE, "ot_extension", Ban),
        field("u", 1, U + 78 * 100, "ot_extension", Ban),
        field("x", 1, X - 10, "ot_extension", Ban),
        field("t", 1, T, "ot_extension", Ban),
        field("binding 2", 2, PRODUCT_BINDING, "session_binding", Retry),
        point("gamma u", GAMMA_U, "gamma_u", Ban),
        point("gamma v", GAMMA_V, "gamma_v", Ban),
        point("public share", PUBLIC_SHARE, "gamma_v", Ban),
        point("instance point", INSTANCE_POINT, "commitment", Retry),
        field("psi", 2, PSI, "commitment", Retry),
        field("salt", 2, SALT + 32, "commitment", Retry),
        field("tau", 2, TAU + 32 * 1000, "multiplication", Ban),
        field("OT salt", 2, OT_SALT, "multiplication", Ban),
        field("r", 2, VERIFY_R, "multiplication", Ban),
        field("u", 2, VERIFY_U, "multiplication", Ban),
        field("gamma of u", 2, GAMMA, "gamma_u", Ban),
        field("gamma of v", 2, GAMMA + 32, "gamma_v", Ban),
        field("signature share u", 3, 0, "final_signature", Retry),
        field("signature share w", 3, 32, "final_signature", Retry),
    ]
}

#[test]
fn sign__must_name_the_liar_for_each_field_of_each_message() {
    for (what, lie, name, sanction) in lies() {
        let aborts = honest_aborts(&TWO_OF_THREE, &[index(1), index(LIAR)], lie);
        must_blame_the_liar(what, &aborts, name, sanction);
    }
}

#[test]
fn sign__must_name_the_liar_among_three_signers_or_nobody() {
    let signers = [index(1), index(LIAR), index(5)];
    for (what, lie, name, sanction) in lies() {
        let aborts = honest_aborts(&THREE_OF_FIVE, &signers, lie);
        if name == "final_signature" {
            // The shares of a sum cannot be told apart; blaming wrongly would be worse.
            assert!(
                aborts
                    .iter()
                    .all(|a| a.culprits.is_empty() && a.reason.name() == name)
            );
            assert_eq!(aborts.len(), 2);
        } else {
            must_blame_the_liar(what, &aborts, name, sanction);
        }
    }
}

#[test]
fn c10_sign__must_refuse_malformed_points_and_scalars_in_every_field() {
    let signers = [index(1), index(LIAR)];
    let malformed = |what: &str, lie| {
        let aborts = honest_aborts(&TWO_OF_THREE, &signers, lie);
        must_blame_the_liar(what, &aborts, "malformed", Sanction::Retry);
    };
    let mut off_curve = vec![0; 33];
    (off_curve[0], off_curve[32]) = (2, 5);
    let mut tagged = generator();
    tagged[0] = 5;
    for at in [GAMMA_U, GAMMA_V, PUBLIC_SHARE, INSTANCE_POINT] {
        for (what, point) in [
            ("identity", vec![0; 33]),
            ("off curve", off_curve.clone()),
            ("other tag", tagged.clone()),
        ] {
            malformed(&format!("{what} at {at}"), overwrite(2, at, point));
        }
    }
    let scalars = [
        PSI,
        TAU,
        OT_SALT - 32,
        VERIFY_U,
        VERIFY_U + 32,
        GAMMA,
        GAMMA + 32,
    ];
    for (round, at) in scalars
        .map(|at| (2, at))
        .into_iter()
        .chain([(3, 0), (3, 32)])
    {
        malformed(
            &format!("scalar at {at}"),
            overwrite(round, at, vec![0xff; 32]),
        );
    }
    for round in 1..=3 {
        malformed("short", lie(round, |body| body.truncate(body.len() - 1)));
        malformed("long", lie(round, |body| body.push(0)));
        malformed("empty", lie(round, Vec::clear));
    }
}

#[test]
fn sign__should_send_messages_of_fixed_sizes() {
    let sizes = |body: &mut Vec<u8>, size| assert_eq!(body.len(), size);
    let check: Lie = Rc::new(move |round, _, body| match round {
        1 => sizes(body, EXTENSION),
        2 => sizes(body, PRODUCT),
        _ => sizes(body, 64),
    });
    assert!(honest_aborts(&TWO_OF_THREE, &[index(1), index(LIAR)], check).is_empty());
}

#[test]
fn sign__must_not_sign_with_zero_sharing_seeds_that_differ() {
    // Only damaged state leads here: the seeds differ although the generations agree.
    let damaged = |committee: &Committee, who: u8| {
        let mut setups = Vec::new();
        for (peer, _) in committee.setups[&index(who)].generations() {
            let setup = committee.setups[&index(who)].get(peer).unwrap();
            let mut bytes = setup.to_secret_bytes().to_vec();
            bytes[40] ^= 1;
            setups.push(quorate_dkls23::PairSetup::from_secret_bytes(&bytes).unwrap());
        }
        quorate_dkls23::PairSetups::new(index(who), setups).unwrap()
    };
    for (committee, signers, blamed) in [
        (&*TWO_OF_THREE, vec![index(1), index(2)], vec![index(2)]),
        (&*THREE_OF_FIVE, vec![index(1), index(2), index(3)], vec![]),
    ] {
        let (broken, t) = (damaged(committee, LIAR), committee.min_signers());
        let outcomes = pump::run(&signers, t, [4; 16], |roster, context| {
            let me = roster.me();
            let setups = if me == index(LIAR) {
                &broken
            } else {
                &committee.setups[&me]
            };
            quorate_dkls23::Sign::start(roster, context, &committee.shares[&me], setups, [1; 32])
                .unwrap()
        });
        for abort in blaming(outcomes) {
            assert_eq!(abort.reason, Reason::check("public_share_sum"));
            assert_eq!(abort.culprits, blamed);
            assert!(ban_targets(&abort, &committee.setups[&index(1)]).is_empty());
        }
    }
}

/// Offsets in a pair initialisation: seed, salt, OT seed, gadget nonce, length, key proof…
const OT_SEED: usize = 96;
const KEY_PROOF: usize = 164;

fn setup_aborts(members: u8, lies: &BTreeMap<PartyIndex, Lie>) -> Vec<Abort> {
    let members: Vec<_> = (1..=members).map(index).collect();
    let outcomes = pump::run_with(&members, 2, [5; 16], lies, |roster, context| {
        Setup::start(roster, context)
    });
    let honest = outcomes
        .into_iter()
        .filter(|(who, _)| !lies.contains_key(who));
    honest
        .filter_map(|(_, outcome)| outcome.err())
        .filter(|abort| abort.reason != Reason::PeerAborted)
        .collect()
}

fn key_proof_end(body: &[u8]) -> usize {
    let length: [u8; 4] = body[KEY_PROOF - 4..KEY_PROOF].try_into().unwrap();
    KEY_PROOF + usize::try_from(u32::from_be_bytes(length)).unwrap()
}

#[test]
fn setup__must_name_the_liar_for_each_field() {
    let cases: Vec<(&str, Lie, &str)> = vec![
        ("commitment", flip(1, 0), "seed_opening"),
        ("seed", flip(2, 0), "seed_opening"),
        ("salt", flip(2, 40), "seed_opening"),
        ("OT seed", flip(2, OT_SEED), "base_ot_proof"),
        (
            "key proof",
            lie(2, |body| {
                let end = key_proof_end(body);
                body[end - 1] ^= 1;
            }),
            "base_ot_proof",
        ),
        (
            "encryption proof",
            lie(2, |body| *body.last_mut().unwrap() ^= 1),
            "base_ot_proof",
        ),
        (
            "short",
            lie(2, |body| body.truncate(body.len() - 1)),
            "malformed",
        ),
        ("long", lie(2, |body| body.push(0)), "malformed"),
    ];
    for (what, lie, name) in cases {
        let aborts = setup_aborts(2, &BTreeMap::from([(index(LIAR), lie)]));
        must_blame_the_liar(what, &aborts, name, Sanction::Retry);
        assert!(
            aborts.iter().all(|abort| !abort.evidence.is_empty()),
            "{what}"
        );
    }
}

#[test]
fn setup__should_send_messages_of_known_sizes() {
    let check: Lie = Rc::new(|round, _, body| match round {
        1 => assert_eq!(body.len(), 32),
        _ => {
            let proofs = key_proof_end(body) + 4;
            assert_eq!(proofs - 4 - KEY_PROOF, 4_644);
            assert_eq!(body.len() - proofs, 138_242);
        }
    });
    assert!(setup_aborts(2, &BTreeMap::from([(index(1), check)])).is_empty());
}

#[test]
fn setup__must_name_all_liars() {
    let lies = BTreeMap::from([(index(2), flip(2, 0)), (index(3), flip(2, 40))]);
    let aborts = setup_aborts(3, &lies);
    assert_eq!(aborts.len(), 1);
    assert_eq!(aborts[0].culprits, [index(2), index(3)]);
}

#[test]
fn c10_setup__must_refuse_the_identity_and_second_spellings_of_points() {
    use k256::elliptic_curve::sec1::ToSec1Point;
    let respell = |point: Vec<u8>| {
        lie(2, move |body| {
            let end = key_proof_end(body);
            let rest = body[KEY_PROOF + 34..end].to_vec();
            let length = u8::try_from(point.len()).unwrap();
            let proof = [&[length], point.as_slice(), &rest].concat();
            let size = u32::try_from(proof.len()).unwrap().to_be_bytes();
            body.splice(KEY_PROOF - 4..end, [&size, proof.as_slice()].concat());
        })
    };
    let uncompressed = k256::AffinePoint::GENERATOR.to_sec1_point(false);
    let long_count = lie(2, |body| {
        // The number of encryption proofs, 256, with a needless byte.
        let start = key_proof_end(body) + 4;
        assert_eq!(body[start..start + 2], [0x80, 0x02]);
        body.splice(start..start + 2, [0x80, 0x82, 0x00]);
        let length: [u8; 4] = body[start - 4..start].try_into().unwrap();
        let longer = (u32::from_be_bytes(length) + 1).to_be_bytes();
        body[start - 4..start].copy_from_slice(&longer);
    });
    for (what, lie) in [
        ("identity", respell(vec![0])),
        ("uncompressed", respell(uncompressed.as_bytes().to_vec())),
        ("long count", long_count),
    ] {
        let aborts = setup_aborts(2, &BTreeMap::from([(index(LIAR), lie)]));
        must_blame_the_liar(what, &aborts, "malformed", Sanction::Retry);
    }
}
