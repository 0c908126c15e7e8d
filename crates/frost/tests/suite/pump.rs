//! Carries the messages of whole drivers, in order, with one party that may lie.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

use ed25519_dalek::{Signer, SigningKey};
use quorate_protocol::{
    Abort, Driver, Effect, Envelope, Heard, Next, Outbox, Phases, Reason, Roster, RoundInput,
    RoundSpec, SignBytes, Slot,
};
use quorate_types::{Canonical, Digest32, PartyIndex};
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
    const MAX_BODY_BYTES: usize = P::MAX_BODY_BYTES;
    const HEARS: bool = P::HEARS;

    fn round(&self) -> RoundSpec {
        self.honest.round()
    }

    fn awaits(&self, from: PartyIndex) -> bool {
        self.honest.awaits(from)
    }

    fn hear(self, heard: &Heard<'_>, rng: &mut dyn CryptoRng) -> Result<(Self, Outbox), Abort> {
        let lie = self.lie;
        let (honest, outbox) = self.honest.hear(heard, rng)?;
        let outbox = tampered(outbox, honest.round().number, lie.as_ref());
        Ok((Self { honest, lie }, outbox))
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
    start: impl Fn(&Roster, Digest32) -> (P, Outbox),
) -> Outcomes<P::Output> {
    run_with(members, t, session, &BTreeMap::new(), start)
}

/// One run in which some parties lie.
pub(crate) fn run_with<P: Phases>(
    members: &[PartyIndex],
    t: u64,
    session: [u8; 16],
    lies: &BTreeMap<PartyIndex, Lie>,
    start: impl Fn(&Roster, Digest32) -> (P, Outbox),
) -> Outcomes<P::Output> {
    run_over(members, t, session, lies, |_, _, _, _| {}, start)
}

/// One run in which a party tells `victim` something else than the others, and signs both.
pub(crate) fn equivocate<P: Phases>(
    members: &[PartyIndex],
    t: u64,
    liar: PartyIndex,
    victim: PartyIndex,
    (at, forged): (usize, Vec<u8>),
    start: impl Fn(&Roster, Digest32) -> (P, Outbox),
) -> Outcomes<P::Output> {
    let twist = |from, to, context: &Digest32, message: &mut quorate_types::SecretBytes| {
        let mut envelope = Envelope::from_bytes(message).unwrap();
        if (from, to, envelope.round, envelope.slot) != (liar, victim, 1, Slot::Broadcast) {
            return;
        }
        envelope.body[at..at + forged.len()].copy_from_slice(&forged);
        let signature = committee::identity(from).sign(&envelope.statement(context));
        envelope.signature = Some(signature.to_bytes());
        **message = envelope.to_bytes();
    };
    run_over(members, t, [6; 16], &BTreeMap::new(), twist, start)
}

pub(crate) fn run_over<P: Phases>(
    members: &[PartyIndex],
    t: u64,
    session: [u8; 16],
    lies: &BTreeMap<PartyIndex, Lie>,
    twist: impl Fn(PartyIndex, PartyIndex, &Digest32, &mut quorate_types::SecretBytes),
    start: impl Fn(&Roster, Digest32) -> (P, Outbox),
) -> Outcomes<P::Output> {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let context = committee::roster(members[0], members, t, session).context(b"test");
    let (mut drivers, mut queue, mut outcomes) =
        (BTreeMap::new(), VecDeque::new(), BTreeMap::new());
    for me in members {
        let roster = committee::roster(*me, members, t, session);
        let context = roster.context(b"test");
        let (honest, outbox) = start(&roster, context);
        let lie = lies.get(me).map(Rc::clone);
        let outbox = tampered(outbox, 1, lie.as_ref());
        let identity = Box::new(Identity(committee::identity(*me)));
        let party = Party { honest, lie };
        let (driver, effects) = Driver::start(roster, context, identity, party, outbox);
        drivers.insert(*me, driver);
        take(*me, effects, &mut queue, &mut outcomes);
    }
    while let Some((from, to, mut message)) = queue.pop_front() {
        twist(from, to, &context, &mut message);
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

/// Another seed at each call: the randomness of an attempt is never that of another.
pub(crate) fn fresh_seed() -> [u8; 32] {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_le_bytes());
    seed
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
