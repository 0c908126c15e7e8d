//! Collects the signatures of all nodes over a new key until its certificate is whole.
//! `docs/protocols/key-certificate.md`.
//!
//! Every node signs *prepared* after its share is durable, and tells all others. Whoever has all
//! signatures stores the certificate. A node that is left without asks its peers, for as long as it
//! takes: they answer with the certificate, with their signature, or by showing that they never
//! signed, in which case nobody can have a certificate and the pending share is dropped.

use std::collections::{BTreeMap, HashMap};
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
    /// These nodes have not signed.
    Waiting(Vec<NodeId>),
    /// The key was dropped: somebody never signed.
    Dropped,
}

struct Gathering {
    statement: KeyStatement,
    digest: Digest32,
    signatures: BTreeMap<NodeId, [u8; 64]>,
}

impl Gathering {
    fn missing(&self) -> Vec<NodeId> {
        let committee = self.statement.committee.members();
        let unsigned = committee.filter(|(_, node)| !self.signatures.contains_key(*node));
        unsigned.map(|(_, node)| node.clone()).collect()
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
    early: HashMap<NodeId, HashMap<KeyId, (Digest32, [u8; 64])>>,
}

/// Certificates in the making.
#[derive(Default)]
pub(crate) struct Settlement {
    inner: Mutex<Inner>,
    changed: Condvar,
}

impl Settlement {
    /// Waits until a key is certified or dropped, at most for `patience`.
    pub(crate) fn wait_until_settled(&self, key: KeyId, patience: Duration) -> Outcome {
        let deadline = Instant::now() + patience;
        let mut inner = self.inner.lock();
        loop {
            match inner.gathering.get(&key) {
                None => return Outcome::Dropped,
                Some(gathering) if gathering.missing().is_empty() => return Outcome::Certified,
                Some(gathering) => {
                    let missing = gathering.missing();
                    if self.changed.wait_until(&mut inner, deadline).timed_out() {
                        return Outcome::Waiting(missing);
                    }
                }
            }
        }
    }
}

/// Begins to gather for a share that is durable now, and tells all members that we signed.
pub(crate) fn announce(node: &Arc<Node>, statement: KeyStatement) {
    let (key, digest) = (statement.key, digest_of(&statement));
    let signature = node.identity.sign_statement(&statement.signing_bytes());
    let others: Vec<NodeId> = others(node, &statement);
    let mut early = Vec::new();
    {
        let mut inner = node.settlement.inner.lock();
        let signatures = BTreeMap::from([(node.me.clone(), signature)]);
        inner.gathering.insert(
            key,
            Gathering {
                statement,
                digest,
                signatures,
            },
        );
        for (peer, waiting) in &mut inner.early {
            early.extend(
                waiting
                    .remove(&key)
                    .map(|(digest, sig)| (peer.clone(), digest, sig)),
            );
        }
    }
    let message = Settle::Prepared {
        key,
        statement: digest,
        signature,
    };
    for peer in &others {
        node.send(peer, link_message::settle(&message));
    }
    for (peer, statement, signature) in early {
        prepared(node, &peer, key, statement, signature);
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
    for peer in &peers {
        node.send(peer, link_message::settle(&message));
    }
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
        inner.gathering.get(&key).and_then(|gathering| {
            let signature = gathering.signatures.get(&node.me).copied();
            (gathering.digest == statement)
                .then_some(signature)
                .flatten()
        })
    };
    let pending = node.keystore.list().iter().any(|entry| {
        entry.key_id == key && matches!(entry.state, ShareState::Pending | ShareState::Active)
    });
    let reply = match own {
        Some(signature) => Settle::Prepared {
            key,
            statement,
            signature,
        },
        // A pending share that is not taken up yet may be of that session.
        None if pending || node.is_running(session) => return,
        None => Settle::NotPrepared { key, session },
    };
    node.send(from, link_message::settle(&reply));
}

fn prepared(node: &Arc<Node>, from: &NodeId, key: KeyId, statement: Digest32, signature: [u8; 64]) {
    let certificate = {
        let mut inner = node.settlement.inner.lock();
        let Some(gathering) = inner.gathering.get_mut(&key) else {
            keep_early(&mut inner, from, key, statement, signature);
            return;
        };
        if gathering.digest != statement || !is_signed(node, gathering, from, &signature) {
            tracing::warn!(%key, peer = %from, "a peer signed another statement of this key");
            return;
        }
        gathering.signatures.insert(from.clone(), signature);
        gathering.certificate()
    };
    if let Some(certificate) = certificate {
        activate(node, &certificate);
    }
}

fn keep_early(
    inner: &mut Inner,
    from: &NodeId,
    key: KeyId,
    statement: Digest32,
    signature: [u8; 64],
) {
    let waiting = inner.early.entry(from.clone()).or_default();
    if waiting.len() < MAX_EARLY_PER_PEER || waiting.contains_key(&key) {
        waiting.insert(key, (statement, signature));
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

/// A member never signed: nobody can have the certificate, and the pending share is worth nothing.
fn not_prepared(node: &Arc<Node>, from: &NodeId, key: KeyId, session: SessionId) {
    let concerns_us = {
        let inner = node.settlement.inner.lock();
        inner.gathering.get(&key).is_some_and(|gathering| {
            gathering.statement.session == session
                && gathering.statement.committee.index_of(from).is_some()
                && !gathering.signatures.contains_key(from)
        })
    };
    // While our own session runs, its timeout decides.
    if !concerns_us || node.is_running(session) {
        return;
    }
    match node.keystore.discard_pending(key) {
        Ok(()) => {
            node.settlement.inner.lock().gathering.remove(&key);
            node.settlement.changed.notify_all();
            record(node, key, session, "key.dropped", from);
        }
        Err(error) => tracing::warn!(%key, %error, "a pending share could not be dropped"),
    }
}

fn activate(node: &Arc<Node>, certificate: &KeyCertificate) {
    let statement = &certificate.statement;
    let key = statement.key;
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
        }
    }
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
