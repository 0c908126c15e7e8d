//! Sealed frames that a coordinator carries between this node and others (docs/protocols/relay.md).

use std::sync::Arc;

use quorate_api::mpc_v1 as wire;
use quorate_api::mpc_v1::relay_frame::Body;
use quorate_transport::noise::{RelayBody, RelayFrame};
use tokio::sync::mpsc;
use tonic::{Status, Streaming};

use crate::node::Node;

/// Frames that may wait for the coordinator to take them; at most about 4 MiB.
const FRAME_QUEUE: usize = 256;

/// Serves one coordinator's stream; returns what is to be sent to it.
pub(crate) fn serve(
    node: &Arc<Node>,
    brought: Streaming<wire::ExchangeSharesRequest>,
) -> Result<mpsc::Receiver<RelayFrame>, Status> {
    let links = node
        .links()
        .ok_or_else(|| Status::unavailable("the links are not up yet"))?
        .clone();
    let (frames, queue) = mpsc::channel(FRAME_QUEUE);
    let attachment = links.attach_relay(frames);
    tokio::spawn(async move {
        receive_all(&links, brought).await;
        drop(attachment);
    });
    Ok(queue)
}

async fn receive_all(
    links: &quorate_transport::noise::Links,
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
            .is_some_and(|frame| links.relayed(frame).is_ok());
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
