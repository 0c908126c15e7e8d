//! The loop: takes the next event of virtual time, lets it happen, checks the invariants.

use std::collections::BTreeMap;
use std::fmt;

use quorate_types::{Digest32, PartyIndex};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use super::actor::Actor;
use super::byzantine::{Byzantine, Impostor, Sent, Tamperer};
use super::cast::Cast;
use super::invariant::{self, Invariant, Violation};
use super::log::{Event, Log, MessageLabel};
use super::plan::Plan;
use crate::abort::Abort;
use crate::driver::Effect;

/// What is known of one party from outside.
#[derive(Debug, Default)]
pub struct Record {
    /// Public digests of its results.
    pub results: Vec<Digest32>,
    /// How it ended without one.
    pub aborts: Vec<Abort>,
    /// Messages sent after either.
    pub sent_after_end: usize,
    /// Whether it was running when a lie reached it that it must refuse.
    pub took_a_lie: bool,
    /// Whether it stopped for good.
    pub crashed: bool,
    /// Bytes handed to the network.
    pub bytes_sent: usize,
}

/// All parties' records.
pub type Records = BTreeMap<PartyIndex, Record>;

/// What a run came to.
pub struct Outcome<O> {
    /// What happened.
    pub log: Log,
    /// What each party did.
    pub records: Records,
    /// Results.
    pub outputs: BTreeMap<PartyIndex, O>,
}

/// A run that broke an invariant.
pub struct Failure {
    /// Which.
    pub violation: Violation,
    /// The plan of the run.
    pub plan: Plan,
    /// What happened until then.
    pub log: Log,
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            violation,
            plan,
            log,
        } = self;
        write!(f, "invariant violated: {violation}\n{plan:?}\n{log}")
    }
}

enum Pending {
    Delivery {
        from: PartyIndex,
        to: PartyIndex,
        bytes: Vec<u8>,
        tampered: bool,
    },
    Crash(PartyIndex),
    Expiry(PartyIndex),
}

struct Seat<A> {
    actor: A,
    rng: ChaCha8Rng,
}

/// One run in virtual time.
pub struct Simulation<A: Actor> {
    plan: Plan,
    cast: Cast,
    describe: fn(&A::Output) -> Digest32,
    seats: BTreeMap<PartyIndex, Seat<A>>,
    opening: Vec<(PartyIndex, Vec<Effect<A::Output>>)>,
    hook: Option<Box<dyn Byzantine>>,
    hook_rng: ChaCha8Rng,
    invariants: Vec<Invariant>,
    network: Network,
    log: Log,
    records: Records,
    outputs: BTreeMap<PartyIndex, A::Output>,
}

/// Messages under way, by time of arrival.
struct Network {
    rng: ChaCha8Rng,
    now_ms: u64,
    sequence: u64,
    queue: BTreeMap<(u64, u64), Pending>,
    last_arrival_ms: BTreeMap<(PartyIndex, PartyIndex), u64>,
}

impl Network {
    fn schedule(&mut self, at_ms: u64, pending: Pending) {
        self.queue.insert((at_ms, self.sequence), pending);
        self.sequence += 1;
    }

    fn is_hit(&mut self, permille: u16) -> bool {
        self.rng.next_u32() % 1000 < u32::from(permille)
    }

    fn arrival_ms(&mut self, plan: &Plan, link: (PartyIndex, PartyIndex)) -> u64 {
        let delay = u64::from(self.rng.next_u32()) % (plan.faults.max_delay_ms + 1);
        let mut at_ms = self.now_ms + delay;
        if !plan.faults.reorder {
            let last = self.last_arrival_ms.entry(link).or_default();
            at_ms = at_ms.max(*last);
            *last = at_ms;
        }
        at_ms
    }
}

