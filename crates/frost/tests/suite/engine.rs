//! The engine's plain functions, as its documentation uses them, make the same signature from the
//! same randomness: what we do in their place (order of steps, tables, one verification) changes
//! nothing.

use std::collections::BTreeMap;

use frost_core::keys::{KeyPackage, PublicKeyPackage, SigningShare, VerifyingShare};
use frost_core::{Ciphersuite, Identifier, SigningPackage, VerifyingKey, round1, round2};
use frost_ed25519::Ed25519Sha512;
use frost_secp256k1_tr::Secp256K1Sha256TR;
use frost_secp256k1_tr::keys::{EvenY, Tweak};
use frost_secp256k1_tr::rand_core::{CryptoRng as OldCryptoRng, Error as OldError, RngCore};
use quorate_crypto::{Ed25519, Group, Secp256k1, SecretName};
use quorate_frost::{Batch, Payload, Sign, TaprootTweak};
use quorate_types::PartyIndex;
use quorate_verify::Signature;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::committee::{Committee, THREE_OF_FIVE, digest, index};
use crate::pump;
use crate::shelf::Shelf;

struct OldRng(ChaCha20Rng);

impl RngCore for OldRng {
    fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }
    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }
    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), OldError> {
        self.0.fill_bytes(bytes);
        Ok(())
    }
}

impl OldCryptoRng for OldRng {}

type Keys<C> = (Shares<C>, PublicKeyPackage<C>);

/// The committee's shares as the engine knows them.
fn keys<C: Ciphersuite, G: Group>(committee: &Committee) -> Keys<C> {
    let id = |party: PartyIndex| Identifier::<C>::try_from(u16::from(party.get())).unwrap();
    let key = VerifyingKey::deserialize(&committee.public_key).unwrap();
    let t = u16::from(committee.threshold.min_signers());
    let mut packages = BTreeMap::new();
    let mut verifying = BTreeMap::new();
    for (party, share) in &committee.key_shares {
        let secret = share.secret::<G>(SecretName::SigningKey).unwrap();
        let public = G::point_to_bytes(&secret.public());
        let public = VerifyingShare::deserialize(&public).unwrap();
        let share = SigningShare::deserialize(&*secret.to_bytes()).unwrap();
        verifying.insert(id(*party), public);
        packages.insert(*party, KeyPackage::new(id(*party), share, public, key, t));
    }
    (packages, PublicKeyPackage::new(verifying, key, Some(t)))
}

fn seed(party: PartyIndex, run: u8) -> ChaCha20Rng {
    let mut seed = [run; 32];
    seed[0] = party.get();
    ChaCha20Rng::from_seed(seed)
}

fn ours(committee: &Committee, signers: &[PartyIndex], run: u8, payload: Payload<'_>) -> Signature {
    let outcomes = pump::run(signers, 3, [run; 16], |roster, context| {
        let (share, mut rng) = (&committee.shares[&roster.me()], seed(roster.me(), run));
        Sign::start(roster, context, share, payload, &mut rng).unwrap()
    });
    outcomes.into_values().next().unwrap().unwrap()
}

type Rounds<C> = (
    SigningPackage<C>,
    BTreeMap<PartyIndex, round1::SigningNonces<C>>,
);

fn round1<C: Ciphersuite>(
    keys: &Keys<C>,
    signers: &[PartyIndex],
    run: u8,
    message: &[u8],
) -> Rounds<C> {
    let mut commitments = BTreeMap::new();
    let mut nonces = BTreeMap::new();
    for party in signers {
        let package = &keys.0[party];
        let mut rng = OldRng(seed(*party, run));
        let (own, public) = round1::commit(package.signing_share(), &mut rng);
        nonces.insert(*party, own);
        commitments.insert(*package.identifier(), public);
    }
    (SigningPackage::new(commitments, message), nonces)
}

#[test]
fn engine__should_agree_on_ed25519() {
    let committee = &THREE_OF_FIVE[0];
    let keys = keys::<Ed25519Sha512, Ed25519>(committee);
    let signers = [index(1), index(4), index(5)];
    for run in 1..20 {
        let message = vec![run; run.into()];
        let (package, nonces) = round1(&keys, &signers, run, &message);
        let shares = signers.iter().map(|party| {
            let key = &keys.0[party];
            let share = round2::sign(&package, &nonces[party], key).unwrap();
            (*key.identifier(), share)
        });
        let theirs = frost_core::aggregate(&package, &shares.collect(), &keys.1).unwrap();
        let ours = ours(committee, &signers, run, Payload::EdDsa(&message));
        assert_eq!(theirs.serialize().unwrap(), ours.as_bytes());
    }
}

type Shares<C> = BTreeMap<PartyIndex, KeyPackage<C>>;

