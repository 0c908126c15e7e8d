//! Plays all parties of a protocol on one thread, each with its own driver, and measures them.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use anyhow::{Context as _, Result, bail, ensure};
use ed25519_dalek::{Signer as _, SigningKey};
use quorate_protocol::{
    Abort, Driver, Effect, Heard, Member, Next, Outbox, Phases, Roster, RoundInput, RoundSpec,
    SignBytes,
};
use quorate_types::{Digest32, NodeId, PartyIndex, SecretBytes, SessionId};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{CryptoRng, SeedableRng};

use crate::cpu::{Parts, Run, thread_time};

/// Before the first message.
const START: &str = "start";
/// Before a round is complete, where a protocol looks at that.
const HEAR: &str = "hear";
/// What the driver does around the rounds: envelopes, checks of messages, their signatures.
const DRIVER: &str = "driver";

/// Randomness and session ids for all runs. The seed is fixed: nothing here is worth a secret.
pub(crate) struct Stage {
    pub(crate) rng: ChaCha20Rng,
    sessions: u64,
}

/// What a run leaves: its times, and what each party got.
pub(crate) struct Played<O> {
    pub(crate) run: Run,
    pub(crate) outputs: BTreeMap<PartyIndex, O>,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let (rng, sessions) = (ChaCha20Rng::seed_from_u64(1), 0);
        Self { rng, sessions }
    }

    /// A number that no other run has.
    pub(crate) fn next_session(&mut self) -> u64 {
        self.sessions += 1;
        self.sessions
    }

    /// Runs a protocol once among the parties 1 to `parties`, all honest.
    ///
    /// Rosters and identities are made before the clock starts.
    ///
    /// # Errors
    /// If a party aborts or does not finish.
    pub(crate) fn play<P: Phases>(
        &mut self,
        parties: u8,
        min_signers: u8,
        start: impl Fn(&Roster, Digest32, &mut ChaCha20Rng) -> Result<(P, Outbox)>,
    ) -> Result<Played<P::Output>> {
        let mut session = [0; 16];
        session[..8].copy_from_slice(&self.next_session().to_be_bytes());
        let session = SessionId::from_array(session);
        let identities = identities(parties)?;
        let cast = cast(&identities, session, min_signers)?;

        let clock = Rc::new(RefCell::new(Parts::default()));
        let begun = thread_time();
        let (outputs, bytes) = play_all(cast, &clock, &mut self.rng, start)?;
        let whole = thread_time() - begun;

        ensure!(outputs.len() == usize::from(parties), "a party got nothing");
        let mut parts = clock.borrow().clone();
        parts.add(DRIVER, whole.saturating_sub(parts.sum()));
        let bytes_sent = Some(bytes);
        let run = Run { parts, bytes_sent };
        Ok(Played { run, outputs })
    }
}

/// A party of that number.
pub(crate) fn party(number: u8) -> Result<PartyIndex> {
    PartyIndex::new(number).context("parties count from 1")
}

struct Identity(SigningKey);

impl SignBytes for Identity {
    fn sign(&self, statement: &[u8]) -> [u8; 64] {
        self.0.sign(statement).to_bytes()
    }
}

fn identities(parties: u8) -> Result<BTreeMap<PartyIndex, SigningKey>> {
    let identity = |number| Ok((party(number)?, SigningKey::from_bytes(&[number; 32])));
    (1..=parties).map(identity).collect()
}

fn cast(
    identities: &BTreeMap<PartyIndex, SigningKey>,
    session: SessionId,
    min_signers: u8,
) -> Result<Vec<(Roster, Identity)>> {
    let member = |(party, key): (&PartyIndex, &SigningKey)| {
        let node = NodeId::new(&format!("p{party}"))?;
        let identity = key.verifying_key().to_bytes();
        anyhow::Ok((*party, Member { node, identity }))
    };
    let members = identities.iter().map(member);
    let members = members.collect::<Result<BTreeMap<_, _>>>()?;
    let place = |(me, key): (&PartyIndex, &SigningKey)| {
        let roster = Roster::new(session, *me, min_signers, members.clone())?;
        anyhow::Ok((roster, Identity(key.clone())))
    };
    identities.iter().map(place).collect()
}

