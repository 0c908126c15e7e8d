//! The task of one peer: owns the sending half of the present link and decides when links change.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::BufReader;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::config::LinkConfig;
use super::event::{DownReason, LinkEvent, LinkId};
use super::frame::{Assembler, Close};
use super::fuse::Fuse;
use super::inbound::{End, Heartbeat, Inbound, Prior, PriorReader, READ_BYTES};
use super::links::Delivery;
use super::outbound::Outbound;
use super::peer::{Established, Outgoing, PeerInputs, PeerState};
use super::record::{Opener, Sealer};

/// Messages taken from the queue at a time, to share records and one write.
const BATCH_MESSAGES: usize = 256;

/// Runs for as long as the node does.
pub(super) struct PeerTask {
    peer: Arc<PeerState>,
    inputs: PeerInputs,
    config: Arc<LinkConfig>,
    events: mpsc::Sender<Delivery>,
    shutdown: CancellationToken,
    batch: Vec<Outgoing>,
}

/// The link in use.
struct Active {
    link_id: LinkId,
    fuse: Fuse,
    out: Outbound,
    heartbeat: Arc<Heartbeat>,
    reader: PriorReader,
    settled: Arc<AtomicBool>,
}

/// Why the pump stopped.
enum Outcome {
    Down(DownReason),
    NewLink(Established),
    ShutDown,
}

impl PeerTask {
    /// A task for `peer`.
    pub(super) fn new(
        peer: Arc<PeerState>,
        inputs: PeerInputs,
        config: Arc<LinkConfig>,
        events: mpsc::Sender<Delivery>,
        shutdown: CancellationToken,
    ) -> Self {
        Self {
            peer,
            inputs,
            config,
            events,
            shutdown,
            batch: Vec::with_capacity(BATCH_MESSAGES),
        }
    }

    /// Serves one link after another.
    pub(super) async fn run(mut self) {
        let mut waiting = None;
        loop {
            let link = match waiting.take() {
                Some(link) => link,
                None => tokio::select! {
                    biased;
                    () = self.shutdown.cancelled() => return,
                    link = self.inputs.links.recv() => match link {
                        Some(link) => link,
                        None => return,
                    },
                },
            };
            match self.serve(link).await {
                Outcome::ShutDown => return,
                Outcome::NewLink(link) => waiting = Some(link),
                Outcome::Down(_) => {}
            }
        }
    }

    /// Serves a link and those that continue it.
    async fn serve(&mut self, link: Established) -> Outcome {
        let mut active = self.activate(link, None);
        loop {
            match self.pump(&mut active).await {
                Outcome::ShutDown => {
                    self.shut_down(active).await;
                    return Outcome::ShutDown;
                }
                Outcome::Down(reason) => {
                    self.take_down(active, reason.clone()).await;
                    return Outcome::Down(reason);
                }
                Outcome::NewLink(next) => {
                    // Spec 5.3: one hand-over at a time, and only from the present session.
                    let continues = next.agreed.continues == Some(active.link_id)
                        && active.settled.load(Ordering::Acquire)
                        && !active.fuse.is_blown();
                    if !continues {
                        self.take_down(active, DownReason::Replaced).await;
                        return Outcome::NewLink(next);
                    }
                    active = self.succeed(active, next).await;
                }
            }
        }
    }

    /// Starts the reading task of a link and makes it the present one.
    fn activate(&self, link: Established, prior: Option<Prior>) -> Active {
        let Established {
            agreed,
            stream,
            fuse,
        } = link;
        let limits = &self.config.limits;
        let via = stream.via();
        let (read_half, write_half) = stream.into_split();
        let sealer = Sealer::new(
            Arc::clone(&agreed.keys),
            agreed.send_nonce,
            limits.max_records,
        );
        let opener = Opener::new(agreed.keys, agreed.receive_nonce, limits.max_records);
        let heartbeat = Arc::new(Heartbeat::default());
        let settled = Arc::new(AtomicBool::new(false));
        let fresh = prior.is_none();
        let inbound = Inbound {
            peer: Arc::clone(&self.peer),
            half: BufReader::with_capacity(READ_BYTES, read_half),
            opener,
            assembler: Assembler::new(limits.max_message_bytes),
            heartbeat: Arc::clone(&heartbeat),
            events: self.events.clone(),
            fuse: fuse.clone(),
            silence_timeout: limits.silence_timeout,
            settled: Arc::clone(&settled),
            link_id: agreed.link_id,
            version: agreed.version,
        };
        let reader = PriorReader::Running(tokio::spawn(inbound.run(prior)));
        let peer = Arc::clone(&self.peer);
        let out = Outbound::new(write_half, sealer, peer, fuse.clone(), limits.write_timeout);
        self.peer.set_up(agreed.link_id, fuse.clone(), via, fresh);
        let (peer, link) = (&self.peer.id, agreed.link_id);
        tracing::info!(%peer, %link, version = agreed.version, fresh, via = via.as_str(), "link up");
        Active {
            link_id: agreed.link_id,
            fuse,
            out,
            heartbeat,
            reader,
            settled,
        }
    }

