//! The gRPC service that coordinators talk to.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use quorate_api::ErrorCode;
use quorate_api::mpc_v1 as wire;
use quorate_api::mpc_v1::node_service_server::NodeService;
use quorate_api::mpc_v1::participate_signing_request::Command;
use quorate_intent::{MAX_INTENT, SignedIntent};
use quorate_types::{PartyIndex, SessionId};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::link_message::MAX_CERTIFICATE;
use crate::node::{Node, Proposal};
use crate::refusal::Refusal;
use crate::report::{EventSender, Report, ResultPlace};
use crate::{pairs, relay, session, settle};

/// Events that may wait for one coordinator, places of results that are still to come included.
const EVENT_QUEUE: usize = 4_096;

/// Longest request id that is recorded.
const MAX_REQUEST_ID: usize = 128;

/// The service of one node.
pub(crate) struct Service {
    pub(crate) node: Arc<Node>,
}

type Responses =
    Pin<Box<dyn Stream<Item = Result<wire::ParticipateSigningResponse, Status>> + Send>>;

type Frames = Pin<Box<dyn Stream<Item = Result<wire::ExchangeSharesResponse, Status>> + Send>>;

#[tonic::async_trait]
impl NodeService for Service {
    type ParticipateSigningStream = Responses;
    type ExchangeSharesStream = Frames;

    async fn exchange_shares(
        &self,
        request: Request<Streaming<wire::ExchangeSharesRequest>>,
    ) -> Result<Response<Frames>, Status> {
        use futures::StreamExt as _;
        let queue = relay::serve(&self.node, request)?;
        let frames = ReceiverStream::new(queue).map(|frame| Ok(relay::to_wire(frame)));
        Ok(Response::new(Box::pin(frames)))
    }

    async fn report_health(
        &self,
        _request: Request<wire::ReportHealthRequest>,
    ) -> Result<Response<wire::ReportHealthResponse>, Status> {
        Ok(Response::new(wire::ReportHealthResponse {
            health: Some(self.node.health()),
            refused_handshakes: self.node.refused_handshakes(),
        }))
    }

    async fn heartbeat(
        &self,
        _request: Request<wire::HeartbeatRequest>,
    ) -> Result<Response<wire::HeartbeatResponse>, Status> {
        Ok(Response::new(self.node.health()))
    }

