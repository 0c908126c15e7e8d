//! Key generation in the simulator, for all tests of this crate.

#![allow(dead_code, reason = "each test target uses a part of it")]

use std::collections::BTreeMap;

use quorate_crypto::{Group, KeyShare, SecretName};
use quorate_dkg::{Dkg, DkgOutput};
use quorate_protocol::simulator::{Actor, Bounds, Cast, Failure, Outcome, Plan, Simulation};
use quorate_protocol::{Driver, Effect};
use quorate_types::{Canonical, Digest32, PartyIndex};
use rand_chacha::ChaCha8Rng;

pub const BOUNDS: Bounds = Bounds {
    max_parties: 5,
    rounds: 3,
};

pub type DkgActor = Box<dyn Actor<Output = DkgOutput>>;

pub fn party(index: u8) -> PartyIndex {
    PartyIndex::new(index).unwrap()
}

/// Starts one honest party.
pub fn start<G: Group>(
    cast: &Cast,
    me: PartyIndex,
    rng: &mut ChaCha8Rng,
) -> (DkgActor, Vec<Effect<DkgOutput>>) {
    let (dkg, outbox) = Dkg::<G>::start(cast.roster(me), cast.context(), rng).unwrap();
    let (roster, signer) = (cast.roster(me), cast.signer(me));
    let (driver, effects) = Driver::start(roster, cast.context(), signer, dkg, outbox);
    (Box::new(driver), effects)
}

/// Digest of all that honest parties must agree on.
pub fn describe(output: &DkgOutput) -> Digest32 {
    let public = output.key_share.package().to_bytes();
    Digest32::of(b"dkg", &[output.transcript.as_bytes(), &public])
}

pub fn simulate<G: Group>(plan: Plan) -> Result<Outcome<DkgOutput>, Box<Failure>> {
    Simulation::new(plan, b"test", describe, |cast, me, rng| {
        start::<G>(cast, me, rng)
    })
    .run()
}

/// What these shares interpolate to, in the exponent. In tests only.
pub fn secret_behind<G: Group>(
    shares: &BTreeMap<PartyIndex, &KeyShare>,
    secret: SecretName,
) -> Vec<u8> {
    let one = G::scalar_from_u8(1);
    let terms = shares.iter().map(|(index, share)| {
        let others = shares.keys().filter(|other| *other != index);
        let weight = others.fold(one, |weight, other| {
            let (i, j) = (G::scalar_from_index(*index), G::scalar_from_index(*other));
            weight * j * G::invert(&(j - i)).unwrap()
        });
        weight * *share.secret::<G>(secret).unwrap().expose()
    });
    let sum = terms.fold(G::scalar_from_u8(0), |sum, term| sum + term);
    G::point_to_bytes(&G::mul_base(&sum))
}
