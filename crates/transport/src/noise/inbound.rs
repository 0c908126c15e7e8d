//! The receiving half of a link: one task that reads until the link ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use quorate_types::{Reader, SecretBytes};
use tokio::io::{AsyncReadExt, BufReader};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

use super::event::{DownReason, LinkEvent, LinkId, Violation};
use super::frame::{Assembler, Close, Frame};
use super::fuse::Fuse;
use super::links::Delivery;
use super::peer::PeerState;
use super::record::Opener;
use super::stream::ReadHalf;

/// Bytes read from the socket at a time.
pub(super) const READ_BYTES: usize = 128 << 10;
/// What a message costs of the undelivered bytes beside its body.
pub(super) const MESSAGE_COST: usize = 64;

/// How a receiving half ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// The peer said that a newer session takes over; nothing was lost.
    Rehandshake,
    /// The link is down.
    Down(DownReason),
}

/// Pings and pongs in both directions, shared by the two halves of a link.
#[derive(Default)]
pub(super) struct Heartbeat {
    sent: Mutex<Option<(u64, Instant)>>,
    to_answer: Mutex<Option<u64>>,
    asked: Notify,
}

impl Heartbeat {
    /// The number of the next ping.
    pub(super) fn next_ping(&self) -> u64 {
        let mut sent = self.sent.lock();
        let number = sent.map_or(1, |(number, _)| number + 1);
        *sent = Some((number, Instant::now()));
        number
    }

    /// Waits until the peer wants a pong. Of several pings only the newest is answered, so that
    /// a flood of pings costs one pong.
    pub(super) async fn asked(&self) {
        self.asked.notified().await;
    }

    /// The number of the pong that is due.
    pub(super) fn due(&self) -> Option<u64> {
        self.to_answer.lock().take()
    }

    fn ask(&self, number: u64) {
        *self.to_answer.lock() = Some(number);
        self.asked.notify_one();
    }

    /// When the ping with this number was sent, if it is the newest.
    fn answered(&self, number: u64) -> Result<Option<Instant>, Violation> {
        match *self.sent.lock() {
            Some((sent, at)) if sent == number => Ok(Some(at)),
            Some((sent, _)) if number != 0 && number < sent => Ok(None),
            _ => Err(Violation::StrayPong),
        }
    }
}

/// The session before this one, after a re-handshake.
pub(super) struct Prior {
    /// Its name.
    pub(super) link_id: LinkId,
    /// Its receiving task, or how that ended.
    pub(super) reader: PriorReader,
    /// Its end.
    pub(super) fuse: Fuse,
}

/// State of an earlier session's receiving task.
pub(super) enum PriorReader {
    /// Still reading.
    Running(JoinHandle<End>),
    /// Ended.
    Ended(End),
}

/// Receiving half of one link.
pub(super) struct Inbound {
    pub(super) peer: Arc<PeerState>,
    pub(super) half: BufReader<ReadHalf>,
    pub(super) opener: Opener,
    pub(super) assembler: Assembler,
    pub(super) heartbeat: Arc<Heartbeat>,
    pub(super) events: mpsc::Sender<Delivery>,
    pub(super) fuse: Fuse,
    pub(super) silence_timeout: Duration,
    /// Set once nothing of an earlier session is outstanding.
    pub(super) settled: Arc<AtomicBool>,
    pub(super) link_id: LinkId,
    pub(super) version: u16,
}

impl Inbound {
    /// Reads until the end. Blows the link's fuse unless the end is a re-handshake.
    pub(super) async fn run(mut self, prior: Option<Prior>) -> End {
        let end = match self.take_over(prior).await {
            Ok(()) => self.read_all().await,
            Err(reason) => Err(reason),
        };
        match end {
            Ok(()) => End::Rehandshake,
            Err(reason) => End::Down(self.fuse.blow(reason)),
        }
    }

    /// Spec 5.3: everything of the earlier session is delivered before anything of this one.
    async fn take_over(&mut self, prior: Option<Prior>) -> Result<(), DownReason> {
        let mut continues = None;
        if let Some(Prior {
            link_id,
            reader,
            fuse,
        }) = prior
        {
            match self.drain(reader, &fuse).await? {
                End::Rehandshake => continues = Some(link_id),
                End::Down(reason) => {
                    let peer = self.peer.id.clone();
                    self.deliver(LinkEvent::Down { peer, reason }, 0).await?;
                }
            }
        }
        self.settled.store(true, Ordering::Release);
        let (link_id, version) = (self.link_id, self.version);
        let up = LinkEvent::Up {
            peer: self.peer.id.clone(),
            link_id,
            version,
            continues,
        };
        self.deliver(up, 0).await
    }

