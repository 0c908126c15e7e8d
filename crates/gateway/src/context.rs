use std::net::{IpAddr, SocketAddr};

use axum::extract::ConnectInfo;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Request};
use quorate_coordinator::{Arrival, Caller};

use crate::auth::Identity;
use crate::proxies::Proxies;

/// The header that names a request, in and out.
pub(crate) const REQUEST_ID: &str = "x-request-id";
const MAX_REQUEST_ID: usize = 64;
const MAX_USER_AGENT: usize = 200;

/// In which form a caller asks, and wants its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Rest,
    Grpc,
}

impl Protocol {
    /// By the media type, which gRPC requires.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let media = headers.get(CONTENT_TYPE).map_or(&[][..], |m| m.as_bytes());
        match media.strip_prefix(b"application/grpc") {
            Some([] | [b'+' | b';', ..]) => Self::Grpc,
            _ => Self::Rest,
        }
    }
}

/// What is known of a request before it is authenticated.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    pub(crate) protocol: Protocol,
    pub(crate) request_id: String,
    /// Where the call comes from: the connection's address, or what a trusted proxy says.
    pub(crate) address: Option<IpAddr>,
    pub(crate) ip_address: Option<String>,
    pub(crate) user_agent: Option<String>,
}

impl Context {
    pub(crate) fn of<B>(request: &Request<B>, proxies: &Proxies) -> Self {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
        let address =
            peer.map(|ConnectInfo(address)| proxies.client(address.ip(), request.headers()));
        Self {
            protocol: Protocol::of(request.headers()),
            request_id: request_id(request.headers()),
            address,
            ip_address: address.map(|address| address.to_string()),
            user_agent: user_agent(request.headers()),
        }
    }

    /// The caller, once authenticated.
    pub(crate) fn caller(&self, identity: &Identity, arrival: Arrival) -> Caller {
        Caller {
            credential: identity.key.clone(),
            tenant: identity.tenant.clone(),
            request_id: self.request_id.clone(),
            ip_address: self.ip_address.clone(),
            user_agent: self.user_agent.clone(),
            arrival,
        }
    }
}

/// The client's own id if it is safe in logs, or a new one.
fn request_id(headers: &HeaderMap) -> String {
    let given = headers
        .get(REQUEST_ID)
        .and_then(|value| value.to_str().ok());
    let safe = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    match given {
        Some(id) if (1..=MAX_REQUEST_ID).contains(&id.len()) && id.bytes().all(safe) => {
            id.to_owned()
        }
        _ => {
            let mut random = [0; 12];
            getrandom::fill(&mut random)
                .expect("the system's randomness works, or the process stops");
            format!("req_{}", hex::encode(random))
        }
    }
}

fn user_agent(headers: &HeaderMap) -> Option<String> {
    let agent = headers.get("user-agent")?.to_str().ok()?;
    Some(agent.chars().take(MAX_USER_AGENT).collect()).filter(|agent: &String| !agent.is_empty())
}
