//! One lie at a time: the right check fires, at the right party, with the right sanction.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;

use k256::Scalar;
use k256::elliptic_curve::PrimeField;
use quorate_dkls23::{PairSetup, PairState, Pairs, Sign, ban_targets};
use quorate_protocol::{Abort, Reason, Sanction};
use quorate_types::PartyIndex;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, TryCryptoRng, TryRng};

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
    pub(crate) const X: usize = U + 128 * 78;
    pub(crate) const T: usize = X + 26;
    pub(crate) const EXTENSION: usize = T + 32;

    pub(crate) const PRODUCT_BINDING: usize = 0;
    pub(crate) const COMMITMENT_SALT: usize = 32;
    pub(crate) const SALT: usize = 64;
    pub(crate) const INSTANCE_POINT: usize = 96;
    pub(crate) const PUBLIC_SHARE: usize = INSTANCE_POINT + 65;
    pub(crate) const GAMMA: usize = PUBLIC_SHARE + 65;
    pub(crate) const PSI: usize = GAMMA + 65;
    pub(crate) const TAU: usize = PSI + 32;
    pub(crate) const ETA: usize = TAU + 3 * 416 * 32;
    pub(crate) const MU: usize = ETA + 32;
    pub(crate) const PRODUCT: usize = MU + 32;
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

pub(crate) fn generator() -> Vec<u8> {
    use k256::elliptic_curve::sec1::ToSec1Point;
    let point = k256::AffinePoint::GENERATOR.to_sec1_point(false);
    point.as_bytes().to_vec()
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
        point("gamma", GAMMA, "gamma", Ban),
        point("public share", PUBLIC_SHARE, "gamma", Ban),
        point("instance point", INSTANCE_POINT, "commitment", Retry),
        field("psi", 2, PSI, "final_signature", Retry),
        field("commitment salt", 2, COMMITMENT_SALT, "commitment", Retry),
        field("salt", 2, SALT, "multiplication", Ban),
        field("tau", 2, TAU + 32 * 1000, "multiplication", Ban),
        field("eta", 2, ETA, "multiplication", Ban),
        field("mu", 2, MU, "multiplication", Ban),
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
    let mut off_curve = generator();
    off_curve[64] ^= 1;
    let mut tagged = generator();
    tagged[0] = 6;
    for at in [GAMMA, PUBLIC_SHARE, INSTANCE_POINT] {
        for (what, point) in [
            ("identity", vec![0; 65]),
            ("off curve", off_curve.clone()),
            ("other tag", tagged.clone()),
        ] {
            malformed(&format!("{what} at {at}"), overwrite(2, at, point));
        }
    }
    let scalars = [PSI, TAU, TAU + 32 * 1247, ETA];
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
    let damaged = |committee: &Committee, who: u8| -> Pairs {
        let damage = |state: &Arc<PairState>| {
            let mut bytes = state.to_secret_bytes();
            bytes[40] ^= 1;
            Arc::new(PairState::from_secret_bytes(&bytes).unwrap())
        };
        let pairs = &committee.pairs[&index(who)];
        pairs.iter().map(|(peer, s)| (*peer, damage(s))).collect()
    };
    for (committee, signers, blamed) in [
        (&*TWO_OF_THREE, vec![index(1), index(2)], vec![index(2)]),
        (&*THREE_OF_FIVE, vec![index(1), index(2), index(3)], vec![]),
    ] {
        let (broken, t) = (damaged(committee, LIAR), committee.min_signers());
        let outcomes = pump::run(&signers, t, [4; 16], |roster, context, rng| {
            let me = roster.me();
            let pairs = if me == index(LIAR) {
                &broken
            } else {
                &committee.pairs[&me]
            };
            Sign::start(roster, context, &committee.shares[&me], pairs, [1; 32], rng).unwrap()
        });
        let aborts = blaming(outcomes);
        assert!(!aborts.is_empty());
        for abort in aborts {
            assert_eq!(abort.reason, Reason::check("public_share_sum"));
            assert_eq!(abort.culprits, blamed);
            assert!(ban_targets(&abort, &committee.pairs[&index(1)]).is_empty());
        }
    }
}

/// A generator whose first bytes are chosen: the instance key is what is drawn first.
struct Chosen<'a> {
    first: Option<[u8; 32]>,
    rest: &'a mut ChaCha20Rng,
}

impl TryRng for Chosen<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.rest.try_next_u32()
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.rest.try_next_u64()
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        match self.first.take() {
            Some(first) => bytes.copy_from_slice(&first),
            None => self.rest.fill_bytes(bytes),
        }
        Ok(())
    }
}

impl TryCryptoRng for Chosen<'_> {}

