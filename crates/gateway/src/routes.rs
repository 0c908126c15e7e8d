//! One file per resource.

mod batch;
mod health;
mod keys;
mod nodes;
mod protocols;
mod sessions;
mod sign;
mod verify;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, FromRequestParts, Path, Query};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::{Router, routing};
use quorate_api::ErrorCode;
use quorate_coordinator::Caller;
use serde::de::DeserializeOwned;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::context::Protocol;
use crate::envelope::envelope;
use crate::error::ApiError;
use crate::gateway::Gateway;
use crate::grpc;
use crate::idempotency::idempotency;
use crate::intake::intake;

pub(crate) use health::{Readiness, check_ready};

/// The calls that are authenticated.
pub(crate) fn api() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(keys::create, keys::list))
        .routes(routes!(keys::get, keys::put))
        .routes(routes!(sign::sign))
        .routes(routes!(batch::sign_batch))
        .routes(routes!(verify::verify))
        .routes(routes!(sessions::create, sessions::list))
        .routes(routes!(sessions::get))
        .routes(routes!(sessions::cancel))
        .routes(routes!(nodes::list))
        .routes(routes!(nodes::get))
        .routes(routes!(nodes::health))
        .routes(routes!(nodes::lift_ban))
        .routes(routes!(protocols::list))
}

/// What is open: health, metrics, the document itself.
pub(crate) fn open() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(health::metrics))
        .routes(routes!(health::openapi))
}

pub(crate) fn router(gateway: Gateway) -> Router {
    let (api, _) = api().split_for_parts();
    let (open, _) = open().split_for_parts();
    api.method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn_with_state(gateway.clone(), idempotency))
        .merge(grpc::authenticated(&gateway))
        .layer(from_fn_with_state(gateway.clone(), intake))
        // `intake` has its own limit, for every body.
        .layer(DefaultBodyLimit::disable())
        .merge(grpc::open(&gateway))
        .merge(open.method_not_allowed_fallback(method_not_allowed))
        .fallback_service(routing::any(not_found))
        .layer(from_fn_with_state(gateway.clone(), envelope))
        .with_state(gateway)
}

async fn not_found(headers: HeaderMap) -> Response {
    let error = match Protocol::of(&headers) {
        Protocol::Rest => {
            let message = "there is no such path; see /openapi.json";
            ApiError::new(ErrorCode::NotFound, message)
        }
        Protocol::Grpc => ApiError::new(ErrorCode::NotImplemented, "there is no such method"),
    };
    error.into_response()
}

async fn method_not_allowed() -> Response {
    let message = "the path exists, but not with this method";
    ApiError::new(ErrorCode::MethodNotAllowed, message).into_response()
}

/// The authenticated caller of a request.
pub(crate) struct Authenticated(pub(crate) Caller);

impl<S: Send + Sync> FromRequestParts<S> for Authenticated {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let caller = parts.extensions.get::<Caller>().cloned();
        caller
            .map(Self)
            .ok_or_else(|| ApiError::new(ErrorCode::Internal, "a route without authentication"))
    }
}

/// The id in a path.
pub(crate) struct Id(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path: Result<Path<String>, PathRejection> =
            Path::from_request_parts(parts, state).await;
        // What is not UTF-8 names nothing.
        path.map(|Path(id)| Self(id))
            .map_err(|_| ApiError::new(ErrorCode::NotFound, "no such resource"))
    }
}

/// The query; unknown parameters are refused.
pub(crate) struct Search<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Search<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let query: Result<Query<T>, QueryRejection> = Query::from_request_parts(parts, state).await;
        query
            .map(|Query(query)| Self(query))
            .map_err(|error| ApiError::new(ErrorCode::InvalidArgument, error.body_text()))
    }
}
