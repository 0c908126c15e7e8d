//! The outermost layer: request id, time limit, one envelope for every answer, log and metrics.

use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use quorate_api::ErrorCode;
use quorate_api::rest::{Failure, Meta};
use quorate_coordinator::now;
use tracing::Instrument as _;

use crate::answer::Part;
use crate::context::{Context, REQUEST_ID};
use crate::error::ApiError;
use crate::gateway::Gateway;

/// The layer.
pub(crate) async fn envelope(
    State(gateway): State<Gateway>,
    mut request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let context = Context::of(&request);
    request.extensions_mut().insert(context.clone());
    let matched = request.extensions().get::<MatchedPath>();
    // The pattern, not the path: no ids of callers in metrics.
    let route = matched.map_or_else(|| "unknown".to_owned(), |path| path.as_str().to_owned());
    let method = request.method().to_string();
    let span = tracing::info_span!("request", request_id = %context.request_id, %method, %route);
    let limit = Duration::from_millis(gateway.0.limits.request_timeout_ms);
    let run = tokio::time::timeout(limit, next.run(request)).instrument(span.clone());
    let mut response = run.await.unwrap_or_else(|_| {
        let message = "the request took too long; what it started goes on";
        ApiError::new(ErrorCode::Timeout, message).into_response()
    });
    let code = render(&mut response, &context);
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

/// Puts the answer into the envelope; the code if it is a failure.
fn render(response: &mut Response, context: &Context) -> Option<String> {
    let id = HeaderValue::from_str(&context.request_id).expect("request ids are plain ASCII");
    response.headers_mut().insert(REQUEST_ID, id);
    let meta = Meta {
        request_id: context.request_id.clone(),
        timestamp: now().seconds().to_rfc3339(),
    };
    let part = response.extensions_mut().remove::<Part>()?;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    let (bytes, code) = match part {
        Part::Data(data) => {
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
        Part::Error { body, .. } => {
            let code = body.code.clone();
            let failure = Failure {
                success: false,
                error: body,
                meta,
            };
            let bytes = serde_json::to_vec(&failure).expect("strings and JSON are always JSON");
            (bytes, Some(code))
        }
    };
    *response.body_mut() = Body::from(bytes);
    code
}
