//! The state machine of one intent. `docs/protocols/lead.md` §3.

mod phase;
mod reactions;
mod schedule;
mod show;

use std::collections::{BTreeMap, BTreeSet};

use quorate_types::{Committee, Digest32, NodeId, SessionId, UnixMillis};
use rand_core::CryptoRng;

use crate::effect::{CancelReason, Effect, Progress, Setback};
use crate::event::Event;
use crate::lead::phase::{Phase, Waiting};
use crate::lead::reactions::AbortReport;
use crate::limits::{Limits, Pace};
use crate::outcome::Outcome;
use crate::spec::{CreateSpec, SignSpec};
use crate::suspicion::Suspicion;
use crate::view::ClusterView;

/// What ends the act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goal {
    /// All members together make a key; each confirms.
    Create,
    /// Any set of so many members makes a signature; the first one counts.
    Sign { size: u8 },
}

/// A session of this act, open or not.
#[derive(Debug)]
struct Opened {
    number: u32,
    nodes: Vec<NodeId>,
}

/// The lead of one intent: opens attempts, watches them, replaces them, ends once.
///
/// - In: [`Event`]s with the time and the shell's view of the cluster.
/// - Out: [`Effect`]s, in order; nothing after [`Effect::Finished`].
/// - State: in memory only. After a crash the shell makes a new lead for every open intent, and
///   that lead opens new sessions: rounds are never resumed (row C3).
#[derive(Debug)]
pub struct Lead {
    intent: Digest32,
    goal: Goal,
    committee: Committee,
    limits: Limits,
    pace: Pace,
    deadline: UnixMillis,
    earlier_attempts: u32,
    sessions: BTreeMap<SessionId, Opened>,
    latest: Option<SessionId>,
    suspicion: Suspicion,
    banned: BTreeSet<(NodeId, NodeId)>,
    setbacks: Vec<Setback>,
    phase: Phase,
    shown: Option<Progress>,
    wake_at: Option<UnixMillis>,
}

/// What one step has at hand.
struct Turn<'a> {
    now: UnixMillis,
    view: &'a ClusterView,
    rng: &'a mut dyn CryptoRng,
    effects: Vec<Effect>,
}

impl Lead {
    /// A lead that will create a key.
    #[must_use]
    pub fn create(spec: CreateSpec, limits: Limits) -> Self {
        let pace = limits.creating();
        let CreateSpec {
            intent,
            committee,
            expires_at,
            earlier_attempts,
        } = spec;
        Self {
            intent,
            goal: Goal::Create,
            committee,
            limits,
            pace,
            deadline: expires_at.into(),
            earlier_attempts,
            sessions: BTreeMap::new(),
            latest: None,
            suspicion: Suspicion::default(),
            banned: BTreeSet::new(),
            setbacks: Vec::new(),
            phase: Phase::New,
            shown: None,
            wake_at: None,
        }
    }

    /// A lead that will make a signature.
    #[must_use]
    pub fn sign(spec: SignSpec, limits: Limits) -> Self {
        let SignSpec {
            intent,
            committee,
            min_signers,
            expires_at,
            earlier_attempts,
        } = spec;
        let create = CreateSpec {
            intent,
            committee,
            expires_at,
            earlier_attempts,
        };
        let pace = limits.signing();
        let goal = Goal::Sign { size: min_signers };
        Self {
            goal,
            pace,
            ..Self::create(create, limits)
        }
    }

    /// The intent that this lead serves.
    #[must_use]
    pub const fn intent(&self) -> Digest32 {
        self.intent
    }

    /// Whether the act has ended.
    #[must_use]
    pub const fn is_finished(&self) -> bool {
        matches!(self.phase, Phase::Finished)
    }

