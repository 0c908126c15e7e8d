//! Key generation of our own.

use anyhow::Result;
use quorate_crypto::{Ed25519, Group, Secp256k1};
use quorate_dkg::{Dkg, DkgOutput};
use quorate_verify::check_point;

use crate::cpu::{Effort, measure_runs};
use crate::report::{EngineReport, OURS, Subject};
use crate::stage::{Played, Stage};

/// `t` and `n` that key generation is measured with.
const COMMITTEES: [(u8, u8); 3] = [(2, 3), (3, 5), (10, 20)];

pub(crate) fn measure(effort: Effort, stage: &mut Stage, report: &mut EngineReport) -> Result<()> {
    for (min_signers, parties) in COMMITTEES {
        measure_one::<Secp256k1>(effort, stage, report, (min_signers, parties))?;
        measure_one::<Ed25519>(effort, stage, report, (min_signers, parties))?;
    }
    Ok(())
}

fn measure_one<G: Group>(
    effort: Effort,
    stage: &mut Stage,
    report: &mut EngineReport,
    (min_signers, parties): (u8, u8),
) -> Result<()> {
    let subject = Subject {
        section: "key generation",
        engine: OURS,
        what: format!("{} {min_signers}-of-{parties}", G::CURVE.as_str()),
        parties,
    };
    let measured = measure_runs(effort, || {
        let Played { run, outputs } = generate::<G>(stage, min_signers, parties)?;
        let mut keys = outputs.values().map(|output| output.key_share.public_key());
        let first = keys.next().unwrap_or_default();
        anyhow::ensure!(keys.all(|key| key == first), "the parties have other keys");
        check_point(G::CURVE, first)?;
        Ok(run)
    })?;
    report.add(&subject, &measured);
    Ok(())
}

/// One key among the parties 1 to `parties`.
///
/// # Errors
/// If it was not made.
pub(crate) fn generate<G: Group>(
    stage: &mut Stage,
    min_signers: u8,
    parties: u8,
) -> Result<Played<DkgOutput>> {
    stage.play(parties, min_signers, |roster, context, rng| {
        Ok(Dkg::<G>::start(roster.clone(), context, rng)?)
    })
}
