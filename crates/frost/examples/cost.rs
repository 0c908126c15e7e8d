//! What one signature costs all signers together: processor time and bytes sent.
//!
//! `cargo run --release -p quorate-frost --example cost`
//!
//! Everything of a run is counted: the driver with its signatures of messages, decoding, the final
//! verification at every signer. Not counted: links, storage, decisions.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measurement, run by hand"
)]

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use ed25519_dalek::{Signer, SigningKey};
use quorate_crypto::{Ed25519, Group, KeyShare, Secp256k1};
use quorate_dkg::Dkg;
use quorate_frost::{CheckedShare, Payload, Sign, TaprootTweak};
use quorate_protocol::{Driver, Effect, Member, Outbox, Phases, Roster, SignBytes};
use quorate_types::{Curve, Digest32, NodeId, PartyIndex, SessionId};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

const RUNS: u32 = 400;

struct Identity(SigningKey);

impl SignBytes for Identity {
    fn sign(&self, statement: &[u8]) -> [u8; 64] {
        self.0.sign(statement).to_bytes()
    }
}

fn identity(party: u8) -> SigningKey {
    SigningKey::from_bytes(&[party; 32])
}

fn roster(me: PartyIndex, parties: u8, t: u8) -> Roster {
    let member = |i: u8| {
        let node = NodeId::new(&format!("p{i}")).unwrap();
        let identity = identity(i).verifying_key().to_bytes();
        (PartyIndex::new(i).unwrap(), Member { node, identity })
    };
    let members = (1..=parties).map(member).collect();
    Roster::new(SessionId::from_array([1; 16]), me, t, members).unwrap()
}

struct Cost<O> {
    outputs: BTreeMap<PartyIndex, O>,
    bytes: usize,
}

/// Runs all parties on this thread, one after the other.
fn run<P: Phases>(
    parties: u8,
    t: u8,
    rng: &mut ChaCha20Rng,
    start: impl Fn(&Roster, Digest32, &mut ChaCha20Rng) -> (P, Outbox),
) -> Cost<P::Output> {
    let (mut drivers, mut queue) = (BTreeMap::new(), VecDeque::new());
    let (mut outputs, mut bytes) = (BTreeMap::new(), 0);
    let rosters: Vec<_> = (1..=parties)
        .map(|i| roster(PartyIndex::new(i).unwrap(), parties, t))
        .collect();
    let mut take = |me, effects, queue: &mut VecDeque<_>| {
        for effect in effects {
            match effect {
                Effect::Send { to, message } => {
                    bytes += message.len();
                    queue.push_back((me, to, message));
                }
                Effect::Finished(output) => drop(outputs.insert(me, output)),
                Effect::Aborted(abort) => panic!("{abort}"),
            }
        }
    };
    for roster in rosters {
        let (me, context) = (roster.me(), roster.context(b"cost"));
        let (phase, outbox) = start(&roster, context, rng);
        let signer = Box::new(Identity(identity(me.get())));
        let (driver, effects) = Driver::start(roster, context, signer, phase, outbox);
        drivers.insert(me, driver);
        take(me, effects, &mut queue);
    }
    while let Some((from, to, message)) = queue.pop_front() {
        let driver: &mut Driver<P> = drivers.get_mut(&to).unwrap();
        let effects = driver.receive(from, &message, rng);
        take(to, effects, &mut queue);
    }
    Cost { outputs, bytes }
}

fn key_shares<G: Group>(n: u8, t: u8, rng: &mut ChaCha20Rng) -> Vec<KeyShare> {
    let start = |roster: &Roster, context, rng: &mut ChaCha20Rng| {
        Dkg::<G>::start(roster.clone(), context, rng).unwrap()
    };
    let outputs = run(n, t, rng, start).outputs;
    outputs
        .into_values()
        .map(|output| output.key_share)
        .collect()
}

/// Processor time of this thread; on a busy machine, unlike the clock's.
fn processor_time() -> Duration {
    let schedule = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    let nanoseconds = schedule.split(' ').next().unwrap();
    Duration::from_nanos(nanoseconds.parse().unwrap())
}

/// Mean of many.
fn timed(times: u32, mut act: impl FnMut(u32)) -> Duration {
    let begun = processor_time();
    (0..times).for_each(&mut act);
    (processor_time() - begun) / times
}

fn measure<G: Group>(n: u8, t: u8) {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let key_shares = key_shares::<G>(n, t, &mut rng);
    let load = timed(RUNS, |_| {
        drop(CheckedShare::new(key_shares.first().unwrap()).unwrap());
    });
    let shares: BTreeMap<_, _> = key_shares
        .iter()
        .map(|share| (share.index(), CheckedShare::new(share).unwrap()))
        .collect();
    let tweaks: &[TaprootTweak] = match G::CURVE {
        Curve::Ed25519 => &[TaprootTweak::None],
        _ => &[TaprootTweak::None, TaprootTweak::KeyPath],
    };
    for tweak in tweaks {
        let mut bytes = 0;
        let all = timed(RUNS, |number| {
            let digest = *Digest32::of(b"cost", &[&number.to_be_bytes()]).as_bytes();
            let payload = match G::CURVE {
                Curve::Ed25519 => Payload::EdDsa(&digest),
                _ => Payload::Schnorr {
                    digest,
                    tweak: *tweak,
                },
            };
            let cost = run(t, t, &mut rng, |roster, context, rng| {
                let share = shares.get(&roster.me()).unwrap();
                Sign::start(roster, context, share, payload, rng).unwrap()
            });
            assert_eq!(cost.outputs.len(), usize::from(t));
            bytes = cost.bytes;
        });
        let per_party = bytes / usize::from(t);
        println!(
            "{:<10} {t}/{n} {tweak:?}: {:>7.3} ms all signers, {:>7.3} ms each, {per_party} bytes sent by each, share made ready in {:.3} ms",
            G::CURVE.as_str(),
            all.as_secs_f64() * 1e3,
            all.as_secs_f64() * 1e3 / f64::from(t),
            load.as_secs_f64() * 1e3,
        );
    }
}

fn main() {
    for (n, t) in [(3, 2), (5, 3), (20, 2)] {
        measure::<Ed25519>(n, t);
        measure::<Secp256k1>(n, t);
    }
}
