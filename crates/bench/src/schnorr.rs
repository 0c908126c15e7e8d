//! Ed25519 and BIP340: our FROST, then the plain crates `frost-ed25519` and `frost-secp256k1-tr`.

mod stock;

use std::cell::RefCell;
use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use frost_core::Ciphersuite;
use frost_ed25519::Ed25519Sha512;
use frost_secp256k1_tr::Secp256K1Sha256TR;
use quorate_crypto::{Ed25519, Group, KeyShare, Secp256k1};
use quorate_frost::{Ahead, CheckedShare, Payload, Sign, TaprootTweak};
use quorate_types::{Curve, PartyIndex};
use quorate_verify::{taproot_output_key, verify_bip340, verify_ed25519};

use crate::cpu::{Contestant, Effort, Run, measure_loop};
use crate::ecdsa::digest;
use crate::keygen;
use crate::others::frost;
use crate::report::{EngineReport, OURS, Subject};
use crate::stage::{Played, Stage};

const SECTION: &str = "Schnorr";
/// `t` and `n` that signing is measured with.
const COMMITTEES: [(u8, u8); 4] = [(2, 3), (3, 5), (5, 9), (10, 20)];

/// A key, and what its first `t` parties need to sign with it.
struct Committee {
    min_signers: u8,
    public_key: Vec<u8>,
    /// That of the first party, as key generation left it.
    first: KeyShare,
    shares: BTreeMap<PartyIndex, CheckedShare>,
}

pub(crate) fn measure(effort: Effort, stage: &mut Stage, report: &mut EngineReport) -> Result<()> {
    let ed25519 = ("frost-ed25519 3.0.0", [TaprootTweak::None].as_slice());
    let tweaks = [TaprootTweak::None, TaprootTweak::KeyPath];
    let taproot = ("frost-secp256k1-tr 3.0.0", tweaks.as_slice());
    for (t, n) in COMMITTEES {
        compare::<Ed25519, Ed25519Sha512>(effort, stage, report, ed25519, (t, n))?;
        compare::<Secp256k1, Secp256K1Sha256TR>(effort, stage, report, taproot, (t, n))?;
    }
    Ok(())
}

/// A row of this section.
pub(crate) fn subject(engine: &'static str, what: String, parties: u8) -> Subject {
    let section = SECTION;
    Subject {
        section,
        engine,
        what,
        parties,
    }
}

/// Every signature that is measured passes here: by ed25519-dalek or libsecp256k1.
///
/// - `public_key`: that which signed, in the form of its curve.
///
/// # Errors
/// If it is not valid.
pub(crate) fn must_be_valid(
    curve: Curve,
    public_key: &[u8],
    digest: &[u8; 32],
    signature: &[u8],
) -> Result<()> {
    let signature = signature.try_into().context("a signature has 64 bytes")?;
    let valid = match curve {
        Curve::Ed25519 => {
            let key = public_key.try_into().context("a key has 32 bytes")?;
            verify_ed25519(key, digest, signature)
        }
        _ => verify_bip340(public_key, digest, signature),
    };
    valid.context("a signature is not valid")
}

/// The name of what is signed.
pub(crate) const fn scheme(curve: Curve) -> &'static str {
    match curve {
        Curve::Ed25519 => "Ed25519",
        _ => "BIP340",
    }
}

impl Committee {
    fn new<G: Group>(stage: &mut Stage, min_signers: u8, max_signers: u8) -> Result<Self> {
        let outputs = keygen::generate::<G>(stage, min_signers, max_signers)?.outputs;
        let mut shares = BTreeMap::new();
        for output in outputs.values().take(min_signers.into()) {
            let share = &output.key_share;
            shares.insert(share.index(), CheckedShare::new(share)?);
        }
        let first = outputs.into_values().next();
        let first = first.context("a key without parties")?.key_share;
        Ok(Self {
            min_signers,
            public_key: first.public_key().to_vec(),
            first,
            shares,
        })
    }

    /// One signature by the first `t`, checked: with what was stocked for each, made beforehand, or
    /// without.
    fn sign<G: Group>(&self, stage: &mut Stage, tweak: TaprootTweak, stocked: bool) -> Result<Run> {
        let ahead = if stocked {
            stock::for_one(G::CURVE, &self.shares, &mut stage.rng)?
        } else {
            BTreeMap::new()
        };
        let ahead = RefCell::new(ahead);
        let digest = digest(stage.next_session());
        let payload = match G::CURVE {
            Curve::Ed25519 => Payload::EdDsa(&digest),
            _ => Payload::Schnorr { digest, tweak },
        };
        let t = self.min_signers;
        let Played { run, outputs } = stage.play(t, t, |roster, context, rng| {
            let share = self.shares.get(&roster.me());
            let share = share.context("a signer without a share")?;
            let ahead = ahead.borrow_mut().remove(&roster.me());
            let ahead = ahead.unwrap_or(Ahead::Nothing);
            Ok(Sign::start_with(
                roster, context, share, payload, ahead, rng,
            )?)
        })?;
        let key = match tweak {
            TaprootTweak::KeyPath => taproot_output_key(&self.public_key)?.to_vec(),
            _ => self.public_key.clone(),
        };
        for signature in outputs.values() {
            must_be_valid(G::CURVE, &key, &digest, signature.as_bytes())?;
        }
        Ok(run)
    }
}

/// Our signatures with each tweak, and those of the plain crate.
fn compare<G: Group, C: Ciphersuite>(
    effort: Effort,
    stage: &mut Stage,
    report: &mut EngineReport,
    (theirs, tweaks): (&'static str, &[TaprootTweak]),
    (t, n): (u8, u8),
) -> Result<()> {
    let committee = Committee::new::<G>(stage, t, n)?;
    let scheme = scheme(G::CURVE);
    let stage = RefCell::new(stage);
    let mut contestants = Vec::new();
    for tweak in tweaks {
        let path = match tweak {
            TaprootTweak::KeyPath => ", key path",
            _ => "",
        };
        let subject = subject(OURS, format!("{scheme} sign {t}-of-{n}{path}"), t);
        let sign = || committee.sign::<G>(&mut stage.borrow_mut(), *tweak, false);
        contestants.push((subject, Box::new(sign) as Contestant<'_>));
    }
    let what = format!("{scheme} sign {t}-of-{n}, stocked nonces");
    let sign = || committee.sign::<G>(&mut stage.borrow_mut(), TaprootTweak::None, true);
    contestants.push((subject(OURS, what, t), Box::new(sign) as Contestant<'_>));
    contestants.push(frost::contestant::<C>(theirs, G::CURVE, (t, n))?);
    report.compare(effort, contestants)?;

    let measured = measure_loop(effort, || drop(CheckedShare::new(&committee.first)))?;
    let what = format!("{scheme} check of a share {t}-of-{n}");
    report.add(&subject(OURS, what, 1), &measured);
    if (t, n) == COMMITTEES[0] {
        stock::measure(effort, report, G::CURVE, &committee.shares)?;
    }
    Ok(())
}
