//! Collects the signatures of all nodes over a new key until its certificate is whole.
//! `docs/protocols/key-certificate.md`.
//!
//! Every node says *stored* when its share is durable. It signs *prepared* only when all members
//! have said so, and never drops the share after that: whoever holds the certificate can rely on
//! every honest share, whatever a dishonest member tells whom. A share whose statement this node
//! never signed cannot be in any certificate, and may be dropped for another run.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use quorate_api::ErrorCode;
use quorate_audit::{AuditEvent, AuditResult};
use quorate_intent::{KeyCertificate, KeyStatement};
use quorate_keystore::ShareState;
use quorate_types::{Canonical as _, Digest32, KeyId, NodeId, SessionId};

use crate::clock;
use crate::held_key::Payload;
use crate::link_message::{self, Settle};
use crate::node::Node;
use crate::refusal::Refusal;
use crate::statement::digest_of;

/// Signatures for keys that are not pending here yet, of one peer.
const MAX_EARLY_PER_PEER: usize = 1_024;

/// How far a certificate has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is whole and stored.
    Certified,
    /// These nodes have not stored their shares, or not signed.
    Waiting(Vec<NodeId>),
    /// The share was dropped: its run can have no certificate.
    Dropped,
}

struct Gathering {
    statement: KeyStatement,
    digest: Digest32,
    stored: BTreeSet<NodeId>,
    signatures: BTreeMap<NodeId, [u8; 64]>,
    certified: bool,
}

impl Gathering {
    /// Members that this step waits for: for their shares, then for their signatures.
    fn missing(&self, me: &NodeId) -> Vec<NodeId> {
        let came = |node: &NodeId| {
            if self.signatures.contains_key(me) {
                self.signatures.contains_key(node)
            } else {
                self.stored.contains(node)
            }
        };
        let committee = self.statement.committee.members();
        let missing = committee.filter(|(_, node)| !came(node));
        missing.map(|(_, node)| node.clone()).collect()
    }

    /// Whether we may sign now, and did not yet.
    fn is_ready(&self, me: &NodeId) -> bool {
        !self.signatures.contains_key(me) && self.missing(me).is_empty()
    }

    /// The certificate, once everybody signed.
    fn certificate(&self) -> Option<KeyCertificate> {
        let members = self.statement.committee.members();
        let signatures = members
            .map(|(_, node)| self.signatures.get(node).copied())
            .collect::<Option<Vec<_>>>()?;
        Some(KeyCertificate {
            statement: self.statement.clone(),
            signatures,
        })
    }
}

#[derive(Default)]
struct Inner {
    gathering: HashMap<KeyId, Gathering>,
    early: HashMap<NodeId, HashMap<KeyId, Settle>>,
}

/// Certificates in the making.
#[derive(Default)]
pub(crate) struct Settlement {
    inner: Mutex<Inner>,
    changed: Condvar,
}

impl Settlement {
    /// Waits until a key is certified or dropped, at most for `patience`.
    pub(crate) fn wait_until_settled(
        &self,
        key: KeyId,
        me: &NodeId,
        patience: Duration,
    ) -> Outcome {
        let deadline = Instant::now() + patience;
        let mut inner = self.inner.lock();
        loop {
            match inner.gathering.get(&key) {
                None => return Outcome::Dropped,
                Some(gathering) if gathering.certified => return Outcome::Certified,
                Some(gathering) => {
                    let missing = gathering.missing(me);
                    if self.changed.wait_until(&mut inner, deadline).timed_out() {
                        return Outcome::Waiting(missing);
                    }
                }
            }
        }
    }
}

/// Step 1: begins to gather for a share that is durable now, and tells all members.
pub(crate) fn announce(node: &Arc<Node>, statement: KeyStatement) {
    let (key, statement_digest) = (statement.key, digest_of(&statement));
    let others: Vec<NodeId> = others(node, &statement);
    let mut early = Vec::new();
    let message = {
        let mut inner = node.settlement.inner.lock();
        let mut signatures = BTreeMap::new();
        let message = if is_released(node, &statement) {
            let signature = node.identity.sign_statement(&statement.signing_bytes());
            signatures.insert(node.me.clone(), signature);
            Settle::Prepared {
                key,
                statement: statement_digest,
                signature,
            }
        } else {
            let statement = statement_digest;
            Settle::Stored { key, statement }
        };
        let gathering = Gathering {
            statement,
            digest: statement_digest,
            stored: BTreeSet::from([node.me.clone()]),
            signatures,
            certified: false,
        };
        inner.gathering.insert(key, gathering);
        for (peer, waiting) in &mut inner.early {
            early.extend(waiting.remove(&key).map(|message| (peer.clone(), message)));
        }
        message
    };
    tell(node, &others, &message);
    for (peer, message) in early {
        receive(node, &peer, message);
    }
}

