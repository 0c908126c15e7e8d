//! What every call of the API passes first: limits on headers, body and number, authentication,
//! media type; and the record of a refusal.

use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::Method;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use quorate_api::ErrorCode;
use quorate_coordinator::{Caller, now};
use quorate_store::{AuditEvent, AuditResult};
use serde_json::json;
use tokio::sync::SemaphorePermit;

use crate::answer::Part;
use crate::auth::{named, prove};
use crate::connection::Standing;
use crate::context::{Context, Protocol};
use crate::error::ApiError;
use crate::gateway::{Gateway, Inner};
use crate::grpc::{self, Message};
use crate::idempotency::{self, Begun};
use crate::overload;
use crate::source::Source;

/// Counts audit records of one kind of refusals that cost their senders nothing, so that they cannot fill the disk.
#[derive(Default)]
pub(crate) struct FailureBudget {
    second: Option<Instant>,
    used: u32,
    suppressed: u64,
}

impl FailureBudget {
    /// How many were left out since the last record, if one may be written now.
    fn take(&mut self, per_second: u32, at: Instant) -> Option<u64> {
        if self
            .second
            .is_none_or(|start| at.duration_since(start).as_secs() >= 1)
        {
            (self.second, self.used) = (Some(at), 0);
        }
        if self.used >= per_second {
            self.suppressed = self.suppressed.saturating_add(1);
            return None;
        }
        self.used += 1;
        Some(std::mem::take(&mut self.suppressed))
    }
}

/// The layer.
pub(crate) async fn intake(
    State(gateway): State<Gateway>,
    request: Request,
    next: Next,
) -> Response {
    let inner = &gateway.0;
    let context = request.extensions().get::<Context>().cloned();
    let context = context.unwrap_or_else(|| Context::of(&request, &inner.proxies));
    let operation = operation(&request);
    let (mut parts, body) = request.into_parts();
    let admitted = inner.rates.admit_address(context.address, named(&parts));
    if let Err(refusal) = admitted {
        record_limited(inner, &context, None, &operation, &refusal).await;
        return refusal.into_response();
    }
    let refusal = match admit(inner, &context, &parts, body).await {
        Ok(Admitted {
            caller,
            received,
            begun,
            slot: _slot,
        }) => {
            if let Err(refusal) = inner.rates.admit_credential(&caller.credential) {
                if let Some(begun) = begun {
                    begun.abandon(inner).await;
                }
                let key = Some(caller.credential);
                record_limited(inner, &context, key, &operation, &refusal).await;
                return refusal.into_response();
            }
            parts.extensions.insert(caller.clone());
            let checked = check_media_type(&parts, &received);
            let body = received.forward(&mut parts);
            let mut request = Request::from_parts(parts, body);
            let response = match (checked, begun) {
                (Ok(()), Some(begun)) => {
                    request.extensions_mut().insert(begun);
                    next.run(request).await
                }
                (Ok(()), None) => next.run(request).await,
                (Err(error), begun) => {
                    if let Some(begun) = begun {
                        begun.abandon(inner).await;
                    }
                    error.into_response()
                }
            };
            if let Some(code) = unrecorded(&response) {
                record_refusal(inner, &caller, &operation, code).await;
            }
            return response;
        }
        Err(Refused::Crowded(refusal)) => {
            record_limited(inner, &context, None, &operation, &refusal).await;
            return refusal.into_response();
        }
        Err(Refused::Unknown(error)) => error,
    };
    inner.rates.count_failure(context.address, named(&parts));
    record_stranger(inner, &context, &operation, &refusal).await;
    refusal.into_response()
}

fn operation(request: &Request) -> String {
    let path: String = request.uri().path().chars().take(160).collect();
    format!("{} {path}", request.method())
}

/// A body as it arrived, and what of it the caller signed.
struct Received {
    body: Bytes,
    signed: Bytes,
    protocol: Protocol,
    was_compressed: bool,
}

impl Received {
    fn read(inner: &Inner, parts: &Parts, body: Bytes) -> Result<Self, ApiError> {
        let protocol = Protocol::of(&parts.headers);
        let (signed, was_compressed) = match protocol {
            Protocol::Rest => (body.clone(), false),
            Protocol::Grpc => {
                let encoding = parts.headers.get(grpc::ENCODING);
                let encoding = encoding.and_then(|value| value.to_str().ok());
                grpc::message(&body, encoding, inner.limits.max_body_bytes)?
            }
        };
        Ok(Self {
            body,
            signed,
            protocol,
            was_compressed,
        })
    }