/// The signature that the engine's own functions make of these nonces.
fn by_the_engine(
    keys: &Keys<Secp256K1Sha256TR>,
    package: &SigningPackage<Secp256K1Sha256TR>,
    nonces: &BTreeMap<PartyIndex, round1::SigningNonces<Secp256K1Sha256TR>>,
    tweak: TaprootTweak,
) -> Vec<u8> {
    use frost_secp256k1_tr::round2::{sign, sign_with_tweak};
    let root = match &tweak {
        TaprootTweak::ScriptTree(root) => Some(root.as_slice()),
        _ => None,
    };
    let shares = nonces.iter().map(|(party, nonces)| {
        let key = &keys.0[party];
        let share = match tweak {
            TaprootTweak::None => sign(package, nonces, key),
            _ => sign_with_tweak(package, nonces, key, root),
        };
        (*key.identifier(), share.unwrap())
    });
    let shares = shares.collect();
    let signature = match tweak {
        TaprootTweak::None => frost_core::aggregate(package, &shares, &keys.1),
        _ => frost_secp256k1_tr::aggregate_with_tweak(package, &shares, &keys.1, root),
    };
    signature.unwrap().serialize().unwrap()
}

fn moved(keys: &Shares<Secp256K1Sha256TR>, tweak: TaprootTweak) -> Shares<Secp256K1Sha256TR> {
    let moved = |key: KeyPackage<_>| match tweak {
        TaprootTweak::None => key,
        TaprootTweak::KeyPath => key.tweak::<&[u8]>(None),
        TaprootTweak::ScriptTree(root) => key.tweak(Some(root)),
    };
    keys.iter()
        .map(|(party, key)| (*party, moved(key.clone()).into_even_y(None)))
        .collect()
}

#[test]
fn engine__should_agree_on_bip340_with_each_tweak() {
    let committee = &THREE_OF_FIVE[1];
    let keys = keys::<Secp256K1Sha256TR, Secp256k1>(committee);
    let signers = [index(1), index(4), index(5)];
    let root = digest("root");
    for run in 1..20 {
        let digest = [run; 32];
        for tweak in [
            TaprootTweak::None,
            TaprootTweak::KeyPath,
            TaprootTweak::ScriptTree(root),
        ] {
            // Nonces are hedged with the share that signs: that of the output key.
            let hedged = (moved(&keys.0, tweak), keys.1.clone());
            let (package, nonces) = round1(&hedged, &signers, run, &digest);
            let theirs = by_the_engine(&keys, &package, &nonces, tweak);
            let payload = Payload::Schnorr { digest, tweak };
            let ours = ours(committee, &signers, run, payload);
            assert_eq!(theirs, ours.as_bytes());
        }
    }
}

/// Our signature with stocked nonces of the followers, and what each signer drew its nonces with.
fn stocked(
    committee: &Committee,
    signers: &[PartyIndex],
    run: u8,
    payload: Payload<'_>,
) -> Signature {
    let shelf = Shelf::new(signers);
    for party in &signers[1..] {
        let share = &committee.shares[party];
        let batch = Batch::draw(share, 1, &mut seed(*party, run)).unwrap();
        shelf.announce(committee, *party, batch);
    }
    let outcomes = pump::run(signers, 3, [run; 16], |roster, context| {
        let (me, share) = (roster.me(), &committee.shares[&roster.me()]);
        let (ahead, mut rng) = (shelf.ahead(me), seed(me, run));
        Sign::start_with(roster, context, share, payload, ahead, &mut rng).unwrap()
    });
    assert_eq!(shelf.left(signers[1]), 0, "it was used");
    outcomes.into_values().next().unwrap().unwrap()
}

#[test]
fn engine__should_agree_on_stocked_ed25519() {
    let committee = &THREE_OF_FIVE[0];
    let keys = keys::<Ed25519Sha512, Ed25519>(committee);
    let signers = [index(1), index(4), index(5)];
    for run in 1..20 {
        let message = vec![run; run.into()];
        let (package, nonces) = round1(&keys, &signers, run, &message);
        let shares = signers.iter().map(|party| {
            let key = &keys.0[party];
            let share = round2::sign(&package, &nonces[party], key).unwrap();
            (*key.identifier(), share)
        });
        let theirs = frost_core::aggregate(&package, &shares.collect(), &keys.1).unwrap();
        let ours = stocked(committee, &signers, run, Payload::EdDsa(&message));
        assert_eq!(theirs.serialize().unwrap(), ours.as_bytes());
    }
}

#[test]
fn engine__should_agree_on_stocked_bip340_with_each_tweak() {
    let committee = &THREE_OF_FIVE[1];
    let keys = keys::<Secp256K1Sha256TR, Secp256k1>(committee);
    let signers = [index(1), index(4), index(5)];
    let root = digest("root");
    for run in 1..10 {
        let digest = [run; 32];
        for tweak in [
            TaprootTweak::None,
            TaprootTweak::KeyPath,
            TaprootTweak::ScriptTree(root),
        ] {
            // The leader's nonces are hedged with the share of the output key, stocked ones with
            // that of the key without tweak: it is not known yet.
            let mut hedged = moved(&keys.0, TaprootTweak::None);
            let leader = moved(&keys.0, tweak).remove(&signers[0]).unwrap();
            hedged.insert(signers[0], leader);
            let (package, nonces) = round1(&(hedged, keys.1.clone()), &signers, run, &digest);
            let theirs = by_the_engine(&keys, &package, &nonces, tweak);
            let payload = Payload::Schnorr { digest, tweak };
            let ours = stocked(committee, &signers, run, payload);
            assert_eq!(theirs, ours.as_bytes());
        }
    }
}
