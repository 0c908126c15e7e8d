//! The shell around one lead: clock, links, store, and the check of every result.

mod opening;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;
use quorate_api::mpc_v1::participate_signing_request::Command;
use quorate_api::mpc_v1::{CancelSession, OpenSession as WireOpen, ParticipateSigningRequest};
use quorate_intent::KeyCertificate;
use quorate_lead::{
    CreateSpec, Effect, Event, Lead, Outcome, Progress, Refusal, RefusalKind, SignSpec,
};
use quorate_store::{AuditEvent, Write};
use quorate_types::{KeyStatus, NodeId, SessionId, SignerSet, UnixMillis};
use serde_json::{Value, json};
use tokio::sync::{broadcast, mpsc, watch};

use super::done::{Done, Signed};
use super::handle::ActStatus;
use super::journal::give_up;
use super::reports::Verified;
use crate::admission::{Plan, What};
use crate::audit::Subject;
use crate::clock::now;
use crate::coordinator::Core;
use crate::error::{ActFailure, CoordinatorError};
use crate::error_code::unaudited;
use crate::nodes::Input;

/// How long an act sleeps when its lead asks for no wake-up.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);
/// Keeps a wake-up time in the past from turning into a busy loop.
const SHORTEST_SLEEP: Duration = Duration::from_millis(1);

/// Where an act comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A caller asks.
    Caller,
    /// The journal, after a restart.
    Journal,
}

/// A session of this act.
pub(super) struct OpenSession {
    /// Nodes that were told.
    told: Vec<NodeId>,
    pub(super) ended: bool,
}

/// One act.
pub(super) struct ActTask {
    pub(super) core: Arc<Core>,
    pub(super) plan: Plan,
    pub(super) subject: Subject,
    sender: mpsc::Sender<Input>,
    input: mpsc::Receiver<Input>,
    back: broadcast::Receiver<NodeId>,
    status: watch::Sender<ActStatus>,
    lead: Lead,
    wake_at: Option<UnixMillis>,
    pub(super) sessions: BTreeMap<SessionId, OpenSession>,
    pub(super) latest: Option<SessionId>,
    pub(super) verified: Option<(Vec<u8>, Verified)>,
    pub(super) findings: Vec<AuditEvent>,
    pub(super) key_status: KeyStatus,
    setbacks_written: usize,
    round_since: (u8, Instant),
}

/// What a list of effects comes to.
#[derive(Default)]
struct Todo {
    opens: Vec<(SessionId, u32, NodeId, SignerSet)>,
    cancels: Vec<(SessionId, NodeId, &'static str)>,
    writes: Vec<Write>,
    progress: Option<Progress>,
    outcome: Option<Outcome>,
}

impl ActTask {
    pub(super) fn new(
        core: Arc<Core>,
        plan: Plan,
        mut subject: Subject,
        (sender, input): (mpsc::Sender<Input>, mpsc::Receiver<Input>),
        status: watch::Sender<ActStatus>,
    ) -> Self {
        subject.key_id = Some(plan.key_id());
        let lead = new_lead(&core, &plan, 0);
        let back = core.cluster.watch_back();
        Self {
            core,
            plan,
            subject,
            sender,
            input,
            back,
            status,
            lead,
            wake_at: None,
            sessions: BTreeMap::new(),
            latest: None,
            verified: None,
            findings: Vec::new(),
            key_status: KeyStatus::Creating,
            setbacks_written: 0,
            round_since: (0, Instant::now()),
        }
    }

    /// Brings the act to its end; the caller shows the outcome.
    pub(super) async fn run(mut self, origin: Origin) -> Result<Done, CoordinatorError> {
        let started = Instant::now();
        let outcome = self.drive(origin).await;
        for (id, session) in &self.sessions {
            self.core.cluster.routes().remove(id);
            session.leave(&self.core);
        }
        let kind = self.plan.kind().as_str();
        let result = outcome
            .as_ref()
            .map_or_else(|e| e.code().as_str(), |_| "ok");
        metrics::counter!("mpc_acts_total", "kind" => kind, "result" => result).increment(1);
        metrics::histogram!("mpc_act_duration_seconds", "kind" => kind)
            .record(started.elapsed().as_secs_f64());
        if let Err(error) = &outcome {
            // Nodes that still work on it need not.
            for (id, session) in &self.sessions {
                for node in session.told.iter().filter(|_| !session.ended) {
                    self.cancel(*id, node, "failed");
                }
            }
            let intent = self.plan.digest();
            tracing::warn!(%intent, key = %self.plan.key_id(), %error, "act ended without a result");
        }
        outcome
    }