    /// The body for the handlers. A compressed message goes on uncompressed: nothing is unpacked
    /// twice, and nothing but what was authenticated is read.
    fn forward(self, parts: &mut Parts) -> Body {
        if self.protocol == Protocol::Rest {
            return Body::from(self.body);
        }
        parts.extensions.insert(Message(self.signed.clone()));
        if !self.was_compressed {
            return Body::from(self.body);
        }
        parts.headers.remove(grpc::ENCODING);
        parts.headers.remove(CONTENT_LENGTH);
        Body::from(grpc::frame(&self.signed))
    }
}

/// An authenticated request, with its slot among those that are served.
struct Admitted<'a> {
    caller: Caller,
    received: Received,
    /// Where it stands, if it has an `Idempotency-Key`.
    begun: Option<Begun>,
    slot: SemaphorePermit<'a>,
}

/// Why a request is not served.
enum Refused {
    /// Nobody knows whose it is; it counts as a failed authentication.
    Unknown(ApiError),
    /// Nothing is wrong with it, there is no room.
    Crowded(ApiError),
}

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        Self::Unknown(error)
    }
}

fn crowded(limit: &str, message: &str) -> Refused {
    let error = ApiError::new(ErrorCode::RateLimited, message).with("limit", limit);
    Refused::Crowded(error)
}

/// Hears a request out and learns whose it is. Until then it holds a place among strangers, which
/// another one may take; only an authenticated one gets a slot for as long as it is served.
async fn admit<'a>(
    inner: &'a Inner,
    context: &Context,
    parts: &Parts,
    body: Body,
) -> Result<Admitted<'a>, Refused> {
    check_headers(inner, parts)?;
    let place = inner.unknown_requests.enter(Source::of(context.address));
    let body = place.hold(read_body(inner, parts, body)).await;
    let body = body.ok_or_else(|| {
        let message = "too many requests at one time that have not arrived whole";
        crowded("unknown_requests", message)
    })??;
    let received = Received::read(inner, parts, body)?;
    let proven = prove(inner, parts, &received.signed)?;
    drop(place);
    let slot = inner.slots.try_acquire();
    let slot = slot.map_err(|_| {
        crowded(
            "concurrent_requests",
            "too many requests are served at one time",
        )
    })?;
    let arrival = overload::admit(inner, parts).map_err(Refused::Crowded)?;
    let question = match received.protocol {
        Protocol::Rest => {
            idempotency::question_of(inner, proven.credential(), parts, &received.body)
        }
        Protocol::Grpc => None, // its handlers ask
    };
    let key = question.as_ref().map(|question| question.key.clone());
    let (identity, start) = proven.begin(inner, question).await?;
    inner.rates.prove(context.address, &identity.key);
    if let Some(Standing(connection)) = parts.extensions.get() {
        connection.leave();
    }
    let caller = context.caller(&identity, arrival);
    Ok(Admitted {
        caller,
        received,
        begun: key.zip(start).map(|(key, start)| Begun { key, start }),
        slot,
    })
}

fn check_headers(inner: &Inner, parts: &Parts) -> Result<(), ApiError> {
    let size = |(name, value): (&axum::http::HeaderName, &axum::http::HeaderValue)| {
        name.as_str().len() + value.len()
    };
    let (count, most) = (parts.headers.len(), inner.limits.max_headers);
    let (bytes, longest) = (
        parts.headers.iter().map(size).sum::<usize>(),
        inner.limits.max_header_bytes,
    );
    if count > most || bytes > longest {
        let message = format!("more than {most} headers, or more than {longest} bytes of them");
        return Err(ApiError::new(ErrorCode::PayloadTooLarge, message));
    }
    Ok(())
}

async fn read_body(inner: &Inner, parts: &Parts, body: Body) -> Result<Bytes, ApiError> {
    let most = inner.limits.max_body_bytes;
    let limit = match Protocol::of(&parts.headers) {
        Protocol::Rest => most,
        Protocol::Grpc => most.saturating_add(grpc::FRAME_HEADER_BYTES),
    };
    let too_large = || {
        let message = format!("the body is longer than {most} bytes");
        ApiError::new(ErrorCode::PayloadTooLarge, message).with("limit", most)
    };
    let length = parts
        .headers
        .get(CONTENT_LENGTH)
        .and_then(|v| v.to_str().ok());
    if length
        .and_then(|l| l.parse::<usize>().ok())
        .is_some_and(|l| l > limit)
    {
        return Err(too_large());
    }
    let patience = Duration::from_millis(inner.limits.body_timeout_ms);
    let collected = tokio::time::timeout(patience, Limited::new(body, limit).collect());
    match collected.await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Err(_) => {
            let message = format!("the body did not arrive within {} ms", patience.as_millis());
            Err(ApiError::new(ErrorCode::MalformedRequest, message))
        }
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(ApiError::new(
            ErrorCode::MalformedRequest,
            "the body broke off",
        )),
    }
}

