use axum::extract::State;
use quorate_api::rest::{SessionList, SessionView, Success};
use quorate_coordinator::SessionQuery;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{Authenticated, Id, Search};
use crate::answer::Answer;
use crate::error::ApiError;
use crate::gateway::Gateway;
use crate::openapi::{Errors, IdempotencyHeader};

/// Filters of the list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filters {
    /// Key.
    key_id: Option<String>,
    /// Status, for example `Completed`.
    status: Option<String>,
    /// Attempts of one intent.
    intent_digest: Option<String>,
    /// Most sessions to return, 1 to 200; 50 if absent.
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Lists sessions, newest first.
#[utoipa::path(
    get, path = "/api/v1/sessions", tag = "sessions", params(Filters),
    responses((status = 200, description = "One page", body = Success<SessionList>), Errors)
)]
pub(crate) async fn list(
    State(gateway): State<Gateway>,
    Authenticated(caller): Authenticated,
    Search(filters): Search<Filters>,
) -> Result<Answer<SessionList>, ApiError> {
    let query = SessionQuery {
        key_id: filters.key_id,
        status: filters.status,
        intent_digest: filters.intent_digest,
        limit: filters.limit,
        cursor: filters.cursor,
    };
    Ok(Answer::ok(
        gateway.0.coordinator.sessions(&caller, query).await?,
    ))
}

/// One session, live: which round, who is awaited, since when.
#[utoipa::path(
    get, path = "/api/v1/sessions/{session_id}", tag = "sessions",
    params(("session_id" = String, Path, description = "`ses_…`")),
    responses((status = 200, description = "The session", body = Success<SessionView>), Errors)
)]
pub(crate) async fn get(
    State(gateway): State<Gateway>,
    Authenticated(caller): Authenticated,
    Id(session_id): Id,
) -> Result<Answer<SessionView>, ApiError> {
    Ok(Answer::ok(
        gateway.0.coordinator.session(&caller, &session_id).await?,
    ))
}

/// Cancels the act of a session, as far as that can still be done.
#[utoipa::path(
    post, path = "/api/v1/sessions/{session_id}/cancel", tag = "sessions",
    params(("session_id" = String, Path, description = "`ses_…`"), IdempotencyHeader),
    responses((status = 200, description = "The session", body = Success<SessionView>), Errors)
)]
pub(crate) async fn cancel(
    State(gateway): State<Gateway>,
    Authenticated(caller): Authenticated,
    Id(session_id): Id,
) -> Result<Answer<SessionView>, ApiError> {
    Ok(Answer::ok(
        gateway.0.coordinator.cancel(&caller, &session_id).await?,
    ))
}
