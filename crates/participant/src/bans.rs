//! Bans of pairs: durable here, told to every node, and learned again from them (row C12).

use std::sync::Arc;

use ed25519_dalek::VerifyingKey;
use quorate_audit::{AuditEvent, AuditResult};
use quorate_keystore::{Ban, Merged, SignedBan};
use quorate_protocol::Abort;
use quorate_types::{Digest32, KeyId, NodeId};

use crate::clock;
use crate::link_message;
use crate::node::Node;

/// Bans a pair after the first failed check: durable before anybody is told, then every session in
/// flight over it ends.
pub(crate) fn impose(
    node: &Arc<Node>,
    peer: &NodeId,
    generation: Digest32,
    key: KeyId,
    abort: &Abort,
) {
    let evidence = abort.context.unwrap_or(generation);
    let ban = Ban {
        peer: peer.clone(),
        generation,
        key_id: Some(key),
        reason: abort.reason.name().to_owned(),
        evidence,
        at: clock::now(),
        reported_by: node.me.clone(),
    };
    match node.keystore.bans().ban(ban) {
        Ok(notice) => {
            node.cancel_users_of(peer, generation);
            record(node, &notice);
            tell_all(node, &notice);
        }
        Err(error) => {
            // Without a durable ban this pair must not be used again: stop, fail closed.
            tracing::error!(%peer, %error, "a ban could not be made durable; stopping this node");
            std::process::abort();
        }
    }
}

/// Takes a notice of any node about any pair.
pub(crate) fn receive(node: &Arc<Node>, from: &NodeId, notice: &SignedBan) {
    let reporter = node.manifest.node(&notice.ban.reported_by);
    let key = reporter.and_then(|n| VerifyingKey::from_bytes(&n.identity).ok());
    let known_peer = node.manifest.node(&notice.ban.peer).is_some();
    let Some(key) = key.filter(|_| known_peer) else {
        tracing::warn!(peer = %from, "a ban notice names nodes that are not in the manifest");
        return;
    };
    match node.keystore.bans().merge(notice, &key) {
        Ok(Merged::New) => {
            let ban = &notice.ban;
            if ban.peer == node.me {
                node.cancel_users_of(&ban.reported_by, ban.generation);
            }
            if ban.reported_by == node.me {
                node.cancel_users_of(&ban.peer, ban.generation);
            }
            record(node, notice);
            tell_all(node, notice);
        }
        Ok(_) => {}
        Err(error) => tracing::warn!(peer = %from, %error, "a ban notice was refused"),
    }
}

/// Tells a peer all bans, when its link comes up: after a restored disk it learns its own again.
pub(crate) fn tell(node: &Node, peer: &NodeId) {
    for notice in node.keystore.bans().all() {
        node.send(peer, link_message::ban(&notice));
    }
}

fn tell_all(node: &Node, notice: &SignedBan) {
    for peer in node.peers() {
        node.send(peer, link_message::ban(notice));
    }
}

fn record(node: &Node, notice: &SignedBan) {
    let ban = &notice.ban;
    let mut event = AuditEvent::new(ban.at, "pair.banned", "ban", AuditResult::Succeeded)
        .with("reported_by", ban.reported_by.to_string())
        .with("generation", ban.generation.to_string())
        .with("reason", ban.reason.clone());
    event.key_id = ban.key_id;
    event.node_id = Some(ban.peer.clone());
    if let Err(error) = node.keystore.audit().record(event) {
        tracing::error!(%error, "the audit log failed; this node stops joining");
    }
    tracing::warn!(peer = %ban.peer, reported_by = %ban.reported_by, "pair banned");
}