    /// Spec 5.3: ends the old session in order and sends on the new one.
    async fn succeed(&self, active: Active, next: Established) -> Active {
        let Active {
            link_id,
            fuse,
            out,
            reader,
            ..
        } = active;
        if let Err(reason) = out.close(Close::Rehandshake).await {
            fuse.blow(reason);
        }
        self.activate(
            next,
            Some(Prior {
                link_id,
                reader,
                fuse,
            }),
        )
    }

    /// Moves messages until something else is to be done. No flush per message: whatever is in
    /// the queue shares records and writes (Spec 4.2).
    async fn pump(&mut self, active: &mut Active) -> Outcome {
        let mut heartbeat = tokio::time::interval(self.config.limits.heartbeat_interval);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut handover_deadline = None;
        loop {
            let written = tokio::select! {
                biased;
                () = self.shutdown.cancelled() => return Outcome::ShutDown,
                reason = active.fuse.blown() => return Outcome::Down(reason),
                end = reader_end(&mut active.reader) => {
                    active.reader = PriorReader::Ended(end.clone());
                    if let End::Down(reason) = end {
                        return Outcome::Down(reason);
                    }
                    handover_deadline = Some(Instant::now() + self.config.limits.handover_timeout);
                    Ok(())
                }
                () = passed(handover_deadline) => {
                    return Outcome::Down(DownReason::RehandshakeStalled);
                }
                Some(link) = self.inputs.links.recv() => return Outcome::NewLink(link),
                () = active.heartbeat.asked() => match active.heartbeat.due() {
                    Some(number) => active.out.pong(number).await,
                    None => Ok(()),
                },
                _ = heartbeat.tick() => active.out.ping(active.heartbeat.next_ping()).await,
                _ = self.inputs.queue.recv_many(&mut self.batch, BATCH_MESSAGES) => {
                    self.write_batch(&mut active.out).await
                }
            };
            if let Err(reason) = written {
                return Outcome::Down(reason);
            }
        }
    }

    async fn write_batch(&mut self, out: &mut Outbound) -> Result<(), DownReason> {
        self.batch
            .iter()
            .for_each(|message| self.peer.dequeued(message));
        let total = self.batch.len();
        let mut sent = 0;
        let mut written = Ok(());
        for message in self.batch.drain(..) {
            if written.is_ok() && !self.peer.is_stale(&message) {
                written = out.message(&message.body).await;
                sent += usize::from(written.is_ok());
            }
        }
        if written.is_ok() {
            written = out.flush().await;
        }
        self.peer.meter.messages_sent.add(sent);
        self.peer.meter.messages_lost.add(total - sent);
        written
    }

    /// Ends a link and tells the consumer once nothing more can come from it.
    async fn take_down(&mut self, active: Active, reason: DownReason) {
        let reason = active.fuse.blow(reason);
        self.peer.set_down(&reason);
        let (peer, link) = (&self.peer.id, active.link_id);
        if reason.blames_peer() {
            tracing::error!(%peer, %link, %reason, "link down: the peer broke the protocol");
        } else {
            tracing::warn!(%peer, %link, %reason, "link down");
        }
        if let PriorReader::Running(task) = active.reader {
            let _ = task.await;
        }
        drop(active.out);
        while let Ok(message) = self.inputs.queue.try_recv() {
            self.peer.dequeued(&message);
            self.peer.meter.messages_lost.add(1);
        }
        let event = LinkEvent::Down {
            peer: self.peer.id.clone(),
            reason,
        };
        tokio::select! {
            biased;
            // An error means that the consumer is gone.
            _ = self.events.send(Delivery { event, _credit: None }) => {}
            () = self.shutdown.cancelled() => {}
        }
    }

    /// Spec 5.5: sends what was accepted, says goodbye, and leaves the peer time to read it.
    async fn shut_down(&mut self, active: Active) {
        let Active {
            fuse,
            mut out,
            mut reader,
            ..
        } = active;
        let grace = self.config.limits.shutdown_grace;
        let farewell = async {
            loop {
                while let Ok(message) = self.inputs.queue.try_recv() {
                    self.batch.push(message);
                }
                if self.batch.is_empty() {
                    break;
                }
                self.write_batch(&mut out).await?;
            }
            self.peer.set_down(&DownReason::ShutDown);
            out.close(Close::ShutDown).await?;
            reader_end(&mut reader).await;
            Ok::<(), DownReason>(())
        };
        // A peer that cannot be told finds out by itself.
        let _ = tokio::time::timeout(grace, farewell).await;
        self.peer.set_down(&DownReason::ShutDown);
        fuse.blow(DownReason::ShutDown);
        let event = LinkEvent::Down {
            peer: self.peer.id.clone(),
            reason: DownReason::ShutDown,
        };
        let _ = self.events.try_send(Delivery {
            event,
            _credit: None,
        });
    }
}

/// The end of a running reader. Never resolves for one that ended before.
async fn reader_end(reader: &mut PriorReader) -> End {
    match reader {
        PriorReader::Running(task) => join(task).await,
        PriorReader::Ended(_) => std::future::pending().await,
    }
}

async fn join(task: &mut JoinHandle<End>) -> End {
    task.await.unwrap_or(End::Down(DownReason::ShutDown))
}

async fn passed(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
