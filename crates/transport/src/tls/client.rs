//! The dialling side (Spec 4).

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use http::Uri;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::version::TLS13;
use rustls_pki_types::{ServerName, UnixTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::task::AbortOnDropHandle;
use tonic::transport::{Channel, Endpoint};
use tower::Service;

use super::ALPN_HTTP2;
use super::error::{ConnectError, TlsError};
use super::files::TlsFiles;
use super::identity::{IdentityError, PeerIdentity};
use super::limits::TlsLimits;
use super::live::{Live, Recheck, keep_fresh};
use super::material::Material;
use super::open_connections::{FirstRead, Guarded};
use super::verifier::ServerVerifier;
use crate::fault::LinkFault;

/// What an HTTP/2 client says first (RFC 9113 §3.4), with empty settings.
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// TLS of a client: its certificate, and the authorities that vouch for servers.
#[derive(Clone)]
pub struct ClientTls {
    live: Arc<Live>,
    identity: PeerIdentity,
    faults: Faults,
}

/// What is wrong with each server that was dialled and did not let us in.
type Faults = Arc<Mutex<BTreeMap<PeerIdentity, LinkFault>>>;

impl ClientTls {
    /// Reads the files.
    ///
    /// # Errors
    /// [`TlsError`]: a file is missing, open to others, broken, or does not fit the others; or a
    /// revocation list is not signed or overdue.
    pub fn from_files(files: &TlsFiles) -> Result<Self, TlsError> {
        let live = Live::read(files)?;
        Ok(Self {
            identity: live.material().identity.clone(),
            live,
            faults: Faults::default(),
        })
    }

    /// Reads the files again now; whether something new came of it (Spec 7).
    ///
    /// # Errors
    /// [`TlsError`]; what was in use stays in use.
    pub fn reload(&self) -> Result<bool, TlsError> {
        self.live.reload()
    }

    /// Reads the files again whenever they change, and cuts connections whose certificate no
    /// longer counts, until the handle is dropped. Must be called inside a tokio runtime.
    pub fn keep_fresh(&self) -> AbortOnDropHandle<()> {
        let open = self.live.open.clone();
        let recheck: Arc<Recheck> = Arc::new(move |material, now| {
            open.recheck(|peer, chain| {
                let name = peer.server_name().expect("it was dialled by this name");
                material.check_server(chain, &name, now)
            });
        });
        keep_fresh(Arc::clone(&self.live), recheck)
    }

    /// Why the last attempt to reach a server failed; none after it let us in.
    #[must_use]
    pub fn fault(&self, server: &PeerIdentity) -> Option<LinkFault> {
        self.faults.lock().get(server).copied()
    }

    /// The identity in the own certificate.
    #[must_use]
    pub fn identity(&self) -> &PeerIdentity {
        &self.identity
    }

    /// A connector to one server: `address` is where it is, `expected` who it must be.
    ///
    /// # Errors
    /// [`IdentityError::NotALabel`] if the node id cannot be a host name.
    pub fn connector(
        &self,
        address: impl Into<String>,
        expected: PeerIdentity,
        limits: &TlsLimits,
    ) -> Result<Connector, IdentityError> {
        Ok(Connector {
            dial: Arc::new(Dial {
                live: Arc::clone(&self.live),
                faults: Arc::clone(&self.faults),
                address: address.into(),
                name: expected.server_name()?,
                expected,
                limits: limits.clone(),
            }),
        })
    }

    /// Connects once, and waits until the server has let this client in or refused it.
    ///
    /// # Errors
    /// What is wrong, as far as this side can know.
    pub async fn probe(
        &self,
        address: impl Into<String>,
        expected: PeerIdentity,
        limits: &TlsLimits,
    ) -> Result<(), LinkFault> {
        let connector = self.connector(address, expected, limits);
        let connector = connector.map_err(|_| LinkFault::PeerWrongName)?;
        let mut stream = connector.connect().await.map_err(|error| error.fault())?;
        let answer = async {
            // A server that refused us closes; the reason is what there is to read.
            let _ = stream.write_all(HTTP2_PREFACE).await;
            stream.read_u8().await
        };
        match tokio::time::timeout(limits.connect_timeout, answer).await {
            Err(_) => Err(LinkFault::TimedOut),
            Ok(Err(error)) => Err(LinkFault::of_io(&error)),
            Ok(Ok(_)) => Ok(()),
        }
    }

    /// A gRPC channel to one server, which connects on first use and again after a failure.
    ///
    /// # Errors
    /// [`TlsError::Identity`] if the node id cannot be a host name.
    pub fn channel(
        &self,
        address: impl Into<String>,
        expected: PeerIdentity,
        limits: &TlsLimits,
    ) -> Result<Channel, TlsError> {
        let connector = self.connector(address, expected.clone(), limits)?;
        // The scheme is plain for tonic's eyes only: the connector brings the encryption.
        let uri = format!("http://{}", expected.dns_name()?);
        let endpoint = Endpoint::from_shared(uri)
            .map_err(|_| IdentityError::NotALabel { id: expected.id })?
            .http2_keep_alive_interval(limits.keepalive_interval)
            .keep_alive_timeout(limits.keepalive_timeout)
            .keep_alive_while_idle(true);
        Ok(endpoint.connect_with_connector_lazy(connector))
    }
}

/// Connects to one server; the connector of a tonic `Endpoint`.
#[derive(Clone)]
pub struct Connector {
    dial: Arc<Dial>,
}

struct Dial {
    live: Arc<Live>,
    faults: Faults,
    address: String,
    name: ServerName<'static>,
    expected: PeerIdentity,
    limits: TlsLimits,
}

/// A connection to a server; it ends when the server's certificate no longer counts.
pub type TlsClientStream = Guarded<TlsStream<TcpStream>>;

impl Connector {
    /// Connects once.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub async fn connect(&self) -> Result<TlsClientStream, ConnectError> {
        self.dial.connect().await
    }
}