    async fn drain(&self, reader: PriorReader, fuse: &Fuse) -> Result<End, DownReason> {
        let mut task = match reader {
            PriorReader::Ended(end) => return Ok(end),
            PriorReader::Running(task) => task,
        };
        // No time limit is needed here: the earlier session ends by itself, at the latest by
        // silence, since its peer sends nothing on it any more.
        tokio::select! {
            reason = self.fuse.blown() => {
                // Both sessions end: the earlier one must be quiet before `Down` is told.
                fuse.blow(reason.clone());
                let _ = task.await;
                Err(reason)
            }
            ended = &mut task => Ok(ended.unwrap_or(End::Down(DownReason::ShutDown))),
        }
    }

    /// Reads records until the peer announces a newer session (`Ok`) or the link fails.
    async fn read_all(&mut self) -> Result<(), DownReason> {
        let mut ciphertext = Vec::new();
        loop {
            let fuse = self.fuse.clone();
            tokio::select! {
                biased;
                reason = fuse.blown() => return Err(reason),
                // Spec 5.2: time during which the consumer is slow does not count as silence.
                read = tokio::time::timeout(self.silence_timeout, self.read(&mut ciphertext)) => {
                    read.map_err(|_| DownReason::Silent(self.silence_timeout))??;
                }
            }
            self.peer.meter.bytes_received.add(ciphertext.len() + 2);
            if self.record(&ciphertext).await? {
                return Ok(());
            }
        }
    }

    async fn read(&mut self, ciphertext: &mut Vec<u8>) -> Result<(), DownReason> {
        let failed = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => DownReason::Cut,
            kind => DownReason::Io(kind),
        };
        let length = self.half.read_u16().await.map_err(failed)?;
        ciphertext.resize(usize::from(length), 0);
        self.half.read_exact(ciphertext).await.map_err(failed)?;
        Ok(())
    }

    /// Handles one record; `true` if the peer announced a newer session.
    async fn record(&mut self, ciphertext: &[u8]) -> Result<bool, DownReason> {
        let mut messages = Vec::new();
        let closed = self.frames(ciphertext, &mut messages);
        // What came before a violation in the same record was sent by the peer all the same.
        self.peer.meter.messages_received.add(messages.len());
        for body in messages {
            let cost = body.len() + MESSAGE_COST;
            let from = self.peer.id.clone();
            self.deliver(LinkEvent::Message { from, body }, cost)
                .await?;
        }
        match closed? {
            None => Ok(false),
            Some(Close::Rehandshake) => Ok(true),
            Some(Close::ShutDown) => Err(DownReason::PeerShutDown),
        }
    }

    fn frames(
        &mut self,
        ciphertext: &[u8],
        messages: &mut Vec<SecretBytes>,
    ) -> Result<Option<Close>, DownReason> {
        let plaintext = self.opener.open(ciphertext)?;
        let mut input = Reader::new(plaintext);
        if input.remaining() == 0 {
            return Err(DownReason::Violation(Violation::EmptyRecord));
        }
        while input.remaining() > 0 {
            let frame = Frame::read(&mut input)
                .map_err(|error| DownReason::Violation(Violation::Malformed(error)))?;
            match frame {
                Frame::Ping(number) => self.heartbeat.ask(number),
                Frame::Pong(number) => {
                    let answered = self.heartbeat.answered(number);
                    if let Some(sent) = answered.map_err(DownReason::Violation)? {
                        self.peer.set_rtt(sent);
                    }
                }
                Frame::Message(body) => {
                    messages.push(self.assembler.whole(body).map_err(DownReason::Violation)?);
                }
                Frame::First { total, part } => {
                    self.assembler
                        .first(total, part)
                        .map_err(DownReason::Violation)?;
                }
                Frame::Next(part) => {
                    messages.extend(self.assembler.next(part).map_err(DownReason::Violation)?);
                }
                Frame::Close(why) => {
                    if input.remaining() > 0 {
                        return Err(DownReason::Violation(Violation::AfterClose));
                    }
                    if self.assembler.is_waiting() {
                        return Err(DownReason::Violation(Violation::UnfinishedMessage));
                    }
                    return Ok(Some(why));
                }
            }
        }
        Ok(None)
    }

    /// Spec 4.3: hands an event to the consumer, and waits if it is behind.
    async fn deliver(&self, event: LinkEvent, cost: usize) -> Result<(), DownReason> {
        let cost = u32::try_from(cost).unwrap_or(u32::MAX);
        let credit = Arc::clone(&self.peer.credit);
        let credit = match Arc::clone(&credit).try_acquire_many_owned(cost) {
            Ok(permit) => permit,
            Err(_) => tokio::select! {
                reason = self.fuse.blown() => return Err(reason),
                permit = credit.acquire_many_owned(cost) => {
                    permit.map_err(|_| DownReason::ShutDown)?
                }
            },
        };
        match self.events.try_send(Delivery {
            event,
            _credit: Some(credit),
        }) {
            Ok(()) => Ok(()),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(DownReason::ShutDown),
            Err(mpsc::error::TrySendError::Full(delivery)) => tokio::select! {
                reason = self.fuse.blown() => Err(reason),
                sent = self.events.send(delivery) => sent.map_err(|_| DownReason::ShutDown),
            },
        }
    }
}

#[cfg(test)]
mod tests;
