//! An owner's intent lifts the ban of one generation of a pair: the two nodes may make new state. The
//! banned generation is never used again. `docs/protocols/pair-state.md` §5.

use std::sync::Arc;
use std::time::Instant;

use quorate_api::ErrorCode;
use quorate_audit::{AuditEvent, AuditResult};
use quorate_intent::{Act, LiftBan, SignedIntent, VerifiedIntent};
use quorate_keystore::{AuditLogError, PairStateStatus};
use quorate_types::{Digest32, NodeId};

use super::message::Occasion;
use super::{proceed, standing_bans, tell};
use crate::clock;
use crate::node::Node;
use crate::node_audit::finish;
use crate::refusal::Refusal;

/// Verifies an owner's intent by this node's own manifest and record of bans, and lifts the ban
/// durably. This intent or another for the same generation changes nothing more, and is accepted until
/// the pair has newer state: who reached one node only comes again with a new one. Each leaves a record.
///
/// # Errors
/// [`Refusal`]; nothing was lifted by this intent then.
pub(crate) fn lift(node: &Arc<Node>, signed: &SignedIntent, request: &str) -> Result<(), Refusal> {
    let lifted = verified(node, signed).and_then(|(intent, lift, peer)| {
        let audit = node.keystore.audit();
        let announced = event(&intent, &peer, &lift, request);
        if let Some(before) = lifted_before(node, &lift, &peer) {
            // It changes nothing, and is an act of an owner all the same.
            let event = repeated(announced, before);
            let recorded = audit.record(event)?.wait();
            recorded.map_err(|error| Refusal::from(AuditLogError::Log(error)))?;
            return Ok(None);
        }
        admit(node, &lift, &peer)?;
        let begun = audit.begin(announced)?.wait();
        let begun = begun.map_err(|error| Refusal::from(AuditLogError::Log(error)))?;
        let pairs = node.keystore.pairs();
        crate::failpoint::here("pair.before_lift");
        let done = pairs.lift(&peer, lift.generation, intent.digest());
        crate::failpoint::here("pair.after_lift");
        let result = match &done {
            Ok(()) => AuditResult::Succeeded,
            Err(_) => AuditResult::Failed,
        };
        finish(audit, &begun, result, Vec::new());
        done?;
        Ok(Some(peer))
    });
    match lifted {
        Ok(Some(peer)) => {
            tracing::warn!(%peer, "an owner lifted the ban of a pair");
            node.pairs
                .with(&peer, |known| known.pace.resume(Instant::now()));
            tell(node, &peer, Occasion::News);
            proceed(node, &peer, false);
            Ok(())
        }
        Ok(None) => Ok(()),
        Err(refusal) => {
            refused(node, signed, &refusal, request);
            Err(refusal)
        }
    }
}

fn verified(
    node: &Node,
    signed: &SignedIntent,
) -> Result<(VerifiedIntent, LiftBan, NodeId), Refusal> {
    let tolerance = node.limits.clock_tolerance_seconds;
    let intent = signed.verify(&node.manifest, clock::now(), tolerance)?;
    let Act::LiftBan(lift) = intent.intent().act.clone() else {
        let message = "the intent does not lift a ban";
        return Err(Refusal::permanent(ErrorCode::MalformedIntent, message));
    };
    let peer = match (lift.first == node.me, lift.second == node.me) {
        (true, false) => lift.second.clone(),
        (false, true) => lift.first.clone(),
        _ => {
            let message = format!("node `{}` is not of the pair", node.me);
            return Err(Refusal::permanent(ErrorCode::InvalidArgument, message));
        }
    };
    if node.manifest.node(&peer).is_none() {
        let message = format!("node `{peer}` is not in this node's manifest");
        return Err(Refusal::permanent(ErrorCode::InvalidArgument, message));
    }
    Ok((intent, lift, peer))
}

/// The intent that lifted this ban before, unless newer state took the generation's place.
fn lifted_before(node: &Node, lift: &LiftBan, peer: &NodeId) -> Option<Digest32> {
    use PairStateStatus::{Destroyed, Superseded};
    let pairs = node.keystore.pairs();
    let status = pairs.status(peer, lift.generation);
    let is_past = matches!(status, Some(Superseded | Destroyed));
    let before = pairs.lifted_by(peer, lift.generation);
    before.filter(|_| !is_past)
}

/// The ban stands: the act is about the state as it is now (row D14).
fn admit(node: &Node, lift: &LiftBan, peer: &NodeId) -> Result<(), Refusal> {
    if standing_bans(&node.keystore, peer).contains(&lift.generation) {
        return Ok(());
    }
    let message = format!(
        "no ban of generation {} of `{}` and `{peer}` stands",
        lift.generation, node.me
    );
    Err(Refusal::permanent(ErrorCode::NotBanned, message))
}

fn event(intent: &VerifiedIntent, peer: &NodeId, lift: &LiftBan, request: &str) -> AuditEvent {
    let announced = AuditResult::Intent;
    let mut event = AuditEvent::new(clock::now(), "pair.ban_lifted", "pair.lift_ban", announced)
        .with("generation", lift.generation.to_string())
        .with("intent", intent.digest().to_string());
    event.user_id = Some(intent.intent().initiator.to_string());
    event.node_id = Some(peer.clone());
    event.request_id = Some(request.to_owned()).filter(|id| !id.is_empty());
    event
}

/// The record of an intent for a ban that another, or the same, lifted before.
fn repeated(announced: AuditEvent, before: Digest32) -> AuditEvent {
    let mut event = announced.with("already_lifted_by", before.to_string());
    event.result = AuditResult::Succeeded;
    event
}

fn refused(node: &Node, signed: &SignedIntent, refusal: &Refusal, request: &str) {
    tracing::info!(code = %refusal.code, "lifting a ban is refused: {}", refusal.message);
    let refused = AuditResult::Refused;
    let mut event = AuditEvent::new(
        clock::now(),
        "pair.ban_lift_refused",
        "pair.lift_ban",
        refused,
    )
    .with("code", refusal.code.as_str())
    .with("intent", signed.digest().to_string());
    event.request_id = Some(request.to_owned()).filter(|id| !id.is_empty());
    if let Err(error) = node.keystore.audit().record(event) {
        tracing::error!(%error, "the audit log failed; this node stops joining");
    }
}
