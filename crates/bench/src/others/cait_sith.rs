//! The crate `cait-sith`: two triples made ahead of time, a presignature, a signature.

use std::collections::{BTreeMap, VecDeque};

use anyhow::{Context as _, Result};
use cait_sith::protocol::{Action, Participant, Protocol};
use cait_sith::triples::{TripleGenerationOutput, generate_triple};
use cait_sith::{KeygenOutput, PresignArguments, PresignOutput, keygen, presign, sign};
use k256_of_cait_sith::elliptic_curve::PrimeField as _;
use k256_of_cait_sith::elliptic_curve::group::GroupEncoding as _;
use k256_of_cait_sith::elliptic_curve::ops::Reduce;
use k256_of_cait_sith::elliptic_curve::point::AffineCoordinates as _;
use k256_of_cait_sith::{Scalar, Secp256k1, U256};

use crate::cpu::{Contestant, Effort, Run, measure_runs};
use crate::ecdsa::{digest, must_be_valid, subject};
use crate::report::{EngineReport, Subject};

const ENGINE: &str = "cait-sith 0.8.0";

type Key = KeygenOutput<Secp256k1>;
type Triple = TripleGenerationOutput<Secp256k1>;
type Outputs<T> = BTreeMap<Participant, T>;

/// Measures key generation.
///
/// # Errors
/// If the crate fails.
pub(crate) fn key_generation(
    effort: Effort,
    report: &mut EngineReport,
    (t, n): (u8, u8),
) -> Result<()> {
    let measured = measure_runs(effort, || {
        let mut run = Run::default();
        make_key(t, n, &mut run)?;
        Ok(run)
    })?;
    let what = format!("key generation {t}-of-{n}");
    report.add(&subject(ENGINE, what, n), &measured);
    Ok(())
}

/// Signatures of a committee with a key of its own, to be measured.
///
/// # Errors
/// If the crate fails.
pub(crate) fn contestant((t, n): (u8, u8)) -> Result<(Subject, Contestant<'static>)> {
    let keys = make_key(t, n, &mut Run::default())?;
    let mut number = 0;
    let run = move || {
        number += 1;
        sign_once(&keys, t, number)
    };
    let subject = subject(ENGINE, format!("sign {t}-of-{n}"), t);
    Ok((subject, Box::new(run)))
}

fn participants(count: u8) -> Vec<Participant> {
    (0..u32::from(count)).map(Participant::from).collect()
}

fn make_key(t: u8, n: u8, run: &mut Run) -> Result<Outputs<Key>> {
    let all = participants(n);
    play(run, "key", &all, |me| {
        Ok(Box::new(keygen::<Secp256k1>(&all, me, t.into())?))
    })
}

/// One signature by the first `t`, with triples of its own, checked.
fn sign_once(keys: &Outputs<Key>, t: u8, number: u64) -> Result<Run> {
    let (signers, threshold) = (participants(t), usize::from(t));
    let mut run = Run::default();

    let mut triple = || {
        play(&mut run, "two triples", &signers, |me| {
            let triple = generate_triple::<Secp256k1>(&signers, me, threshold)?;
            Ok(Box::new(triple))
        })
    };
    let triples: [Outputs<Triple>; 2] = [triple()?, triple()?];

    let presignatures = play(&mut run, "presignature", &signers, |me| {
        let [triple0, triple1] = &triples;
        let arguments = PresignArguments {
            triple0: triple0.get(&me).context("no triple")?.clone(),
            triple1: triple1.get(&me).context("no triple")?.clone(),
            keygen_out: keys.get(&me).context("no key")?.clone(),
            threshold,
        };
        Ok(Box::new(presign::<Secp256k1>(&signers, me, arguments)?))
    })?;

    let key = keys.values().next().context("no key")?.public_key;
    let digest = digest(number);
    let message = <Scalar as Reduce<U256>>::reduce_bytes(&digest.into());
    let signatures = play(&mut run, "signature", &signers, |me| {
        let presignature: &PresignOutput<Secp256k1> =
            presignatures.get(&me).context("no presignature")?;
        let presignature = presignature.clone();
        let run = sign::<Secp256k1>(&signers, me, key, presignature, message)?;
        Ok(Box::new(run))
    })?;

    let key: [u8; 33] = key.to_bytes().into();
    for signature in signatures.values() {
        let mut bytes = [0; 64];
        let r = <Scalar as Reduce<U256>>::reduce_bytes(&signature.big_r.x());
        let (first, last) = bytes.split_at_mut(32);
        first.copy_from_slice(&r.to_repr());
        last.copy_from_slice(&signature.s.to_repr());
        must_be_valid(&key, &digest, &bytes)?;
    }
    Ok(run)
}

/// Runs a protocol among all of `participants` on this thread, and adds its time to one part.
fn play<T>(
    run: &mut Run,
    part: &'static str,
    participants: &[Participant],
    start: impl Fn(Participant) -> Result<Box<dyn Protocol<Output = T>>>,
) -> Result<Outputs<T>> {
    let Run { parts, bytes_sent } = run;
    let (outputs, bytes) = parts.time(part, || {
        let parties = participants.iter().map(|me| Ok((*me, start(*me)?)));
        play_all(parties.collect::<Result<_>>()?)
    })?;
    *bytes_sent = Some(bytes_sent.unwrap_or_default() + bytes);
    Ok(outputs)
}

type Parties<T> = BTreeMap<Participant, Box<dyn Protocol<Output = T>>>;

fn play_all<T>(mut parties: Parties<T>) -> Result<(Outputs<T>, usize)> {
    let all: Vec<Participant> = parties.keys().copied().collect();
    let (mut outputs, mut bytes) = (Outputs::new(), 0);
    let mut awake: VecDeque<Participant> = all.iter().copied().collect();
    while let Some(me) = awake.pop_front() {
        if outputs.contains_key(&me) {
            continue;
        }
        let party = parties.get_mut(&me).context("a message to a stranger")?;
        let mut mail: Vec<(Participant, Vec<u8>)> = Vec::new();
        loop {
            match party.poke()? {
                Action::Wait => break,
                Action::SendMany(message) => {
                    let others = all.iter().filter(|other| **other != me);
                    mail.extend(others.map(|other| (*other, message.clone())));
                }
                Action::SendPrivate(to, message) => mail.push((to, message)),
                Action::Return(output) => {
                    outputs.insert(me, output);
                    break;
                }
            }
        }
        for (to, message) in mail {
            bytes += message.len();
            let party = parties.get_mut(&to).context("a message to a stranger")?;
            party.message(me, message);
            awake.push_back(to);
        }
    }
    anyhow::ensure!(outputs.len() == all.len(), "a party got nothing");
    Ok((outputs, bytes))
}
