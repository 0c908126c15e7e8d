//! Key generation: DKG, then the certificate of all nodes. What DKLs23 needs for pairs of nodes is there
//! before: it belongs to no key.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use quorate_api::ErrorCode;
use quorate_audit::AuditResult;
use quorate_crypto::{Ed25519, Group, Secp256k1};
use quorate_dkg::{Dkg, DkgOutput};
use quorate_intent::{CreateKey, KeyCertificate, KeyStatement, VerifiedIntent};
use quorate_keystore::{Begun, ShareMetadata, ShareState};
use quorate_protocol::{Abort, Roster};
use quorate_types::{Curve, Digest32, Epoch, KeyId, NodeId, PartyIndex, Threshold, Writer};

use crate::admission::{self, CreatePlan};
use crate::clock;
use crate::course::Course;
use crate::drive::{Port, drive};
use crate::held_key::Payload;
use crate::node::{Node, Proposal};
use crate::node_audit::{Subject, abort_facts, finish};
use crate::randomness::SystemRandomness;
use crate::refusal::Refusal;
use crate::report::Report;
use crate::session::Ended;
use crate::{link_watch, pairs, settle, statement};

/// From how many n·t on a round takes half a millisecond: a party checks the openings of all others, t
/// points each, for 25 µs a point.
const LONG: u16 = 20;

/// A creation that was asked for.
pub(super) struct Asked {
    pub(super) node: Arc<Node>,
    pub(super) proposal: Arc<Proposal>,
    pub(super) intent: VerifiedIntent,
    pub(super) create: CreateKey,
    pub(super) report: Arc<Report>,
}

/// One that is bound and announced: it may speak.
struct Creation {
    asked: Asked,
    plan: CreatePlan,
    key: KeyId,
    begun: Begun,
}

enum Opened {
    /// This intent made its key before.
    Made(Box<KeyCertificate>),
    /// It may begin.
    Begun(Box<Creation>),
}

/// Creates a key. What waits for the disk, or for other nodes' certificates, does so on a thread that
/// may; what computes does so in the task, or in the pool.
pub(super) async fn run(asked: Asked) -> Result<KeyCertificate, Ended> {
    let creation = match on_a_thread(|| open(asked)).await? {
        Opened::Made(certificate) => return Ok(*certificate),
        Opened::Begun(creation) => creation,
    };
    creation.asked.report.joined();
    // A defect of ours ends as an abort too: the record has an outcome, the coordinator an answer.
    let generated = AssertUnwindSafe(creation.generate()).catch_unwind().await;
    let generated = generated.unwrap_or_else(|_| Err(broke_off()));
    on_a_thread(move || creation.conclude(generated)).await
}

async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Ended> + Send + 'static,
) -> Result<T, Ended> {
    let span = tracing::Span::current();
    let ended = tokio::task::spawn_blocking(move || span.in_scope(work)).await;
    ended.unwrap_or_else(|_| Err(broke_off()))
}

fn broke_off() -> Ended {
    Abort::local("the creation of a key broke off").into()
}

/// Decides, and makes the decision durable.
fn open(asked: Asked) -> Result<Opened, Ended> {
    let Asked {
        node,
        proposal,
        intent,
        create,
        report,
    } = &asked;
    let key = KeyId::of_intent(&intent.digest());
    let subject = subject(proposal, intent, create, key);
    let refuse = |refusal: Refusal| {
        subject.refused(node.keystore.audit(), &refusal);
        Ended::Refused(refusal)
    };
    let plan = admission::admit_create(create, &node.manifest, &node.registry, &node.me)
        .map_err(refuse)?;
    if let Some(certificate) = existing(node, proposal, intent, key).map_err(refuse)? {
        return Ok(Opened::Made(Box::new(certificate)));
    }
    if is_long(create.threshold) {
        let has_room = node.crypto.has_room();
        has_room.map_err(Refusal::from).map_err(refuse)?;
    }
    wait_for_links(node, proposal, create, &plan, report).inspect_err(|abort| {
        let refusal = Refusal::retry(ErrorCode::NodeUnavailable, not_linked(abort, create));
        subject.refused(node.keystore.audit(), &refusal);
    })?;
    pairs::require(node, &plan.protocol, &create.committee).map_err(refuse)?;
    let begun = bind(node, proposal, intent)
        .and_then(|()| subject.begin(node.keystore.audit()))
        .map_err(refuse)?;
    Ok(Opened::Begun(Box::new(Creation {
        asked,
        plan,
        key,
        begun,
    })))
}

