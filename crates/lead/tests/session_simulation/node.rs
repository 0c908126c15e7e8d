//! A node, as far as sessions go: the rules of "An intent at a node", with the real intent record
//! on a disk that can lose power, and the real driver.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use quorate_keystore::{AppendLog, IntentError, IntentRecord, LogError, LogKind};
use quorate_lead::{Event, Refusal, RefusalKind};
use quorate_protocol::{Abort, Driver, Effect, Member, Progress, Reason, Roster, Sanction};
use quorate_types::{Digest32, NodeId, PartyIndex, SessionId, UnixMillis, UnixSeconds};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};

use crate::broken::Broken;
use crate::disk::MemoryDisk;
use crate::history::{Accepted, History};
use crate::network::below;
use crate::toy::{NoSignature, Toy, ToySignature};

const RECORD: &str = "intents.log";
const SESSION_TIMEOUT_MS: u64 = 4_000;
const MAX_EARLY: usize = 64;

/// An act that a client signed.
#[derive(Debug, Clone)]
pub struct Intent {
    pub number: usize,
    pub id: Digest32,
    /// Creating a key takes all nodes, signing any `t` of them.
    pub creates: bool,
    /// Members of an attempt.
    pub t: usize,
    pub expires_at: UnixSeconds,
}

impl Intent {
    /// What is to be signed. A node with another decoder reads it in another way.
    pub fn digest(&self, decoder: u8) -> Digest32 {
        Digest32::of(b"what to sign", &[self.id.as_bytes(), &[decoder]])
    }
}

/// A lead asks to join.
#[derive(Debug, Clone)]
pub struct Ask {
    pub intent: Intent,
    pub session: SessionId,
    pub signers: Vec<usize>,
}

/// What a node does.
pub enum Act {
    Report {
        intent: usize,
        event: Event,
    },
    Send {
        to: usize,
        session: SessionId,
        bytes: Vec<u8>,
    },
    Timer {
        session: SessionId,
        at: UnixMillis,
    },
}

/// The disk failed in the middle of a write: the process is gone.
pub struct Crashed;

impl From<LogError> for Crashed {
    fn from(_: LogError) -> Self {
        Self
    }
}

struct Run {
    ask: Ask,
    digest: Digest32,
    driver: Driver<Toy>,
    shown: Option<Progress>,
}

/// What a node has at hand while it acts.
pub struct World<'a> {
    pub now: UnixMillis,
    pub history: &'a mut History,
    pub broken: Option<Broken>,
}

pub struct Node {
    pub number: usize,
    pub disk: MemoryDisk,
    pub is_liar: bool,
    pub decoder: u8,
    record: Option<IntentRecord>,
    runs: BTreeMap<SessionId, Run>,
    over: BTreeSet<SessionId>,
    early: BTreeMap<SessionId, Vec<(usize, Vec<u8>)>>,
    bans: BTreeSet<usize>,
    rng: ChaCha20Rng,
}

pub fn node_id(number: usize) -> NodeId {
    NodeId::new(&format!("p{}", number + 1)).unwrap()
}

pub fn party(number: usize) -> PartyIndex {
    PartyIndex::new(u8::try_from(number + 1).unwrap()).unwrap()
}

pub fn number_of(party: PartyIndex) -> usize {
    usize::from(party.get()) - 1
}

impl Node {
    pub fn new(number: usize, is_liar: bool, seed: u64) -> Self {
        Self {
            number,
            disk: MemoryDisk::default(),
            is_liar,
            decoder: 0,
            record: None,
            runs: BTreeMap::new(),
            over: BTreeSet::new(),
            early: BTreeMap::new(),
            bans: BTreeSet::new(),
            rng: ChaCha20Rng::seed_from_u64(seed),
        }
    }

    pub fn is_up(&self) -> bool {
        self.record.is_some()
    }

    /// Everything in memory is gone; bans and the record are not.
    pub fn crash(&mut self) {
        self.record = None;
        self.runs.clear();
        self.over.clear();
        self.early.clear();
    }

