//! What a coordinator is to its leads: it hands on what nodes say, verifies results, carries out
//! effects, and makes new leads after a crash.

use quorate_lead::{
    CancelReason, CreateSpec, Effect, Event, Failure, Lead, Outcome, Refusal, RefusalKind, SignSpec,
};
use quorate_types::{Committee, NodeId};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

use crate::broken::Broken;
use crate::history::{Ended, How};
use crate::network::Place;
use crate::node::{Ask, node_id, number_of};
use crate::plan::FAULTS_END_MS;
use crate::simulation::{Happening, Simulation};
use crate::toy::ToySignature;

/// What the store knows of one intent, and its lead, which is in memory.
#[derive(Default)]
struct Act {
    lead: Option<Lead>,
    request: u32,
    attempts: u32,
    /// Durable: whether the current request has ended.
    has_ended: bool,
}

pub struct Shell {
    acts: Vec<Act>,
    is_up: bool,
    rng: ChaCha20Rng,
}

/// Only a placeholder while the shell is borrowed.
impl Default for Shell {
    fn default() -> Self {
        Self::new(0, 0)
    }
}

impl Shell {
    pub fn new(seed: u64, intents: usize) -> Self {
        Self {
            acts: (0..intents).map(|_| Act::default()).collect(),
            is_up: true,
            rng: ChaCha20Rng::seed_from_u64(!seed),
        }
    }

    /// A client asks, or asks again after a failure.
    pub fn request(&mut self, intent: usize, sim: &mut Simulation) {
        let act = &mut self.acts[intent];
        act.request += 1;
        act.has_ended = false;
        if self.is_up {
            self.lead(intent, sim);
        }
    }

    fn lead(&mut self, intent: usize, sim: &mut Simulation) {
        let act = &mut self.acts[intent];
        let known = &sim.intents[intent];
        let committee = Committee::new((0..sim.plan.n).map(node_id).collect()).unwrap();
        let limits = sim.plan.limits.clone();
        let (intent_id, expires_at) = (known.id, known.expires_at);
        let earlier_attempts = act.attempts;
        act.lead = Some(if known.creates {
            let spec = CreateSpec {
                intent: intent_id,
                committee,
                expires_at,
                earlier_attempts,
            };
            Lead::create(spec, limits)
        } else {
            let spec = SignSpec {
                intent: intent_id,
                committee,
                min_signers: u8::try_from(known.t).unwrap(),
                expires_at,
                earlier_attempts,
            };
            Lead::sign(spec, limits)
        });
        self.feed(intent, Event::Start, sim);
    }

    /// All that is in memory is gone.
    pub fn crash(&mut self) {
        self.is_up = false;
        self.acts.iter_mut().for_each(|act| act.lead = None);
    }

    /// Open acts are led again, by new leads in new attempts.
    pub fn restart(&mut self, sim: &mut Simulation) {
        if self.is_up {
            return;
        }
        self.is_up = true;
        for intent in 0..self.acts.len() {
            let act = &self.acts[intent];
            let is_open = act.request > 0 && !act.has_ended;
            let forgets = sim.broken == Some(Broken::LeadForgetsOutcomes) && act.request > 0;
            if is_open || forgets {
                self.lead(intent, sim);
            }
        }
    }

    pub fn feed_all(&mut self, event: &Event, sim: &mut Simulation) {
        for intent in 0..self.acts.len() {
            self.feed(intent, event.clone(), sim);
        }
    }

    /// Hands on what a node says; of results only those that verify.
    pub fn hear(&mut self, intent: usize, event: Event, sim: &mut Simulation) {
        let is_valid = |result: &[u8]| {
            sim.broken == Some(Broken::ShellTrustsResults) || is_valid(intent, result, sim)
        };
        let event = match event {
            Event::Completed {
                node,
                session,
                result,
            } if !is_valid(&result) => Event::ResultRejected { node, session },
            Event::Refused {
                node,
                session,
                refusal:
                    Refusal {
                        kind: RefusalKind::AlreadySigned(result),
                        ..
                    },
            } if !is_valid(&result) => Event::ResultRejected { node, session },
            Event::Aborted {
                node,
                session,
                reason,
                culprits,
                ban,
            } => {
                if ban {
                    for culprit in &culprits {
                        sim.view.ban(node.clone(), node_id(number_of(*culprit)));
                    }
                }
                Event::Aborted {
                    node,
                    session,
                    reason,
                    culprits,
                    ban,
                }
            }
            event => event,
        };
        self.feed(intent, event, sim);
    }

