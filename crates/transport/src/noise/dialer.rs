//! Dials the peers with larger ids, again and again, and renews their sessions (Spec 5).

use std::sync::Arc;
use std::time::Duration;

use quorate_types::NodeId;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::config::{LinkConfig, Peer};
use super::event::LinkId;
use super::fuse::Fuse;
use super::handshake::{self, Agreed};
use super::peer::{Established, PeerState};
use super::probe;
use super::refusal::{Refusal, RefusalLog};
use super::relay::Relay;
use super::stream::{LinkStream, Via};

/// Dials one peer for as long as the node runs.
pub(super) struct Dialer {
    /// This node.
    pub(super) config: Arc<LinkConfig>,
    /// The peer's entry of the manifest.
    pub(super) peer: Peer,
    /// The peer's shared state.
    pub(super) state: Arc<PeerState>,
    /// The way through a coordinator.
    pub(super) relay: Relay,
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
        let mut failures = 0;
        loop {
            self.state.set_connecting(true);
            let mut link = self.attempt(Via::Direct, None).await;
            failures = if link.is_some() { 0 } else { failures + 1 };
            // Relay 3.1: only a pair that cannot be linked directly uses the relay.
            if link.is_none() && failures >= limits.relay_after_failures {
                link = self.attempt(Via::Relay, None).await;
            }
            if let Some(link) = link {
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
        let mut kept = self.hand_over(link).await;
        let mut renew_at = Instant::now() + limits.rehandshake_after;
        let mut renewals = Backoff::new(limits.reconnect_min, limits.reconnect_max);
        let mut directs = Backoff::new(
            limits.direct_retry_min,
            limits.reconnect_max.max(limits.direct_retry_min),
        );
        let mut direct_at = Instant::now() + directs.next_wait();
        loop {
            // Relay 3.2: as long as the link is relayed, direct dials go on beside it.
            let (via, at) = if kept.via == Via::Relay && direct_at < renew_at {
                (Via::Direct, direct_at)
            } else {
                (kept.via, renew_at)
            };
            tokio::select! {
                biased;
                _ = kept.fuse.blown() => return,
                () = tokio::time::sleep_until(at) => {}
            }
            // Spec 5.3: the new session is made before the old one is broken.
            match self.attempt(via, Some(kept.link_id)).await {
                Some(link) => {
                    kept = self.hand_over(link).await;
                    renew_at = Instant::now() + limits.rehandshake_after;
                    renewals.reset();
                }
                None if at == renew_at => renew_at = Instant::now() + renewals.next_wait(),
                None => direct_at = Instant::now() + directs.next_wait(),
            }
        }
    }

    async fn hand_over(&self, link: Established) -> Kept {
        let kept = Kept {
            link_id: link.agreed.link_id,
            via: link.stream.via(),
            fuse: link.fuse.clone(),
        };
        self.state.install(link).await;
        kept
    }

    async fn attempt(&self, via: Via, continues: Option<LinkId>) -> Option<Established> {
        let made = match via {
            Via::Direct => self.connect(continues).await,
            Via::Relay => self.connect_relayed(continues).await,
        };
        match made {
            Ok(link) => {
                self.refusals.recovered(self.id());
                Some(link)
            }
            // That no coordinator is there says nothing about the peer.
            Err(Refusal::NoRelay) => None,
            Err(why) => {
                self.refusals.note(why, Some(self.id()));
                if via == Via::Direct {
                    self.state.set_error(why);
                }
                None
            }
        }
    }

    async fn connect(&self, continues: Option<LinkId>) -> Result<Established, Refusal> {
        let limits = &self.config.limits;
        let mut stream = probe::connect(&self.peer.address, limits.connect_timeout).await?;
        let agreed = self.shake_hands(&mut stream, continues).await?;
        Ok(established(agreed, LinkStream::Direct(stream)))
    }

    /// Relay 2: the same handshake inside a stream that a coordinator carries.
    async fn connect_relayed(&self, continues: Option<LinkId>) -> Result<Established, Refusal> {
        let (mut bytes, stream) = self.relay.dial(self.id()).ok_or(Refusal::NoRelay)?;
        let agreed = self.shake_hands(&mut bytes, continues).await?;
        stream.establish();
        Ok(established(agreed, LinkStream::Relayed(bytes)))
    }

    async fn shake_hands(
        &self,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
        continues: Option<LinkId>,
    ) -> Result<Agreed, Refusal> {
        let dial = handshake::dial(stream, &self.config, self.id(), &self.peer, continues);
        tokio::time::timeout(self.config.limits.handshake_timeout, dial)
            .await
            .map_err(|_| Refusal::TimedOut)?
    }

    fn id(&self) -> &NodeId {
        &self.state.id
    }
}

/// The link in use, as its dialler remembers it.
struct Kept {
    link_id: LinkId,
    via: Via,
    fuse: Fuse,
}

fn established(agreed: Agreed, stream: LinkStream) -> Established {
    Established {
        agreed,
        stream,
        fuse: Fuse::default(),
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