    pub fn start(&mut self, now: UnixMillis, broken: Option<Broken>) {
        if broken == Some(Broken::NodeLosesItsRecord) {
            self.disk = MemoryDisk::default();
        }
        self.disk.power_on();
        let path = Path::new(RECORD);
        AppendLog::create(&self.disk, path, LogKind::new("intents")).unwrap();
        let limits = quorate_keystore::Limits::default();
        let (record, _) = IntentRecord::open(Arc::new(self.disk.clone()), path, limits).unwrap();
        record.prune(now.seconds()).unwrap().wait().unwrap();
        self.record = Some(record);
    }

    fn record(&self) -> Result<&IntentRecord, Crashed> {
        self.record.as_ref().ok_or(Crashed)
    }

    /// A lead asks to join an attempt.
    pub fn ask(&mut self, ask: Ask, world: &mut World<'_>) -> Result<Vec<Act>, Crashed> {
        if self.is_liar
            && let Some(lie) = self.lie(&ask)
        {
            return Ok(lie);
        }
        if self
            .runs
            .get(&ask.session)
            .is_some_and(|run| run.ask.is_same(&ask))
        {
            return Ok(Vec::new()); // a copy of a message, not another attempt
        }
        match self.admit(&ask, world)? {
            Ok(digest) => self.join(ask, digest, world),
            Err(kind) => {
                let (code, kind) = kind;
                Ok(vec![self.refuse(&ask, code, kind)])
            }
        }
    }

    /// The rules, in order. Nothing is joined before all of it is durable.
    fn admit(
        &self,
        ask: &Ask,
        world: &mut World<'_>,
    ) -> Result<Result<Digest32, (&'static str, RefusalKind)>, Crashed> {
        let (record, broken) = (self.record()?, world.broken);
        let Intent { id, expires_at, .. } = ask.intent;
        let digest = ask.intent.digest(self.decoder);
        let signs_again = broken == Some(Broken::NodeSignsAgain);
        if let Some(signature) = record.signature_of(id)?
            && !signs_again
        {
            return Ok(Err((
                "ALREADY_SIGNED",
                RefusalKind::AlreadySigned(signature),
            )));
        }
        if world.now.seconds() >= expires_at && broken != Some(Broken::NodeIgnoresExpiry) {
            return Ok(Err(("INTENT_EXPIRED", RefusalKind::Permanent)));
        }
        if !self.accepts_signers(ask) && broken != Some(Broken::NodeTakesAnySigners) {
            return Ok(Err(("INVALID_SIGNERS", RefusalKind::Permanent)));
        }
        let has_banned = ask.signers.iter().any(|member| self.bans.contains(member));
        if has_banned && broken != Some(Broken::NodeForgetsBans) {
            return Ok(Err(("BANNED_PAIR", RefusalKind::Retry)));
        }
        match record.bind(id, &[digest], expires_at) {
            Ok(bound) => drop(bound.wait()?),
            Err(IntentError::Log(_)) => return Err(Crashed),
            Err(IntentError::InvalidDigests { .. })
                if broken == Some(Broken::NodeRebindsAnIntent) => {}
            Err(_) if broken == Some(Broken::NodeIgnoresExpiry) => return Ok(Ok(digest)),
            Err(_) => return Ok(Err(("INTENT_REFUSED", RefusalKind::Permanent))),
        }
        match record.begin_attempt(id, ask.session) {
            Ok(begun) => begun.wait()?,
            Err(IntentError::Log(_)) => return Err(Crashed),
            Err(IntentError::AlreadySigned { .. }) if signs_again => {}
            Err(IntentError::InvalidSession { .. }) => {
                world.history.replays_refused += 1;
                return Ok(Err(("SESSION_USED", RefusalKind::Retry)));
            }
            Err(_) => return Ok(Err(("ATTEMPT_REFUSED", RefusalKind::Retry))),
        }
        Ok(Ok(digest))
    }

    fn accepts_signers(&self, ask: &Ask) -> bool {
        let different: BTreeSet<_> = ask.signers.iter().collect();
        let exact = different.len() == ask.intent.t && ask.signers.len() == ask.intent.t;
        exact && different.contains(&self.number)
    }

