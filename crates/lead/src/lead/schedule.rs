//! What follows from the time and from who can be reached. `docs/protocols/lead.md` §3.

use std::collections::BTreeSet;

use quorate_types::{NodeId, SessionId, SignerSet, UnixMillis};

use crate::attempt::Attempt;
use crate::effect::{CancelReason, Effect, SetbackReason};
use crate::lead::phase::{Phase, Settling, Waiting};
use crate::lead::{Goal, Lead, Opened, Turn};
use crate::outcome::{Failure, Outcome};
use crate::signers::{Candidates, Choice};
use crate::suspicion::ACCUSED;

/// Bytes of a session's id that hold the time; enough until the year 10889.
const TIME_BYTES: usize = 6;

/// Whether a phase is left at this moment.
enum Move {
    To(Phase),
    Stay(Phase),
}

/// An id of a session: the time in milliseconds, then 80 random bits. Later ids are greater, so that
/// rows of sessions lie in the order of time.
fn new_session(turn: &mut Turn<'_>) -> SessionId {
    let time = turn.now.0.to_be_bytes();
    let mut id = [0; 16];
    let (in_time, random) = id.split_at_mut(TIME_BYTES);
    in_time.copy_from_slice(time.last_chunk::<TIME_BYTES>().expect("a time has 8 bytes"));
    turn.rng.fill_bytes(random);
    SessionId::from_array(id)
}

impl Lead {
    /// Leaves phases whose time is over, and opens the next attempt, until nothing is due.
    pub(super) fn keep_time(&mut self, mut phase: Phase, turn: &mut Turn<'_>) -> Phase {
        loop {
            phase = match self.due(phase, turn) {
                Move::To(next) => next,
                Move::Stay(phase) => return phase,
            };
        }
    }

    fn due(&mut self, phase: Phase, turn: &mut Turn<'_>) -> Move {
        let has_result_or_none_wanted =
            matches!(phase, Phase::New | Phase::Settling(_) | Phase::Finished);
        if !has_result_or_none_wanted && turn.now >= self.deadline {
            let attempts = self.attempts();
            return Move::To(self.fail(&phase, Failure::TimedOut { attempts }, turn));
        }
        match phase {
            Phase::New | Phase::Finished => Move::Stay(phase),
            Phase::Waiting(waiting) => self.try_to_open(waiting, turn),
            Phase::Running(attempt) => self.check_attempt(attempt, turn),
            Phase::Ending(ending) => {
                let all_heard = ending.attempt.live().next().is_none();
                if all_heard || turn.now >= ending.since.plus(self.limits.abort_settle_ms) {
                    return Move::To(self.ended(ending, turn));
                }
                Move::Stay(Phase::Ending(ending))
            }
            Phase::Settling(settling) => self.check_settled(settling, turn),
        }
    }

    /// 3.1 Opens an attempt as soon as there are signers for it.
    fn try_to_open(&mut self, waiting: Waiting, turn: &mut Turn<'_>) -> Move {
        if self.attempts_made() >= self.pace.max_attempts {
            let attempts = self.attempts();
            let failure = Failure::AttemptsExhausted { attempts };
            return Move::To(self.fail(&Phase::Waiting(waiting), failure, turn));
        }
        let (committee, banned) = (&self.committee, &self.banned);
        let candidates = Candidates::rank(committee, turn.view, banned, &self.suspicion, turn.rng);
        match candidates.choose(usize::from(self.size())) {
            Some(Choice { has_suspect, .. })
                if turn.now < waiting.pause_until && self.pauses(has_suspect) =>
            {
                Move::Stay(Phase::Waiting(Waiting {
                    missing_since: None,
                    ..waiting
                }))
            }
            Some(choice) => Move::To(self.open(choice.signers, turn)),
            None => {
                let failure = self.not_enough(&candidates, turn);
                self.wait_for_nodes(waiting, failure, turn)
            }
        }
    }

    /// A signature has other sets to try at once. Key generation has the one that just failed, and
    /// most often because of something that passes, such as a link that is not up again yet.
    fn pauses(&self, has_suspect: bool) -> bool {
        match self.goal {
            Goal::Create => true,
            Goal::Sign { .. } => has_suspect,
        }
    }

