//! A relayed byte stream as its link sees it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio_util::sync::{CancellationToken, DropGuard};

/// The bytes of a relayed stream. Dropping it, after a link or after a handshake that failed, ends
/// the stream soon, also where the other end gives no credit and the coordinator takes no frames.
pub(in crate::noise) struct RelayedBytes {
    bytes: DuplexStream,
    _dropped: DropGuard,
}

impl RelayedBytes {
    /// `dropped` is cancelled when the link has let go of it.
    pub(super) fn new(bytes: DuplexStream, dropped: CancellationToken) -> Self {
        Self {
            bytes,
            _dropped: dropped.drop_guard(),
        }
    }
}

impl AsyncRead for RelayedBytes {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.bytes).poll_read(context, buffer)
    }
}

impl AsyncWrite for RelayedBytes {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.bytes).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.bytes).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.bytes).poll_shutdown(context)
    }
}
