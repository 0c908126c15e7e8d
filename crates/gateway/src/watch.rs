//! Progress of a session as a stream, for server-sent events and gRPC.
//!
//! It follows the act: an attempt that is given up is replaced by another, and the stream goes on
//! with that one. It ends with the final state.
//!
//! A task of its own looks and tells, and the reader takes what is told: a reader that takes nothing
//! for a time loses its place, although whatever carries its stream still waits for it.

use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use quorate_api::ErrorCode;
use quorate_api::rest::SessionView;
use quorate_coordinator::{Caller, SessionWatch};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use crate::error::ApiError;
use crate::gateway::Inner;
use crate::places::{Full, Taken};

/// Events that may wait for the reader, beside the last one.
const WAITING_EVENTS: usize = 1;

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
    place: Taken,
}

type Told = Result<SessionEvent, ApiError>;

/// Why a follower wakes up.
enum Wake {
    Changed,
    /// The same again: it shows that the connection lives.
    KeepAlive,
    Over(ApiError),
    /// Nobody listens any more.
    Left,
}

/// Follows the act of a session, at most until `deadline`.
///
/// # Errors
/// `NOT_FOUND`, and `RATE_LIMITED` for more than `max_watchers` streams, or more than
/// `max_watchers_per_credential` of this caller.
pub(crate) async fn follow(
    inner: &Arc<Inner>,
    caller: Caller,
    session_id: &str,
    deadline: Option<Instant>,
) -> Result<impl Stream<Item = Result<SessionEvent, ApiError>> + Send + 'static, ApiError> {
    let place = inner.watchers.take(&caller.credential);
    let place = place.map_err(|full| {
        let (message, limit) = match full {
            Full::ForAll(limit) => ("too many streams at one time", limit),
            Full::ForThis(limit) => ("too many streams of this credential at one time", limit),
        };
        ApiError::new(ErrorCode::RateLimited, message).with("limit", limit)
    })?;
    let watch = inner.coordinator.watch_session(&caller, session_id).await?;
    let longest = Instant::now() + Duration::from_millis(inner.limits.max_watch_ms);
    let follower = Follower {
        ends_at: deadline.map_or(longest, |deadline| deadline.min(longest)),
        inner: Arc::clone(inner),
        caller,
        watch,
        told: None,
        place,
    };
    let (telling, heard) = mpsc::channel(WAITING_EVENTS + 1);
    // The last word has its room from the beginning: it is heard however much waits before it.
    let last = telling.clone().try_reserve_owned();
    let last = last.expect("an empty queue of two has room");
    tokio::spawn(follower.tell(telling, last));
    Ok(futures::stream::unfold(heard, |mut heard| async {
        heard.recv().await.map(|told| (told, heard))
    }))
}

impl Follower {
    /// Tells until there is nothing more to tell, or nobody who takes it.
    async fn tell(mut self, telling: mpsc::Sender<Told>, last: mpsc::OwnedPermit<Told>) {
        let patience = Duration::from_millis(self.inner.limits.unread_timeout_ms);
        let end = loop {
            let event = match self.next(&telling).await {
                None => return,
                Some(Ok(event)) if !event.last => event,
                Some(end) => break end,
            };
            match timeout(patience, telling.send(Ok(event))).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return,
                Err(_) => {
                    metrics::counter!("mpc_unread_streams_total").increment(1);
                    let message = "the stream was not read; the session goes on, follow it anew";
                    break Err(ApiError::new(ErrorCode::Timeout, message));
                }
            }
        };
        // Its place is free before anybody hears of the end.
        drop(self.place);
        last.send(end);
    }

    /// What is to be told next; `None` once nobody listens.
    async fn next(&mut self, telling: &mpsc::Sender<Told>) -> Option<Told> {
        let mut must_tell = self.told.is_none();
        loop {
            if self.told.is_some() {
                match self.wake(telling).await {
                    Wake::Changed => {}
                    Wake::KeepAlive => must_tell = true,
                    Wake::Over(error) => return Some(Err(error)),
                    Wake::Left => return None,
                }
            }
            // Asked before the look: what ends in between is looked at once more.
            let last = !self.watch.is_running();
            let coordinator = &self.inner.coordinator;
            let session = coordinator.watched_session(&self.caller, &self.watch).await;
            let session = match session {
                Ok(session) => session,
                Err(error) => return Some(Err(error.into())),
            };
            let text = serde_json::to_string(&session).unwrap_or_default();
            if last || must_tell || self.told.as_ref() != Some(&text) {
                self.told = Some(text);
                return Some(Ok(SessionEvent { session, last }));
            }
        }
    }

    async fn wake(&mut self, telling: &mpsc::Sender<Told>) -> Wake {
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
            () = telling.closed() => Wake::Left,
        }
    }
}
