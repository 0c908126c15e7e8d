//! gRPC: `mpc.v1.MPCService` behind the same doors as REST, and in the open, reflection and health.

mod convert;
mod frame;
mod health;
mod service;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state, map_response};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use quorate_api::FILE_DESCRIPTORS;
use quorate_api::mpc_v1::mpc_service_server::{MpcServiceServer, SERVICE_NAME};
use tonic::Status;
use tonic::codec::CompressionEncoding;
use tonic::server::NamedService;
use tonic_health::pb::health_server::HealthServer;

use crate::error::ApiError;
use crate::gateway::Gateway;

pub(crate) use frame::{HEADER_BYTES as FRAME_HEADER_BYTES, frame, message};

/// How paths of our own services start.
pub(crate) const PATH: &str = "/mpc.v1.";
/// Header that names the compression of a request.
pub(crate) const ENCODING: &str = "grpc-encoding";

/// Longest message of a caller without credential: names of services and symbols. What such a
/// caller announces is kept until it has come, so it is kept small.
const MAX_OPEN_MESSAGE: usize = 4 << 10;

/// Methods of the service. A test compares them with the proto file.
const METHODS: [&str; 12] = [
    "CreateKey",
    "GetKey",
    "ListKeys",
    "DeleteKey",
    "Sign",
    "BatchSign",
    "Verify",
    "CreateSigningSession",
    "GetSigningSession",
    "JoinSigningSession",
    "CancelSigningSession",
    "WatchSigningSession",
];

/// The message of a request, as it was authenticated.
#[derive(Debug, Clone)]
pub(crate) struct Message(pub(crate) Bytes);

/// What needs a credential.
pub(crate) fn authenticated(gateway: &Gateway) -> Router<Gateway> {
    let service = MpcServiceServer::new(service::MpcApi::new(gateway))
        .max_decoding_message_size(gateway.0.limits.max_body_bytes)
        .accept_compressed(CompressionEncoding::Gzip)
        .send_compressed(CompressionEncoding::Gzip);
    let routes = METHODS.iter().fold(Router::new(), |router, method| {
        router.route_service(&format!("/{SERVICE_NAME}/{method}"), service.clone())
    });
    routes
        .layer(from_fn_with_state(gateway.clone(), short_batches))
        .layer(map_response(own_errors))
}

/// Refuses a batch that is too long before it is decoded: an empty request is two bytes on the wire
/// and a hundred times as many in memory.
async fn short_batches(
    State(gateway): State<Gateway>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let most = gateway.0.limits.max_batch_items;
    let is_batch = request.uri().path().ends_with("/BatchSign");
    if let Some(Message(message)) = request.extensions().get()
        && is_batch
        && frame::has_more_than(most, message)
    {
        let why = format!("1 to {most} requests");
        return Err(ApiError::invalid("requests", &why).with("limit", most));
    }
    Ok(next.run(request).await)
}

/// What is open: it shows the interface and whether it can be used, as `/openapi.json` and
/// `/health/ready` do.
pub(crate) fn open(gateway: &Gateway) -> Router<Gateway> {
    let health =
        HealthServer::new(health::Health::new(gateway)).max_decoding_message_size(MAX_OPEN_MESSAGE);
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(FILE_DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .with_service_name(SERVICE_NAME)
            .with_service_name(health::SERVICE_NAME)
    };
    let invariant = "descriptors that were compiled in are well formed";
    let router = with_service(Router::new(), health);
    let v1 = reflection().build_v1().expect(invariant);
    let v1 = v1.max_decoding_message_size(MAX_OPEN_MESSAGE);
    let v1alpha = reflection().build_v1alpha().expect(invariant);
    let v1alpha = v1alpha.max_decoding_message_size(MAX_OPEN_MESSAGE);
    with_service(with_service(router, v1), v1alpha)
}

fn with_service<S>(router: Router<Gateway>, service: S) -> Router<Gateway>
where
    S: tower_service::Service<axum::extract::Request, Error = std::convert::Infallible>
        + NamedService
        + Clone
        + Send
        + Sync
        + 'static,
    S::Response: axum::response::IntoResponse,
    S::Future: Send + 'static,
{
    router.route_service(&format!("/{}/{{method}}", S::NAME), service)
}

/// Failures leave as ours, also those that tonic finds: the layers outside record and render them.
async fn own_errors(response: Response) -> Response {
    match response.extensions().get::<Status>() {
        Some(status) => ApiError::from(status).into_response(),
        None => response,
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;

    #[test]
    fn methods__must_be_those_of_the_proto_file() {
        let set = prost_types::FileDescriptorSet::decode(FILE_DESCRIPTORS).unwrap();
        let services = set.file.iter().flat_map(|file| &file.service);
        let ours = services
            .into_iter()
            .find(|s| s.name() == "MPCService")
            .unwrap();
        let names: Vec<_> = ours.method.iter().map(|method| method.name()).collect();
        assert_eq!(names, METHODS);
    }
}
