//! `Idempotency-Key`: the same key and body get the first answer, another body is refused.
//!
//! A request that is still in progress is joined, not refused: acts are idempotent by their intent
//! anyway, so it runs to the same result. That also holds after a crash, when the record of the
//! lost request is released. A failure frees the key: nothing was done.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use quorate_api::ErrorCode;
use quorate_coordinator::{Caller, now};
use quorate_store::{
    IdempotencyKey, IdempotencyRequest, IdempotencyStart, StoreError, StoredResponse, Write,
};
use quorate_types::Digest32;

use crate::answer::{Ended, Part, data_response};
use crate::error::ApiError;
use crate::gateway::{Gateway, Inner};

/// The header, and the metadata in gRPC.
pub(crate) const HEADER: &str = "idempotency-key";
/// Says that the answer was stored before.
pub(crate) const REPLAYED: &str = "idempotency-replayed";
const MAX_KEY: usize = 128;

/// A request that runs under an `Idempotency-Key`.
pub(crate) struct Ticket {
    key: IdempotencyKey,
    is_first: bool,
}

/// Whether a request has to run.
pub(crate) enum Begin {
    Run(Ticket),
    Replay(StoredResponse),
}

/// Where a request of REST stands: `intake` asked for it together with the nonce.
#[derive(Clone)]
pub(crate) struct Begun {
    pub(crate) key: IdempotencyKey,
    pub(crate) start: IdempotencyStart,
}

impl Begun {
    /// Gives up a request that is refused before anything of it was done.
    pub(crate) async fn abandon(self, inner: &Inner) {
        if let Ok(Begin::Run(ticket)) = self.decide() {
            end(inner, ticket, None).await;
        }
    }

    fn decide(self) -> Result<Begin, ApiError> {
        let Self { key, start } = self;
        let is_first = match start {
            IdempotencyStart::New => true,
            IdempotencyStart::InProgress => false,
            IdempotencyStart::Done(stored) => return Ok(Begin::Replay(stored)),
            IdempotencyStart::Conflict => {
                let message = "this Idempotency-Key was used with another request";
                return Err(ApiError::new(ErrorCode::IdempotencyConflict, message));
            }
        };
        Ok(Begin::Run(Ticket { key, is_first }))
    }
}

/// What the store is asked about a request. `content` is what makes it the same request.
fn question(
    inner: &Inner,
    credential: &str,
    given: &[u8],
    content: &[&[u8]],
) -> Result<IdempotencyRequest, ApiError> {
    let at = now();
    Ok(IdempotencyRequest {
        key: IdempotencyKey {
            credential: credential.to_owned(),
            key: read_key(given)?,
        },
        body_hash: Digest32::of(b"quorate idempotent request v1", content),
        at,
        expires_at: at.plus(inner.limits.idempotency_ttl_seconds.saturating_mul(1_000)),
    })
}

/// The question about a request of REST; none without a key that can be read. The layer refuses
/// such a key after the caller is known.
pub(crate) fn question_of(
    inner: &Inner,
    credential: &str,
    parts: &Parts,
    body: &[u8],
) -> Option<IdempotencyRequest> {
    let given = parts.headers.get(HEADER);
    let given = given.filter(|_| parts.method == Method::POST)?;
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let content = [parts.method.as_str().as_bytes(), path.as_bytes(), body];
    question(inner, credential, given.as_bytes(), &content).ok()
}

/// Asks whether a request has to run. `content` is what makes it the same request.
pub(crate) async fn begin(
    inner: &Inner,
    caller: &Caller,
    given: &[u8],
    content: &[&[u8]],
) -> Result<Begin, ApiError> {
    let question = question(inner, &caller.credential, given, content)?;
    let key = question.key.clone();
    let start = inner
        .coordinator
        .store()
        .begin_idempotency(question)
        .await?;
    Begun { key, start }.decide()
}

/// Keeps a final answer, frees the key of a failure (`None`). Work that goes on keeps the key.
///
/// The write is in the queue when this returns, before any later request's, but nobody waits until
/// it is durable: if the process ends before, the key is free after the restart, and the same
/// request gets the same answer from its intent, which is durable already.
pub(crate) async fn end(inner: &Inner, ticket: Ticket, answer: Option<(Ended, StoredResponse)>) {
    let Ticket { key, is_first } = ticket;
    let write = match answer {
        Some((Ended::GoesOn, _)) => return,
        Some((Ended::Done, stored)) => Write::FinishIdempotency(key, stored),
        _ if is_first => Write::ReleaseIdempotency(key),
        _ => return,
    };
    let store = Arc::clone(inner.coordinator.store());
    let mut written = Box::pin(async move {
        match store.write(write).await {
            // An equal request was quicker, or the answer came after its time.
            Ok(()) | Err(StoreError::NotFound { .. }) => {}
            // The act is done and recorded under its intent; only this record is missing.
            Err(error) => tracing::error!(%error, "an idempotency record was not written"),
        }
    });
    // The first look puts it into the queue.
    if futures::poll!(&mut written).is_pending() {
        tokio::spawn(written);
    }
}

/// The layer of REST. gRPC does the same around its handlers.
pub(crate) async fn idempotency(
    State(gateway): State<Gateway>,
    mut request: Request,
    next: Next,
) -> Response {
    if let Some(begun) = request.extensions_mut().remove::<Begun>() {
        let run = run_once(&gateway.0, begun, request, next).await;
        return run.unwrap_or_else(IntoResponse::into_response);
    }
    // Without an answer of the store, the key is none.
    let given = request.headers().get(HEADER);
    let given = given.filter(|_| request.method() == Method::POST);
    match given.map(|given| read_key(given.as_bytes())) {
        Some(Err(refusal)) => refusal.into_response(),
        _ => next.run(request).await,
    }
}

async fn run_once(
    inner: &Inner,
    begun: Begun,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let ticket = match begun.decide()? {
        Begin::Run(ticket) => ticket,
        Begin::Replay(stored) => return Ok(replay(stored)),
    };
    let response = next.run(request).await;
    let answer = match response.extensions().get() {
        Some(Part::Data(json, ended)) => {
            let stored = StoredResponse {
                status_code: response.status().as_u16(),
                body: json.to_vec(),
            };
            Some((*ended, stored))
        }
        _ => None,
    };
    end(inner, ticket, answer).await;
    Ok(response)
}

fn read_key(given: &[u8]) -> Result<String, ApiError> {
    let text = std::str::from_utf8(given).unwrap_or_default();
    let is_safe = text.bytes().all(|b| b.is_ascii_graphic());
    if text.is_empty() || text.len() > MAX_KEY || !is_safe {
        let why = "1 to 128 printable ASCII characters without spaces";
        return Err(ApiError::invalid("Idempotency-Key", why));
    }
    Ok(text.to_owned())
}

fn replay(stored: StoredResponse) -> Response {
    let status = StatusCode::from_u16(stored.status_code).unwrap_or(StatusCode::OK);
    let mut response = data_response(status, stored.body.into(), Ended::Done);
    let headers = response.headers_mut();
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    response
}
