use std::time::{Duration, Instant};

use quorate_lead::Progress;
use quorate_types::Tenant;
use tokio::sync::{mpsc, watch};

use super::done::Done;
use crate::error::CoordinatorError;
use crate::nodes::Input;

/// Where an act stands.
#[derive(Debug, Clone, Default)]
pub(crate) struct ActStatus {
    pub(crate) progress: Option<Progress>,
    pub(crate) outcome: Option<Result<Done, CoordinatorError>>,
}

/// A running act, as callers see it.
pub(crate) struct ActHandle {
    pub(crate) tenant: Tenant,
    /// When it began, if it makes signatures.
    signs_since: Option<Instant>,
    input: mpsc::Sender<Input>,
    status: watch::Receiver<ActStatus>,
}

impl ActHandle {
    pub(crate) const fn new(
        tenant: Tenant,
        signs_since: Option<Instant>,
        input: mpsc::Sender<Input>,
        status: watch::Receiver<ActStatus>,
    ) -> Self {
        Self {
            tenant,
            signs_since,
            input,
            status,
        }
    }

    /// Whether it makes signatures, and did not begin longer ago than this.
    pub(crate) fn signs_within(&self, age: Duration, now: Instant) -> bool {
        let is_young = |since| now.saturating_duration_since(since) <= age;
        self.signs_since.is_some_and(is_young)
    }

    /// Waits for the outcome, but at most so long; `None` if it is not there yet.
    ///
    /// Waits on until there is a session to name, whatever `at_most` says: that takes no longer
    /// than `no_nodes_grace_ms`.
    pub(crate) async fn wait(&self, at_most: Duration) -> Option<Result<Done, CoordinatorError>> {
        let mut status = self.status.clone();
        let ended = status.wait_for(|s| s.outcome.is_some());
        let _ = tokio::time::timeout(at_most, ended).await;
        let named = |s: &ActStatus| {
            let session = s.progress.as_ref().and_then(|p| p.session);
            s.outcome.is_some() || session.is_some()
        };
        let Ok(found) = status.wait_for(named).await else {
            return Some(Err(CoordinatorError::bug(
                "the task of an act has ended without outcome",
            )));
        };
        found.outcome.clone()
    }

    pub(crate) fn progress(&self) -> Option<Progress> {
        self.status.borrow().progress.clone()
    }

    pub(crate) fn watch(&self) -> watch::Receiver<ActStatus> {
        self.status.clone()
    }

    /// Asks the act to end without a result.
    pub(crate) async fn cancel(&self) {
        // A task that has ended needs no cancelling.
        let _ = self.input.send(Input::Cancel).await;
    }
}
