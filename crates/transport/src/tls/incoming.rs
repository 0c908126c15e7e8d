//! Connections for tonic's `serve_with_incoming`: accepted, authenticated, limited (Spec 3).

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use super::identity::PeerIdentity;
use super::limits::TlsLimits;
use super::open_connections::Guarded;
use super::server::ServerTls;
use super::verifier::Witness;
use crate::fault::LinkFault;
use crate::slots::HandshakeSlots;

/// Authenticated connections that may wait for the HTTP server to take them.
const WAITING_CONNECTIONS: usize = 16;
/// Pause after the operating system refused to accept (too many open files).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// An authenticated connection. Its [`PeerIdentity`] is in the extensions of every request.
pub struct TlsConnection {
    stream: Guarded<TlsStream<TcpStream>>,
    peer: PeerIdentity,
    _open: OpenConnection,
}

/// Counts the connection for as long as it lives.
struct OpenConnection {
    _permit: OwnedSemaphorePermit,
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        metrics::gauge!("quorate_tls_connections").decrement(1.0);
    }
}

/// Stream of authenticated connections. Dropping it stops listening.
pub struct TlsIncoming {
    connections: mpsc::Receiver<TlsConnection>,
    local_address: SocketAddr,
    task: AbortHandle,
}

impl TlsIncoming {
    /// Starts accepting on `socket`. Handshakes run beside each other and never block accepting.
    ///
    /// # Errors
    /// If the socket has no address.
    pub fn start(socket: TcpListener, tls: &ServerTls, limits: TlsLimits) -> io::Result<Self> {
        let local_address = socket.local_addr()?;
        let (ready, connections) = mpsc::channel(WAITING_CONNECTIONS);
        let door = Door {
            tls: tls.clone(),
            places: Arc::new(Semaphore::new(limits.max_connections)),
            timeout: limits.handshake_timeout,
            ready,
        };
        let task = tokio::spawn(door.run(socket, limits.max_handshakes)).abort_handle();
        Ok(Self {
            connections,
            local_address,
            task,
        })
    }

    /// The address listened on.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.local_address
    }
}

impl Drop for TlsIncoming {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Stream for TlsIncoming {
    type Item = io::Result<TlsConnection>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.connections
            .poll_recv(context)
            .map(|connection| connection.map(Ok))
    }
}

/// A client that was not let in, for the audit log.
#[derive(Debug, Clone)]
pub struct RefusedClient {
    /// Why.
    pub fault: LinkFault,
    /// The name in its certificate. A claim, not proven: a refused certificate proves nothing.
    pub claimed: Option<PeerIdentity>,
    /// Where it connected from.
    pub address: SocketAddr,
}

/// Why a connection was not let in. Value of the metric label `reason`.
#[derive(Debug, Clone, Copy)]
enum Refused {
    Handshake(LinkFault),
    TimedOut,
    Evicted,
    TooManyConnections,
}

impl Refused {
    fn count(self) {
        let reason = match self {
            Self::Handshake(fault) => fault.label(),
            Self::TimedOut => "timed_out",
            Self::Evicted => "evicted",
            Self::TooManyConnections => "too_many_connections",
        };
        metrics::counter!("quorate_tls_refused_total", "reason" => reason).increment(1);
    }
}

#[derive(Clone)]
struct Door {
    tls: ServerTls,
    places: Arc<Semaphore>,
    timeout: Duration,
    ready: mpsc::Sender<TlsConnection>,
}

impl Door {
    async fn run(self, socket: TcpListener, max_handshakes: usize) {
        let mut slots = HandshakeSlots::new(max_handshakes);
        loop {
            match socket.accept().await {
                Ok((stream, address)) => {
                    if slots.admit(self.clone().admit(stream, address)) {
                        Refused::Evicted.count();
                    }
                }
                Err(error) => {
                    tracing::error!(kind = ?error.kind(), "cannot accept TLS connections");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn admit(self, stream: TcpStream, address: SocketAddr) {
        match self.authenticate(stream, address).await {
            // An error means that the HTTP server is gone.
            Ok(connection) => drop(self.ready.send(connection).await),
            Err(reason) => reason.count(),
        }
    }

    async fn authenticate(
        &self,
        stream: TcpStream,
        address: SocketAddr,
    ) -> Result<TlsConnection, Refused> {
        let closed = |_| Refused::Handshake(LinkFault::Closed);
        stream.set_nodelay(true).map_err(closed)?;
        let witness = Witness::default();
        let config = self.tls.config(witness.clone()).map_err(|error| {
            tracing::error!(%error, "TLS cannot be configured");
            Refused::Handshake(LinkFault::Other)
        })?;
        let accept = TlsAcceptor::from(Arc::new(config)).accept(stream);
        let handshake = tokio::time::timeout(self.timeout, accept).await;
        let stream = handshake
            .map_err(|_| Refused::TimedOut)?
            .map_err(|error| self.refuse(&witness, &error, address))?;
        let (_, session) = stream.get_ref();
        let chain = session.peer_certificates().unwrap_or_default();
        let certificate = chain.first();
        let peer = certificate
            .and_then(|certificate| PeerIdentity::from_certificate(certificate).ok())
            .ok_or(Refused::Handshake(LinkFault::PeerBadCertificate))?;
        let permit = Arc::clone(&self.places)
            .try_acquire_owned()
            .map_err(|_| Refused::TooManyConnections)?;
        let chain: Vec<_> = chain.iter().map(|c| c.clone().into_owned()).collect();
        let place = self.tls.live.open.enter(peer.clone(), chain.clone());
        // Spec 7.4: files that changed during the handshake were not asked, and the check of open
        // connections that followed the change may have come before this one was among them.
        self.tls.check_again(&chain).map_err(|error| {
            let fault = LinkFault::of_tls(&error);
            self.report(fault, Some(peer.clone()), address, &error)
        })?;
        metrics::gauge!("quorate_tls_connections").increment(1.0);
        Ok(TlsConnection {
            stream: Guarded::new(stream, place, None),
            peer,
            _open: OpenConnection { _permit: permit },
        })
    }
}

impl Door {
    /// Says, counts and reports why a handshake failed.
    fn refuse(&self, witness: &Witness, error: &io::Error, address: SocketAddr) -> Refused {
        let seen = witness.refused();
        let fault = seen
            .as_ref()
            .map_or_else(|| LinkFault::of_io(error), |seen| seen.fault);
        let claimed = seen.and_then(|seen| seen.claimed);
        self.report(fault, claimed, address, error)
    }

    fn report(
        &self,
        fault: LinkFault,
        claimed: Option<PeerIdentity>,
        address: SocketAddr,
        error: &dyn std::error::Error,
    ) -> Refused {
        tracing::debug!(%address, error = %error, %fault, "TLS connection refused");
        (self.tls.observer)(&RefusedClient {
            fault,
            claimed,
            address,
        });
        Refused::Handshake(fault)
    }
}

impl TlsConnection {
    /// Whom the connection belongs to.
    #[must_use]
    pub fn peer(&self) -> &PeerIdentity {
        &self.peer
    }
}

impl Connected for TlsConnection {
    type ConnectInfo = PeerIdentity;

    fn connect_info(&self) -> PeerIdentity {
        self.peer.clone()
    }
}

impl AsyncRead for TlsConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for TlsConnection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
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
