//! The dialling side (Spec 4).

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use http::Uri;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::aws_lc_rs;
use rustls::version::TLS13;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tonic::transport::{Channel, Endpoint};
use tower::Service;

use super::ALPN_HTTP2;
use super::error::{ConnectError, TlsError};
use super::files::TlsFiles;
use super::identity::{IdentityError, PeerIdentity};
use super::limits::TlsLimits;

/// TLS of a client: its certificate, and the authorities that vouch for servers.
#[derive(Clone)]
pub struct ClientTls {
    config: Arc<ClientConfig>,
    identity: PeerIdentity,
}

impl ClientTls {
    /// Reads the files.
    ///
    /// # Errors
    /// [`TlsError`]: a file is missing, open to others, broken, or does not fit the others.
    ///
    /// # Security
    /// Revocation lists are read once: a process must be restarted to learn of new ones.
    pub fn from_files(files: &TlsFiles) -> Result<Self, TlsError> {
        let loaded = files.load()?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut verifier = WebPkiServerVerifier::builder_with_provider(
            Arc::new(loaded.roots),
            Arc::clone(&provider),
        );
        if !loaded.crls.is_empty() {
            verifier = verifier
                .with_crls(loaded.crls)
                .only_check_end_entity_revocation();
        }
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])?
            .with_webpki_verifier(verifier.build()?)
            .with_client_auth_cert(loaded.chain, loaded.key)?;
        config.alpn_protocols = vec![ALPN_HTTP2.to_vec()];
        config.resumption = Resumption::disabled();
        Ok(Self {
            config: Arc::new(config),
            identity: loaded.identity,
        })
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
                tls: tokio_rustls::TlsConnector::from(Arc::clone(&self.config)),
                address: address.into(),
                name: expected.server_name()?,
                expected,
                limits: limits.clone(),
            }),
        })
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
    tls: tokio_rustls::TlsConnector,
    address: String,
    name: ServerName<'static>,
    expected: PeerIdentity,
    limits: TlsLimits,
}

impl Connector {
    /// Connects once.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub async fn connect(&self) -> Result<TlsStream<TcpStream>, ConnectError> {
        self.dial.connect().await
    }
}

impl Dial {
    async fn connect(&self) -> Result<TlsStream<TcpStream>, ConnectError> {
        let expected = || self.expected.clone();
        let connect = async {
            let unreachable = |source| ConnectError::Unreachable {
                expected: expected(),
                source,
            };
            let stream = TcpStream::connect(&self.address)
                .await
                .map_err(unreachable)?;
            stream.set_nodelay(true).map_err(unreachable)?;
            // Spec 4.1: chain, time, revocation and host name.
            let handshake = self.tls.connect(self.name.clone(), stream).await;
            handshake.map_err(|source| ConnectError::Handshake {
                expected: expected(),
                source,
            })
        };
        let stream = tokio::time::timeout(self.limits.connect_timeout, connect)
            .await
            .map_err(|_| ConnectError::TimedOut {
                expected: expected(),
            })??;
        // Spec 4.2: the certificate is for this node and no other. A wildcard ends here.
        let (_, session) = stream.get_ref();
        let certificate = session.peer_certificates().and_then(<[_]>::first);
        let found = certificate.map(|certificate| PeerIdentity::from_certificate(certificate));
        if found != Some(Ok(expected())) {
            return Err(ConnectError::WrongServer {
                expected: expected(),
            });
        }
        Ok(stream)
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TlsStream<TcpStream>>;
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