/// Whether this node may have signed the statement in this life or an earlier one. What is
/// forgotten counts as signed.
fn is_released(node: &Node, statement: &KeyStatement) -> bool {
    let record = node.keystore.intents();
    record.digests_of(statement.intent).is_none() || record.signature_of(statement.intent).is_some()
}

fn tell(node: &Node, peers: &[NodeId], message: &Settle) {
    for peer in peers {
        node.send(peer, link_message::settle(message));
    }
}

/// Asks the other members about a pending key.
pub(crate) fn ask(node: &Arc<Node>, key: KeyId) {
    let Some((session, statement, peers)) = ({
        let inner = node.settlement.inner.lock();
        inner.gathering.get(&key).map(|gathering| {
            (
                gathering.statement.session,
                gathering.digest,
                others(node, &gathering.statement),
            )
        })
    }) else {
        return resume(node, key);
    };
    let message = Settle::Ask {
        key,
        session,
        statement,
    };
    tell(node, &peers, &message);
}

/// Takes up a pending share of an earlier start of this process.
fn resume(node: &Arc<Node>, key: KeyId) {
    let Ok(pending) = node.keystore.open_pending(key) else {
        return;
    };
    match Payload::from_bytes(&pending.payload) {
        Ok(payload) => {
            announce(node, payload.statement);
            if node.settlement.inner.lock().gathering.contains_key(&key) {
                ask(node, key);
            }
        }
        Err(error) => tracing::error!(%key, %error, "a pending share is damaged"),
    }
}

/// Asks about every share that waits for its certificate and has no session at work on it.
pub(crate) fn ask_for_all(node: &Arc<Node>) {
    for entry in node.keystore.list() {
        if entry.state != ShareState::Pending {
            continue;
        }
        let session = {
            let inner = node.settlement.inner.lock();
            inner
                .gathering
                .get(&entry.key_id)
                .map(|gathering| gathering.statement.session)
        };
        if session.is_none_or(|session| !node.is_running(session)) {
            ask(node, entry.key_id);
        }
    }
}

/// Handles a peer's message. The link authenticated `from`.
pub(crate) fn receive(node: &Arc<Node>, from: &NodeId, message: Settle) {
    match message {
        Settle::Ask {
            key,
            session,
            statement,
        } => answer(node, from, key, session, statement),
        Settle::Stored { key, statement } => stored(node, from, key, statement),
        Settle::Prepared {
            key,
            statement,
            signature,
        } => {
            prepared(node, from, key, statement, signature);
        }
        Settle::NotPrepared { key, session } => not_prepared(node, from, key, session),
        Settle::Certificate { key, certificate } => offered(node, from, key, &certificate),
    }
}

fn answer(node: &Arc<Node>, from: &NodeId, key: KeyId, session: SessionId, statement: Digest32) {
    if let Ok(certificate) = stored_certificate(node, key) {
        let certificate = certificate.to_bytes();
        node.send(
            from,
            link_message::settle(&Settle::Certificate { key, certificate }),
        );
        return;
    }
    let own = {
        let inner = node.settlement.inner.lock();
        let same = |gathering: &&Gathering| gathering.digest == statement;
        let gathering = inner.gathering.get(&key).filter(same);
        gathering.map(|gathering| gathering.signatures.get(&node.me).copied())
    };
    let pending = node.keystore.list().iter().any(|entry| {
        entry.key_id == key && matches!(entry.state, ShareState::Pending | ShareState::Active)
    });
    let reply = match own {
        Some(Some(signature)) => Settle::Prepared {
            key,
            statement,
            signature,
        },
        Some(None) => Settle::Stored { key, statement },
        // A pending share that is not taken up yet may be of that session.
        None if pending || node.is_running(session) => return,
        None => Settle::NotPrepared { key, session },
    };
    node.send(from, link_message::settle(&reply));
}