/// Binds nothing yet: a creation without all its links would fail at its first message.
fn wait_for_links(
    node: &Node,
    proposal: &Proposal,
    create: &CreateKey,
    plan: &CreatePlan,
    report: &Report,
) -> Result<(), Abort> {
    let deadline = Instant::now() + Duration::from_millis(node.limits.links_timeout_ms);
    let (session, committee) = (proposal.session, &create.committee);
    link_watch::wait_for_members(node, session, committee, deadline, |awaiting| {
        let progress = quorate_protocol::Progress {
            round: 0,
            name: "links",
            rounds: plan.protocol.keygen_rounds,
            awaiting,
        };
        report.progress(&progress, (0, plan.protocol.keygen_rounds));
    })
}

fn not_linked(abort: &Abort, create: &CreateKey) -> String {
    let members = abort.culprits.iter();
    let members = members.filter_map(|index| create.committee.node(*index));
    let names: Vec<&str> = members.map(NodeId::as_str).collect();
    let reason = abort.reason.name();
    format!("before anything was bound: {reason}; no link to {names:?}")
}

fn subject(
    proposal: &Proposal,
    intent: &VerifiedIntent,
    create: &CreateKey,
    key: KeyId,
) -> Subject {
    let committee: Vec<String> = create
        .committee
        .members()
        .map(|(_, node)| node.to_string())
        .collect();
    Subject {
        operation: "key.create",
        initiator: Some(intent.intent().initiator.to_string()),
        key: Some(key),
        session: proposal.session,
        request_id: proposal.request_id.clone(),
        facts: vec![
            ("intent", intent.digest().to_string().into()),
            ("attempt", proposal.attempt.into()),
            ("threshold", create.threshold.min_signers().into()),
            ("committee", committee.into()),
            ("chain", create.chain.to_string().into()),
        ],
    }
}

/// The key's certificate if this intent made it before. A share that waits for its certificate is
/// settled first: by the certificate that the proposal carries, else by asking the members; only
/// while nobody is known to have signed may another run take its place.
fn existing(
    node: &Arc<Node>,
    proposal: &Proposal,
    intent: &VerifiedIntent,
    key: KeyId,
) -> Result<Option<KeyCertificate>, Refusal> {
    let is_pending = || node.keystore.state(key) == Some(ShareState::Pending);
    if is_pending() {
        settle::carried(node, key, proposal.session, &proposal.certificate);
    }
    if is_pending() {
        settle::ask(node, key, Some(proposal.session));
        if let Some(other) = settle::intent_of(node, key) {
            same_intent(other, intent)?;
        }
        let patience = Duration::from_millis(node.limits.certify_timeout_ms);
        settle::wait_until_settled(node, key, patience);
        if is_pending() {
            settle::abandon(node, key, &node.me);
        }
    }
    match node.keystore.state(key) {
        Some(ShareState::Active) => {
            let certificate = settle::stored_certificate(node, key)?;
            same_intent(certificate.statement.intent, intent)?;
            Ok(Some(certificate))
        }
        Some(ShareState::Pending) => {
            let message = "an earlier run of this creation waits for the signatures of other nodes";
            Err(Refusal::retry(ErrorCode::InProgress, message))
        }
        Some(ShareState::Archived) => {
            let message = "the key of this intent was deleted";
            Err(Refusal::permanent(ErrorCode::KeyNotActive, message))
        }
        _ => Ok(None),
    }
}

/// The key id is half a hash of the intent: the whole hash must be the same too.
fn same_intent(stored: Digest32, intent: &VerifiedIntent) -> Result<(), Refusal> {
    if stored == intent.digest() {
        return Ok(());
    }
    let message = "the key id belongs to another intent";
    Err(Refusal::permanent(ErrorCode::IntentConflict, message))
}

