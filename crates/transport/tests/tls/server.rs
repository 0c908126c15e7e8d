//! A real tonic server and client: one call, answered with the caller's identity.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use http::{HeaderValue, Request, Response};
use quorate_transport::tls::{PeerIdentity, Role, ServerTls, TlsFiles, TlsIncoming, TlsLimits};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tonic::body::Body;
use tonic::transport::Channel;
use tower::{Service, ServiceExt};

pub(crate) struct Server {
    address: SocketAddr,
    requests: Arc<AtomicUsize>,
}

impl Server {
    /// A participant's server: coordinators only.
    pub(crate) async fn start(files: &TlsFiles, limits: TlsLimits) -> Self {
        let tls = ServerTls::from_files(files, |peer| peer.role == Role::Coordinator).unwrap();
        Self::start_with(&tls, limits).await
    }

    /// The same with TLS that the test goes on using.
    pub(crate) async fn start_with(tls: &ServerTls, limits: TlsLimits) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let incoming = TlsIncoming::start(socket, tls, limits).unwrap();
        let address = incoming.local_address();
        let requests = Arc::new(AtomicUsize::new(0));
        let service = WhoAmI {
            requests: Arc::clone(&requests),
        };
        tokio::spawn(tonic::transport::Server::builder().serve_with_incoming(service, incoming));
        Self { address, requests }
    }

    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    /// Requests that reached the service.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// Whether the server goes on talking after the handshake with such a client.
    pub(crate) async fn answers(&self, mut config: ClientConfig) -> bool {
        config.alpn_protocols = vec![b"h2".to_vec()];
        let name = ServerName::try_from("node-1.node.quorate.internal").unwrap();
        let stream = TcpStream::connect(self.address).await.unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let Ok(mut stream) = connector.connect(name, stream).await else {
            return false;
        };
        // In TLS 1.3 the client is done before the server has checked the client's certificate.
        let _ = stream
            .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
            .await;
        stream.read_u8().await.is_ok()
    }
}

#[derive(Clone)]
struct WhoAmI {
    requests: Arc<AtomicUsize>,
}

impl Service<Request<Body>> for WhoAmI {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.requests.fetch_add(1, Ordering::SeqCst);
        let peer = request
            .extensions()
            .get::<PeerIdentity>()
            .expect("every request has a peer");
        let mut response = Response::new(Body::empty());
        let value = HeaderValue::try_from(peer.to_string()).unwrap();
        response.headers_mut().insert("you-are", value);
        ready(Ok(response))
    }
}

/// Calls the service once and returns whom the server saw.
pub(crate) async fn ask(mut channel: Channel) -> Result<String, tonic::Status> {
    let request = Request::builder().method("POST").uri("/test.WhoAmI/Ask");
    let request = request.body(Body::empty()).unwrap();
    let ready = channel
        .ready()
        .await
        .map_err(|e| tonic::Status::from_error(Box::new(e)))?;
    let answered = ready.call(request).await;
    let response = answered.map_err(|e| tonic::Status::from_error(Box::new(e)))?;
    Ok(response.headers()["you-are"].to_str().unwrap().to_owned())
}
