//! One attempt: one session with one set of signers, and what its members said.

use std::collections::{BTreeMap, BTreeSet};

use quorate_types::{Committee, NodeId, PartyIndex, SessionId, SignerSet, UnixMillis};

use crate::effect::{Awaited, SetbackReason};
use crate::event::Event;
use crate::limits::Pace;

/// What a member said last.
#[derive(Debug, Default)]
struct Standing {
    joined: bool,
    ended: bool,
    round: u8,
    rounds: u8,
    round_name: String,
    awaiting: BTreeSet<NodeId>,
}

/// Round, number of rounds, name.
pub(crate) type Round<'a> = (u8, u8, &'a str);

/// An open session.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) number: u32,
    pub(crate) session: SessionId,
    pub(crate) signers: SignerSet,
    members: Vec<(PartyIndex, NodeId)>,
    standings: BTreeMap<NodeId, Standing>,
    opened_at: UnixMillis,
    advanced_at: UnixMillis,
    awaiting_since: BTreeMap<NodeId, UnixMillis>,
}

impl Attempt {
    pub(crate) fn new(
        number: u32,
        session: SessionId,
        signers: SignerSet,
        committee: &Committee,
        now: UnixMillis,
    ) -> Self {
        let member = |index| Some((index, committee.node(index)?.clone()));
        let members: Vec<_> = signers.iter().filter_map(member).collect();
        let standings = members
            .iter()
            .map(|(_, node)| (node.clone(), Standing::default()))
            .collect();
        let mut attempt = Self {
            number,
            session,
            signers,
            members,
            standings,
            opened_at: now,
            advanced_at: now,
            awaiting_since: BTreeMap::new(),
        };
        attempt.watch(now);
        attempt
    }

    /// Members in the order of their indices.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = &NodeId> {
        self.members.iter().map(|(_, node)| node)
    }

    pub(crate) fn has(&self, node: &NodeId) -> bool {
        self.standings.contains_key(node)
    }

    pub(crate) fn has_joined(&self, node: &NodeId) -> bool {
        self.standings.get(node).is_some_and(|s| s.joined)
    }

    /// Members whose run may still go on.
    pub(crate) fn live(&self) -> impl Iterator<Item = &NodeId> {
        let ended = |node: &NodeId| self.standings.get(node).is_none_or(|s| s.ended);
        self.nodes().filter(move |node| !ended(node))
    }

    /// The nodes behind indices; indices that are not members are dropped.
    pub(crate) fn named(&self, indices: &[PartyIndex]) -> BTreeSet<NodeId> {
        self.members
            .iter()
            .filter(|(index, _)| indices.contains(index))
            .map(|(_, node)| node.clone())
            .collect()
    }

    pub(crate) fn joined(&mut self, node: &NodeId, now: UnixMillis) {
        if let Some(standing) = self.standings.get_mut(node)
            && !standing.joined
        {
            standing.joined = true;
            self.advanced_at = now;
        }
        self.watch(now);
    }

    /// Takes a report. Only a higher round, or fewer missing messages in the same, counts as
    /// progress: a member cannot hold an attempt open by repeating itself.
    pub(crate) fn reported(&mut self, node: &NodeId, report: Event, now: UnixMillis) {
        let Event::Progress {
            round,
            rounds,
            round_name,
            awaiting,
            ..
        } = report
        else {
            return;
        };
        let mut awaiting = self.named(&awaiting);
        awaiting.remove(node);
        let Some(standing) = self.standings.get_mut(node) else {
            return;
        };
        let is_later = round > standing.round;
        let has_fewer = round == standing.round && awaiting.len() < standing.awaiting.len();
        if !standing.joined || is_later || has_fewer {
            self.advanced_at = now;
            standing.joined = true;
            standing.round = round;
            standing.rounds = rounds;
            standing.round_name = round_name;
            standing.awaiting = awaiting;
        }
        self.watch(now);
    }

    pub(crate) fn ended(&mut self, node: &NodeId, now: UnixMillis) {
        if let Some(standing) = self.standings.get_mut(node) {
            standing.ended = true;
            standing.awaiting.clear();
        }
        self.watch(now);
    }

    pub(crate) fn all_joined(&self) -> bool {
        self.standings.values().all(|s| s.joined || s.ended)
    }

    /// The slowest reported round.
    pub(crate) fn round(&self) -> Round<'_> {
        let reported = self.standings.values().filter(|s| s.round > 0 && !s.ended);
        reported
            .min_by_key(|s| s.round)
            .map_or((0, 0, ""), |s| (s.round, s.rounds, &s.round_name))
    }

    /// On whom the attempt waits: those who did not join; then those whom most others miss; then
    /// those who did not end.
    fn awaited(&self) -> BTreeSet<NodeId> {
        let nodes = self.live().cloned();
        let waits_to_join = |node: &NodeId| self.standings.get(node).is_some_and(|s| !s.joined);
        if !self.all_joined() {
            return nodes.filter(waits_to_join).collect();
        }
        let votes = |node: &NodeId| {
            let standings = self.standings.values();
            standings.filter(|s| s.awaiting.contains(node)).count()
        };
        let most = self.live().map(votes).max().unwrap_or_default();
        nodes.filter(|node| votes(node) == most).collect()
    }

    fn watch(&mut self, now: UnixMillis) {
        let awaited = self.awaited();
        let since = |node: NodeId| {
            let since = self.awaiting_since.get(&node).copied().unwrap_or(now);
            (node, since)
        };
        self.awaiting_since = awaited.into_iter().map(since).collect();
    }

    /// On whom it waits and since when, in the order of their indices.
    pub(crate) fn awaiting(&self) -> Vec<Awaited> {
        let awaited = |node: &NodeId| {
            let since = *self.awaiting_since.get(node)?;
            let node = node.clone();
            Some(Awaited { node, since })
        };
        self.nodes().filter_map(awaited).collect()
    }

    /// Why the attempt counts as stalled, if it does.
    pub(crate) fn stall(&self, now: UnixMillis, pace: &Pace) -> Option<SetbackReason> {
        if now.since(self.opened_at) >= pace.attempt_timeout_ms {
            return Some(SetbackReason::TooLong);
        }
        if now < self.stalls_at(pace) {
            return None;
        }
        if !self.all_joined() {
            return Some(SetbackReason::NotJoined);
        }
        let (round, ..) = self.round();
        Some(SetbackReason::NoProgress { round })
    }

    /// When it will count as stalled if nothing happens.
    pub(crate) fn stalls_at(&self, pace: &Pace) -> UnixMillis {
        let idle = if self.all_joined() {
            self.advanced_at.plus(pace.round_timeout_ms)
        } else {
            self.opened_at.plus(pace.open_timeout_ms)
        };
        idle.min(self.opened_at.plus(pace.attempt_timeout_ms))
    }
}