fn bind(node: &Node, proposal: &Proposal, intent: &VerifiedIntent) -> Result<(), Refusal> {
    let record = node.keystore.intents();
    let (digest, expires_at) = (intent.digest(), intent.intent().expires_at);
    let bound = record.bind(digest, &[digest], expires_at)?;
    let begun = record.begin_attempt(digest, proposal.session)?;
    bound
        .wait()
        .map_err(|e| Refusal::from(quorate_keystore::IntentError::Log(e)))?;
    begun
        .wait()
        .map_err(|e| Refusal::from(quorate_keystore::IntentError::Log(e)))?;
    crate::failpoint::here("create.after_bind");
    Ok(())
}

impl Creation {
    /// Certificate and record of what was generated.
    fn conclude(&self, generated: Result<DkgOutput, Ended>) -> Result<KeyCertificate, Ended> {
        let Asked { node, create, .. } = &self.asked;
        let (audit, begun) = (node.keystore.audit(), &self.begun);
        // A defect of ours has an outcome in the record, too.
        let to_end = AssertUnwindSafe(|| generated.and_then(|output| self.to_end(output)));
        match catch_unwind(to_end).unwrap_or_else(|_| Err(broke_off())) {
            Ok(certificate) => {
                let address = certificate.statement.address.clone();
                let facts = vec![("address", address.into())];
                finish(audit, begun, AuditResult::Succeeded, facts);
                metrics::counter!("quorate_keys_created_total").increment(1);
                Ok(certificate)
            }
            Err(Ended::Aborted(abort)) => {
                let name = |index| create.committee.node(index).cloned();
                // B4: bias by aborting is accepted, and counted for each peer, also for one that says
                // that it aborts: it may do so for good reasons, but not often.
                let blamed = abort.culprits.iter().chain(&abort.reported_by).copied();
                let blamed: BTreeSet<PartyIndex> = blamed.collect();
                for culprit in blamed.into_iter().filter_map(name) {
                    metrics::counter!("quorate_keygen_aborts_total", "peer" => culprit.to_string())
                        .increment(1);
                }
                finish(audit, begun, AuditResult::Failed, abort_facts(&abort, name));
                Err(Ended::Aborted(abort))
            }
            Err(Ended::Refused(refusal)) => {
                let facts = vec![("code", refusal.code.as_str().into())];
                finish(audit, begun, AuditResult::Failed, facts);
                Err(refusal.into())
            }
        }
    }

    fn to_end(&self, output: DkgOutput) -> Result<KeyCertificate, Ended> {
        let statement = self.statement(&output)?;
        self.store(output, &statement)?;
        self.certify(statement)
    }

    async fn generate(&self) -> Result<DkgOutput, Ended> {
        match self.asked.create.curve {
            Curve::Secp256k1 => self.generate_on::<Secp256k1>().await,
            Curve::Ed25519 => self.generate_on::<Ed25519>().await,
            // No protocol of this version signs on another curve, so the registry refused it.
            _ => Err(Abort::local("no protocol for this curve").into()),
        }
    }

    async fn generate_on<G: Group>(&self) -> Result<DkgOutput, Ended> {
        let Asked {
            node,
            proposal,
            report,
            ..
        } = &self.asked;
        let (roster, context) = self.part("dkg")?;
        let start = Dkg::<G>::start(roster.clone(), context, &mut SystemRandomness);
        let (phase, outbox) = start?;
        let course = Course::new(1, self.plan.protocol.keygen_rounds, Duration::MAX);
        let port = Port {
            node,
            owner: proposal.session,
            part: "dkg",
            report,
            round_timeout: Duration::from_millis(node.limits.keygen_round_timeout_ms),
            gate: None,
            course: &course,
            is_long: is_long(self.asked.create.threshold),
        };
        let driven = drive(&port, &roster, context, phase, outbox);
        Ok(course.accompany(report, driven).await?)
    }

    fn statement(&self, output: &DkgOutput) -> Result<KeyStatement, Ended> {
        let address = self
            .plan
            .chain
            .address(
                self.asked.create.algorithm,
                output.key_share.public_key(),
                &self.asked.create.address_kind,
            )
            .map_err(Refusal::from)?
            .unwrap_or_default();
        let intent = self.asked.intent.intent();
        let (protocol, session) = (&self.plan.protocol, self.asked.proposal.session);
        Ok(statement::first_epoch(
            intent,
            &self.asked.create,
            protocol,
            session,
            output,
            address,
        ))
    }

