//! A bounded set of handshakes of strangers, in which the oldest makes room for the newest.
//!
//! Refusing newcomers when the set is full would let an attacker lock everybody out by opening
//! connections and staying silent (slow loris). An honest handshake lasts about one round trip, so
//! the oldest entry of a full set is almost surely not honest.

use std::collections::VecDeque;
use std::future::Future;

use tokio::task::{AbortHandle, JoinSet};

/// Handshakes in progress. Dropping it aborts all of them.
pub(crate) struct HandshakeSlots {
    limit: usize,
    tasks: JoinSet<()>,
    oldest_first: VecDeque<AbortHandle>,
}

impl HandshakeSlots {
    /// At most `limit` handshakes run at once.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            tasks: JoinSet::new(),
            oldest_first: VecDeque::new(),
        }
    }

    /// Starts a handshake. Returns whether an older one was cut off to make room.
    pub(crate) fn admit(&mut self, handshake: impl Future<Output = ()> + Send + 'static) -> bool {
        while self.tasks.try_join_next().is_some() {}
        self.oldest_first.retain(|task| !task.is_finished());
        let mut evicted = false;
        if self.oldest_first.len() >= self.limit
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            oldest.abort();
            evicted = true;
        }
        self.oldest_first.push_back(self.tasks.spawn(handshake));
        evicted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn slots__must_cut_off_the_oldest_and_only_the_oldest() {
        let mut slots = HandshakeSlots::new(2);
        let (first_alive, first) = oneshot::channel::<()>();
        let (second_alive, mut second) = oneshot::channel::<()>();
        let hold = |alive: oneshot::Sender<()>| async move {
            std::future::pending::<()>().await;
            drop(alive);
        };
        assert!(!slots.admit(hold(first_alive)));
        assert!(!slots.admit(hold(second_alive)));
        assert!(slots.admit(std::future::pending()));
        first.await.unwrap_err();
        assert!(
            second
                .try_recv()
                .is_err_and(|e| e == oneshot::error::TryRecvError::Empty)
        );
    }
}
