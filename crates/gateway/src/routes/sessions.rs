use std::convert::Infallible;

use axum::extract::State;
use axum::http::header::ACCEPT;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures::StreamExt as _;
use quorate_api::rest::{SessionList, SessionView, SignRequest, Success};
use quorate_coordinator::SessionQuery;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{Authenticated, Id, Search};
use crate::answer::Answer;
use crate::body::Body;
use crate::error::ApiError;
use crate::gateway::Gateway;
use crate::openapi::{Errors, IdempotencyHeader};
use crate::operations;
use crate::watch::{SessionEvent, follow};

const EVENT_STREAM: &str = "text/event-stream";

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

/// Starts a signature and answers with its session at once.
///
/// The body is that of `POST /sign`; its `wait_ms` is not used.
#[utoipa::path(
    post, path = "/api/v1/sessions", tag = "sessions", params(IdempotencyHeader),
    request_body = SignRequest,
    responses(
        (status = 200, description = "It was signed before", body = Success<SessionView>),
        (status = 202, description = "The session goes on", body = Success<SessionView>),
        Errors
    )
)]
pub(crate) async fn create(
    State(gateway): State<Gateway>,
    Authenticated(caller): Authenticated,
    Body(request): Body<SignRequest>,
) -> Result<Answer<SessionView>, ApiError> {
    let outcome = operations::start_session(&gateway.0, &caller, request).await?;
    Ok(Answer::of(outcome, StatusCode::OK))
}

/// One session, live: which round, who is awaited, since when.
///
/// With `Accept: text/event-stream` the act of the session is followed: its state now, then each
/// change, as events named `session` with a `SessionView` as data. The last one is named `end`. A
/// stream that cannot go on ends with an event `error` (`ErrorBody`).
#[utoipa::path(
    get, path = "/api/v1/sessions/{session_id}", tag = "sessions",
    params(("session_id" = String, Path, description = "`ses_…`")),
    responses(
        (status = 200, description = "The session", content(
            (Success<SessionView> = "application/json"),
            (String = "text/event-stream"),
        )),
        Errors
    )
)]
pub(crate) async fn get(
    State(gateway): State<Gateway>,
    Authenticated(caller): Authenticated,
    Id(session_id): Id,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let accepts = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
    if accepts.is_some_and(|accept| accept.contains(EVENT_STREAM)) {
        let events = follow(&gateway.0, caller, &session_id, None).await?;
        return Ok(
            Sse::new(events.map(|event| Ok::<_, Infallible>(sse_event(event)))).into_response(),
        );
    }
    let view = gateway.0.coordinator.session(&caller, &session_id).await?;
    Ok(Answer::ok(view).into_response())
}

fn sse_event(event: Result<SessionEvent, ApiError>) -> Event {
    let (name, json) = match event {
        Ok(SessionEvent { session, last }) => {
            let name = if last { "end" } else { "session" };
            (name, serde_json::to_string(&session))
        }
        Err(error) => ("error", serde_json::to_string(&error.body())),
    };
    Event::default()
        .event(name)
        .data(json.expect("views hold text keys"))
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