    async fn drive(&mut self, origin: Origin) -> Result<Done, CoordinatorError> {
        if let Some(known) = self.begin(origin).await? {
            return Ok(known);
        }
        loop {
            let event = self.next_event().await;
            let effects = self.step(event);
            let todo = self.sort(effects);
            if let Some(outcome) = self.carry_out(todo).await? {
                return self.finish(outcome).await;
            }
        }
    }

    async fn next_event(&mut self) -> Event {
        let wait = self.wake_at.map_or(LONGEST_SLEEP, |at| {
            Duration::from_millis(at.since(now())).max(SHORTEST_SLEEP)
        });
        let input = tokio::select! {
            input = self.input.recv() => input,
            back = self.back.recv() => match back {
                Ok(node) => Some(Input::Back(node)),
                // Missed some: look at all nodes again.
                Err(_) => None,
            },
            () = tokio::time::sleep(wait) => None,
        };
        match input {
            Some(input) => self.event(input),
            None => Event::Tick,
        }
    }

    fn step(&mut self, event: Event) -> Vec<Effect> {
        let view = {
            let has_pair_state = self.plan.protocol.has_pair_state;
            let cluster = &self.core.cluster;
            cluster.lead_view(&self.plan.key_id(), has_pair_state)
        };
        let mut rng = UnwrapErr(SysRng);
        self.lead.step(now(), event, &view, &mut rng)
    }

    /// Sorts effects by what must be durable before what.
    fn sort(&mut self, effects: Vec<Effect>) -> Todo {
        let mut todo = Todo::default();
        for effect in effects {
            match effect {
                Effect::Open {
                    session,
                    attempt,
                    node,
                    signers,
                } => {
                    self.plan_session(session, attempt, &signers, &mut todo);
                    todo.opens.push((session, attempt, node, signers));
                }
                Effect::Cancel {
                    session,
                    node,
                    reason,
                } => todo.cancels.push((session, node, reason.as_str())),
                Effect::Snapshot(progress) => self.show(progress, &mut todo),
                Effect::WakeAt(at) => self.wake_at = Some(at),
                Effect::Finished(outcome) => todo.outcome = Some(outcome),
            }
        }
        todo
    }

    fn plan_session(
        &mut self,
        session: SessionId,
        attempt: u32,
        signers: &SignerSet,
        todo: &mut Todo,
    ) {
        if self.sessions.contains_key(&session) {
            return;
        }
        let committee = match &self.plan.what {
            What::Create { create, .. } => &create.committee,
            What::Sign { key, .. } => &key.committee,
        };
        let nodes: Vec<_> = signers
            .iter()
            .filter_map(|i| committee.node(i).cloned())
            .collect();
        let request_id = self.subject.request_id.as_ref();
        let row = self
            .plan
            .session_row(session, attempt, &nodes, request_id, now());
        todo.writes.push(Write::InsertSession(Box::new(row)));
        let routes = self.core.cluster.routes();
        routes.add(session, nodes, self.sender.clone());
        self.latest = Some(session);
        let (told, ended) = (Vec::new(), false);
        self.sessions.insert(session, OpenSession { told, ended });
    }

