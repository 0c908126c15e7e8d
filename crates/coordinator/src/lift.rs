//! Lifting the ban of a pair of nodes: an owner's intent, carried to both of them.
//!
//! The coordinator decides nothing. Each of the two nodes verifies the intent by itself, against its
//! own manifest and its own record of bans.

use std::time::Duration;

use quorate_api::mpc_v1::node_service_client::NodeServiceClient;
use quorate_api::mpc_v1::{LiftBanRequest as ToNode, LiftBanResponse};
use quorate_api::rest::{LiftBanRequest, LiftedBan};
use quorate_intent::{Act, LiftBan, SignedIntent};
use quorate_store::AuditResult;
use quorate_types::{Digest32, NodeId};
use serde_json::{Value, json};

use crate::admission::check_tenant;
use crate::audit::Subject;
use crate::caller::Caller;
use crate::clock::now;
use crate::coordinator::Coordinator;
use crate::error::CoordinatorError;
use crate::error_code::unaudited;
use crate::nodes::{describe, shown};
use crate::request::{agree, invalid, parse, signed_intent};

/// How long a node may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Longest text of a node that is passed on.
const MAX_TEXT: usize = 300;

impl Coordinator {
    /// Carries an owner's intent to the two nodes of a banned pair. Both must accept it; if one
    /// could not be reached, the same intent can be sent again.
    ///
    /// # Errors
    /// [`CoordinatorError`]; a refusal is in the audit index.
    pub async fn lift_ban(
        &self,
        caller: &Caller,
        node_id: &str,
        request: LiftBanRequest,
    ) -> Result<LiftedBan, CoordinatorError> {
        let operation = "POST /api/v1/nodes/{node_id}/lift-ban";
        let subject = Subject::new("pair.lift_ban", operation, caller);
        let outcome = self.try_lift(caller, node_id, request, &subject).await;
        if let Err(error) = &outcome {
            let event = subject.refusal(now(), error);
            if let Err(lost) = self.core.store.append_audit(event).await {
                tracing::error!(error = %lost, "a refusal was not recorded");
            }
        }
        outcome
    }

    async fn try_lift(
        &self,
        caller: &Caller,
        node_id: &str,
        request: LiftBanRequest,
        subject: &Subject,
    ) -> Result<LiftedBan, CoordinatorError> {
        let (lift, signed) = self.admit_lift(caller, node_id, &request)?;
        let details = || details(&lift, &signed);
        let store = &self.core.store;
        let intended = subject.event(now(), AuditResult::Intended, None, details());
        store.append_audit(intended).await.map_err(unaudited)?;
        let (first, second) = tokio::join!(
            self.carry(&lift.first, &signed, caller),
            self.carry(&lift.second, &signed, caller),
        );
        first?;
        second?;
        let done = subject.event(now(), AuditResult::Succeeded, None, details());
        store.append_audit(done).await.map_err(unaudited)?;
        Ok(LiftedBan {
            nodes: vec![lift.first.to_string(), lift.second.to_string()],
            generation: lift.generation.to_string(),
        })
    }

    /// The checks that the nodes make too, made early.
    fn admit_lift(
        &self,
        caller: &Caller,
        node_id: &str,
        request: &LiftBanRequest,
    ) -> Result<(LiftBan, SignedIntent), CoordinatorError> {
        let unknown = || CoordinatorError::not_found("node", shown(node_id, MAX_TEXT));
        let node: NodeId = node_id.parse().map_err(|_| unknown())?;
        self.core.cluster.node(&node).ok_or_else(unknown)?;
        let peer: NodeId = parse("peer", &request.peer)?;
        let generation: Digest32 = parse("generation", &request.generation)?;
        let signed = signed_intent(&request.intent, &request.initiator_signature)?;
        let verified = self.core.rules.verify(&signed, false)?;
        check_tenant(caller, &verified)?;
        let Act::LiftBan(lift) = verified.intent().act.clone() else {
            return Err(CoordinatorError::IntentMismatch { field: "act" });
        };
        if peer == node || self.core.cluster.node(&peer).is_none() {
            return Err(invalid("peer", "not another node of the manifest"));
        }
        let pair = (node.clone().min(peer.clone()), node.max(peer));
        agree("peer", &pair, &(lift.first.clone(), lift.second.clone()))?;
        agree("generation", &generation, &lift.generation)?;
        Ok((lift, signed))
    }

    async fn carry(
        &self,
        node: &NodeId,
        signed: &SignedIntent,
        caller: &Caller,
    ) -> Result<(), CoordinatorError> {
        let unreachable = |why: String| CoordinatorError::NodeUnreachable {
            node: node.clone(),
            why,
        };
        let known = self.core.cluster.node(node);
        let known = known.ok_or_else(|| CoordinatorError::not_found("node", node))?;
        let mut client = NodeServiceClient::new(known.channel.clone());
        let asked = client.lift_ban(ToNode {
            intent: signed.bytes.clone(),
            initiator_signature: signed.signature.to_vec(),
            request_id: caller.request_id.clone(),
        });
        let answer = match tokio::time::timeout(ANSWER_WITHIN, asked).await {
            Ok(Ok(answer)) => answer.into_inner(),
            Ok(Err(status)) => return Err(unreachable(describe(&status))),
            Err(_) => return Err(unreachable("did not answer in time".to_owned())),
        };
        accepted(node, &answer)
    }
}

fn accepted(node: &NodeId, answer: &LiftBanResponse) -> Result<(), CoordinatorError> {
    if answer.error_code.is_empty() {
        return Ok(());
    }
    Err(CoordinatorError::NodeRefused {
        node: node.clone(),
        code: shown(&answer.error_code, MAX_TEXT),
        message: shown(&answer.message, MAX_TEXT),
    })
}

fn details(lift: &LiftBan, signed: &SignedIntent) -> Value {
    json!({
        "nodes": [lift.first, lift.second],
        "generation": lift.generation,
        "intent": signed.digest(),
    })
}
