//! A connection whose client reads nothing ends.

use std::future::Future as _;
use std::io::{Error, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::AsyncWrite;
use tokio::time::{Instant, Sleep};

/// A writer that fails once nothing could be written for a time, though something was to be.
pub(crate) struct Unread<W> {
    inner: W,
    patience: Duration,
    until: Pin<Box<Sleep>>,
    is_waiting: bool,
}

impl<W> Unread<W> {
    pub(crate) fn new(inner: W, patience: Duration) -> Self {
        Self {
            inner,
            patience,
            until: Box::pin(tokio::time::sleep(patience)),
            is_waiting: false,
        }
    }

    /// Passes on what is done, and counts the time of what is not.
    fn judge<T>(
        &mut self,
        cx: &mut Context<'_>,
        poll: Poll<std::io::Result<T>>,
    ) -> Poll<std::io::Result<T>> {
        if poll.is_ready() {
            self.is_waiting = false;
            return poll;
        }
        if !self.is_waiting {
            self.is_waiting = true;
            self.until.as_mut().reset(Instant::now() + self.patience);
        }
        ready!(self.until.as_mut().poll(cx));
        let message = "the client reads nothing";
        Poll::Ready(Err(Error::new(ErrorKind::TimedOut, message)))
    }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for Unread<W> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let poll = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.judge(cx, poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        let poll = Pin::new(&mut self.inner).poll_write_vectored(cx, bytes);
        self.judge(cx, poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let poll = Pin::new(&mut self.inner).poll_flush(cx);
        self.judge(cx, poll)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let poll = Pin::new(&mut self.inner).poll_shutdown(cx);
        self.judge(cx, poll)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn writer__must_fail_when_nothing_is_read_and_wait_for_a_slow_reader() {
        let patience = Duration::from_secs(1);
        let (mut reader, writer) = tokio::io::duplex(1);
        let mut writer = Unread::new(writer, patience);
        // It takes longer in all than the patience, but never for one byte.
        let slow = tokio::spawn(async move {
            for _ in 0..6 {
                tokio::time::sleep(patience / 4).await;
                reader.read_u8().await.unwrap();
            }
            reader
        });
        writer.write_all(&[0; 7]).await.unwrap();
        let _reader = slow.await.unwrap();
        let started = Instant::now();
        let failed = writer.write_all(&[0; 1]).await.unwrap_err();
        assert_eq!(failed.kind(), ErrorKind::TimedOut);
        assert!(started.elapsed() >= patience);
    }
}