    /// Shows progress, and records attempts that were given up since the last look.
    fn show(&mut self, progress: Progress, todo: &mut Todo) {
        let rounds = match self.plan.what {
            What::Create { .. } => self.plan.protocol.keygen_rounds,
            What::Sign { .. } => self.plan.protocol.sign_rounds,
        };
        for setback in progress.waited_on.iter().skip(self.setbacks_written) {
            if let Some(session) = self.sessions.get_mut(&setback.session)
                && !session.ended
            {
                todo.writes.extend(give_up(setback, rounds));
                session.leave(&self.core);
                session.ended = true;
            }
            for node in &setback.nodes {
                if let Some(node) = self.core.cluster.node(node) {
                    node.failed();
                }
            }
            let (session, reason) = (setback.session, &setback.reason);
            tracing::warn!(%session, nodes = ?setback.nodes, %reason, "attempt given up");
            metrics::counter!("mpc_attempts_given_up_total").increment(1);
        }
        self.setbacks_written = self.setbacks_written.max(progress.waited_on.len());
        self.measure(progress.round);
        // Shown once what it speaks of is durable.
        todo.progress = Some(progress);
    }

    fn measure(&mut self, round: u8) {
        let (before, since) = self.round_since;
        if before == round {
            return;
        }
        if before > 0 {
            metrics::histogram!(
                "mpc_session_round_duration_seconds",
                "protocol" => self.plan.protocol.name, "round" => before.to_string()
            )
            .record(since.elapsed().as_secs_f64());
        }
        self.round_since = (round, Instant::now());
    }

    /// Carries out what effects ask for, and what follows from that: first what must be durable,
    /// then what nodes are told.
    async fn carry_out(&mut self, mut todo: Todo) -> Result<Option<Outcome>, CoordinatorError> {
        loop {
            for (session, node, reason) in &todo.cancels {
                self.cancel(*session, node, reason);
            }
            if !todo.writes.is_empty() {
                let findings = std::mem::take(&mut self.findings);
                let findings = findings
                    .into_iter()
                    .map(|event| Write::AppendAudit(Box::new(event)));
                let writes = todo.writes.drain(..).chain(findings).collect();
                self.core.store.apply(writes).await.map_err(unaudited)?;
            }
            if let Some(progress) = todo.progress.take() {
                self.status
                    .send_modify(|status| status.progress = Some(progress));
            }
            let mut refused = Vec::new();
            for (session, attempt, node, signers) in &todo.opens {
                if !self.open(*session, *attempt, node, signers) {
                    refused.push((*session, node.clone()));
                }
            }
            if todo.outcome.is_some() || refused.is_empty() {
                return Ok(todo.outcome);
            }
            let mut effects = Vec::new();
            for (session, node) in refused {
                let refusal = Refusal {
                    code: "NODE_UNAVAILABLE".to_owned(),
                    message: "its command queue is full or its stream is closed".to_owned(),
                    kind: RefusalKind::Retry,
                };
                effects.extend(self.step(Event::Refused {
                    node,
                    session,
                    refusal,
                }));
            }
            todo = self.sort(effects);
        }
    }

    fn open(
        &mut self,
        session: SessionId,
        attempt: u32,
        node: &NodeId,
        signers: &SignerSet,
    ) -> bool {
        let signed = self.plan.verified.signed();
        let signers = match self.plan.what {
            What::Create { .. } => Vec::new(),
            What::Sign { .. } => signers.iter().map(|index| index.get().into()).collect(),
        };
        let open = WireOpen {
            session_id: session.as_bytes().to_vec(),
            intent: signed.bytes.clone(),
            initiator_signature: signed.signature.to_vec(),
            signers,
            attempt,
            request_id: self.subject.request_id.clone().unwrap_or_default(),
            certificate: self.carried_certificate(),
        };
        if let (Some(known), Some(opened)) = (
            self.core.cluster.node(node),
            self.sessions.get_mut(&session),
        ) {
            known.session_opened();
            opened.told.push(node.clone());
        }
        let command = Some(Command::Open(open));
        self.core
            .cluster
            .command(node, ParticipateSigningRequest { command })
    }

    fn cancel(&self, session: SessionId, node: &NodeId, reason: &str) {
        let cancel = CancelSession {
            session_id: session.as_bytes().to_vec(),
            reason: reason.to_owned(),
        };
        let command = Some(Command::Cancel(cancel));
        // A node that cannot be told gives the session up by its own time limit.
        let _ = self
            .core
            .cluster
            .command(node, ParticipateSigningRequest { command });
    }