impl<A: Actor> Simulation<A> {
    /// Sets a run up: `start` makes each party, with its own randomness.
    ///
    /// - `purpose`: what the parties agreed to do; part of the context that signatures cover.
    /// - `describe`: digest of what parties must agree on.
    pub fn new(
        plan: Plan,
        purpose: &[u8],
        describe: fn(&A::Output) -> Digest32,
        mut start: impl FnMut(&Cast, PartyIndex, &mut ChaCha8Rng) -> (A, Vec<Effect<A::Output>>),
    ) -> Self {
        let mut root = ChaCha8Rng::seed_from_u64(plan.seed);
        let cast = Cast::new(&plan, purpose, &mut root);
        let (mut seats, mut opening) = (BTreeMap::new(), Vec::new());
        for party in plan.indices() {
            let mut rng = ChaCha8Rng::seed_from_u64(root.next_u64());
            let (actor, effects) = start(&cast, party, &mut rng);
            seats.insert(party, Seat { actor, rng });
            opening.push((party, effects));
        }
        let hook = plan.byzantine.map(|(_, strategy, round)| {
            Box::new(Tamperer { strategy, round }) as Box<dyn Byzantine>
        });
        Self {
            records: plan.indices().map(|p| (p, Record::default())).collect(),
            log: Log {
                seed: plan.seed,
                events: Vec::new(),
            },
            network: Network {
                rng: ChaCha8Rng::seed_from_u64(root.next_u64()),
                now_ms: 0,
                sequence: 0,
                queue: BTreeMap::new(),
                last_arrival_ms: BTreeMap::new(),
            },
            hook_rng: ChaCha8Rng::seed_from_u64(root.next_u64()),
            hook,
            invariants: invariant::ALL.to_vec(),
            outputs: BTreeMap::new(),
            plan,
            cast,
            describe,
            seats,
            opening,
        }
    }

    /// Replaces what the plan's byzantine party does to its messages.
    #[must_use]
    pub fn with_hook(mut self, hook: impl Byzantine + 'static) -> Self {
        self.hook = Some(Box::new(hook));
        self
    }

    /// Adds an invariant of the protocol under test.
    #[must_use]
    pub fn with_invariant(mut self, invariant: Invariant) -> Self {
        self.invariants.push(invariant);
        self
    }

    /// The parties.
    #[must_use]
    pub const fn cast(&self) -> &Cast {
        &self.cast
    }

    /// Runs until nothing is left to happen.
    ///
    /// # Errors
    /// [`Failure`] at the first event after which an invariant does not hold.
    pub fn run(mut self) -> Result<Outcome<A::Output>, Box<Failure>> {
        for party in self.plan.indices() {
            self.network
                .schedule(self.plan.deadline_ms, Pending::Expiry(party));
        }
        if let Some(crash) = self.plan.faults.crash {
            self.network
                .schedule(crash.at_ms, Pending::Crash(crash.party));
        }
        for (party, effects) in std::mem::take(&mut self.opening) {
            self.apply(party, effects);
            self.check(&self.invariants)?;
        }
        while let Some(((at_ms, _), pending)) = self.network.queue.pop_first() {
            self.network.now_ms = at_ms;
            self.happen(pending);
            self.check(&self.invariants)?;
        }
        self.check(&[invariant::invariant_liveness])?;
        Ok(Outcome {
            log: self.log,
            records: self.records,
            outputs: self.outputs,
        })
    }

    fn check(&self, invariants: &[Invariant]) -> Result<(), Box<Failure>> {
        for invariant in invariants {
            if let Err(violation) = invariant(&self.plan, &self.records) {
                return Err(Box::new(Failure {
                    violation,
                    plan: self.plan.clone(),
                    log: self.log.clone(),
                }));
            }
        }
        Ok(())
    }

    fn happen(&mut self, pending: Pending) {
        match pending {
            Pending::Delivery {
                from,
                to,
                bytes,
                tampered,
            } => self.deliver(from, to, &bytes, tampered),
            Pending::Crash(party) => {
                self.note(Event::Crashed { party });
                self.record(party).crashed = true;
            }
            Pending::Expiry(party) => {
                if !self.is_alive(party) || !self.seat(party).actor.is_running() {
                    return;
                }
                self.note(Event::Expired { party });
                let effects = self.seat(party).actor.expire();
                self.apply(party, effects);
            }
        }
    }

