use axum::extract::State;
use axum::http::StatusCode;
use quorate_api::rest::{CreateKeyRequest, KeyList, KeyView, Success, UpdateKeyRequest};
use quorate_coordinator::KeyQuery;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{Authenticated, Id, Search};
use crate::answer::Answer;
use crate::body::Body;
use crate::error::ApiError;
use crate::gateway::Gateway;
use crate::openapi::{Errors, IdempotencyHeader};
use crate::operations;

/// Filters of the list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filters {
    /// Place in the life cycle, for example `Active`.
    status: Option<String>,
    /// Chain.
    chain_type: Option<String>,
    /// `ECDSA`, `EdDSA` or `Schnorr`.
    algorithm: Option<String>,
    /// A tag of the key.
    tag: Option<String>,
    /// The address of the key.
    address: Option<String>,
    /// Most keys to return, 1 to 200; 50 if absent.
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Creates a key.
///
/// Waits up to `wait_ms` for the key, then answers 202 with its session.
#[utoipa::path(
    post, path = "/api/v1/keys", tag = "keys", params(IdempotencyHeader),
    request_body = CreateKeyRequest,
    responses(
        (status = 201, description = "The key can sign", body = Success<KeyView>),
        (status = 202, description = "Its session goes on", body = Success<KeyView>),
        Errors
    )
)]
pub(crate) async fn create(
    State(gateway): State<Gateway>,
    Authenticated(caller): Authenticated,
    Body(request): Body<CreateKeyRequest>,
) -> Result<Answer<KeyView>, ApiError> {
    let outcome = operations::create_key(&gateway.0, &caller, request).await?;
    Ok(Answer::of(outcome, StatusCode::CREATED))
}

/// Lists keys, newest first.
#[utoipa::path(
    get, path = "/api/v1/keys", tag = "keys", params(Filters),
    responses((status = 200, description = "One page", body = Success<KeyList>), Errors)
)]
pub(crate) async fn list(
    State(gateway): State<Gateway>,
    Authenticated(caller): Authenticated,
    Search(filters): Search<Filters>,
) -> Result<Answer<KeyList>, ApiError> {
    let query = KeyQuery {
        status: filters.status,
        chain_type: filters.chain_type,
        algorithm: filters.algorithm,
        tag: filters.tag,
        address: filters.address,
        limit: filters.limit,
        cursor: filters.cursor,
    };
    Ok(Answer::ok(
        gateway.0.coordinator.keys(&caller, query).await?,
    ))
}

/// One key, with the nodes' signatures over its address.
#[utoipa::path(
    get, path = "/api/v1/keys/{key_id}", tag = "keys",
    params(("key_id" = String, Path, description = "`key_…`")),
    responses((status = 200, description = "The key", body = Success<KeyView>), Errors)
)]
pub(crate) async fn get(
    State(gateway): State<Gateway>,
    Authenticated(caller): Authenticated,
    Id(key_id): Id,
) -> Result<Answer<KeyView>, ApiError> {
    Ok(Answer::ok(
        gateway.0.coordinator.key(&caller, &key_id).await?,
    ))
}

/// Changes description and tags.
#[utoipa::path(
    put, path = "/api/v1/keys/{key_id}", tag = "keys",
    params(("key_id" = String, Path, description = "`key_…`")),
    request_body = UpdateKeyRequest,
    responses((status = 200, description = "The key", body = Success<KeyView>), Errors)
)]
pub(crate) async fn put(
    State(gateway): State<Gateway>,
    Authenticated(caller): Authenticated,
    Id(key_id): Id,
    Body(update): Body<UpdateKeyRequest>,
) -> Result<Answer<KeyView>, ApiError> {
    let coordinator = &gateway.0.coordinator;
    Ok(Answer::ok(
        coordinator.describe_key(&caller, &key_id, update).await?,
    ))
}