    /// Makes the outcome durable, then shows it.
    async fn finish(&mut self, outcome: Outcome) -> Result<Done, CoordinatorError> {
        let at = now();
        let (done, result) = self.conclude(&outcome, at);
        let writes = self.closing_writes(&outcome, &result, at);
        self.core.store.apply(writes).await.map_err(unaudited)?;
        for session in self.sessions.values_mut().filter(|s| !s.ended) {
            session.leave(&self.core);
            session.ended = true;
        }
        result.and_then(|_| done.ok_or_else(|| CoordinatorError::bug("a result without content")))
    }

    fn conclude(
        &self,
        outcome: &Outcome,
        at: UnixMillis,
    ) -> (Option<Done>, Result<Value, CoordinatorError>) {
        match outcome {
            Outcome::Completed(completed) => match &self.verified {
                Some((bytes, _)) if *bytes != completed.result => (
                    None,
                    Err(CoordinatorError::bug("an unverified result was completed")),
                ),
                Some((_, Verified::Signatures(signatures))) => {
                    let signers = if completed.earlier {
                        Vec::new()
                    } else {
                        completed.signers.clone()
                    };
                    let signed = Signed {
                        session: completed.session,
                        signers,
                        signatures: signatures.clone(),
                        signed_at: at,
                    };
                    let stored = signed.to_stored();
                    (Some(Done::Signed(Arc::new(signed))), Ok(stored))
                }
                Some((_, Verified::Certificate(_))) => {
                    let stored = json!({ "session_id": completed.session });
                    (Some(Done::KeyCreated), Ok(stored))
                }
                None => (
                    None,
                    Err(CoordinatorError::bug("an unverified result was completed")),
                ),
            },
            Outcome::Cancelled => (None, Err(CoordinatorError::Cancelled)),
            Outcome::Failed { failure, waited_on } => {
                let failure = ActFailure {
                    failure: failure.clone(),
                    waited_on: waited_on.clone(),
                };
                (None, Err(CoordinatorError::Failed(Arc::new(failure))))
            }
        }
    }

    /// The certificate of the key, for nodes whose share still waits for it: whoever withheld it
    /// from them cannot keep them from signing (`docs/protocols/key-certificate.md` §3).
    fn carried_certificate(&self) -> Vec<u8> {
        match (&self.plan.what, &self.verified) {
            (What::Sign { key, .. }, _) => key.certificate.clone(),
            (What::Create { .. }, Some((bytes, Verified::Certificate(_)))) => bytes.clone(),
            (What::Create { .. }, _) => Vec::new(),
        }
    }

    pub(super) fn certificate(&self) -> Option<&KeyCertificate> {
        match &self.verified {
            Some((_, Verified::Certificate(certificate))) => Some(certificate),
            _ => None,
        }
    }

    /// r‖s of the first signature, for the session's row.
    pub(super) fn first_signature(&self) -> Option<Vec<u8>> {
        match &self.verified {
            Some((_, Verified::Signatures(all))) => all.first().map(|s| s.as_bytes().to_vec()),
            _ => None,
        }
    }
}

impl OpenSession {
    /// Counts the session out at its nodes, once.
    fn leave(&self, core: &Core) {
        if self.ended {
            return;
        }
        for node in self.told.iter().filter_map(|node| core.cluster.node(node)) {
            node.session_ended();
        }
    }
}

fn new_lead(core: &Core, plan: &Plan, earlier_attempts: u32) -> Lead {
    let intent = plan.digest();
    let expires_at = plan.verified.intent().expires_at;
    match &plan.what {
        What::Create { create, .. } => {
            let committee = create.committee.clone();
            let spec = CreateSpec {
                intent,
                committee,
                expires_at,
                earlier_attempts,
            };
            Lead::create(spec, core.limits.lead())
        }
        What::Sign { key, .. } => {
            let spec = SignSpec {
                intent,
                committee: key.committee.clone(),
                min_signers: key.threshold.min_signers(),
                expires_at,
                earlier_attempts,
            };
            Lead::sign(spec, core.limits.lead())
        }
    }
}
