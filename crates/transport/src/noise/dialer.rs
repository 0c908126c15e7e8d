//! Dials the peers with larger ids, again and again, and renews their sessions (Spec 5).

use std::sync::Arc;
use std::time::Duration;

use quorate_types::NodeId;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::config::{LinkConfig, Peer};
use super::event::LinkId;
use super::fuse::Fuse;
use super::handshake;
use super::peer::{Established, PeerState};
use super::refusal::{Refusal, RefusalLog};

/// Dials one peer for as long as the node runs.
pub(super) struct Dialer {
    /// This node.
    pub(super) config: Arc<LinkConfig>,
    /// The peer's entry of the manifest.
    pub(super) peer: Peer,
    /// The peer's shared state.
    pub(super) state: Arc<PeerState>,
    /// Where failures are counted.
    pub(super) refusals: Arc<RefusalLog>,
    /// End of the node.
    pub(super) shutdown: CancellationToken,
}

impl Dialer {
    /// Dials until shutdown.
    pub(super) async fn run(self) {
        let shutdown = self.shutdown.clone();
        tokio::select! {
            biased;
            () = shutdown.cancelled() => {}
            () = self.dial_for_ever() => {}
        }
    }

    async fn dial_for_ever(&self) {
        let limits = &self.config.limits;
        let mut backoff = Backoff::new(limits.reconnect_min, limits.reconnect_max);
        loop {
            self.state.set_connecting(true);
            if let Some(link) = self.attempt(None).await {
                let since = Instant::now();
                self.keep(link).await;
                // A link that fails at once is no success: the waits go on growing.
                if since.elapsed() >= limits.reconnect_max {
                    backoff.reset();
                }
            }
            self.state.set_connecting(false);
            tokio::time::sleep(backoff.next_wait()).await;
        }
    }

    /// Hands a link over and renews it at its age limit; returns when it is down.
    async fn keep(&self, link: Established) {
        let limits = &self.config.limits;
        let (mut link_id, mut fuse) = self.hand_over(link).await;
        let mut renew_at = Instant::now() + limits.rehandshake_after;
        let mut backoff = Backoff::new(limits.reconnect_min, limits.reconnect_max);
        loop {
            tokio::select! {
                biased;
                _ = fuse.blown() => return,
                () = tokio::time::sleep_until(renew_at) => {}
            }
            // Spec 5.3: the new session is made before the old one is broken.
            match self.attempt(Some(link_id)).await {
                Some(link) => {
                    (link_id, fuse) = self.hand_over(link).await;
                    renew_at = Instant::now() + limits.rehandshake_after;
                    backoff.reset();
                }
                None => renew_at = Instant::now() + backoff.next_wait(),
            }
        }
    }

    async fn hand_over(&self, link: Established) -> (LinkId, Fuse) {
        let kept = (link.agreed.link_id, link.fuse.clone());
        self.state.install(link).await;
        kept
    }

    async fn attempt(&self, continues: Option<LinkId>) -> Option<Established> {
        match self.connect(continues).await {
            Ok(link) => {
                self.refusals.recovered(self.id());
                Some(link)
            }
            Err(why) => {
                self.refusals.note(why, Some(self.id()));
                self.state.set_error(&why);
                None
            }
        }
    }

    async fn connect(&self, continues: Option<LinkId>) -> Result<Established, Refusal> {
        let limits = &self.config.limits;
        let connect = TcpStream::connect(&self.peer.address);
        let mut stream = tokio::time::timeout(limits.connect_timeout, connect)
            .await
            .ok()
            .and_then(Result::ok)
            .ok_or(Refusal::Unreachable)?;
        stream.set_nodelay(true).map_err(|_| Refusal::Unreachable)?;
        let dial = handshake::dial(&mut stream, &self.config, self.id(), &self.peer, continues);
        let agreed = tokio::time::timeout(limits.handshake_timeout, dial)
            .await
            .map_err(|_| Refusal::TimedOut)??;
        Ok(Established {
            agreed,
            stream,
            fuse: Fuse::default(),
        })
    }

    fn id(&self) -> &NodeId {
        &self.state.id
    }
}

/// Exponential waits with full jitter, so that restarted clusters do not dial in step.
struct Backoff {
    min: Duration,
    max: Duration,
    ceiling: Duration,
}

impl Backoff {
    fn new(min: Duration, max: Duration) -> Self {
        Self {
            min,
            max,
            ceiling: min,
        }
    }

    fn reset(&mut self) {
        self.ceiling = self.min;
    }

    /// Between half the ceiling and the ceiling; the ceiling doubles up to its maximum.
    fn next_wait(&mut self) -> Duration {
        let half = self.ceiling / 2;
        self.ceiling = self.ceiling.saturating_mul(2).min(self.max);
        // Jitter is no secret: if the system gives no randomness, the longest wait will do.
        let random = getrandom::u32().unwrap_or(u32::MAX);
        half + half.mul_f64(f64::from(random) / f64::from(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff__should_double_with_jitter_up_to_the_cap() {
        let (min, max) = (Duration::from_millis(100), Duration::from_millis(350));
        let mut backoff = Backoff::new(min, max);
        for ceiling in [100, 200, 350, 350] {
            let (wait, ceiling) = (backoff.next_wait(), Duration::from_millis(ceiling));
            assert!(
                wait >= ceiling / 2 && wait <= ceiling,
                "{wait:?} of {ceiling:?}"
            );
        }
        backoff.reset();
        assert!(backoff.next_wait() <= min);
    }
}
