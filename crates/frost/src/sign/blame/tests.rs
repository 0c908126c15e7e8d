use std::sync::Arc;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use super::*;
use crate::scheme::{Bip340, Ed25519};
use crate::share::SigningKey;
use crate::sign::nonces::{Commitments, Nonces};
use crate::sign::tests::{ME, OTHER, attempt, index, keys};

/// Whom a wrong share of the other signer is blamed on where our group commitment is the right one,
/// and where it is another.
fn blamed<S: Scheme>(key: Arc<SigningKey<S>>, rng: &mut ChaCha20Rng) -> [Abort; 2] {
    let attempt = attempt(Arc::clone(&key), &[ME, OTHER], &[7; 32]);
    let drawn = [ME, OTHER].map(|_| Nonces::draw(&key, rng).unwrap());
    let [(nonces, ours), (_, theirs)] = drawn;
    let commitments: BTreeMap<PartyIndex, Commitments<S>> =
        [(index(ME), ours), (index(OTHER), theirs)].into();
    let list = List::new(&attempt, |party| commitments.get(&party)).unwrap();
    let factors = list.binding_factors(&attempt);
    let right = nonces.spend(&factors[0]).point().unwrap();
    let (another, _) = Nonces::draw(&key, rng).unwrap();
    let wrong = another.spend(&factors[0]).point().unwrap();
    [right, wrong].map(|own| {
        let challenged = Challenged::new(&attempt, &list, &factors, own).unwrap();
        let shares = [(index(OTHER), [0; 32])].into();
        blame(&attempt, &list, &challenged, &shares)
    })
}

#[test]
fn c14_blame__must_name_nobody_where_our_group_commitment_is_not_the_engines() {
    let mut rng = ChaCha20Rng::from_seed([5; 32]);
    let rng = &mut rng;
    let (ed25519, bip340) = keys(rng);
    let found = [
        blamed::<Ed25519>(ed25519, rng),
        blamed::<Bip340>(bip340, rng),
    ];
    for [right, wrong] in found {
        assert_eq!(right.reason, SIGNATURE_SHARE);
        assert_eq!(right.culprits, [index(OTHER)]);
        assert!(
            matches!(wrong.reason, Reason::LocalState { .. }),
            "{wrong:?}"
        );
        assert!(wrong.culprits.is_empty(), "{wrong:?}");
    }
}
