//! Ends a link once, with the first reason given, from any task.

use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;

use super::event::DownReason;

/// Shared by all tasks of one link.
#[derive(Clone, Default)]
pub(super) struct Fuse {
    token: CancellationToken,
    reason: Arc<OnceLock<DownReason>>,
}

impl Fuse {
    /// Ends the link. Only the first reason counts, and it is returned.
    pub(super) fn blow(&self, reason: DownReason) -> DownReason {
        let first = self.reason.get_or_init(|| reason).clone();
        self.token.cancel();
        first
    }

    /// Waits for the end.
    pub(super) async fn blown(&self) -> DownReason {
        self.token.cancelled().await;
        self.reason
            .get()
            .cloned()
            .expect("the reason is set before the token is cancelled")
    }

    /// Whether the link ended.
    pub(super) fn is_blown(&self) -> bool {
        self.token.is_cancelled()
    }
}
