//! Carries the messages of whole drivers, in order, with one party that may lie.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

use ed25519_dalek::{Signer, SigningKey};
use quorate_protocol::{
    Abort, Driver, Effect, Next, Outbox, Phases, Reason, Roster, RoundInput, RoundSpec, SignBytes,
};
use quorate_types::{Digest32, PartyIndex};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{CryptoRng, SeedableRng};

use crate::committee;

pub(crate) type Outcomes<O> = BTreeMap<PartyIndex, Result<O, Abort>>;

/// Changes one outgoing body: round, recipient (`None` for a broadcast), bytes.
pub(crate) type Lie = Rc<dyn Fn(u8, Option<PartyIndex>, &mut Vec<u8>)>;

/// A party that follows the protocol, and then perhaps changes what it sends.
pub(crate) struct Party<P> {
    honest: P,
    lie: Option<Lie>,
}

impl<P: Phases> Phases for Party<P> {
    type Output = P::Output;
    const ROUNDS: u8 = P::ROUNDS;
    const SIGNED: bool = P::SIGNED;

    fn round(&self) -> RoundSpec {
        self.honest.round()
    }

    fn proceed(self, input: RoundInput, rng: &mut dyn CryptoRng) -> Result<Next<Self>, Abort> {
        let lie = self.lie;
        Ok(match self.honest.proceed(input, rng)? {
            Next::Done(output) => Next::Done(output),
            Next::Round(honest, outbox) => {
                let outbox = tampered(outbox, honest.round().number, lie.as_ref());
                Next::Round(Self { honest, lie }, outbox)
            }
        })
    }
}

fn tampered(mut outbox: Outbox, round: u8, lie: Option<&Lie>) -> Outbox {
    if let Some(lie) = lie {
        outbox.tamper(|broadcast, directs| {
            if let Some(body) = broadcast {
                lie(round, None, body);
            }
            for (to, body) in directs {
                lie(round, Some(*to), body);
            }
        });
    }
    outbox
}

struct Identity(SigningKey);

impl SignBytes for Identity {
    fn sign(&self, statement: &[u8]) -> [u8; 64] {
        self.0.sign(statement).to_bytes()
    }
}

/// One run in which everybody is honest.
pub(crate) fn run<P: Phases>(
    members: &[PartyIndex],
    t: u64,
    session: [u8; 16],
    start: impl Fn(&Roster, Digest32, &mut ChaCha20Rng) -> (P, Outbox),
) -> Outcomes<P::Output> {
    run_with(members, t, session, &BTreeMap::new(), start)
}

/// One run in which some parties lie.
pub(crate) fn run_with<P: Phases>(
    members: &[PartyIndex],
    t: u64,
    session: [u8; 16],
    lies: &BTreeMap<PartyIndex, Lie>,
    start: impl Fn(&Roster, Digest32, &mut ChaCha20Rng) -> (P, Outbox),
) -> Outcomes<P::Output> {
    // Each run of a process has other randomness.
    static RUNS: AtomicU64 = AtomicU64::new(1 << 32);
    let seed = RUNS.fetch_add(1, Ordering::Relaxed);
    run_from(seed, members, t, session, lies, start)
}

/// One run with the randomness of a seed.
pub(crate) fn run_from<P: Phases>(
    seed: u64,
    members: &[PartyIndex],
    t: u64,
    session: [u8; 16],
    lies: &BTreeMap<PartyIndex, Lie>,
    start: impl Fn(&Roster, Digest32, &mut ChaCha20Rng) -> (P, Outbox),
) -> Outcomes<P::Output> {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let (mut drivers, mut queue, mut outcomes) =
        (BTreeMap::new(), VecDeque::new(), BTreeMap::new());
    for me in members {
        let roster = committee::roster(*me, members, t, session);
        let context = roster.context(b"test");
        let (honest, outbox) = start(&roster, context, &mut rng);
        let lie = lies.get(me).map(Rc::clone);
        let outbox = tampered(outbox, 1, lie.as_ref());
        let identity = Box::new(Identity(committee::identity(*me)));
        let party = Party { honest, lie };
        let (driver, effects) = Driver::start(roster, context, identity, party, outbox);
        drivers.insert(*me, driver);
        take(*me, effects, &mut queue, &mut outcomes);
    }
    while let Some((from, to, message)) = queue.pop_front() {
        let driver: &mut Driver<Party<P>> = drivers.get_mut(&to).unwrap();
        let effects = driver.receive(from, &message, &mut rng);
        take(to, effects, &mut queue, &mut outcomes);
    }
    for (me, driver) in &mut drivers {
        let effects = driver.give_up(Reason::TimedOut);
        take(*me, effects, &mut queue, &mut outcomes);
    }
    outcomes
}

type Queue = VecDeque<(PartyIndex, PartyIndex, quorate_types::SecretBytes)>;

fn take<O>(me: PartyIndex, effects: Vec<Effect<O>>, queue: &mut Queue, outcomes: &mut Outcomes<O>) {
    for effect in effects {
        match effect {
            Effect::Send { to, message } => queue.push_back((me, to, message)),
            Effect::Finished(output) => drop(outcomes.insert(me, Ok(output))),
            Effect::Aborted(abort) => drop(outcomes.insert(me, Err(abort))),
        }
    }
}