/// Nobody can bring this about who must commit to its point first; all signers together can.
#[test]
fn sign__must_end_where_the_nonce_points_add_up_to_the_identity() {
    let (one, two) = (Scalar::ONE, Scalar::from(2_u64));
    for (committee, keys, blamed) in [
        (&*TWO_OF_THREE, vec![one, -one], true),
        (&*THREE_OF_FIVE, vec![one, two, -one - two], false),
    ] {
        let signers: Vec<PartyIndex> = (1..).take(keys.len()).map(index).collect();
        let sign = |keys: &[Scalar]| {
            let (t, message, none) = (committee.min_signers(), digest("R"), BTreeMap::new());
            pump::run_with(&signers, t, [6; 16], &none, |roster, context, rng| {
                let me = roster.me();
                let key = keys[usize::from(me.get()) - 1];
                let rng = &mut Chosen {
                    first: Some(key.to_repr().into()),
                    rest: rng,
                };
                let (share, pairs) = (&committee.shares[&me], &committee.pairs[&me]);
                Sign::start(roster, context, share, pairs, message, rng).unwrap()
            })
        };
        let outcomes = sign(&keys);
        assert_eq!(outcomes.len(), signers.len());
        for (me, outcome) in outcomes {
            let abort = outcome.unwrap_err();
            assert_eq!(abort.reason, Reason::check("nonce_point"));
            let others = signers.iter().filter(|other| blamed && **other != me);
            assert_eq!(abort.culprits, others.copied().collect::<Vec<_>>());
            assert!(ban_targets(&abort, &committee.pairs[&me]).is_empty());
        }
        // It is their sum, and nothing else: with another key of the first there is a signature.
        let others = [&[two + two], &keys[1..]].concat();
        signing::must_be_one_valid_signature(committee, sign(&others), digest("R"));
    }
}

#[test]
fn sign__must_name_all_liars() {
    let signers = [index(1), index(2), index(5)];
    for (lie, name, sanction) in [
        (flip(1, GENERATION), "pair_generation", Sanction::Retry),
        (
            flip(1, EXTENSION_BINDING),
            "session_binding",
            Sanction::Retry,
        ),
        (flip(1, T), "ot_extension", Sanction::Ban),
        (flip(2, COMMITMENT_SALT), "commitment", Sanction::Retry),
        (flip(2, MU), "multiplication", Sanction::Ban),
        (overwrite(2, GAMMA, generator()), "gamma", Sanction::Ban),
    ] {
        let lies = [2, 5].map(|liar| (index(liar), Rc::clone(&lie)));
        let message = digest("two liars");
        let lies = BTreeMap::from(lies);
        let mut outcomes = signing::sign_with(&THREE_OF_FIVE, &signers, [3; 16], message, &lies);
        let abort = outcomes.remove(&index(1)).unwrap().unwrap_err();
        assert_eq!((abort.reason.name(), abort.sanction()), (name, sanction));
        assert_eq!(abort.culprits, [index(2), index(5)], "{name}");
    }
}

fn setup_aborts(lies: &BTreeMap<PartyIndex, Lie>) -> Vec<Abort> {
    let members = [index(1), index(2)];
    let outcomes = pump::run_with(&members, 2, [5; 16], lies, |roster, context, rng| {
        PairSetup::start(roster, context, rng).unwrap()
    });
    let honest = outcomes
        .into_iter()
        .filter(|(who, _)| !lies.contains_key(who));
    honest
        .filter_map(|(_, outcome)| outcome.err())
        .filter(|abort| abort.reason != Reason::PeerAborted)
        .collect()
}

#[test]
fn setup__must_name_the_liar_for_each_field() {
    let base_point = || {
        let point = curve25519_dalek::constants::RISTRETTO_BASEPOINT_COMPRESSED;
        point.as_bytes().to_vec()
    };
    let cases: Vec<(&str, Lie, &str)> = vec![
        ("seed half", flip(1, 0), "pair_confirmation"),
        ("key", overwrite(1, 32, base_point()), "pair_confirmation"),
        ("no key", overwrite(1, 32, vec![0xff; 32]), "base_ot"),
        ("identity as key", overwrite(1, 32, vec![0; 32]), "base_ot"),
        (
            "a point",
            overwrite(1, 64, base_point()),
            "pair_confirmation",
        ),
        (
            "no point",
            overwrite(1, 64 + 32 * 255, vec![0xff; 32]),
            "base_ot",
        ),
        ("confirmation", flip(2, 0), "pair_confirmation"),
        (
            "short",
            lie(1, |body| body.truncate(body.len() - 1)),
            "malformed",
        ),
        ("long", lie(2, |body| body.push(0)), "malformed"),
    ];
    for (what, lie, name) in cases {
        let aborts = setup_aborts(&BTreeMap::from([(index(LIAR), lie)]));
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
        1 => assert_eq!(body.len(), 64 + 128 * 64),
        _ => assert_eq!(body.len(), 32),
    });
    assert!(setup_aborts(&BTreeMap::from([(index(1), check)])).is_empty());
}

#[test]
fn setup__must_refuse_a_roster_that_is_no_pair() {
    use rand_chacha::rand_core::SeedableRng;
    let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(1);
    for members in [vec![index(1), index(3)], vec![index(1), index(2), index(3)]] {
        let roster = crate::committee::roster(index(1), &members, 2, [1; 16]);
        let context = roster.context(b"test");
        assert!(PairSetup::start(&roster, context, &mut rng).is_err());
    }
}
