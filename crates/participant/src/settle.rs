//! Collects the signatures of all nodes over a new key until its certificate is whole.
//! `docs/protocols/key-certificate.md`.
//!
//! Every node says *stored* when its share is durable. It signs *prepared* only when all members
//! have said so, and never drops the share after that: whoever holds the certificate can rely on
//! every honest share, whatever a dishonest member tells whom. A share whose statement this node
//! never signed cannot be in any certificate, and may be dropped for another run.

mod gathering;
mod steps;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use quorate_api::ErrorCode;
use quorate_audit::{AuditEvent, AuditResult};
use quorate_intent::{KeyCertificate, KeyStatement};
use quorate_keystore::{IntentRecord, ShareState};
use quorate_types::{Canonical as _, Digest32, KeyId, NodeId, SessionId};

use crate::clock;
use crate::held_key::Payload;
use crate::link_message::{self, Settle};
use crate::node::Node;
use crate::refusal::Refusal;
use crate::statement::digest_of;
use gathering::{Gathering, Inner};
use steps::advance;
pub(crate) use steps::wait_until_settled;

/// How far a certificate has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is whole and stored; here it is, if this thread stored it.
    Certified(Option<Box<KeyCertificate>>),
    /// These nodes have not stored their shares, or not signed.
    Waiting(Vec<NodeId>),
    /// The share was dropped: its run can have no certificate.
    Dropped,
}

/// Certificates in the making.
#[derive(Default)]
pub(crate) struct Settlement {
    inner: Mutex<Inner>,
}

/// Step 1: begins to gather for a share that is durable now, and tells all members. What is
/// gathered already is kept, and only told again.
pub(crate) fn announce(node: &Arc<Node>, statement: KeyStatement) {
    let (key, digest) = (statement.key, digest_of(&statement));
    let others: Vec<NodeId> = others(node, &statement);
    let (message, early) = {
        let mut inner = node.settlement.inner.lock();
        // A gathering ends under this lock, after its share became active: none begins behind it.
        if node.keystore.state(key) != Some(ShareState::Pending) {
            return;
        }
        let release = Release::of(node.keystore.intents(), statement.intent, digest);
        if release == Release::Other {
            tracing::error!(%key, "the intent of a pending share is answered with another key");
            return;
        }
        if release == Release::Unknown {
            // Nothing is gathered, so nothing is dropped either: it may have been signed.
            tracing::error!(%key, "the intent record failed; a pending share is left as it is");
            return;
        }
        let gathering = inner.gather(statement, digest, &node.me);
        if !gathering.signatures.contains_key(&node.me) && release == Release::This {
            let bytes = gathering.statement.signing_bytes();
            let signature = node.identity.sign_statement(&bytes);
            gathering.signatures.insert(node.me.clone(), signature);
        }
        let message = match gathering.signatures.get(&node.me) {
            Some(signature) => Settle::Prepared {
                key,
                statement: digest,
                signature: *signature,
            },
            None => Settle::Stored {
                key,
                statement: digest,
            },
        };
        (message, inner.take_early(key))
    };
    tell(node, &others, &message);
    for (peer, message) in early {
        receive(node, &peer, message);
    }
}

/// What the durable record says about a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Release {
    /// No statement of its intent was signed.
    None,
    /// This statement was signed, in this life or an earlier one; or the intent is forgotten, which
    /// counts as signed.
    This,
    /// Another statement of the intent was signed: this one never may be.
    Other,
    /// The record failed: what it holds may not be what the next start finds.
    Unknown,
}

impl Release {
    fn of(record: &IntentRecord, intent: Digest32, statement: Digest32) -> Self {
        match record.signature_of(intent) {
            Err(_) => Self::Unknown,
            Ok(Some(recorded)) if recorded == released(statement) => Self::This,
            Ok(Some(_)) => Self::Other,
            Ok(None) if record.digests_of(intent).is_none() => Self::This,
            Ok(None) => Self::None,
        }
    }
}

/// How the intent record names a statement that was signed: 255 and its digest. No list of
/// signatures begins like that.
fn released(statement: Digest32) -> Vec<u8> {
    [&[0xff], statement.as_bytes().as_slice()].concat()
}

fn tell(node: &Node, peers: &[NodeId], message: &Settle) {
    for peer in peers {
        node.send(peer, link_message::settle(message));
    }
}

/// The intent of the run whose certificate is gathered for this key.
pub(crate) fn intent_of(node: &Node, key: KeyId) -> Option<Digest32> {
    let inner = node.settlement.inner.lock();
    let gathering = inner.gathering.get(&key)?;
    Some(gathering.statement.intent)
}

/// Asks the other members about a pending key. `own` is the session that wants to know.
pub(crate) fn ask(node: &Arc<Node>, key: KeyId, own: Option<SessionId>) {
    ask_whom(node, key, own, |_| true);
}

