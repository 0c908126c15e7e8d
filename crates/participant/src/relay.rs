//! Sealed frames that a coordinator carries between this node and others (docs/protocols/relay.md).

use std::sync::Arc;

use quorate_api::mpc_v1 as wire;
use quorate_api::mpc_v1::relay_frame::Body;
use quorate_transport::noise::{CarrierId, Links, RelayBody, RelayFrame};
use quorate_transport::tls::PeerIdentity;
use tokio::sync::mpsc;
use tonic::{Request, Status, Streaming};

use crate::node::Node;

/// Frames that may wait for the coordinator to take them; at most about 4 MiB.
const FRAME_QUEUE: usize = 256;

/// Serves one coordinator's stream; returns what is to be sent to it.
pub(crate) fn serve(
    node: &Arc<Node>,
    request: Request<Streaming<wire::ExchangeSharesRequest>>,
) -> Result<mpsc::Receiver<RelayFrame>, Status> {
    let links = node
        .links()
        .ok_or_else(|| Status::unavailable("the links are not up yet"))?
        .clone();
    // Streams of one coordinator are kept apart from those of another.
    let caller = request.extensions().get::<PeerIdentity>();
    let coordinator = caller
        .map(|caller| caller.id.clone())
        .ok_or_else(|| Status::unauthenticated("the caller showed no certificate"))?;
    let brought = request.into_inner();
    let (frames, queue) = mpsc::channel(FRAME_QUEUE);
    let attachment = links.attach_relay(coordinator, frames);
    tokio::spawn(async move {
        receive_all(&links, attachment.id(), brought).await;
        drop(attachment);
    });
    Ok(queue)
}

async fn receive_all(
    links: &Links,
    carrier: CarrierId,
    mut brought: Streaming<wire::ExchangeSharesRequest>,
) {
    loop {
        let request = match brought.message().await {
            Ok(Some(request)) => request,
            Ok(None) => return,
            Err(error) => {
                return tracing::info!(code = ?error.code(), "a coordinator's relay ended");
            }
        };
        let accepted = request
            .frame
            .and_then(from_wire)
            .is_some_and(|frame| links.relayed(carrier, frame).is_ok());
        if !accepted {
            metrics::counter!("quorate_relay_frames_refused_total").increment(1);
        }
    }
}

/// Reads a frame; none if it names no nodes or says nothing.
fn from_wire(frame: wire::RelayFrame) -> Option<RelayFrame> {
    Some(RelayFrame {
        from: frame.from.parse().ok()?,
        to: frame.to.parse().ok()?,
        stream: frame.stream,
        body: match frame.body? {
            Body::Data(data) => RelayBody::Data(data),
            Body::Credit(credit) => RelayBody::Credit(credit),
            Body::End(_) => RelayBody::End,
        },
    })
}

/// As it crosses the wire.
pub(crate) fn to_wire(frame: RelayFrame) -> wire::ExchangeSharesResponse {
    let body = match frame.body {
        RelayBody::Data(data) => Body::Data(data),
        RelayBody::Credit(credit) => Body::Credit(credit),
        _ => Body::End(wire::RelayEnd {}),
    };
    wire::ExchangeSharesResponse {
        frame: Some(wire::RelayFrame {
            from: frame.from.to_string(),
            to: frame.to.to_string(),
            stream: frame.stream,
            body: Some(body),
        }),
    }
}