    async fn lift_ban(
        &self,
        request: Request<wire::LiftBanRequest>,
    ) -> Result<Response<wire::LiftBanResponse>, Status> {
        let (node, request) = (Arc::clone(&self.node), request.into_inner());
        // It waits for the disk.
        let lifted = tokio::task::spawn_blocking(move || lift_ban(&node, request)).await;
        let refusal = lifted.unwrap_or_else(|_| {
            Err(Refusal::retry(
                ErrorCode::Internal,
                "lifting the ban broke off",
            ))
        });
        let (error_code, message) = match refusal {
            Ok(()) => Default::default(),
            Err(refusal) => (refusal.code.as_str().to_owned(), refusal.message),
        };
        Ok(Response::new(wire::LiftBanResponse {
            error_code,
            message,
        }))
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

/// Follows one coordinator's commands until it goes, or reads nothing for too long. Its sessions go
/// on without it.
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
                let patience = Duration::from_millis(node.limits.report_timeout_ms);
                let Some(place) = result_place(&command, &events, patience).await else {
                    metrics::counter!("quorate_coordinators_dropped_total").increment(1);
                    tracing::warn!(
                        "a coordinator does not read its answers; its stream is dropped"
                    );
                    return;
                };
                obey(&node, command, &events, place);
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

/// Takes the place of the session's result in the queue before the session begins, so that none
/// ever waits for its coordinator. `None` if the queue has no room for `patience`.
async fn result_place(
    command: &Command,
    events: &EventSender,
    patience: Duration,
) -> Option<Option<ResultPlace>> {
    match command {
        Command::Open(_) => {
            let place = events.clone().reserve_owned();
            let place = tokio::time::timeout(patience, place).await;
            place.ok()?.ok().map(Some)
        }
        Command::Cancel(_) => Some(None),
    }
}

fn obey(node: &Arc<Node>, command: Command, events: &EventSender, place: Option<ResultPlace>) {
    match command {
        Command::Open(open) => {
            let (Some(session), Some(place)) = (session_id(&open.session_id), place) else {
                return tracing::warn!("a coordinator sent a proposal without a session id");
            };
            let (node, events) = (Arc::clone(node), events.clone());
            // A task for each session, bounded by `max_sessions`.
            tokio::spawn(async move {
                let report = Report::new(session, events, place);
                match proposal(session, open) {
                    Ok(proposal) => session::run(node, proposal, report).await,
                    Err(refusal) => {
                        session::refuse_malformed(&node, session, &refusal, &report).await;
                    }
                }
            });
        }
        Command::Cancel(cancel) => match session_id(&cancel.session_id) {
            Some(session) if node.is_running(session) => node.cancel(session),
            _ => {}
        },
    }
}

fn proposal(session: SessionId, open: wire::OpenSession) -> Result<Proposal, Refusal> {
    if open.intent.len() > MAX_INTENT {
        let message = format!("an intent has at most {MAX_INTENT} bytes");
        return Err(Refusal::permanent(ErrorCode::PayloadTooLarge, message));
    }
    let invalid = |code, what: &str| Refusal::retry(code, what);
    let bad_signers = || {
        let what = "signers are party indices from 1, at most one for each party";
        invalid(ErrorCode::InvalidArgument, what)
    };
    let signature = open.initiator_signature.try_into().map_err(|_| {
        let what = "the initiator's signature has 64 bytes";
        invalid(ErrorCode::BadInitiatorSignature, what)
    })?;
    let index = |index: &u32| PartyIndex::new(u8::try_from(*index).ok()?);
    let signers = open
        .signers
        .iter()
        .map(index)
        .collect::<Option<Vec<_>>>()
        .ok_or_else(bad_signers)?;
    if signers.len() > usize::from(quorate_types::MAX_PARTIES) {
        return Err(bad_signers());
    }
    let mut certificate = open.certificate;
    if certificate.len() > MAX_CERTIFICATE {
        settle::ignored_carried("too long");
        certificate = Vec::new();
    }
    Ok(Proposal {
        session,
        signed: SignedIntent {
            bytes: open.intent,
            signature,
        },
        signers,
        attempt: open.attempt,
        request_id: shown_request_id(open.request_id),
        certificate,
    })
}

fn lift_ban(node: &Arc<Node>, request: wire::LiftBanRequest) -> Result<(), Refusal> {
    if request.intent.len() > MAX_INTENT {
        let message = format!("an intent has at most {MAX_INTENT} bytes");
        return Err(Refusal::permanent(ErrorCode::PayloadTooLarge, message));
    }
    let signature = request.initiator_signature.try_into().map_err(|_| {
        let what = "the initiator's signature has 64 bytes";
        Refusal::permanent(ErrorCode::BadInitiatorSignature, what)
    })?;
    let signed = SignedIntent {
        bytes: request.intent,
        signature,
    };
    pairs::lift(node, &signed, &shown_request_id(request.request_id))
}

/// A request id that can be recorded; empty if it cannot.
fn shown_request_id(request_id: String) -> String {
    let plain =
        request_id.len() <= MAX_REQUEST_ID && request_id.bytes().all(|b| b.is_ascii_graphic());
    if plain { request_id } else { String::new() }
}

fn session_id(bytes: &[u8]) -> Option<SessionId> {
    Some(SessionId::from_array(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> wire::ParticipateSigningResponse {
        wire::ParticipateSigningResponse::default()
    }

    #[tokio::test]
    async fn a_coordinator_that_reads_nothing__must_be_dropped_and_hold_no_session() {
        let (events, mut queue) = mpsc::channel(2);
        let open = Command::Open(wire::OpenSession::default());
        let soon = Duration::from_millis(10);
        let first = result_place(&open, &events, soon).await.unwrap().unwrap();
        let second = result_place(&open, &events, soon).await.unwrap().unwrap();
        // Progress finds no room where results are still to come.
        assert!(events.try_send(event()).is_err());
        assert!(result_place(&open, &events, soon).await.is_none(), "full");
        let cancel = Command::Cancel(wire::CancelSession::default());
        assert!(result_place(&cancel, &events, soon).await.is_some());
        // Both sessions end without waiting, though nobody reads.
        drop((first.send(event()), second.send(event())));
        assert!(result_place(&open, &events, soon).await.is_none());
        // Whoever reads has room again.
        queue.recv().await.unwrap();
        assert!(result_place(&open, &events, soon).await.is_some());
        drop(queue);
        assert!(result_place(&open, &events, soon).await.is_none(), "gone");
    }
}