fn ask_whom(node: &Arc<Node>, key: KeyId, own: Option<SessionId>, whom: impl Fn(&NodeId) -> bool) {
    if !question(node, key, &whom) {
        resume(node, key, own);
        question(node, key, &whom);
    }
}

/// Asks if a certificate of the key is gathered, and returns whether it is.
fn question(node: &Arc<Node>, key: KeyId, whom: &impl Fn(&NodeId) -> bool) -> bool {
    let (message, peers) = {
        let inner = node.settlement.inner.lock();
        let Some(gathering) = inner.gathering.get(&key) else {
            return false;
        };
        let message = Settle::Ask {
            key,
            session: gathering.statement.session,
            statement: gathering.digest,
        };
        (message, others(node, &gathering.statement))
    };
    let peers: Vec<NodeId> = peers.into_iter().filter(whom).collect();
    tell(node, &peers, &message);
    true
}

/// Takes up a pending share of an earlier start of this process. A session that runs announces its
/// share itself, unless it is the one that asks: then it is a session of the earlier start.
fn resume(node: &Arc<Node>, key: KeyId, own: Option<SessionId>) {
    let Ok(pending) = node.keystore.open_pending(key) else {
        return;
    };
    match Payload::from_bytes(&pending.payload) {
        Ok(payload) => {
            let session = payload.statement.session;
            if own == Some(session) || !node.is_running(session) {
                announce(node, payload.statement);
            }
        }
        Err(error) => tracing::error!(%key, %error, "a pending share is damaged"),
    }
}

/// Asks everybody about every share that waits for its certificate, also while the session that
/// made it waits: an answer may have been lost.
pub(crate) fn ask_for_all(node: &Arc<Node>) {
    let limits = &node.limits;
    // Whoever is so much ahead of us that we still need its word has waited no longer than this.
    let ttl = Duration::from_millis(limits.keygen_round_timeout_ms + limits.certify_timeout_ms);
    node.settlement.inner.lock().expire_early(ttl);
    ask_pending(node, |_| true);
}

/// Asks one peer, whose link came up, about every share that waits for its certificate.
pub(crate) fn ask_one(node: &Arc<Node>, peer: &NodeId) {
    ask_pending(node, |member| member == peer);
}

