//! The crates `frost-ed25519` and `frost-secp256k1-tr`: the functions of RFC 9591 alone, one
//! aggregator, no messages, no driver.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, anyhow};
use frost_core::keys::{IdentifierList, KeyPackage, PublicKeyPackage, generate_with_dealer};
use frost_core::{Ciphersuite, Identifier, SigningPackage, aggregate, round1, round2};
use frost_ed25519::rand_core as engine;
use quorate_types::Curve;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use crate::cpu::{Contestant, Parts, Run};
use crate::ecdsa::digest;
use crate::report::Subject;
use crate::schnorr::{must_be_valid, scheme, subject};

/// Signatures with a key of its own, to be measured.
///
/// # Errors
/// If the crate fails.
pub(crate) fn contestant<C: Ciphersuite>(
    engine: &'static str,
    curve: Curve,
    (t, n): (u8, u8),
) -> Result<(Subject, Contestant<'static>)> {
    let mut rng = EngineRng(ChaCha20Rng::seed_from_u64(2));
    let keys = Keys::<C>::new(t, n, &mut rng)?;
    let public_key = keys.public.verifying_key().serialize().map_err(failed)?;
    let mut number = 0;
    let run = move || {
        number += 1;
        let digest = digest(number);
        let (run, signature) = keys.sign(&digest, &mut rng)?;
        must_be_valid(curve, &public_key, &digest, &signature)?;
        Ok(run)
    };
    let what = format!("{} sign {t}-of-{n}", scheme(curve));
    Ok((subject(engine, what, t), Box::new(run)))
}

/// The parts of a key that its first `t` parties sign with.
struct Keys<C: Ciphersuite> {
    parties: BTreeMap<Identifier<C>, KeyPackage<C>>,
    public: PublicKeyPackage<C>,
}

impl<C: Ciphersuite> Keys<C> {
    fn new(t: u8, n: u8, rng: &mut EngineRng) -> Result<Self> {
        let identifiers = IdentifierList::<C>::Default;
        let (dealt, public) =
            generate_with_dealer(n.into(), t.into(), identifiers, rng).map_err(failed)?;
        let mut parties = BTreeMap::new();
        for (identifier, part) in dealt.into_iter().take(t.into()) {
            parties.insert(identifier, KeyPackage::try_from(part).map_err(failed)?);
        }
        Ok(Self { parties, public })
    }

    fn sign(&self, message: &[u8], rng: &mut EngineRng) -> Result<(Run, Vec<u8>)> {
        let mut parts = Parts::default();
        let (mut nonces, mut commitments) = (BTreeMap::new(), BTreeMap::new());
        for (identifier, key) in &self.parties {
            let act = || round1::commit(key.signing_share(), rng);
            let (nonce, commitment) = parts.time("commitments", act);
            nonces.insert(*identifier, nonce);
            commitments.insert(*identifier, commitment);
        }
        let package = SigningPackage::<C>::new(commitments, message);
        let mut shares = BTreeMap::new();
        for (identifier, key) in &self.parties {
            let nonces = nonces.get(identifier).context("a signer without nonces")?;
            let act = || round2::sign(&package, nonces, key);
            let share = parts.time("signature share", act).map_err(failed)?;
            shares.insert(*identifier, share);
        }
        let act = || aggregate(&package, &shares, &self.public);
        let signature = parts.time("aggregation", act).map_err(failed)?;
        let bytes = signature.serialize().map_err(failed)?;
        let bytes_sent = None;
        Ok((Run { parts, bytes_sent }, bytes))
    }
}

fn failed<C: Ciphersuite>(error: frost_core::Error<C>) -> anyhow::Error {
    anyhow!("the engine refused: {error}")
}

/// Our randomness, in the form that the engine knows.
struct EngineRng(ChaCha20Rng);

impl engine::RngCore for EngineRng {
    fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), engine::Error> {
        self.0.fill_bytes(bytes);
        Ok(())
    }
}

impl engine::CryptoRng for EngineRng {}
