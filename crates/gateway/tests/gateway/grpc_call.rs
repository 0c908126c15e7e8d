//! A stock gRPC client in front of the router: signs each message as it goes out.

use std::convert::Infallible;
use std::future::Future;
use std::io::Read as _;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::http::{HeaderMap, Request, Response};
use http_body_util::BodyExt as _;
use quorate_api::mpc_v1::mpc_service_client::MpcServiceClient;
use quorate_coordinator::now;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};
use tower::{Service, ServiceExt as _};

use crate::call::Api;
use crate::support::client::random;

/// Changes a request after it was signed.
pub type Tamper = fn(&mut Request<Body>);

/// A transport that signs.
#[derive(Clone)]
pub struct Signed {
    pub api: Api,
    pub tamper: Option<Tamper>,
}

pub type Client = MpcServiceClient<Signed>;

impl Api {
    pub fn grpc(&self) -> Client {
        self.grpc_through(None)
    }

    pub fn grpc_through(&self, tamper: Option<Tamper>) -> Client {
        let api = self.clone();
        MpcServiceClient::new(Signed { api, tamper })
    }

    /// Headers over one message, as docs/authentication.md describes them.
    pub fn grpc_headers(&self, path: &str, message: &[u8]) -> HeaderMap {
        let (time, nonce) = (now().seconds().0, hex::encode(random::<16>()));
        let signed = self.sign("POST", path, time, &nonce, message);
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("x-quorate-key", &self.key),
            ("x-quorate-timestamp", &signed.timestamp),
            ("x-quorate-nonce", &signed.nonce),
            ("x-quorate-signature", &signed.signature),
        ] {
            headers.insert(name, value.parse().unwrap());
        }
        headers
    }
}

/// The message in a frame, before compression.
fn message(frame: &[u8]) -> Vec<u8> {
    let (flag, message) = (frame[0], &frame[5..]);
    if flag == 0 {
        return message.to_vec();
    }
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(message)
        .read_to_end(&mut plain)
        .unwrap();
    plain
}

impl Service<Request<tonic::body::Body>> for Signed {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<tonic::body::Body>) -> Self::Future {
        let Self { api, tamper } = self.clone();
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            let frame = body.collect().await.unwrap().to_bytes();
            let path = parts.uri.path().to_owned();
            parts
                .headers
                .extend(api.grpc_headers(&path, &message(&frame)));
            let mut request = Request::from_parts(parts, Body::from(frame));
            if let Some(tamper) = tamper {
                tamper(&mut request);
            }
            api.router.oneshot(request).await
        })
    }
}

/// Checks gRPC code and our code; returns the details.
#[track_caller]
pub fn refused<T: std::fmt::Debug>(
    answer: Result<T, Status>,
    grpc: Code,
    code: &str,
) -> ErrorDetails {
    let status = answer.unwrap_err();
    let details = status.get_error_details();
    let info = details
        .error_info()
        .expect("every failure has an ErrorInfo");
    assert_eq!(
        (status.code(), info.reason.as_str()),
        (grpc, code),
        "{status:?}"
    );
    assert_eq!(info.domain, "quorate");
    assert!(!status.message().is_empty());
    assert!(status.metadata().contains_key("x-request-id"));
    details
}
