//! What follows from a node's word. `docs/protocols/lead.md` §4.

use std::collections::BTreeSet;

use quorate_types::{NodeId, PartyIndex, SessionId};

use crate::attempt::Attempt;
use crate::effect::{CancelReason, Setback, SetbackReason};
use crate::event::{Refusal, RefusalKind};
use crate::lead::phase::{Ending, Phase, Settling, Waiting};
use crate::lead::{Goal, Lead, Turn};
use crate::outcome::{Completed, Failure, Outcome};
use crate::suspicion::{ACCUSED, ACCUSER, PROVED};
use crate::view::ordered;

/// A node's report of an aborted run.
pub(super) struct AbortReport {
    pub(super) node: NodeId,
    pub(super) session: SessionId,
    pub(super) reason: String,
    pub(super) culprits: BTreeSet<NodeId>,
    pub(super) ban: bool,
}

impl AbortReport {
    fn setback_reason(&self) -> SetbackReason {
        SetbackReason::Aborted {
            reason: self.reason.clone(),
            ban: self.ban,
        }
    }
}

impl Lead {
    /// The members of a session behind indices.
    pub(super) fn named(&self, session: SessionId, indices: &[PartyIndex]) -> BTreeSet<NodeId> {
        indices
            .iter()
            .filter_map(|index| self.committee.node(*index))
            .filter(|node| self.has(session, node))
            .cloned()
            .collect()
    }

    /// 4.1 A verified result ends a signature, from whichever attempt it is. A verified key
    /// certificate ends all attempts; the other members get some time to confirm.
    pub(super) fn completed(
        &mut self,
        phase: Phase,
        node: NodeId,
        session: SessionId,
        (result, earlier): (Vec<u8>, bool),
        turn: &mut Turn<'_>,
    ) -> Phase {
        if let Phase::Settling(mut settling) = phase {
            settling.completed.unconfirmed.retain(|n| *n != node);
            return Phase::Settling(settling);
        }
        // Members of the session that made the result finish by themselves; others never would.
        if let Phase::Running(attempt) = &phase
            && (earlier || attempt.session != session)
        {
            turn.cancel(attempt, CancelReason::Done);
        }
        let (attempt, signers) = self
            .sessions
            .get(&session)
            .map(|opened| (opened.number, opened.nodes.clone()))
            .unwrap_or_default();
        let mut completed = Completed {
            result,
            session,
            attempt,
            signers,
            earlier,
            unconfirmed: Vec::new(),
            waited_on: self.setbacks.clone(),
        };
        match self.goal {
            Goal::Sign { .. } => {
                let outcome = Outcome::Completed(completed);
                self.finish(&Phase::Finished, CancelReason::Done, outcome, turn)
            }
            Goal::Create => {
                let members = self.committee.members().map(|(_, member)| member.clone());
                completed.unconfirmed = members.filter(|member| *member != node).collect();
                let since = turn.now;
                Phase::Settling(Settling { completed, since })
            }
        }
    }

    /// 4.2 A result that does not verify proves its sender faulty. The others may still make it.
    pub(super) fn result_rejected(
        &mut self,
        phase: Phase,
        node: &NodeId,
        session: SessionId,
        turn: &mut Turn<'_>,
    ) -> Phase {
        self.suspicion.mark([node], PROVED);
        match phase {
            Phase::Running(mut attempt) if attempt.session == session => {
                let cannot_go_on = !attempt.has_joined(node);
                attempt.ended(node, turn.now);
                if cannot_go_on || attempt.live().next().is_none() {
                    let faulty = BTreeSet::from([node.clone()]);
                    return self.give_up(&attempt, SetbackReason::BadResult, faulty, turn);
                }
                Phase::Running(attempt)
            }
            phase => phase,
        }
    }

    /// 4.3 A refusal: of the act, of this attempt, or because the result exists.
    pub(super) fn refused(
        &mut self,
        phase: Phase,
        node: NodeId,
        session: SessionId,
        refusal: Refusal,
        turn: &mut Turn<'_>,
    ) -> Phase {
        let Refusal {
            code,
            message,
            kind,
        } = refusal;
        match (phase, kind) {
            (phase, RefusalKind::AlreadySigned(result)) => {
                self.completed(phase, node, session, (result, true), turn)
            }
            // A certificate is held: what one node thinks of the act does not undo it.
            (phase @ Phase::Settling(_), _) => phase,
            (phase, RefusalKind::Permanent) => {
                let failure = Failure::Refused {
                    node,
                    code,
                    message,
                };
                self.fail(&phase, failure, turn)
            }
            (Phase::Running(mut attempt), RefusalKind::Retry) if attempt.session == session => {
                attempt.ended(&node, turn.now);
                self.suspicion.mark([&node], ACCUSED);
                let refusing = BTreeSet::from([node]);
                self.give_up(&attempt, SetbackReason::Refused { code }, refusing, turn)
            }
            (Phase::Ending(mut ending), RefusalKind::Retry) => {
                ending.hear(&node, session, turn);
                Phase::Ending(ending)
            }
            (phase, RefusalKind::Retry) => phase,
        }
    }

