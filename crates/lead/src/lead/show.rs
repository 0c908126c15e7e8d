//! What a lead shows of itself after each step.

use quorate_types::{NodeId, UnixMillis};

use crate::attempt::Attempt;
use crate::effect::{Awaited, Effect, Progress, Stage};
use crate::lead::phase::Phase;
use crate::lead::{Lead, Turn};

impl Lead {
    /// Where the act stands, as last shown; `None` before the first step.
    #[must_use]
    pub const fn progress(&self) -> Option<&Progress> {
        self.shown.as_ref()
    }

    /// Says what changed and when to wake, unless the act has ended.
    pub(super) fn show(&mut self, turn: &mut Turn<'_>) {
        let progress = self.snapshot(turn);
        let changed = self.shown.as_ref() != Some(&progress);
        if changed && !self.is_finished() {
            turn.effects.push(Effect::Snapshot(progress.clone()));
        }
        self.shown = Some(progress);
        let wake_at = self.wakes_at();
        if let Some(at) = wake_at
            && self.wake_at != wake_at
        {
            turn.effects.push(Effect::WakeAt(at));
        }
        self.wake_at = wake_at;
    }

    fn snapshot(&self, turn: &Turn<'_>) -> Progress {
        let latest = self.latest.and_then(|session| self.sessions.get(&session));
        let mut progress = Progress {
            stage: self.stage(),
            attempt: latest.map_or(self.earlier_attempts, |opened| opened.number),
            session: self.latest,
            signers: latest
                .map(|opened| opened.nodes.clone())
                .unwrap_or_default(),
            round: 0,
            rounds: 0,
            round_name: String::new(),
            awaiting: Vec::new(),
            waited_on: self.setbacks.clone(),
        };
        match &self.phase {
            Phase::New | Phase::Finished => {}
            Phase::Waiting(waiting) => {
                if let Some(since) = waiting.missing_since {
                    progress.awaiting = awaited(&self.missing(turn), since);
                }
            }
            Phase::Running(attempt) => progress.follow(attempt),
            Phase::Ending(ending) => progress.follow(&ending.attempt),
            Phase::Settling(settling) => {
                progress.awaiting = awaited(&settling.completed.unconfirmed, settling.since);
            }
        }
        progress
    }

    fn stage(&self) -> Stage {
        match &self.phase {
            Phase::New => Stage::New,
            Phase::Waiting(_) => Stage::Waiting,
            Phase::Running(attempt) if !attempt.all_joined() => Stage::Opening,
            Phase::Running(_) => Stage::Running,
            Phase::Ending(_) => Stage::Ending,
            Phase::Settling(_) => Stage::Settling,
            Phase::Finished => Stage::Finished,
        }
    }
}

impl Progress {
    fn follow(&mut self, attempt: &Attempt) {
        let (round, rounds, name) = attempt.round();
        self.round = round;
        self.rounds = rounds;
        name.clone_into(&mut self.round_name);
        self.awaiting = attempt.awaiting();
    }
}

fn awaited(nodes: &[NodeId], since: UnixMillis) -> Vec<Awaited> {
    let awaited = |node: &NodeId| Awaited {
        node: node.clone(),
        since,
    };
    nodes.iter().map(awaited).collect()
}
