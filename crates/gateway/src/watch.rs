//! Progress of a session as a stream, for server-sent events and gRPC.
//!
//! It follows the act: an attempt that is given up is replaced by another, and the stream goes on
//! with that one. It ends with the final state.

use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use quorate_api::ErrorCode;
use quorate_api::rest::SessionView;
use quorate_coordinator::{Caller, SessionWatch};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::error::ApiError;
use crate::gateway::Inner;

/// Where the act stands.
pub(crate) struct SessionEvent {
    pub(crate) session: SessionView,
    /// It has ended; nothing follows.
    pub(crate) last: bool,
}

struct Follower {
    inner: Arc<Inner>,
    caller: Caller,
    watch: SessionWatch,
    /// What was told last, to tell only what is new.
    told: Option<String>,
    ends_at: Instant,
    is_over: bool,
    _place: OwnedSemaphorePermit,
}

/// Why a follower wakes up.
enum Wake {
    Changed,
    /// The same again: it shows that the connection lives.
    KeepAlive,
    Over(ApiError),
}

/// Follows the act of a session, at most until `deadline`.
///
/// # Errors
/// `NOT_FOUND`, and `RATE_LIMITED` for more than `max_watchers` streams.
pub(crate) async fn follow(
    inner: &Arc<Inner>,
    caller: Caller,
    session_id: &str,
    deadline: Option<Instant>,
) -> Result<impl Stream<Item = Result<SessionEvent, ApiError>> + Send + 'static, ApiError> {
    let place = Arc::clone(&inner.watchers).try_acquire_owned();
    let place = place.map_err(|_| {
        let message = "too many streams at one time";
        ApiError::new(ErrorCode::RateLimited, message).with("limit", inner.limits.max_watchers)
    })?;
    let watch = inner.coordinator.watch_session(&caller, session_id).await?;
    let longest = Instant::now() + Duration::from_millis(inner.limits.max_watch_ms);
    let follower = Follower {
        ends_at: deadline.map_or(longest, |deadline| deadline.min(longest)),
        inner: Arc::clone(inner),
        caller,
        watch,
        told: None,
        is_over: false,
        _place: place,
    };
    Ok(futures::stream::unfold(follower, |mut follower| async {
        if follower.is_over {
            return None;
        }
        let event = follower.next().await;
        follower.is_over = event.as_ref().map_or(true, |event| event.last);
        Some((event, follower))
    }))
}

impl Follower {
    async fn next(&mut self) -> Result<SessionEvent, ApiError> {
        let mut must_tell = self.told.is_none();
        loop {
            if self.told.is_some() {
                match self.wake().await {
                    Wake::Changed => {}
                    Wake::KeepAlive => must_tell = true,
                    Wake::Over(error) => return Err(error),
                }
            }
            // Asked before the look: what ends in between is looked at once more.
            let last = !self.watch.is_running();
            let coordinator = &self.inner.coordinator;
            let session = coordinator
                .watched_session(&self.caller, &self.watch)
                .await?;
            let text = serde_json::to_string(&session).unwrap_or_default();
            if last || must_tell || self.told.as_ref() != Some(&text) {
                self.told = Some(text);
                return Ok(SessionEvent { session, last });
            }
        }
    }

    async fn wake(&mut self) -> Wake {
        let pause = Duration::from_millis(self.inner.limits.watch_keepalive_ms);
        tokio::select! {
            () = self.watch.changed() => Wake::Changed,
            () = self.inner.closing.cancelled() => {
                let message = "the service is stopping; the session goes on";
                Wake::Over(ApiError::new(ErrorCode::Unavailable, message))
            }
            () = tokio::time::sleep_until(self.ends_at) => {
                let message = "the stream's time is over; the session goes on, follow it anew";
                Wake::Over(ApiError::new(ErrorCode::Timeout, message))
            }
            () = tokio::time::sleep(pause) => Wake::KeepAlive,
        }
    }
}
