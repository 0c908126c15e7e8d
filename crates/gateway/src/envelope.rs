//! The outermost layer: request id, time limit, one form for every answer, log and metrics.

use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use quorate_api::ErrorCode;
use quorate_api::rest::{Failure, Meta};
use quorate_coordinator::now;
use tonic::Status;
use tracing::Instrument as _;

use crate::answer::Part;
use crate::context::{Context, Protocol, REQUEST_ID};
use crate::deadline::grpc_timeout;
use crate::error::ApiError;
use crate::gateway::Gateway;

/// The layer.
pub(crate) async fn envelope(
    State(gateway): State<Gateway>,
    mut request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let context = Context::of(&request, &gateway.0.proxies);
    request.extensions_mut().insert(context.clone());
    let matched = request.extensions().get::<MatchedPath>();
    // The pattern, not the path: no ids of callers in metrics.
    let route = matched.map_or_else(|| "unknown".to_owned(), |path| path.as_str().to_owned());
    let method = request.method().to_string();
    let span = tracing::info_span!("request", request_id = %context.request_id, %method, %route);
    let longest = Duration::from_millis(gateway.0.limits.request_timeout_ms);
    let mut response = run(longest, request, next).instrument(span.clone()).await;
    let code = match context.protocol {
        Protocol::Rest => {
            secure(response.headers_mut());
            render(&mut response, &context)
        }
        Protocol::Grpc => render_grpc(&mut response),
    };
    let id = HeaderValue::from_str(&context.request_id).expect("request ids are plain ASCII");
    response.headers_mut().insert(REQUEST_ID, id);
    let (status, elapsed) = (response.status().as_u16(), started.elapsed());
    let labels = [
        ("method", method),
        ("route", route),
        ("status", status.to_string()),
    ];
    metrics::counter!("mpc_requests_total", &labels).increment(1);
    metrics::histogram!("mpc_request_duration_seconds", &labels).record(elapsed.as_secs_f64());
    if let Some(code) = &code {
        metrics::counter!("mpc_errors_total", "code" => code.clone()).increment(1);
    }
    span.in_scope(|| {
        let (micros, code) = (elapsed.as_micros(), code.unwrap_or_default());
        tracing::info!(status, micros, code, "request served");
    });
    response
}

/// Runs a request within our limit and the caller's own, whichever is shorter.
async fn run(longest: Duration, mut request: Request, next: Next) -> Response {
    let limit = match grpc_timeout(request.headers()) {
        Ok(None) => longest,
        Ok(Some(asked)) => {
            let deadline = tokio::time::Instant::now().checked_add(asked);
            request.extensions_mut().insert(Deadline(deadline));
            asked.min(longest)
        }
        Err(error) => return error.into_response(),
    };
    let run = tokio::time::timeout(limit, next.run(request)).await;
    run.unwrap_or_else(|_| {
        let message = "the request took too long; what it started goes on";
        ApiError::new(ErrorCode::Timeout, message).into_response()
    })
}

/// Until when a caller of gRPC waits; for streams, which live longer than their first answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline(pub(crate) Option<tokio::time::Instant>);

/// What tells browsers to do nothing with an answer but hand it over. `Strict-Transport-Security`
/// is for whoever ends TLS: this process speaks plain HTTP.
fn secure(headers: &mut HeaderMap) {
    for (name, value) in [
        (CACHE_CONTROL, "no-store"),
        (
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// Turns a failure into a gRPC status; its code if it is one.
fn render_grpc(response: &mut Response) -> Option<String> {
    let Some(Part::Error(error)) = response.extensions_mut().remove::<Part>() else {
        return None;
    };
    let code = error.code.as_str().to_owned();
    *response = Status::from(*error).into_http();
    Some(code)
}

/// Puts the answer into the envelope; the code if it is a failure.
fn render(response: &mut Response, context: &Context) -> Option<String> {
    let meta = Meta {
        request_id: context.request_id.clone(),
        timestamp: now().seconds().to_rfc3339(),
    };
    let part = response.extensions_mut().remove::<Part>()?;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    let (bytes, code) = match part {
        Part::Data(data, _) => {
            let meta = serde_json::to_vec(&meta).expect("strings are always JSON");
            let pieces: [&[u8]; 5] = [
                br#"{"success":true,"data":"#,
                &data,
                br#","meta":"#,
                &meta,
                b"}",
            ];
            (pieces.concat(), None)
        }
        Part::Error(error) => {
            let code = error.code.as_str().to_owned();
            let failure = Failure {
                success: false,
                error: error.body(),
                meta,
            };
            let bytes = serde_json::to_vec(&failure).expect("strings and JSON are always JSON");
            (bytes, Some(code))
        }
    };
    *response.body_mut() = Body::from(bytes);
    code
}
