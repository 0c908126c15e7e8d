//! From rows to what the API shows.

use quorate_api::rest::{
    CommitteeMember, KeyView, NodeSignature, SessionError, SessionView, WaitedOn,
};
use quorate_intent::KeyCertificate;
use quorate_lead::{Progress, Stage};
use quorate_store::{KeyRow, SessionRow};
use quorate_types::{Canonical as _, NodeId, Right, SessionStatus, UnixMillis};

use crate::error::CoordinatorError;

fn time(at: UnixMillis) -> String {
    at.seconds().to_rfc3339()
}

fn names(nodes: &[NodeId]) -> Vec<String> {
    nodes.iter().map(ToString::to_string).collect()
}

/// A key with its certificate and the nodes' signatures.
pub(crate) fn key_view(row: KeyRow) -> Result<KeyView, CoordinatorError> {
    let certificate = row
        .material
        .as_ref()
        .map(|m| KeyCertificate::from_bytes(&m.certificate));
    let certificate = certificate
        .transpose()
        .map_err(|_| CoordinatorError::bug("a stored key certificate is malformed"))?;
    let members = || row.committee.members();
    let committee = members().map(|(index, node)| CommitteeMember {
        index: index.get(),
        node_id: node.to_string(),
    });
    let signatures = certificate.iter().flat_map(|c| c.signatures.iter());
    let node_signatures = members()
        .zip(signatures)
        .map(|((_, node), signature)| NodeSignature {
            node_id: node.to_string(),
            signature: hex::encode(signature),
        });
    let material = row.material.as_ref();
    Ok(KeyView {
        key_id: row.key_id.to_string(),
        public_key: material
            .map(|m| hex::encode(&m.public_key))
            .unwrap_or_default(),
        algorithm: row.algorithm.to_string(),
        curve: row.curve.to_string(),
        threshold: row.threshold.min_signers().into(),
        total_nodes: row.threshold.max_signers().into(),
        chain_type: row.chain_type.to_string(),
        address: material.and_then(|m| m.address.clone()).unwrap_or_default(),
        address_kind: row.address_kind.clone().unwrap_or_default(),
        status: row.status.to_string(),
        protocol: row.protocol.to_string(),
        rights: row
            .rights
            .iter()
            .map(Right::as_str)
            .map(str::to_owned)
            .collect(),
        description: row.description.clone(),
        tags: row.tags.iter().cloned().collect(),
        epoch: material.map_or(0, |m| m.epoch.get()),
        committee: committee.collect(),
        node_signatures: node_signatures.collect(),
        certificate: material
            .map(|m| hex::encode(&m.certificate))
            .unwrap_or_default(),
        session_id: certificate.map(|c| c.statement.session.to_string()),
        error_message: row.error_message.clone(),
        created_at: time(row.created_at),
        updated_at: time(row.updated_at),
    })
}

/// A session as the store knows it.
pub(crate) fn session_view(row: SessionRow) -> SessionView {
    let progress = row.progress.as_ref();
    let error = row.error_message.as_ref().map(|text| {
        let (code, message) = text.split_once(": ").unwrap_or(("ABORTED", text));
        SessionError {
            code: code.to_owned(),
            message: message.to_owned(),
        }
    });
    SessionView {
        session_id: row.session_id.to_string(),
        kind: row.kind.to_string(),
        key_id: row.key_id.to_string(),
        protocol: row.protocol.to_string(),
        status: row.status.to_string(),
        threshold: row.threshold.min_signers().into(),
        total_nodes: row.threshold.max_signers().into(),
        participating_nodes: names(&row.participating_nodes),
        intent_digest: row.intent_digest.to_string(),
        attempt: row.attempt,
        current_round: row.current_round.into(),
        total_rounds: row.total_rounds.into(),
        round_name: String::new(),
        awaiting: progress.map(|p| names(&p.awaiting)).unwrap_or_default(),
        awaiting_since: progress.map(|p| time(p.since)),
        waited_on: Vec::new(),
        signature: row.signature.map(hex::encode),
        message_hash: row.message_hash.map(|digest| digest.to_string()),
        created_at: time(row.created_at),
        completed_at: row.completed_at.map(time),
        duration_ms: row.duration_ms,
        error,
    }
}

/// Puts live progress over what the store knows.
pub(crate) fn show_progress(view: &mut SessionView, progress: &Progress) {
    let is_running = !matches!(progress.stage, Stage::New | Stage::Waiting | Stage::Opening);
    if is_running {
        view.status = SessionStatus::Signing.to_string();
    }
    view.current_round = progress.round.into();
    view.total_rounds = view.total_rounds.max(progress.rounds.into());
    view.round_name.clone_from(&progress.round_name);
    view.awaiting = progress
        .awaiting
        .iter()
        .map(|a| a.node.to_string())
        .collect();
    view.awaiting_since = progress.awaiting.iter().map(|a| a.since).min().map(time);
}

/// What an attempt that was given up waited for; `None` for one that was not.
pub(crate) fn waited_on(row: &SessionRow) -> Option<WaitedOn> {
    let (progress, ended) = (row.progress.as_ref()?, row.completed_at?);
    Some(WaitedOn {
        attempt: row.attempt,
        session_id: row.session_id.to_string(),
        nodes: names(&progress.awaiting),
        waited_ms: ended.since(progress.since),
        reason: row.error_message.clone().unwrap_or_default(),
    })
}