/// Step 2: a member's share is durable.
fn stored(node: &Arc<Node>, from: &NodeId, key: KeyId, statement: Digest32) {
    let ready = {
        let mut inner = node.settlement.inner.lock();
        let Some(gathering) = inner.gathering.get_mut(&key) else {
            keep_early(&mut inner, from, key, Settle::Stored { key, statement });
            return;
        };
        let member = gathering.statement.committee.index_of(from).is_some();
        if gathering.digest != statement || !member {
            tracing::warn!(%key, peer = %from, "a peer stored another statement of this key");
            return;
        }
        gathering.stored.insert(from.clone());
        gathering.is_ready(&node.me)
    };
    if ready {
        release(node, key);
    }
}

/// Step 3: every member's share is durable, so we sign. The record of it is durable before the
/// signature leaves: from here on the share is never dropped.
fn release(node: &Arc<Node>, key: KeyId) {
    crate::failpoint::here("settle.before_release");
    let (others, message, certificate) = {
        // Held over the write: a share is either released or dropped.
        let mut inner = node.settlement.inner.lock();
        let ready = |gathering: &&mut Gathering| gathering.is_ready(&node.me);
        let Some(gathering) = inner.gathering.get_mut(&key).filter(ready) else {
            return;
        };
        if let Err(refusal) = record_release(node, gathering) {
            tracing::error!(%key, "not signed: {}", refusal.message);
            return;
        }
        let bytes = gathering.statement.signing_bytes();
        let signature = node.identity.sign_statement(&bytes);
        gathering.signatures.insert(node.me.clone(), signature);
        let message = Settle::Prepared {
            key,
            statement: gathering.digest,
            signature,
        };
        let others = others(node, &gathering.statement);
        (others, message, gathering.certificate())
    };
    crate::failpoint::here("settle.after_release");
    tell(node, &others, &message);
    if let Some(certificate) = certificate {
        activate(node, &certificate);
    }
}

fn record_release(node: &Node, gathering: &Gathering) -> Result<(), Refusal> {
    let (intent, digest) = (gathering.statement.intent, gathering.digest);
    let record = node.keystore.intents();
    let durable = record.complete(intent, digest.as_bytes())?;
    durable
        .wait()
        .map_err(|e| Refusal::from(quorate_keystore::IntentError::Log(e)))
}

/// Step 4: a member signed.
fn prepared(node: &Arc<Node>, from: &NodeId, key: KeyId, statement: Digest32, signature: [u8; 64]) {
    let (ready, certificate) = {
        let mut inner = node.settlement.inner.lock();
        let Some(gathering) = inner.gathering.get_mut(&key) else {
            let message = Settle::Prepared {
                key,
                statement,
                signature,
            };
            keep_early(&mut inner, from, key, message);
            return;
        };
        if gathering.certified {
            return;
        }
        if gathering.digest != statement || !is_signed(node, gathering, from, &signature) {
            tracing::warn!(%key, peer = %from, "a peer signed another statement of this key");
            return;
        }
        gathering.stored.insert(from.clone());
        gathering.signatures.insert(from.clone(), signature);
        (gathering.is_ready(&node.me), gathering.certificate())
    };
    if ready {
        release(node, key);
    } else if let Some(certificate) = certificate {
        activate(node, &certificate);
    }
}

fn keep_early(inner: &mut Inner, from: &NodeId, key: KeyId, message: Settle) {
    let waiting = inner.early.entry(from.clone()).or_default();
    if waiting.len() < MAX_EARLY_PER_PEER || waiting.contains_key(&key) {
        waiting.insert(key, message);
    }
}

fn is_signed(node: &Node, gathering: &Gathering, from: &NodeId, signature: &[u8; 64]) -> bool {
    let member = gathering.statement.committee.index_of(from).is_some();
    let Some(peer) = node.manifest.node(from) else {
        return false;
    };
    let bytes = gathering.statement.signing_bytes();
    member && quorate_verify::verify_ed25519(&peer.identity, &bytes, signature).is_ok()
}