impl Dial {
    async fn connect(&self) -> Result<TlsClientStream, ConnectError> {
        let connected = self.try_connect().await;
        if let Err(error) = &connected {
            self.faults
                .lock()
                .insert(self.expected.clone(), error.fault());
        }
        connected
    }

    async fn try_connect(&self) -> Result<TlsClientStream, ConnectError> {
        let stream = tokio::time::timeout(self.limits.connect_timeout, self.handshake())
            .await
            .map_err(|_| ConnectError::TimedOut {
                expected: self.expected.clone(),
            })??;
        // Spec 4.2: the certificate is for this node and no other. A wildcard ends here.
        let (_, session) = stream.get_ref();
        let chain = session.peer_certificates().unwrap_or_default();
        let found = chain
            .first()
            .map(|certificate| PeerIdentity::from_certificate(certificate));
        if found.and_then(Result::ok).as_ref() != Some(&self.expected) {
            return Err(ConnectError::WrongServer {
                expected: self.expected.clone(),
            });
        }
        let chain: Vec<_> = chain.iter().map(|c| c.clone().into_owned()).collect();
        let place = self.live.open.enter(self.expected.clone(), chain.clone());
        // Spec 7.4: the files may have changed since the handshake began.
        let material = self.live.material();
        material
            .check_server(&chain, &self.name, UnixTime::now())
            .map_err(|error| ConnectError::Handshake {
                expected: self.expected.clone(),
                source: io::Error::other(error),
            })?;
        Ok(Guarded::new(stream, place, Some(self.first_read())))
    }

    async fn handshake(&self) -> Result<TlsStream<TcpStream>, ConnectError> {
        let expected = || self.expected.clone();
        let unreachable = |source| ConnectError::Unreachable {
            expected: expected(),
            source,
        };
        let refused = |source| ConnectError::Handshake {
            expected: expected(),
            source,
        };
        let stream = TcpStream::connect(&self.address)
            .await
            .map_err(unreachable)?;
        stream.set_nodelay(true).map_err(unreachable)?;
        // Spec 4.1: chain, time, revocation and host name.
        let config = config(&self.live.material()).map_err(io::Error::other);
        let tls = TlsConnector::from(Arc::new(config.map_err(refused)?));
        tls.connect(self.name.clone(), stream)
            .await
            .map_err(refused)
    }

    /// Spec 4.3: in TLS 1.3 a client is done before the server has looked at its certificate, so
    /// that a refusal is what it reads first.
    fn first_read(&self) -> FirstRead {
        let (faults, server) = (Arc::clone(&self.faults), self.expected.clone());
        Box::new(move |read| {
            let mut faults = faults.lock();
            match read {
                Ok(()) => drop(faults.remove(&server)),
                Err(error) => drop(faults.insert(server, LinkFault::of_io(error))),
            }
        })
    }
}

/// The configuration of one handshake.
fn config(material: &Arc<Material>) -> Result<ClientConfig, rustls::Error> {
    let verifier = ServerVerifier {
        material: Arc::clone(material),
    };
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&material.provider))
        .with_protocol_versions(&[&TLS13])?
        .dangerous() // the verifier asks webpki, and is stricter
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_cert_resolver(Arc::clone(&material.certified) as _);
    config.alpn_protocols = vec![ALPN_HTTP2.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(config)
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TlsClientStream>;
    type Error = io::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    /// The URI is ignored: address and identity are fixed.
    fn call(&mut self, _: Uri) -> Self::Future {
        let dial = Arc::clone(&self.dial);
        Box::pin(async move {
            let stream = dial.connect().await.map_err(io::Error::other)?;
            Ok(TokioIo::new(stream))
        })
    }
}