    /// Number of the latest attempt, those before a restart counted; 0 before the first.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        let made = u32::try_from(self.sessions.len()).expect("attempts are limited by a u32");
        self.earlier_attempts.saturating_add(made)
    }

    /// Takes one event and says what to do.
    ///
    /// `view` must already show what the event says (a node that is lost is not connected).
    pub fn step(
        &mut self,
        now: UnixMillis,
        event: Event,
        view: &ClusterView,
        rng: &mut dyn CryptoRng,
    ) -> Vec<Effect> {
        let mut turn = Turn {
            now,
            view,
            rng,
            effects: Vec::new(),
        };
        let phase = std::mem::replace(&mut self.phase, Phase::Finished);
        let phase = self.react(phase, event, &mut turn);
        self.phase = self.keep_time(phase, &mut turn);
        self.show(&mut turn);
        turn.effects
    }

    /// The table: what an event means in a phase.
    fn react(&mut self, phase: Phase, event: Event, turn: &mut Turn<'_>) -> Phase {
        match (phase, event) {
            (Phase::Finished, _) => Phase::Finished,
            // A certificate is held: there is nothing left to cancel.
            (phase @ Phase::Settling(_), Event::CancelRequested) => phase,
            (phase, Event::CancelRequested) => {
                self.finish(&phase, CancelReason::Caller, Outcome::Cancelled, turn)
            }
            (Phase::New, Event::Start) => self.begin(turn.now),
            (Phase::New, _) => Phase::New,
            (phase, Event::NodeLost { node }) => self.node_lost(phase, &node, turn),
            // Only reasons to look at the clock and the view.
            (phase, Event::Start | Event::NodeBack { .. } | Event::Tick) => phase,
            (phase, report) => match report.origin() {
                Some((node, session)) if self.has(session, node) => {
                    let node = node.clone();
                    self.hear(phase, node, session, report, turn)
                }
                _ => phase, // not ours
            },
        }
    }

    /// The table: what the word of a session's member means in a phase.
    fn hear(
        &mut self,
        phase: Phase,
        node: NodeId,
        session: SessionId,
        report: Event,
        turn: &mut Turn<'_>,
    ) -> Phase {
        match (phase, report) {
            (Phase::Running(mut attempt), Event::Opened { .. }) if attempt.session == session => {
                attempt.joined(&node, turn.now);
                Phase::Running(attempt)
            }
            (Phase::Running(mut attempt), report @ Event::Progress { .. })
                if attempt.session == session =>
            {
                attempt.reported(&node, report, turn.now);
                Phase::Running(attempt)
            }
            (phase, Event::Completed { result, .. }) => {
                self.completed(phase, node, session, (result, false), turn)
            }
            (phase, Event::ResultRejected { .. }) => {
                self.result_rejected(phase, &node, session, turn)
            }
            (phase, Event::Refused { refusal, .. }) => {
                self.refused(phase, node, session, refusal, turn)
            }
            (
                phase,
                Event::Aborted {
                    reason,
                    culprits,
                    ban,
                    ..
                },
            ) => {
                let report = AbortReport {
                    culprits: self.named(session, &culprits),
                    node,
                    session,
                    reason,
                    ban,
                };
                self.aborted(phase, report, turn)
            }
            // Where an attempt stands that is over.
            (phase, _) => phase,
        }
    }

    fn begin(&mut self, now: UnixMillis) -> Phase {
        self.deadline = self.deadline.min(now.plus(self.pace.total_ms));
        Phase::Waiting(Waiting {
            missing_since: None,
            pause_until: now,
        })
    }

    /// Members of one attempt.
    fn size(&self) -> u8 {
        match self.goal {
            Goal::Create => self.committee.size(),
            Goal::Sign { size } => size,
        }
    }

    fn has(&self, session: SessionId, node: &NodeId) -> bool {
        let opened = self.sessions.get(&session);
        opened.is_some_and(|opened| opened.nodes.contains(node))
    }

    /// Cancels what is open, says how the act ended, and is over.
    fn finish(
        &mut self,
        phase: &Phase,
        reason: CancelReason,
        outcome: Outcome,
        turn: &mut Turn<'_>,
    ) -> Phase {
        if let Phase::Running(attempt) = phase {
            turn.cancel(attempt, reason);
        }
        turn.effects.push(Effect::Finished(outcome));
        Phase::Finished
    }
}

impl Turn<'_> {
    /// Cancels a session at all its members whose run may still go on.
    fn cancel(&mut self, attempt: &crate::attempt::Attempt, reason: CancelReason) {
        let session = attempt.session;
        let cancel = |node: &NodeId| Effect::Cancel {
            session,
            node: node.clone(),
            reason,
        };
        self.effects.extend(attempt.live().map(cancel));
    }
}

#[cfg(test)]
mod tests;
