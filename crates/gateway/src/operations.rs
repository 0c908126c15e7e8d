//! What calls do, once for REST and gRPC.

use std::time::{Duration, Instant};

use futures::StreamExt as _;
use quorate_api::ErrorCode;
use quorate_api::rest::{
    BatchItem, BatchSignResult, CreateKeyRequest, KeyView, SessionView, SignRequest, SignResult,
};
use quorate_coordinator::Caller;

use crate::answer::{Ended, Outcome};
use crate::config::GatewayLimits;
use crate::error::ApiError;
use crate::gateway::Inner;

/// How long to wait for a result.
fn wait(asked: Option<u64>, limits: &GatewayLimits) -> Result<Duration, ApiError> {
    let most = limits.max_wait_ms;
    let wait_ms = asked.unwrap_or(limits.default_wait_ms);
    if wait_ms > most {
        return Err(ApiError::invalid("wait_ms", &format!("at most {most}")));
    }
    Ok(Duration::from_millis(wait_ms))
}

const fn ended(is_complete: bool) -> Ended {
    if is_complete {
        Ended::Done
    } else {
        Ended::GoesOn
    }
}

/// Creates a key.
pub(crate) async fn create_key(
    inner: &Inner,
    caller: &Caller,
    request: CreateKeyRequest,
) -> Result<Outcome<KeyView>, ApiError> {
    let wait = wait(request.wait_ms, &inner.limits)?;
    let reply = inner.coordinator.create_key(caller, request, wait).await?;
    let key_id = &reply.key.key_id;
    tracing::info!(key = %key_id, complete = reply.is_complete, "key creation answered");
    Ok(Outcome {
        ended: ended(reply.is_complete),
        data: reply.key,
    })
}

/// Makes one signature.
pub(crate) async fn sign(
    inner: &Inner,
    caller: &Caller,
    request: SignRequest,
) -> Result<Outcome<SignResult>, ApiError> {
    let wait = wait(request.wait_ms, &inner.limits)?;
    sign_within(inner, caller, request, wait).await
}

async fn sign_within(
    inner: &Inner,
    caller: &Caller,
    request: SignRequest,
    wait: Duration,
) -> Result<Outcome<SignResult>, ApiError> {
    let reply = inner.coordinator.sign(caller, request, wait).await?;
    let (session, key) = (&reply.result.session_id, &reply.result.key_id);
    tracing::debug!(%session, %key, complete = reply.is_complete, "signature answered");
    Ok(Outcome {
        ended: ended(reply.is_complete),
        data: reply.result,
    })
}

/// Starts a signature and answers with its session at once.
pub(crate) async fn start_session(
    inner: &Inner,
    caller: &Caller,
    request: SignRequest,
) -> Result<Outcome<SessionView>, ApiError> {
    let started = sign_within(inner, caller, request, Duration::ZERO).await?;
    let id = &started.data.session_id;
    Ok(Outcome {
        ended: started.ended,
        data: inner.coordinator.session(caller, id).await?,
    })
}

/// Refuses a batch of none or too many.
pub(crate) fn check_batch_length(inner: &Inner, length: usize) -> Result<(), ApiError> {
    let most = inner.limits.max_batch_items;
    if (1..=most).contains(&length) {
        return Ok(());
    }
    let why = format!("1 to {most} requests");
    Err(ApiError::invalid("requests", &why).with("limit", most))
}

/// Makes many signatures, `batch_concurrency` at a time. An error of one is its own result.
pub(crate) async fn sign_batch(
    inner: &Inner,
    caller: &Caller,
    requests: Vec<Result<SignRequest, ApiError>>,
    wait_ms: Option<u64>,
) -> Result<Outcome<BatchSignResult>, ApiError> {
    check_batch_length(inner, requests.len())?;
    let deadline = Instant::now() + wait(wait_ms, &inner.limits)?;
    let items = requests.into_iter().enumerate().map(|(position, request)| {
        let mut caller = caller.clone();
        caller.request_id = format!("{}.{}", caller.request_id, position + 1);
        async move { batch_item(inner, &caller, request, deadline).await }
    });
    let at_once = inner.limits.batch_concurrency.max(1);
    let outcomes: Vec<_> = futures::stream::iter(items)
        .buffered(at_once)
        .collect()
        .await;
    let is = |ended| outcomes.iter().any(|item| item.ended == ended);
    let ended = match (is(Ended::GoesOn), is(Ended::InPart)) {
        (true, _) => Ended::GoesOn,
        (false, true) => Ended::InPart,
        (false, false) => Ended::Done,
    };
    let results = outcomes.into_iter().map(|item| item.data).collect();
    let data = BatchSignResult { results };
    Ok(Outcome { data, ended })
}

async fn batch_item(
    inner: &Inner,
    caller: &Caller,
    request: Result<SignRequest, ApiError>,
    deadline: Instant,
) -> Outcome<BatchItem> {
    let outcome = async {
        let request = request?;
        let own = wait(
            request.wait_ms.or(Some(inner.limits.max_wait_ms)),
            &inner.limits,
        )?;
        let left = deadline.saturating_duration_since(Instant::now());
        sign_within(inner, caller, request, own.min(left)).await
    };
    match outcome.await {
        Ok(Outcome { data, ended }) => Outcome {
            data: BatchItem {
                success: true,
                data: Some(data),
                error: None,
            },
            ended,
        },
        Err(error) => {
            metrics::counter!("mpc_errors_total", "code" => error.code.as_str()).increment(1);
            Outcome {
                data: BatchItem {
                    success: false,
                    data: None,
                    error: Some(error.body()),
                },
                ended: Ended::InPart,
            }
        }
    }
}

/// A call that the interface has, but this version does not do.
pub(crate) fn not_built(what: &str) -> ApiError {
    let message = format!("{what} is not built yet");
    ApiError::new(ErrorCode::NotImplemented, message)
}
