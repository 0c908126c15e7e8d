//! ECDSA: our DKLs23, then the crates `dkls23` and `cait-sith`.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use quorate_crypto::{KeyShare, Secp256k1, SecretName};
use quorate_dkls23::{CheckedShare, PairSetup, PairState, Pairs, ShareInput, Sign};
use quorate_types::{Digest32, PartyIndex};
use quorate_verify::verify_ecdsa;

use crate::cpu::{Contestant, Effort, Run, measure_loop, measure_runs};
use crate::keygen;
use crate::others::{cait_sith, dkls23};
use crate::report::{EngineReport, OURS, Subject};
use crate::stage::{Played, Stage};

const SECTION: &str = "ECDSA";
/// `t` and `n` that signing is measured with.
const COMMITTEES: [(u8, u8); 4] = [(2, 3), (3, 5), (5, 9), (10, 20)];
/// Of these, those that `cait-sith` is measured with: in larger ones its triples would take most of
/// the time of the whole.
const SMALL: [(u8, u8); 2] = [(2, 3), (3, 5)];

/// A key, and what its first `t` parties need to sign with it.
pub(crate) struct Committee {
    pub(crate) min_signers: u8,
    max_signers: u8,
    pub(crate) public_key: [u8; 33],
    pub(crate) inputs: BTreeMap<PartyIndex, ShareInput>,
    shares: BTreeMap<PartyIndex, CheckedShare>,
    pairs: BTreeMap<PartyIndex, Pairs>,
}

pub(crate) fn measure(effort: Effort, stage: &mut Stage, report: &mut EngineReport) -> Result<()> {
    set_up(effort, stage, report)?;
    let committees = COMMITTEES
        .into_iter()
        .map(|(t, n)| Committee::new(stage, t, n))
        .collect::<Result<Vec<_>>>()?;
    let states = dkls23::set_up(effort, report)?;
    for committee in &committees {
        let mut contestants = vec![
            contestant(stage, committee),
            dkls23::contestant(committee, &states)?,
        ];
        if SMALL.contains(&committee.size()) {
            cait_sith::key_generation(effort, report, committee.size())?;
            contestants.push(cait_sith::contestant(committee.size())?);
        }
        report.compare(effort, contestants)?;
    }
    for committee in &committees {
        check_share(effort, report, committee)?;
    }
    Ok(())
}

