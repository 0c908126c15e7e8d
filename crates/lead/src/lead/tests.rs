use quorate_types::{Committee, Digest32, NodeId, PartyIndex, SessionId, UnixMillis, UnixSeconds};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use super::*;
use crate::{
    CreateSpec, Failure, NodeView, Outcome, Refusal, RefusalKind, SetbackReason, SignSpec, Stage,
};

mod create;
mod sign;

const START: u64 = 1_000_000;

/// A lead with a clock, a cluster and what it did last.
struct Stand {
    lead: Lead,
    view: ClusterView,
    rng: ChaCha20Rng,
    now: UnixMillis,
    effects: Vec<Effect>,
}

fn node(number: u8) -> NodeId {
    NodeId::new(&format!("p{number}")).unwrap()
}

fn index(number: u8) -> PartyIndex {
    PartyIndex::new(number).unwrap()
}

fn number(node: &NodeId) -> u8 {
    node.as_str()[1..].parse().unwrap()
}

fn committee(n: u8) -> Committee {
    Committee::new((1..=n).map(node).collect()).unwrap()
}

fn expires_at() -> UnixSeconds {
    UnixMillis(START).seconds().plus(3_600)
}

fn signing(t: u8, n: u8) -> Stand {
    signing_within(t, n, Limits::default())
}

fn signing_within(t: u8, n: u8, limits: Limits) -> Stand {
    let spec = SignSpec {
        intent: Digest32::from_array([1; 32]),
        committee: committee(n),
        min_signers: t,
        expires_at: expires_at(),
        earlier_attempts: 0,
    };
    Stand::new(Lead::sign(spec, limits), n)
}

fn creating(n: u8) -> Stand {
    creating_within(n, Limits::default())
}

fn creating_within(n: u8, limits: Limits) -> Stand {
    let spec = CreateSpec {
        intent: Digest32::from_array([1; 32]),
        committee: committee(n),
        expires_at: expires_at(),
        earlier_attempts: 0,
    };
    Stand::new(Lead::create(spec, limits), n)
}

impl Stand {
    fn new(lead: Lead, n: u8) -> Self {
        let mut stand = Self {
            lead,
            view: ClusterView::new(),
            rng: ChaCha20Rng::seed_from_u64(3),
            now: UnixMillis(START),
            effects: Vec::new(),
        };
        (1..=n).for_each(|number| stand.connect(number, true));
        stand
    }

    fn connect(&mut self, number: u8, connected: bool) {
        let view = NodeView {
            connected,
            ..NodeView::default()
        };
        self.view.set(node(number), view);
    }

    /// Makes these nodes the cheapest, so that a test knows who is chosen first.
    fn prefer(&mut self, preferred: &[u8], n: u8) {
        for number in 1..=n {
            let load_factor = if preferred.contains(&number) { 0 } else { 50 };
            let view = NodeView {
                connected: true,
                load_factor,
                ..NodeView::default()
            };
            self.view.set(node(number), view);
        }
    }

    fn step(&mut self, event: Event) {
        self.effects = self.lead.step(self.now, event, &self.view, &mut self.rng);
    }

    fn tick_after(&mut self, ms: u64) {
        self.now = self.now.plus(ms);
        self.step(Event::Tick);
    }

    /// Session and members opened by the last step.
    fn opened(&self) -> Option<(SessionId, Vec<u8>)> {
        let mut session = None;
        let mut members = Vec::new();
        for effect in &self.effects {
            if let Effect::Open {
                session: id,
                node,
                signers,
                ..
            } = effect
            {
                assert!(
                    session.is_none_or(|known| known == *id),
                    "one attempt at a time"
                );
                session = Some(*id);
                members.push(number(node));
                assert!(signers.contains(index(number(node))));
            }
        }
        Some((session?, members))
    }

    fn cancelled(&self) -> Vec<(SessionId, u8, CancelReason)> {
        let cancel = |effect: &Effect| match effect {
            Effect::Cancel {
                session,
                node,
                reason,
            } => Some((*session, number(node), *reason)),
            _ => None,
        };
        self.effects.iter().filter_map(cancel).collect()
    }

    fn outcome(&self) -> Option<&Outcome> {
        self.effects.iter().find_map(|effect| match effect {
            Effect::Finished(outcome) => Some(outcome),
            _ => None,
        })
    }

    fn failure(&self) -> Option<&Failure> {
        match self.outcome()? {
            Outcome::Failed { failure, .. } => Some(failure),
            _ => None,
        }
    }

    fn setback(&self) -> &Setback {
        self.lead.setbacks.last().unwrap()
    }

    fn blamed(&self) -> Vec<u8> {
        self.setback().nodes.iter().map(number).collect()
    }

    fn join(&mut self, session: SessionId, members: &[u8]) {
        for member in members {
            self.step(Event::Opened {
                node: node(*member),
                session,
            });
        }
    }

    fn report(&mut self, session: SessionId, member: u8, round: u8, awaiting: &[u8]) {
        self.step(Event::Progress {
            node: node(member),
            session,
            round,
            round_name: format!("round {round}"),
            rounds: 3,
            awaiting: awaiting.iter().map(|n| index(*n)).collect(),
        });
    }

    fn complete(&mut self, session: SessionId, member: u8) {
        self.step(Event::Completed {
            node: node(member),
            session,
            result: vec![9],
        });
    }

    fn refuse(&mut self, session: SessionId, member: u8, kind: RefusalKind) {
        let refusal = Refusal {
            code: "CODE".to_owned(),
            message: "words".to_owned(),
            kind,
        };
        self.step(Event::Refused {
            node: node(member),
            session,
            refusal,
        });
    }

    fn abort(&mut self, session: SessionId, member: u8, culprits: &[u8], ban: bool) {
        self.step(Event::Aborted {
            node: node(member),
            session,
            reason: "check".to_owned(),
            culprits: culprits.iter().map(|n| index(*n)).collect(),
            ban,
        });
    }

    fn lose(&mut self, member: u8) {
        self.connect(member, false);
        self.step(Event::NodeLost { node: node(member) });
    }
}