    /// 4.4 A member's run was aborted. The session is cancelled, and for a short time the other
    /// members' reports are collected. A ban counts whenever it is heard.
    pub(super) fn aborted(
        &mut self,
        phase: Phase,
        report: AbortReport,
        turn: &mut Turn<'_>,
    ) -> Phase {
        if report.ban {
            let pair = |culprit: &NodeId| ordered(report.node.clone(), culprit.clone());
            self.banned.extend(report.culprits.iter().map(pair));
        }
        match phase {
            Phase::Running(attempt) if attempt.session == report.session => {
                self.end(attempt, report, turn)
            }
            Phase::Running(attempt) if report.ban && self.has_banned_pair(&attempt) => {
                let reason = report.setback_reason();
                self.give_up(&attempt, reason, report.culprits, turn)
            }
            Phase::Ending(mut ending) if ending.attempt.session == report.session => {
                ending.hear(&report.node, report.session, turn);
                ending.accuse(report);
                Phase::Ending(ending)
            }
            phase => phase,
        }
    }

    fn end(&mut self, mut attempt: Attempt, report: AbortReport, turn: &mut Turn<'_>) -> Phase {
        attempt.ended(&report.node, turn.now);
        turn.cancel(&attempt, CancelReason::Superseded);
        let mut ending = Ending {
            attempt,
            reason: report.reason.clone(),
            ban: false,
            culprits: BTreeSet::new(),
            accusers: BTreeSet::new(),
            since: turn.now,
        };
        ending.accuse(report);
        Phase::Ending(ending)
    }

    fn has_banned_pair(&self, attempt: &Attempt) -> bool {
        self.banned
            .iter()
            .any(|(a, b)| attempt.has(a) && attempt.has(b))
    }

    /// All reports are here, or the time for them is over.
    pub(super) fn ended(&mut self, ending: Ending, turn: &mut Turn<'_>) -> Phase {
        let Ending {
            attempt,
            reason,
            ban,
            culprits,
            accusers,
            since,
        } = ending;
        self.suspicion.mark(attempt.live(), ACCUSED);
        self.suspicion.mark(&culprits, ACCUSED);
        self.suspicion.mark(&accusers, ACCUSER);
        let reason = SetbackReason::Aborted { reason, ban };
        self.setbacks.push(Setback {
            attempt: attempt.number,
            session: attempt.session,
            reason,
            nodes: attempt
                .nodes()
                .filter(|n| culprits.contains(n))
                .cloned()
                .collect(),
            since,
            at: turn.now,
        });
        self.wait(turn)
    }

    /// 4.5 A member whose link broke has lost its run, or will not be heard in time.
    pub(super) fn node_lost(&mut self, phase: Phase, node: &NodeId, turn: &mut Turn<'_>) -> Phase {
        match phase {
            Phase::Running(mut attempt) if attempt.live().any(|live| live == node) => {
                attempt.ended(node, turn.now);
                self.suspicion.mark([node], ACCUSED);
                let lost = BTreeSet::from([node.clone()]);
                self.give_up(&attempt, SetbackReason::LinkLost, lost, turn)
            }
            Phase::Ending(mut ending) => {
                ending.attempt.ended(node, turn.now);
                Phase::Ending(ending)
            }
            phase => phase,
        }
    }

    /// Cancels an attempt, records on whom it waited, and makes room for the next.
    pub(super) fn give_up(
        &mut self,
        attempt: &Attempt,
        reason: SetbackReason,
        nodes: BTreeSet<NodeId>,
        turn: &mut Turn<'_>,
    ) -> Phase {
        turn.cancel(attempt, CancelReason::Superseded);
        let awaiting = attempt.awaiting();
        let since = awaiting
            .iter()
            .filter(|awaited| nodes.contains(&awaited.node))
            .map(|awaited| awaited.since)
            .min();
        self.setbacks.push(Setback {
            attempt: attempt.number,
            session: attempt.session,
            reason,
            nodes: attempt
                .nodes()
                .filter(|n| nodes.contains(n))
                .cloned()
                .collect(),
            since: since.unwrap_or(turn.now),
            at: turn.now,
        });
        self.wait(turn)
    }

    fn wait(&self, turn: &Turn<'_>) -> Phase {
        let delay = self.pace.retry_delay(self.attempts_made() + 1);
        Phase::Waiting(Waiting {
            missing_since: None,
            pause_until: turn.now.plus(delay),
        })
    }

    pub(super) fn fail(&mut self, phase: &Phase, failure: Failure, turn: &mut Turn<'_>) -> Phase {
        let waited_on = self.setbacks.clone();
        let outcome = Outcome::Failed { failure, waited_on };
        self.finish(phase, CancelReason::Failed, outcome, turn)
    }
}

impl Ending {
    fn hear(&mut self, node: &NodeId, session: SessionId, turn: &Turn<'_>) {
        if self.attempt.session == session {
            self.attempt.ended(node, turn.now);
        }
    }

    /// The first report that names somebody gives the reason; a ban is never lost.
    fn accuse(&mut self, report: AbortReport) {
        if report.culprits.is_empty() {
            return;
        }
        if self.culprits.is_empty() || (report.ban && !self.ban) {
            self.reason = report.reason;
        }
        self.ban |= report.ban;
        self.culprits.extend(report.culprits);
        self.accusers.insert(report.node);
    }
}
