//! The gRPC service that coordinators talk to.

use std::pin::Pin;
use std::sync::Arc;

use futures::Stream;
use quorate_api::mpc_v1 as wire;
use quorate_api::mpc_v1::node_service_server::NodeService;
use quorate_api::mpc_v1::participate_signing_request::Command;
use quorate_intent::{MAX_INTENT, SignedIntent};
use quorate_types::{PartyIndex, SessionId};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::node::{Node, Proposal};
use crate::report::{EventSender, Report};
use crate::session;

/// Events that may wait for one coordinator.
const EVENT_QUEUE: usize = 4_096;

/// Longest request id that is recorded.
const MAX_REQUEST_ID: usize = 128;

/// The service of one node.
pub(crate) struct Service {
    pub(crate) node: Arc<Node>,
}

type Responses =
    Pin<Box<dyn Stream<Item = Result<wire::ParticipateSigningResponse, Status>> + Send>>;

#[tonic::async_trait]
impl NodeService for Service {
    type ParticipateSigningStream = Responses;

    async fn heartbeat(
        &self,
        _request: Request<wire::HeartbeatRequest>,
    ) -> Result<Response<wire::HeartbeatResponse>, Status> {
        Ok(Response::new(self.node.health()))
    }

    async fn participate_signing(
        &self,
        request: Request<Streaming<wire::ParticipateSigningRequest>>,
    ) -> Result<Response<Responses>, Status> {
        let (events, queue) = mpsc::channel(EVENT_QUEUE);
        let node = Arc::clone(&self.node);
        tokio::spawn(listen(node, request.into_inner(), events));
        use futures::StreamExt as _;
        Ok(Response::new(Box::pin(ReceiverStream::new(queue).map(Ok))))
    }
}

/// Follows one coordinator's commands until it goes. Its sessions go on without it.
async fn listen(
    node: Arc<Node>,
    mut commands: Streaming<wire::ParticipateSigningRequest>,
    events: EventSender,
) {
    loop {
        match commands.message().await {
            Ok(Some(wire::ParticipateSigningRequest {
                command: Some(command),
            })) => {
                obey(&node, command, &events);
            }
            Ok(Some(_)) => tracing::warn!("a coordinator sent an unknown command"),
            Ok(None) => return,
            Err(error) => {
                tracing::info!(code = ?error.code(), "a coordinator's stream ended");
                return;
            }
        }
    }
}

fn obey(node: &Arc<Node>, command: Command, events: &EventSender) {
    match command {
        Command::Open(open) => match proposal(open) {
            Ok(proposal) => {
                let (node, events) = (Arc::clone(node), events.clone());
                // One thread for each session, bounded by `max_sessions`: rounds block it while
                // they compute and while they wait.
                tokio::task::spawn_blocking(move || {
                    let report = Report::new(proposal.session, events);
                    session::run(&node, &proposal, &report);
                });
            }
            Err(what) => tracing::warn!(what, "a coordinator sent a malformed proposal"),
        },
        Command::Cancel(cancel) => match session_id(&cancel.session_id) {
            Some(session) if node.is_running(session) => node.mailboxes.cancel(session),
            _ => {}
        },
    }
}

fn proposal(open: wire::OpenSession) -> Result<Proposal, &'static str> {
    let session = session_id(&open.session_id).ok_or("session id")?;
    if open.intent.len() > MAX_INTENT {
        return Err("intent is too long");
    }
    let signature = open
        .initiator_signature
        .try_into()
        .map_err(|_| "initiator signature")?;
    let index = |index: &u32| PartyIndex::new(u8::try_from(*index).ok()?);
    let signers = open
        .signers
        .iter()
        .map(index)
        .collect::<Option<Vec<_>>>()
        .ok_or("signers")?;
    if signers.len() > usize::from(quorate_types::MAX_PARTIES) {
        return Err("signers");
    }
    let request_id = open.request_id;
    let plain =
        request_id.len() <= MAX_REQUEST_ID && request_id.bytes().all(|b| b.is_ascii_graphic());
    Ok(Proposal {
        session,
        signed: SignedIntent {
            bytes: open.intent,
            signature,
        },
        signers,
        attempt: open.attempt,
        request_id: if plain { request_id } else { String::new() },
    })
}

fn session_id(bytes: &[u8]) -> Option<SessionId> {
    Some(SessionId::from_array(bytes.try_into().ok()?))
}