/// A whole certificate that a peer has: it must be of our own statement.
fn offered(node: &Arc<Node>, from: &NodeId, key: KeyId, certificate: &[u8]) {
    let fits = |certificate: &KeyCertificate| {
        let inner = node.settlement.inner.lock();
        let ours = inner.gathering.get(&key).map(|gathering| gathering.digest);
        ours == Some(digest_of(&certificate.statement))
    };
    match KeyCertificate::from_bytes(certificate) {
        Ok(certificate) if fits(&certificate) && certificate.verify(&node.manifest).is_ok() => {
            activate(node, &certificate);
        }
        _ => tracing::warn!(%key, peer = %from, "a peer offered a certificate that does not fit"),
    }
}

/// A member has no share of our run. That may be a lie, so it counts only while nobody signed.
fn not_prepared(node: &Arc<Node>, from: &NodeId, key: KeyId, session: SessionId) {
    let concerns_us = {
        let inner = node.settlement.inner.lock();
        inner.gathering.get(&key).is_some_and(|gathering| {
            gathering.statement.session == session
                && gathering.statement.committee.index_of(from).is_some()
        })
    };
    // While our own session runs, its timeout decides.
    if concerns_us && !node.is_running(session) && !abandon(node, key, from) {
        tracing::warn!(%key, peer = %from, "a peer has no share of a run that was signed");
    }
}

/// Drops a pending share whose run nobody is known to have signed: without our signature there is
/// no certificate of it anywhere. Returns whether it was dropped.
pub(crate) fn abandon(node: &Arc<Node>, key: KeyId, because_of: &NodeId) -> bool {
    let session = {
        // Held over the write: a share is either released or dropped.
        let mut inner = node.settlement.inner.lock();
        let unsigned = |gathering: &&Gathering| gathering.signatures.is_empty();
        let Some(gathering) = inner.gathering.get(&key).filter(unsigned) else {
            return false;
        };
        let session = gathering.statement.session;
        if node.is_running(session) {
            return false;
        }
        if let Err(error) = node.keystore.discard_pending(key) {
            tracing::warn!(%key, %error, "a pending share could not be dropped");
            return false;
        }
        inner.gathering.remove(&key);
        session
    };
    node.settlement.changed.notify_all();
    record(node, key, session, "key.dropped", because_of);
    true
}

fn activate(node: &Arc<Node>, certificate: &KeyCertificate) {
    let statement = &certificate.statement;
    let key = statement.key;
    crate::failpoint::here("settle.before_activate");
    if let Err(error) = node.keystore.activate(key, &certificate.to_bytes()) {
        tracing::error!(%key, %error, "the certificate could not be stored");
        return;
    }
    {
        let mut inner = node.settlement.inner.lock();
        if let Some(gathering) = inner.gathering.get_mut(&key) {
            let members = statement.committee.members().map(|(_, node)| node.clone());
            gathering.signatures = members
                .zip(certificate.signatures.iter().copied())
                .collect();
            gathering.certified = true;
        }
    }
    crate::failpoint::here("settle.after_activate");
    node.settlement.changed.notify_all();
    record(node, key, statement.session, "key.certified", &node.me);
    tracing::info!(%key, "certified");
}

/// The certificate of an active key.
pub(crate) fn stored_certificate(node: &Node, key: KeyId) -> Result<KeyCertificate, Refusal> {
    let (_, certificate) = node.keystore.describe(key)?;
    let bytes = certificate.ok_or_else(|| {
        Refusal::retry(
            ErrorCode::InProgress,
            "the certificate of the key is not whole yet",
        )
    })?;
    KeyCertificate::from_bytes(&bytes).map_err(|e| Refusal::retry(ErrorCode::ShareDamaged, e))
}

fn others(node: &Node, statement: &KeyStatement) -> Vec<NodeId> {
    let members = statement
        .committee
        .members()
        .map(|(_, member)| member.clone());
    members.filter(|member| *member != node.me).collect()
}

fn record(node: &Node, key: KeyId, session: SessionId, event_type: &str, peer: &NodeId) {
    let mut event = AuditEvent::new(
        clock::now(),
        event_type,
        "key.create",
        AuditResult::Succeeded,
    );
    event.key_id = Some(key);
    event.session_id = Some(session);
    event.node_id = Some(peer.clone());
    if let Err(error) = node.keystore.audit().record(event) {
        tracing::error!(%error, "the audit log failed; this node stops joining");
    }
}