    /// 3.2 Too few nodes: waits for the grace, since one may be restarting, then says who is
    /// missing.
    fn wait_for_nodes(&mut self, waiting: Waiting, failure: Failure, turn: &mut Turn<'_>) -> Move {
        let since = waiting.missing_since.unwrap_or(turn.now);
        let phase = Phase::Waiting(Waiting {
            missing_since: Some(since),
            ..waiting
        });
        if turn.now < since.plus(self.limits.no_nodes_grace_ms) {
            return Move::Stay(phase);
        }
        Move::To(self.fail(&phase, failure, turn))
    }

    fn not_enough(&self, candidates: &Candidates<'_>, turn: &Turn<'_>) -> Failure {
        Failure::NotEnoughNodes {
            needed: self.size(),
            available: u8::try_from(candidates.available()).expect("a committee has at most 20"),
            missing: self.missing(turn),
            banned_pairs: candidates.banned_pairs(),
        }
    }

    pub(super) fn missing(&self, turn: &Turn<'_>) -> Vec<NodeId> {
        let members = self.committee.members().map(|(_, node)| node);
        members
            .filter(|node| !turn.view.is_connected(node))
            .cloned()
            .collect()
    }

    /// 3.3 A new session for every attempt, with an id that was never used (row C3).
    fn open(&mut self, signers: SignerSet, turn: &mut Turn<'_>) -> Phase {
        let session = new_session(turn);
        let number = self.attempts() + 1;
        let attempt = Attempt::new(number, session, signers, &self.committee, turn.now);
        let nodes: Vec<_> = attempt.nodes().cloned().collect();
        let open = |node: &NodeId| Effect::Open {
            session,
            attempt: number,
            node: node.clone(),
            signers: attempt.signers.clone(),
        };
        turn.effects.extend(nodes.iter().map(open));
        self.sessions.insert(session, Opened { number, nodes });
        self.latest = Some(session);
        Phase::Running(attempt)
    }

    /// 3.4 An attempt whose members are gone, or do not move, is replaced.
    fn check_attempt(&mut self, mut attempt: Attempt, turn: &mut Turn<'_>) -> Move {
        let lost = |node: &&NodeId| !turn.view.is_connected(node);
        let lost: BTreeSet<_> = attempt.live().filter(lost).cloned().collect();
        if !lost.is_empty() {
            lost.iter().for_each(|node| attempt.ended(node, turn.now));
            self.suspicion.mark(&lost, ACCUSED);
            return Move::To(self.give_up(&attempt, SetbackReason::LinkLost, lost, turn));
        }
        let Some(reason) = attempt.stall(turn.now, &self.pace) else {
            return Move::Stay(Phase::Running(attempt));
        };
        let awaited: BTreeSet<_> = attempt.awaiting().into_iter().map(|a| a.node).collect();
        self.suspicion.mark(&awaited, ACCUSED);
        Move::To(self.give_up(&attempt, reason, awaited, turn))
    }

    /// 3.5 A key is made when its certificate is held; who has not confirmed is reported.
    fn check_settled(&mut self, settling: Settling, turn: &mut Turn<'_>) -> Move {
        let over = turn.now >= settling.since.plus(self.limits.create_settle_ms);
        if !over && !settling.completed.unconfirmed.is_empty() {
            return Move::Stay(Phase::Settling(settling));
        }
        let outcome = Outcome::Completed(settling.completed);
        Move::To(self.finish(&Phase::Finished, CancelReason::Done, outcome, turn))
    }

    pub(super) fn attempts_made(&self) -> u32 {
        self.attempts() - self.earlier_attempts
    }

    /// When something will be due if nothing happens.
    pub(super) fn wakes_at(&self) -> Option<UnixMillis> {
        match &self.phase {
            Phase::New | Phase::Finished => None,
            Phase::Waiting(waiting) => {
                let grace = self.limits.no_nodes_grace_ms;
                let due = waiting.missing_since.map(|since| since.plus(grace));
                Some(due.unwrap_or(waiting.pause_until).min(self.deadline))
            }
            Phase::Running(attempt) => Some(attempt.stalls_at(&self.pace).min(self.deadline)),
            Phase::Ending(ending) => {
                let due = ending.since.plus(self.limits.abort_settle_ms);
                Some(due.min(self.deadline))
            }
            Phase::Settling(settling) => Some(settling.since.plus(self.limits.create_settle_ms)),
        }
    }
}