type Queue = VecDeque<(PartyIndex, PartyIndex, SecretBytes)>;

/// What came out of drivers so far.
struct Mail<O> {
    queue: Queue,
    outputs: BTreeMap<PartyIndex, O>,
    bytes: usize,
}

impl<O> Mail<O> {
    fn take(&mut self, from: PartyIndex, effects: Vec<Effect<O>>) -> Result<()> {
        for effect in effects {
            match effect {
                Effect::Send { to, message } => {
                    self.bytes += message.len();
                    self.queue.push_back((from, to, message));
                }
                Effect::Finished(output) => drop(self.outputs.insert(from, output)),
                Effect::Aborted(abort) => bail!("party {from} stopped: {abort}"),
            }
        }
        Ok(())
    }
}

type Outputs<O> = (BTreeMap<PartyIndex, O>, usize);

fn play_all<P: Phases>(
    cast: Vec<(Roster, Identity)>,
    clock: &Rc<RefCell<Parts>>,
    rng: &mut ChaCha20Rng,
    start: impl Fn(&Roster, Digest32, &mut ChaCha20Rng) -> Result<(P, Outbox)>,
) -> Result<Outputs<P::Output>> {
    let mut drivers = BTreeMap::new();
    let mut mail = Mail {
        queue: VecDeque::new(),
        outputs: BTreeMap::new(),
        bytes: 0,
    };
    for (roster, identity) in cast {
        let (me, context) = (roster.me(), roster.context(b"bench"));
        let started = clock
            .borrow_mut()
            .time(START, || start(&roster, context, rng));
        let (phases, outbox) = started?;
        let clock = Rc::clone(clock);
        let timed = Timed { phases, clock };
        let (driver, effects) = Driver::start(roster, context, Box::new(identity), timed, outbox);
        drivers.insert(me, driver);
        mail.take(me, effects)?;
    }
    while let Some((from, to, message)) = mail.queue.pop_front() {
        let driver = drivers.get_mut(&to).context("a message to a stranger")?;
        let effects = driver.receive(from, &message, rng);
        mail.take(to, effects)?;
    }
    Ok((mail.outputs, mail.bytes))
}

/// A protocol whose rounds note how long they take.
struct Timed<P> {
    phases: P,
    clock: Rc<RefCell<Parts>>,
}

impl<P: Phases> Phases for Timed<P> {
    type Output = P::Output;
    const ROUNDS: u8 = P::ROUNDS;
    const SIGNED: bool = P::SIGNED;
    const MAX_BODY_BYTES: usize = P::MAX_BODY_BYTES;
    const HEARS: bool = P::HEARS;

    fn round(&self) -> RoundSpec {
        self.phases.round()
    }

    fn awaits(&self, from: PartyIndex) -> bool {
        self.phases.awaits(from)
    }

    fn hear(self, heard: &Heard<'_>, rng: &mut dyn CryptoRng) -> Result<(Self, Outbox), Abort> {
        let Self { phases, clock } = self;
        let heard = clock.borrow_mut().time(HEAR, || phases.hear(heard, rng));
        heard.map(|(phases, outbox)| (Self { phases, clock }, outbox))
    }

    fn proceed(self, input: RoundInput, rng: &mut dyn CryptoRng) -> Result<Next<Self>, Abort> {
        let Self { phases, clock } = self;
        let round = phases.round().name;
        let next = clock
            .borrow_mut()
            .time(round, || phases.proceed(input, rng))?;
        Ok(match next {
            Next::Done(output) => Next::Done(output),
            Next::Round(phases, outbox) => Next::Round(Self { phases, clock }, outbox),
        })
    }
}