    fn join(
        &mut self,
        ask: Ask,
        digest: Digest32,
        world: &mut World<'_>,
    ) -> Result<Vec<Act>, Crashed> {
        let session = ask.session;
        let intent = ask.intent.number;
        world.history.accept(Accepted {
            node: self.number,
            session,
            intent,
            digest,
            signers: ask.signers.clone(),
            t: ask.intent.t,
            at: world.now,
            expires_at: ask.intent.expires_at.into(),
            held_signature: world.history.signed.contains_key(&(self.number, intent)),
            banned: world.history.banned_by(self.number, &ask.signers),
        });
        let mut nonce = [0; 16];
        self.rng.fill_bytes(&mut nonce);
        if world.broken == Some(Broken::NodeDerivesItsNonce) {
            let derived = Digest32::of(
                b"nonce",
                &[ask.intent.id.as_bytes(), &self.number.to_be_bytes()],
            );
            nonce.copy_from_slice(&derived.as_bytes()[..16]);
        }
        world.history.nonce(nonce, self.number, session);

        let mut acts = vec![
            self.report(intent, |node| Event::Opened { node, session }),
            Act::Timer {
                session,
                at: world.now.plus(SESSION_TIMEOUT_MS),
            },
        ];
        let Some(roster) = self.roster(&ask) else {
            return Ok(acts); // only a broken node gets here: it joined a set that cannot run
        };
        let (phase, outbox) = Toy::start(party(self.number), digest, &nonce, self.is_liar);
        let (driver, effects) = Driver::start(roster, digest, Box::new(NoSignature), phase, outbox);
        let run = Run {
            ask,
            digest,
            driver,
            shown: None,
        };
        self.runs.insert(session, run);
        acts.extend(self.follow(session, effects, world)?);
        for (from, bytes) in self.early.remove(&session).unwrap_or_default() {
            acts.extend(self.receive(from, session, &bytes, world)?);
        }
        Ok(acts)
    }

    fn roster(&self, ask: &Ask) -> Option<Roster> {
        let member = |number: &usize| {
            let node = node_id(*number);
            let identity = [u8::try_from(*number).unwrap(); 32];
            (party(*number), Member { node, identity })
        };
        let members = ask.signers.iter().map(member).collect();
        let t = u8::try_from(ask.intent.t).unwrap();
        Roster::new(ask.session, party(self.number), t, members).ok()
    }

    /// A message of another node.
    pub fn receive(
        &mut self,
        from: usize,
        session: SessionId,
        bytes: &[u8],
        world: &mut World<'_>,
    ) -> Result<Vec<Act>, Crashed> {
        if self.over.contains(&session) {
            return Ok(Vec::new());
        }
        let Some(run) = self.runs.get_mut(&session) else {
            let early = self.early.entry(session).or_default();
            if early.len() < MAX_EARLY {
                early.push((from, bytes.to_vec()));
            }
            return Ok(Vec::new());
        };
        let effects = run.driver.receive(party(from), bytes, &mut self.rng);
        self.follow(session, effects, world)
    }

    /// The lead cancels, or the time is over.
    pub fn give_up(
        &mut self,
        session: SessionId,
        reason: Reason,
        world: &mut World<'_>,
    ) -> Result<Vec<Act>, Crashed> {
        let Some(run) = self.runs.get_mut(&session) else {
            return Ok(Vec::new());
        };
        let effects = run.driver.give_up(reason);
        self.follow(session, effects, world)
    }

    fn follow(
        &mut self,
        session: SessionId,
        effects: Vec<Effect<Vec<u8>>>,
        world: &mut World<'_>,
    ) -> Result<Vec<Act>, Crashed> {
        let mut acts = Vec::new();
        for effect in effects {
            match effect {
                Effect::Send { to, message } => acts.push(Act::Send {
                    to: number_of(to),
                    session,
                    bytes: message.to_vec(),
                }),
                Effect::Finished(signature) => {
                    acts.extend(self.finished(session, signature, world)?);
                }
                Effect::Aborted(abort) => acts.extend(self.aborted(session, &abort, world)),
            }
        }
        acts.extend(self.progress(session));
        Ok(acts)
    }