/// Our signer of the smallest committee, and nothing else.
pub(crate) fn measure_signer(
    effort: Effort,
    stage: &mut Stage,
    report: &mut EngineReport,
) -> Result<()> {
    let [(t, n), ..] = COMMITTEES;
    let committee = Committee::new(stage, t, n)?;
    report.compare(effort, vec![contestant(stage, &committee)])
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

/// Another digest for each number.
pub(crate) fn digest(number: u64) -> [u8; 32] {
    *Digest32::of(b"quorate bench", &[&number.to_be_bytes()]).as_bytes()
}

/// Every signature that is measured passes here, by libsecp256k1, which none of the measured
/// engines signs with.
///
/// # Errors
/// If it is not valid, or its s is high.
pub(crate) fn must_be_valid(
    public_key: &[u8; 33],
    digest: &[u8; 32],
    signature: &[u8; 64],
) -> Result<()> {
    verify_ecdsa(public_key, digest, signature).context("a signature is not valid")
}

impl Committee {
    /// Key generation by all `n`, set-up between each two of the first `t`.
    fn new(stage: &mut Stage, min_signers: u8, max_signers: u8) -> Result<Self> {
        let outputs = keygen::generate::<Secp256k1>(stage, min_signers, max_signers)?.outputs;
        let mut inputs = BTreeMap::new();
        for output in outputs.into_values().take(min_signers.into()) {
            let input = share_input(&output.key_share).context("an incomplete key share")?;
            inputs.insert(input.index, input);
        }
        let mut pairs: BTreeMap<PartyIndex, Pairs> = BTreeMap::new();
        for high in inputs.keys() {
            for low in inputs.keys().take_while(|low| *low < high) {
                let (_, [first, second]) = set_up_pair(stage)?;
                pairs.entry(*low).or_default().insert(*high, first);
                pairs.entry(*high).or_default().insert(*low, second);
            }
        }
        let checked =
            |(i, input): (&PartyIndex, &ShareInput)| anyhow::Ok((*i, CheckedShare::new(input)?));
        let first = inputs.values().next().context("a key without parties")?;
        Ok(Self {
            min_signers,
            max_signers,
            public_key: first.public_key,
            shares: inputs.iter().map(checked).collect::<Result<_>>()?,
            inputs,
            pairs,
        })
    }

    const fn size(&self) -> (u8, u8) {
        (self.min_signers, self.max_signers)
    }

    /// For example `2-of-3`.
    pub(crate) fn name(&self) -> String {
        format!("{}-of-{}", self.min_signers, self.max_signers)
    }

    /// One signature by the first `t`, checked.
    fn sign(&self, stage: &mut Stage) -> Result<Run> {
        let digest = digest(stage.next_session());
        let t = self.min_signers;
        let Played { run, outputs } = stage.play(t, t, |roster, context, rng| {
            let me = roster.me();
            let share = self.shares.get(&me).context("a signer without a share")?;
            let pairs = self.pairs.get(&me).context("a signer without pairs")?;
            Ok(Sign::start(roster, context, share, pairs, digest, rng)?)
        })?;
        for signature in outputs.values() {
            must_be_valid(&self.public_key, &digest, signature.as_bytes())?;
        }
        Ok(run)
    }
}

/// What key generation left, as the engine takes it.
fn share_input(share: &KeyShare) -> Option<ShareInput> {
    let package = share.package();
    let verifying_share = |number| {
        let index = PartyIndex::new(number)?;
        let point = package.verifying_share(SecretName::SigningKey, index)?;
        Some((index, point.try_into().ok()?))
    };
    let verifying_shares = (1..=package.threshold.max_signers()).map(verifying_share);
    Some(ShareInput {
        index: share.index(),
        threshold: package.threshold,
        share: share
            .secret::<Secp256k1>(SecretName::SigningKey)?
            .to_bytes(),
        public_key: package.public_key().try_into().ok()?,
        verifying_shares: verifying_shares.collect::<Option<_>>()?,
        chain_code: package.chain_code,
    })
}

/// The states of the first and the second of a pair.
fn set_up_pair(stage: &mut Stage) -> Result<(Run, [Arc<PairState>; 2])> {
    let Played { run, outputs } = stage.play(2, 2, |roster, context, rng| {
        Ok(PairSetup::start(roster, context, rng)?)
    })?;
    let states: Vec<_> = outputs.into_values().map(Arc::new).collect();
    match <[_; 2]>::try_from(states) {
        Ok(states) => Ok((run, states)),
        Err(_) => bail!("a pair is two"),
    }
}

fn set_up(effort: Effort, stage: &mut Stage, report: &mut EngineReport) -> Result<()> {
    let measured = measure_runs(effort, || {
        let (run, [first, second]) = set_up_pair(stage)?;
        ensure!(
            first.generation() == second.generation(),
            "the two of a pair have other states"
        );
        Ok(run)
    })?;
    report.add(&subject(OURS, "set-up of a pair".to_owned(), 2), &measured);
    let (_, [state, _]) = set_up_pair(stage)?;
    let bytes = state.to_secret_bytes();
    PairState::from_secret_bytes(&bytes)?;
    let load = measure_loop(effort, || drop(PairState::from_secret_bytes(&bytes)))?;
    report.add(&subject(OURS, "load of a pair".to_owned(), 1), &load);
    Ok(())
}

fn contestant<'a>(stage: &'a mut Stage, committee: &'a Committee) -> (Subject, Contestant<'a>) {
    let what = format!("sign {}", committee.name());
    let subject = subject(OURS, what, committee.min_signers);
    (subject, Box::new(|| committee.sign(stage)))
}

fn check_share(effort: Effort, report: &mut EngineReport, committee: &Committee) -> Result<()> {
    let input = committee.inputs.values().next();
    let input = input.context("a key without parties")?;
    let measured = measure_loop(effort, || drop(CheckedShare::new(input)))?;
    let what = format!("check of a share {}", committee.name());
    report.add(&subject(OURS, what, 1), &measured);
    Ok(())
}

/// That the checks above can fail.
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signature__must_be_refused_under_another_digest() {
        let secret = secp256k1::SecretKey::from_secret_bytes([3; 32]).unwrap();
        let key = secp256k1::PublicKey::from_secret_key(&secret).serialize();
        let message = secp256k1::Message::from_digest(digest(1));
        let signature = secp256k1::ecdsa::sign(message, &secret).serialize_compact();
        assert!(must_be_valid(&key, &digest(1), &signature).is_ok());
        assert!(must_be_valid(&key, &digest(2), &signature).is_err());
    }

    #[test]
    fn committee__should_sign_by_the_first_and_say_what_they_sent() {
        let mut stage = Stage::new();
        let committee = Committee::new(&mut stage, 2, 3).unwrap();
        let run = committee.sign(&mut stage).unwrap();
        assert!(run.parts.sum() > std::time::Duration::ZERO);
        assert!(run.bytes_sent.unwrap() > 2 * 40_000);
    }
}