    fn deliver(&mut self, from: PartyIndex, to: PartyIndex, bytes: &[u8], tampered: bool) {
        if !self.is_alive(to) {
            return;
        }
        let message = MessageLabel::of(bytes);
        self.note(Event::Delivered {
            from,
            to,
            message,
            tampered,
        });
        if tampered && self.seat(to).actor.is_running() {
            self.record(to).took_a_lie = true;
        }
        if !self.plan.is_honest(to) {
            let injected = self.hooked(to, |hook, by| hook.incoming(by, from, bytes));
            self.put_on_network(to, injected);
        }
        let Seat { actor, rng } = self.seat(to);
        let effects = actor.receive(from, bytes, rng);
        self.apply(to, effects);
    }

    fn apply(&mut self, party: PartyIndex, effects: Vec<Effect<A::Output>>) {
        for effect in effects {
            match effect {
                Effect::Send { to, message } => self.send(party, to, &message),
                Effect::Finished(output) => {
                    let result = (self.describe)(&output);
                    self.note(Event::Finished { party, result });
                    self.record(party).results.push(result);
                    self.outputs.insert(party, output);
                }
                Effect::Aborted(abort) => {
                    self.record(party).aborts.push(abort.clone());
                    self.note(Event::Aborted { party, abort });
                }
            }
        }
    }

    fn send(&mut self, from: PartyIndex, to: PartyIndex, message: &[u8]) {
        let record = self.record(from);
        if !record.results.is_empty() || !record.aborts.is_empty() {
            record.sent_after_end += 1;
        }
        let messages = if self.plan.is_honest(from) {
            vec![Sent {
                to,
                bytes: message.to_vec(),
                tampered: false,
            }]
        } else {
            self.hooked(from, |hook, by| hook.outgoing(by, to, message))
        };
        self.put_on_network(from, messages);
    }

    fn put_on_network(&mut self, from: PartyIndex, messages: Vec<Sent>) {
        for Sent {
            to,
            bytes,
            tampered,
        } in messages
        {
            self.record(from).bytes_sent += bytes.len();
            let message = MessageLabel::of(&bytes);
            self.note(Event::Sent { from, to, message });
            let faults = self.plan.faults.clone();
            if self.network.is_hit(faults.drop_permille) {
                self.note(Event::Lost { from, to });
                continue;
            }
            let copies = 1 + u8::from(self.network.is_hit(faults.duplicate_permille));
            for _ in 0..copies {
                let at_ms = self.network.arrival_ms(&self.plan, (from, to));
                let delivery = Pending::Delivery {
                    from,
                    to,
                    bytes: bytes.clone(),
                    tampered,
                };
                self.network.schedule(at_ms, delivery);
            }
        }
    }

    fn hooked(
        &mut self,
        me: PartyIndex,
        act: impl FnOnce(&mut dyn Byzantine, &mut Impostor<'_>) -> Vec<Sent>,
    ) -> Vec<Sent> {
        let Some(hook) = self.hook.as_mut() else {
            return Vec::new();
        };
        let mut impostor = Impostor {
            cast: &self.cast,
            me,
            rng: &mut self.hook_rng,
        };
        act(hook.as_mut(), &mut impostor)
    }

    fn is_alive(&mut self, party: PartyIndex) -> bool {
        !self.record(party).crashed
    }

    fn note(&mut self, event: Event) {
        self.log.events.push((self.network.now_ms, event));
    }

    fn seat(&mut self, party: PartyIndex) -> &mut Seat<A> {
        self.seats.get_mut(&party).expect("every party has a seat")
    }

    fn record(&mut self, party: PartyIndex) -> &mut Record {
        self.records
            .get_mut(&party)
            .expect("every party has a record")
    }
}