    fn progress(&mut self, session: SessionId) -> Option<Act> {
        let run = self.runs.get_mut(&session)?;
        let progress = run.driver.progress();
        if run.shown.as_ref() == Some(&progress) {
            return None;
        }
        run.shown = Some(progress.clone());
        let intent = run.ask.intent.number;
        Some(self.report(intent, |node| Event::Progress {
            node,
            session,
            round: progress.round,
            round_name: progress.name.to_owned(),
            rounds: progress.rounds,
            awaiting: progress.awaiting,
        }))
    }

    /// The signature is durable before anybody hears of it.
    fn finished(
        &mut self,
        session: SessionId,
        result: Vec<u8>,
        world: &mut World<'_>,
    ) -> Result<Option<Act>, Crashed> {
        let Some(run) = self.runs.remove(&session) else {
            return Ok(None);
        };
        self.over.insert(session);
        let Intent { number, id, t, .. } = run.ask.intent;
        if !ToySignature::is_valid(&result, &run.digest, t) {
            return Ok(None);
        }
        match self.record()?.complete(id, &result) {
            Ok(durable) => durable.wait()?,
            Err(IntentError::Log(_)) => return Err(Crashed),
            // Forgotten behind the time mark, or a broken run.
            Err(_) => return Ok(None),
        }
        world
            .history
            .signed
            .insert((self.number, number), result.clone());
        Ok(Some(self.report(number, |node| Event::Completed {
            node,
            session,
            result,
        })))
    }

    fn aborted(&mut self, session: SessionId, abort: &Abort, world: &mut World<'_>) -> Option<Act> {
        let run = self.runs.remove(&session)?;
        self.over.insert(session);
        let ban = abort.sanction() == Sanction::Ban;
        if ban {
            let culprits = abort.culprits.iter().map(|culprit| number_of(*culprit));
            self.bans.extend(culprits.clone());
            world
                .history
                .bans
                .extend(culprits.map(|culprit| (self.number, culprit)));
        }
        Some(self.report(run.ask.intent.number, |node| Event::Aborted {
            node,
            session,
            reason: abort.reason.to_string(),
            culprits: abort.culprits.clone(),
            ban,
        }))
    }

    fn refuse(&self, ask: &Ask, code: &str, kind: RefusalKind) -> Act {
        let session = ask.session;
        let refusal = Refusal {
            code: code.to_owned(),
            message: code.to_owned(),
            kind,
        };
        self.report(ask.intent.number, |node| Event::Refused {
            node,
            session,
            refusal,
        })
    }

    fn report(&self, intent: usize, event: impl FnOnce(NodeId) -> Event) -> Act {
        Act::Report {
            intent,
            event: event(node_id(self.number)),
        }
    }

    /// One of the ways to cheat; `None` joins and spoils the partial signature.
    fn lie(&mut self, ask: &Ask) -> Option<Vec<Act>> {
        let session = ask.session;
        let number = ask.intent.number;
        let rubbish = vec![7; 40];
        Some(vec![match below(&mut self.rng, 6) {
            0 => return None,
            1 => return Some(Vec::new()),
            2 => self.report(number, |node| Event::Completed {
                node,
                session,
                result: rubbish,
            }),
            3 => self.refuse(ask, "ALREADY_SIGNED", RefusalKind::AlreadySigned(rubbish)),
            4 => self.refuse(ask, "OVERLOADED", RefusalKind::Retry),
            _ => {
                let others = ask.signers.iter().filter(|member| **member != self.number);
                let culprits = others.map(|member| party(*member)).collect();
                self.report(number, |node| Event::Aborted {
                    node,
                    session,
                    reason: "slander".to_owned(),
                    culprits,
                    ban: false,
                })
            }
        }])
    }
}

impl Ask {
    fn is_same(&self, other: &Self) -> bool {
        self.intent.id == other.intent.id && self.signers == other.signers
    }
}