    pub fn feed(&mut self, intent: usize, event: Event, sim: &mut Simulation) {
        let Some(lead) = self.acts[intent].lead.as_mut() else {
            return;
        };
        let had_ended = lead.is_finished();
        let effects = lead.step(sim.now, event, &sim.view, &mut self.rng);
        if had_ended && !effects.is_empty() {
            sim.history.acted_after_end();
        }
        for effect in effects {
            self.carry_out(intent, effect, sim);
        }
    }

    fn carry_out(&mut self, intent: usize, effect: Effect, sim: &mut Simulation) {
        match effect {
            Effect::Open {
                session,
                attempt,
                node,
                signers,
            } => {
                let act = &mut self.acts[intent];
                sim.summary.attempts += u64::from(attempt > act.attempts);
                act.attempts = attempt;
                let node = number(&node);
                let ask = Ask {
                    intent: sim.intents[intent].clone(),
                    session,
                    signers: signers.iter().map(number_of).collect(),
                };
                let copies = sim
                    .network
                    .copies(Place::Lead, Place::Node(node), &mut sim.chaos);
                for delay in copies {
                    let ask = ask.clone();
                    sim.agenda
                        .put(sim.now.plus(delay), Happening::ToNode { node, ask });
                }
            }
            Effect::Cancel {
                session,
                node,
                reason,
            } => {
                assert_ne!(reason, CancelReason::Caller, "nobody cancels here");
                let node = number(&node);
                let copies = sim
                    .network
                    .copies(Place::Lead, Place::Node(node), &mut sim.chaos);
                for delay in copies {
                    sim.agenda
                        .put(sim.now.plus(delay), Happening::Cancel { node, session });
                }
            }
            Effect::WakeAt(at) => {
                if sim.broken != Some(Broken::ShellNeverTicks) {
                    sim.agenda.put(at, Happening::Wake { intent });
                }
            }
            Effect::Snapshot(_) => {}
            Effect::Finished(outcome) => self.end(intent, outcome, sim),
        }
    }

    fn end(&mut self, intent: usize, outcome: Outcome, sim: &mut Simulation) {
        let act = &mut self.acts[intent];
        act.has_ended = true;
        let failed = matches!(outcome, Outcome::Failed { .. });
        let how = how(intent, outcome, sim);
        let request = act.request;
        sim.history.end(Ended {
            intent,
            request,
            how,
        });
        // A client asks again once, after the faults.
        let asks_again = failed && request == 1 && !sim.plan.hostile;
        if asks_again {
            let at = sim.start().plus(FAULTS_END_MS + 500).max(sim.now);
            sim.agenda.put(at, Happening::Request { intent });
        }
    }
}

fn number(node: &NodeId) -> usize {
    node.as_str()[1..].parse::<usize>().unwrap() - 1
}

fn is_valid(intent: usize, result: &[u8], sim: &Simulation) -> bool {
    let known = &sim.intents[intent];
    ToySignature::is_valid(result, &known.digest(0), known.t)
}

fn how(intent: usize, outcome: Outcome, sim: &Simulation) -> How {
    match outcome {
        Outcome::Completed(completed) => How::Completed {
            is_valid: is_valid(intent, &completed.result, sim),
            earlier: completed.earlier,
        },
        Outcome::Failed {
            failure:
                Failure::NotEnoughNodes {
                    needed,
                    available,
                    missing,
                    ..
                },
            ..
        } => How::NotEnough {
            named: missing.iter().map(number).collect(),
            unreachable: (0..sim.plan.n).filter(|n| !sim.is_reachable(*n)).collect(),
            needed: needed.into(),
            available: available.into(),
        },
        Outcome::Failed { failure, .. } => How::Failed {
            code: failure.code().to_owned(),
        },
        Outcome::Cancelled => How::Cancelled,
    }
}
