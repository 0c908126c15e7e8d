//! The sending half of a link: messages to frames, frames to records, records to few writes.

use quorate_types::SecretBytes;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;

use super::event::DownReason;
use super::frame::{Close, FIRST_OVERHEAD, Frame, MAX_WHOLE, MESSAGE_OVERHEAD, NEXT_OVERHEAD};
use super::fuse::Fuse;
use super::peer::PeerState;
use super::record::{MAX_PLAINTEXT, Sealer};
use super::stream::WriteHalf;

/// Encrypted bytes collected before a write. Larger saves no more time and costs memory.
const WRITE_BYTES: usize = 256 << 10;

/// Sending half of one link.
pub(super) struct Outbound {
    half: WriteHalf,
    sealer: Sealer,
    peer: Arc<PeerState>,
    fuse: Fuse,
    write_timeout: Duration,
    plaintext: SecretBytes,
    wire: Vec<u8>,
}

impl Outbound {
    /// Wraps the write half of a connection.
    pub(super) fn new(
        half: WriteHalf,
        sealer: Sealer,
        peer: Arc<PeerState>,
        fuse: Fuse,
        write_timeout: Duration,
    ) -> Self {
        let plaintext = SecretBytes::new(Vec::with_capacity(MAX_PLAINTEXT));
        Self {
            half,
            sealer,
            peer,
            fuse,
            write_timeout,
            plaintext,
            wire: Vec::new(),
        }
    }

    /// Adds a message; writes only when much is waiting. Call [`Self::flush`] at the end.
    pub(super) async fn message(&mut self, body: &[u8]) -> Result<(), DownReason> {
        if body.len() <= MAX_WHOLE {
            self.frame(&Frame::Message(body), MESSAGE_OVERHEAD + body.len())?;
            return self.flush_if_large().await;
        }
        // Spec 3.3: fragments follow each other, each filling a record.
        self.seal()?;
        let (part, mut rest) = body.split_at(MAX_PLAINTEXT - FIRST_OVERHEAD);
        self.frame(
            &Frame::First {
                total: body.len(),
                part,
            },
            FIRST_OVERHEAD + part.len(),
        )?;
        while !rest.is_empty() {
            self.flush_if_large().await?;
            let (part, tail) = rest.split_at(rest.len().min(MAX_PLAINTEXT - NEXT_OVERHEAD));
            self.frame(&Frame::Next(part), NEXT_OVERHEAD + part.len())?;
            rest = tail;
        }
        self.flush_if_large().await
    }

    /// Sends a ping now.
    pub(super) async fn ping(&mut self, number: u64) -> Result<(), DownReason> {
        self.frame(&Frame::Ping(number), 1 + 8)?;
        self.flush().await
    }

    /// Sends a pong now.
    pub(super) async fn pong(&mut self, number: u64) -> Result<(), DownReason> {
        self.frame(&Frame::Pong(number), 1 + 8)?;
        self.flush().await
    }

    /// Sends the closing frame and ends the sending direction.
    pub(super) async fn close(mut self, why: Close) -> Result<(), DownReason> {
        self.frame(&Frame::Close(why), 1 + 1)?;
        self.flush().await?;
        self.half
            .shutdown()
            .await
            .map_err(|error| DownReason::Io(error.kind()))
    }

    /// Writes everything that is waiting.
    pub(super) async fn flush(&mut self) -> Result<(), DownReason> {
        self.seal()?;
        if self.wire.is_empty() {
            return Ok(());
        }
        let write = tokio::time::timeout(self.write_timeout, self.half.write_all(&self.wire));
        let written = tokio::select! {
            biased;
            reason = self.fuse.blown() => return Err(reason),
            written = write => written,
        };
        match written {
            Err(_) => Err(DownReason::WriteStalled(self.write_timeout)),
            Ok(Err(error)) => Err(DownReason::Io(error.kind())),
            Ok(Ok(())) => {
                self.peer.meter.bytes_sent.add(self.wire.len());
                self.wire.clear();
                Ok(())
            }
        }
    }

    async fn flush_if_large(&mut self) -> Result<(), DownReason> {
        if self.wire.len() < WRITE_BYTES {
            Ok(())
        } else {
            self.flush().await
        }
    }

    fn frame(&mut self, frame: &Frame<'_>, length: usize) -> Result<(), DownReason> {
        if self.plaintext.len() + length > MAX_PLAINTEXT {
            self.seal()?;
        }
        frame.write(&mut self.plaintext);
        Ok(())
    }

    fn seal(&mut self) -> Result<(), DownReason> {
        if !self.plaintext.is_empty() {
            self.sealer.seal(&self.plaintext, &mut self.wire)?;
            self.plaintext.clear();
        }
        Ok(())
    }
}