/// JSON for REST, gRPC for gRPC.
fn check_media_type(parts: &Parts, received: &Received) -> Result<(), ApiError> {
    let is_grpc_path = parts.uri.path().starts_with(grpc::PATH);
    if is_grpc_path != (received.protocol == Protocol::Grpc) {
        let message = "application/grpc is for gRPC methods, and only for them";
        return Err(ApiError::new(ErrorCode::UnsupportedMediaType, message));
    }
    // Otherwise what is refused would look like a reading call, which nobody records.
    if is_grpc_path && parts.method != Method::POST {
        let message = "gRPC methods are called by POST";
        return Err(ApiError::new(ErrorCode::MethodNotAllowed, message));
    }
    let has_json = matches!(parts.method, Method::POST | Method::PUT) && !received.body.is_empty();
    if is_grpc_path || !has_json {
        return Ok(());
    }
    let media = parts
        .headers
        .get(CONTENT_TYPE)
        .and_then(|v| v.to_str().ok());
    let essence = media
        .and_then(|media| media.split(';').next())
        .unwrap_or_default();
    if essence.trim().eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let message = "send the body as application/json";
    Err(ApiError::new(ErrorCode::UnsupportedMediaType, message))
}

/// Code of a failure that the audit index does not have.
fn unrecorded(response: &Response) -> Option<String> {
    match response.extensions().get() {
        Some(Part::Error(error)) if !error.is_recorded => Some(error.code.as_str().to_owned()),
        _ => None,
    }
}

/// Records the refusal of a call that would have changed something.
async fn record_refusal(inner: &Inner, caller: &Caller, operation: &str, code: String) {
    if operation.starts_with("GET ") {
        return;
    }
    let event = AuditEvent {
        timestamp: now(),
        event_type: "request.refused".to_owned(),
        user_id: Some(caller.credential.clone()),
        key_id: None,
        node_id: None,
        session_id: None,
        operation: operation.to_owned(),
        result: AuditResult::Denied,
        details: json!({ "code": code }),
        ip_address: caller.ip_address.clone(),
        user_agent: caller.user_agent.clone(),
        request_id: Some(caller.request_id.clone()),
    };
    record(inner, event).await;
}

/// Records a call that nobody authenticated, within a budget.
async fn record_stranger(inner: &Inner, context: &Context, operation: &str, error: &ApiError) {
    metrics::counter!("mpc_auth_failures_total", "code" => error.code.as_str()).increment(1);
    let per_second = inner.limits.max_auth_failure_records_per_second;
    let Some(suppressed) = inner.failure_budget.lock().take(per_second, Instant::now()) else {
        return;
    };
    let event = refusal("auth.failed", context, None, operation, error, suppressed);
    record(inner, event).await;
}

/// Records a call above a rate, within a budget.
async fn record_limited(
    inner: &Inner,
    context: &Context,
    credential: Option<String>,
    operation: &str,
    error: &ApiError,
) {
    let per_second = inner.limits.max_auth_failure_records_per_second;
    let Some(suppressed) = inner.limited_budget.lock().take(per_second, Instant::now()) else {
        return;
    };
    let event = refusal(
        "request.limited",
        context,
        credential,
        operation,
        error,
        suppressed,
    );
    record(inner, event).await;
}

fn refusal(
    event_type: &str,
    context: &Context,
    credential: Option<String>,
    operation: &str,
    error: &ApiError,
    suppressed: u64,
) -> AuditEvent {
    let limit = error.details.get("limit");
    AuditEvent {
        timestamp: now(),
        event_type: event_type.to_owned(),
        user_id: credential,
        key_id: None,
        node_id: None,
        session_id: None,
        operation: operation.to_owned(),
        result: AuditResult::Denied,
        details: json!({
            "code": error.code.as_str(),
            "limit": limit,
            "suppressed_before": suppressed,
        }),
        ip_address: context.ip_address.clone(),
        user_agent: context.user_agent.clone(),
        request_id: Some(context.request_id.clone()),
    }
}

/// A refusal stands whether it can be recorded or not: nothing is done either way.
async fn record(inner: &Inner, event: AuditEvent) {
    metrics::counter!("mpc_audit_events_total", "event" => event.event_type.clone()).increment(1);
    if let Err(error) = inner.coordinator.store().append_audit(event).await {
        tracing::error!(%error, "a refusal was not recorded");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failure_budget__must_stop_a_flood_and_count_what_it_left_out() {
        let (mut budget, start) = (FailureBudget::default(), Instant::now());
        assert_eq!(budget.take(2, start), Some(0));
        assert_eq!(budget.take(2, start), Some(0));
        assert_eq!(budget.take(2, start), None);
        assert_eq!(budget.take(2, start), None);
        assert_eq!(budget.take(2, start + Duration::from_secs(1)), Some(2));
    }
}
