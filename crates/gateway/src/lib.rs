//! REST and gRPC for clients, on one port: the only HTTP of the product.
//!
//! It authenticates calls, limits them, keeps idempotency and renders every answer. What may be
//! done is decided below: by the coordinator's early checks, and by every participant for itself.
//!
//! Order of the layers, outermost first: `envelope` (request id, log, metrics, one form for every
//! answer: JSON or a gRPC status), `intake` (rates, headers, body, concurrency), `auth` (HMAC or
//! Ed25519, time window, nonce), `idempotency`, then the handlers: `routes/` for REST, `grpc/` for gRPC. Both only
//! translate; what calls do is in `operations` and `watch`, once.

#![cfg_attr(
    test,
    allow(non_snake_case, reason = "test names are subject__should_result")
)]

mod answer;
mod auth;
mod body;
mod config;
mod connection;
mod context;
mod crowd;
mod deadline;
mod envelope;
mod error;
mod gateway;
mod grpc;
mod idempotency;
mod intake;
mod observe;
mod openapi;
mod operations;
mod overload;
mod places;
mod process;
mod proxies;
mod rates;
mod routes;
mod serve;
mod source;
mod unread;
mod watch;

pub use auth::{Credential, Credentials, CredentialsError, SignedHeaders, Verifier, sign_request};
pub use config::{GatewayConfig, GatewayLimits};
pub use gateway::{Gateway, GatewayParts};
pub use observe::{install_metrics, metrics_builder};
pub use openapi::document as openapi_document;
pub use proxies::{ForwardedHeader, Network, NotANetwork, Proxies};
pub use serve::serve;
