//! Connections that are open now, so that those of a certificate that no longer counts can be cut.

use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use parking_lot::Mutex;
use rustls_pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::identity::PeerIdentity;

/// All open connections of one process in one role.
#[derive(Clone, Default)]
pub(super) struct OpenConnections(Arc<Mutex<Table>>);

#[derive(Default)]
struct Table {
    next: u64,
    open: BTreeMap<u64, Open>,
}

struct Open {
    chain: Vec<CertificateDer<'static>>,
    peer: PeerIdentity,
    cut: CancellationToken,
}

/// A place in the table; given back when dropped.
pub(super) struct Place {
    number: u64,
    table: OpenConnections,
    cut: CancellationToken,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.table.0.lock().open.remove(&self.number);
    }
}

impl OpenConnections {
    /// Notes a connection of `peer`, who showed `chain`.
    pub(super) fn enter(&self, peer: PeerIdentity, chain: Vec<CertificateDer<'static>>) -> Place {
        let cut = CancellationToken::new();
        let mut table = self.0.lock();
        let number = table.next;
        table.next += 1;
        let open = Open {
            chain,
            peer,
            cut: cut.clone(),
        };
        table.open.insert(number, open);
        drop(table);
        Place {
            number,
            table: self.clone(),
            cut,
        }
    }

    /// Cuts every connection for which `keep` gives a reason not to keep it.
    pub(super) fn recheck(
        &self,
        mut keep: impl FnMut(&PeerIdentity, &[CertificateDer<'static>]) -> Result<(), rustls::Error>,
    ) {
        for open in self.0.lock().open.values() {
            if open.cut.is_cancelled() {
                continue;
            }
            if let Err(error) = keep(&open.peer, &open.chain) {
                tracing::warn!(peer = %open.peer, %error, "connection cut: its certificate no longer counts");
                metrics::counter!("quorate_tls_cut_total").increment(1);
                open.cut.cancel();
            }
        }
    }
}

/// A stream that ends when its place is cut.
pub struct Guarded<S> {
    stream: S,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    watch: Option<FirstRead>,
    _place: Place,
}

/// Told once how the first read ended: only then does a client know that it was let in.
pub(super) type FirstRead = Box<dyn FnOnce(Result<(), &io::Error>) + Send>;

impl<S> Guarded<S> {
    pub(super) fn new(stream: S, place: Place, watch: Option<FirstRead>) -> Self {
        let cut = Box::pin(place.cut.clone().cancelled_owned());
        Self {
            stream,
            cut,
            watch,
            _place: place,
        }
    }

    /// Whether the connection was cut; wakes the task when it will be.
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.cut.as_mut().poll(context) {
            Poll::Pending => Ok(()),
            Poll::Ready(()) => Err(io::Error::new(
                io::ErrorKind::ConnectionAborted,
                "the peer's certificate no longer counts",
            )),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(context)?;
        let read = ready!(Pin::new(&mut self.stream).poll_read(context, buffer));
        if let Some(watch) = self.watch.take() {
            watch(read.as_ref().copied());
        }
        Poll::Ready(read)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_write_vectored(context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