    /// The share is durable before the node says so to anybody.
    fn store(&self, output: DkgOutput, statement: &KeyStatement) -> Result<(), Ended> {
        let metadata = ShareMetadata {
            tenant: statement.tenant.clone(),
            key_id: self.key,
            node_id: self.asked.node.me.clone(),
            share_index: output.key_share.index(),
            threshold: statement.threshold,
            algorithm: statement.algorithm,
            epoch: Epoch::FIRST,
            created_at: clock::now(),
        };
        let payload = Payload {
            share: output.key_share,
            statement: statement.clone(),
        };
        let sealed = payload
            .to_bytes()
            .map_err(|_| Abort::local("no protocol for this curve"))?;
        crate::failpoint::here("create.before_put_pending");
        let stored = self.asked.node.keystore.put_pending(&metadata, &sealed);
        crate::failpoint::here("create.after_put_pending");
        Ok(stored.map_err(Refusal::from)?)
    }

    fn certify(&self, statement: KeyStatement) -> Result<KeyCertificate, Ended> {
        let missing = |nodes: &[NodeId]| -> Vec<PartyIndex> {
            nodes
                .iter()
                .filter_map(|node| self.asked.create.committee.index_of(node))
                .collect()
        };
        let others = self.asked.create.committee.members();
        let others = others.filter(|(_, member)| **member != self.asked.node.me);
        self.tell_awaited(others.map(|(index, _)| index).collect());
        settle::announce(&self.asked.node, statement);
        let limits = &self.asked.node.limits;
        let deadline = Instant::now() + Duration::from_millis(limits.certify_timeout_ms);
        let interval = Duration::from_millis(limits.settle_interval_ms);
        crate::failpoint::here("create.after_announce");
        let outcome = loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match settle::wait_until_settled(&self.asked.node, self.key, left.min(interval)) {
                settle::Outcome::Waiting(nodes) if left > interval => {
                    self.tell_awaited(missing(&nodes));
                }
                outcome => break outcome,
            }
        };
        match outcome {
            settle::Outcome::Certified(Some(certificate)) => Ok(*certificate),
            settle::Outcome::Certified(None) => {
                Ok(settle::stored_certificate(&self.asked.node, self.key)?)
            }
            settle::Outcome::Waiting(nodes) => {
                let said_so = self
                    .asked
                    .node
                    .mailboxes
                    .aborted_by(self.asked.proposal.session);
                let index = said_so.and_then(|peer| self.asked.create.committee.index_of(&peer));
                if let Some(peer) = index {
                    return Err(Abort {
                        reported_by: Some(peer),
                        ..Abort::new(quorate_protocol::Reason::PeerAborted, [])
                    }
                    .into());
                }
                let reason = quorate_protocol::Reason::TimedOut;
                Err(Abort::new(reason, missing(&nodes)).into())
            }
            settle::Outcome::Dropped => Err(Abort::local("the key was dropped").into()),
        }
    }

    /// Progress of the last step, in which the members' signatures are collected.
    fn tell_awaited(&self, awaiting: Vec<PartyIndex>) {
        let progress = quorate_protocol::Progress {
            round: 1,
            name: "certify",
            rounds: 1,
            awaiting,
        };
        let rounds = self.plan.protocol.keygen_rounds;
        self.asked.report.progress(&progress, (rounds, rounds));
    }

    /// Roster and context of one part of the session.
    fn part(&self, label: &str) -> Result<(Roster, Digest32), Refusal> {
        let (committee, t) = (
            &self.asked.create.committee,
            self.asked.create.threshold.min_signers(),
        );
        let everyone = committee.members().map(|(index, _)| index);
        let (manifest, me) = (&self.asked.node.manifest, &self.asked.node.me);
        let session = self.asked.proposal.session;
        let roster = admission::roster(session, committee, everyone, t, manifest, me)?;
        let mut out = Writer::new();
        out.text("quorate create v1")
            .text(label)
            .value(&manifest.cluster);
        out.value(&self.asked.create.protocol)
            .u16(self.plan.protocol.version);
        out.value(&self.asked.create.curve)
            .value(&self.key)
            .value(&self.asked.intent.digest());
        Ok(roster.part(label, &out.finish()))
    }
}

/// Whether a round computes for half a millisecond and more.
fn is_long(threshold: Threshold) -> bool {
    let [t, n] = [threshold.min_signers(), threshold.max_signers()].map(u16::from);
    t * n >= LONG
}