fn ask_pending(node: &Arc<Node>, whom: impl Fn(&NodeId) -> bool) {
    for key in node.keystore.pending() {
        ask_whom(node, key, None, &whom);
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
    let pending = node.keystore.state(key).is_some_and(ShareState::is_stored);
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
    {
        let mut inner = node.settlement.inner.lock();
        let Some(gathering) = inner.gathering.get_mut(&key) else {
            if may_come(node, key) {
                inner.keep_early(from, key, Settle::Stored { key, statement });
            }
            return;
        };
        let member = gathering.statement.committee.index_of(from).is_some();
        if gathering.digest != statement || !member {
            tracing::warn!(%key, peer = %from, "a peer stored another statement of this key");
            return;
        }
        gathering.stored.insert(from.clone());
    }
    advance(node, key);
}

/// Step 3: every member's share is durable, so we sign. The record of it is durable before the
/// signature leaves. From the moment this step is under way the share is never dropped, unless the
/// record failed: then nothing was signed. Returns whether we signed.
fn release(node: &Node, key: KeyId) -> bool {
    crate::failpoint::here("settle.before_release");
    let (statement, digest) = {
        let inner = node.settlement.inner.lock();
        let Some(gathering) = inner.gathering.get(&key) else {
            return false; // cannot be: what is under way is not dropped
        };
        (gathering.statement.clone(), gathering.digest)
    };
    // Without the lock: the records of many keys share one sync.
    let recorded = record_release(node, statement.intent, digest);
    let signature = recorded
        .as_ref()
        .ok()
        .map(|()| node.identity.sign_statement(&statement.signing_bytes()));
    {
        let mut inner = node.settlement.inner.lock();
        if let Some(gathering) = inner.gathering.get_mut(&key) {
            gathering.under_way = None;
            if let Some(signature) = signature {
                gathering.signatures.insert(node.me.clone(), signature);
            }
        }
    }
    match (recorded, signature) {
        (Ok(()), Some(signature)) => {
            crate::failpoint::here("settle.after_release");
            let message = Settle::Prepared {
                key,
                statement: digest,
                signature,
            };
            tell(node, &others(node, &statement), &message);
            true
        }
        (Err(refusal), _) => {
            tracing::error!(%key, "not signed: {}", refusal.message);
            false
        }
        (Ok(()), None) => false,
    }
}

fn record_release(node: &Node, intent: Digest32, digest: Digest32) -> Result<(), Refusal> {
    let record = node.keystore.intents();
    let durable = record.complete(intent, &released(digest))?;
    durable
        .wait()
        .map_err(|e| Refusal::from(quorate_keystore::IntentError::Log(e)))
}

/// Step 4: a member signed.
fn prepared(node: &Arc<Node>, from: &NodeId, key: KeyId, statement: Digest32, signature: [u8; 64]) {
    let (digest, ours) = {
        let mut inner = node.settlement.inner.lock();
        let Some(gathering) = inner.gathering.get(&key) else {
            let message = Settle::Prepared {
                key,
                statement,
                signature,
            };
            if may_come(node, key) {
                inner.keep_early(from, key, message);
            }
            return;
        };
        (gathering.digest, gathering.statement.clone())
    };
    // Without the lock: sessions wait for it.
    if digest != statement || !is_signed(node, &ours, from, &signature) {
        tracing::warn!(%key, peer = %from, "a peer signed another statement of this key");
        return;
    }
    {
        let mut inner = node.settlement.inner.lock();
        let same = |gathering: &&mut Gathering| gathering.digest == statement;
        let Some(gathering) = inner.gathering.get_mut(&key).filter(same) else {
            return; // over, or of another run by now
        };
        gathering.stored.insert(from.clone());
        gathering.signatures.insert(from.clone(), signature);
    }
    advance(node, key);
}

/// Whether a share of the key may still become pending here, or be taken up.
fn may_come(node: &Node, key: KeyId) -> bool {
    use ShareState::{Active, Archived};
    !matches!(node.keystore.state(key), Some(Active | Archived))
}

fn is_signed(node: &Node, statement: &KeyStatement, from: &NodeId, signature: &[u8; 64]) -> bool {
    let member = statement.committee.index_of(from).is_some();
    let Some(peer) = node.manifest.node(from) else {
        return false;
    };
    let bytes = statement.signing_bytes();
    member && quorate_verify::verify_ed25519(&peer.identity, &bytes, signature).is_ok()
}

/// A whole certificate that a peer has.
fn offered(node: &Arc<Node>, from: &NodeId, key: KeyId, certificate: &[u8]) {
    if let Err(why) = accept(node, key, certificate) {
        tracing::warn!(%key, peer = %from, why, "a peer offered a certificate that does not fit");
    }
}

/// A certificate that somebody carries at the opening of `session`: it makes a share active that
/// has waited for it. A wrong one changes nothing.
pub(crate) fn carried(node: &Arc<Node>, key: KeyId, session: SessionId, certificate: &[u8]) {
    if certificate.is_empty() {
        return;
    }
    if !node.settlement.inner.lock().gathering.contains_key(&key) {
        resume(node, key, Some(session));
    }
    if let Err(why) = accept(node, key, certificate) {
        ignored_carried(why);
    }
}

/// Counts a carried certificate that was not taken.
pub(crate) fn ignored_carried(why: &'static str) {
    metrics::counter!("quorate_certificates_ignored_total", "reason" => why).increment(1);
    tracing::warn!(why, "a coordinator carried a certificate that does not fit");
}

/// A certificate must be of our own statement and carry the signatures of all members, whoever
/// brings it.
fn accept(node: &Arc<Node>, key: KeyId, certificate: &[u8]) -> Result<(), &'static str> {
    if node.keystore.state(key) == Some(ShareState::Active) {
        return Ok(()); // nothing waits for it any more
    }
    let certificate = KeyCertificate::from_bytes(certificate).map_err(|_| "malformed")?;
    let ours = {
        let inner = node.settlement.inner.lock();
        inner.gathering.get(&key).map(|gathering| gathering.digest)
    };
    if ours != Some(digest_of(&certificate.statement)) {
        return Err("of another statement");
    }
    let verified = certificate.verify(&node.manifest);
    verified.map_err(|_| "not signed by all members")?;
    activate(node, &certificate);
    Ok(())
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
        let unsigned = |gathering: &&Gathering| gathering.is_unsigned();
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
        if let Some(dropped) = inner.gathering.remove(&key) {
            dropped.changed.notify_all();
        }
        session
    };
    record(node, key, session, "key.dropped", because_of);
    true
}

/// Step 4, the end: the share becomes active. Returns whether it is.
fn activate(node: &Node, certificate: &KeyCertificate) -> bool {
    let statement = &certificate.statement;
    let key = statement.key;
    crate::failpoint::here("settle.before_activate");
    if let Err(error) = node.keystore.activate(key, &certificate.to_bytes()) {
        tracing::error!(%key, %error, "the certificate could not be stored");
        if let Some(gathering) = node.settlement.inner.lock().gathering.get_mut(&key) {
            gathering.under_way = None;
        }
        return false;
    }
    let ended = node.settlement.inner.lock().gathering.remove(&key);
    crate::failpoint::here("settle.after_activate");
    let Some(ended) = ended else {
        return true; // it came twice at once, and is recorded already
    };
    ended.changed.notify_all();
    record(node, key, statement.session, "key.certified", &node.me);
    tracing::info!(%key, "certified");
    true
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

#[cfg(test)]
mod tests;
