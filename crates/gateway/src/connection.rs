//! One listening socket and its connections: HTTP/1 or HTTP/2, found by the first bytes.
//!
//! A connection that says nothing, or says it too slowly, or takes no answer, is closed; each wait
//! has a limit. Where all places are taken, connections on which nobody was authenticated give way.

use std::convert::Infallible;
use std::io::{Cursor, ErrorKind};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OwnedSemaphorePermit;
use tower_service::Service as _;

use crate::crowd::Place;
use crate::gateway::Inner;
use crate::source::Source;
use crate::unread::Unread;

/// What an HTTP/2 connection begins with: RFC 9113 §3.4.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Pause after the system refused to accept, for want of file descriptors most often.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// Whether somebody has been authenticated on the connection that a request came over. Until then
/// it has a place among strangers.
#[derive(Clone)]
pub(crate) struct Standing(pub(crate) Arc<Place>);

/// Accepts until the gateway closes. The connections go on; each holds its place.
pub(crate) async fn accept(inner: &Arc<Inner>, router: &axum::Router, listener: TcpListener) {
    let closing = inner.closing.clone();
    closing
        .run_until_cancelled(async {
            loop {
                let (stream, peer) = next(&listener).await;
                let place = place(inner).await;
                let stranger = inner.unknown_connections.enter(Source::of(Some(peer.ip())));
                let (inner, router) = (Arc::clone(inner), router.clone());
                tokio::spawn(async move {
                    let standing = Standing(Arc::new(stranger));
                    let served = serve(&inner, router, stream, peer, standing.clone());
                    tokio::select! {
                        () = served => {}
                        () = standing.0.taken_away() => {
                            tracing::debug!(%peer, "a connection gave way to another one");
                        }
                    }
                    drop(place);
                });
            }
        })
        .await;
}

/// A place for one more connection. Where there is none, a stranger gives way; where there is no
/// stranger either, it waits.
async fn place(inner: &Inner) -> OwnedSemaphorePermit {
    let places = &inner.connections;
    if let Ok(place) = Arc::clone(places).try_acquire_owned() {
        return place;
    }
    inner.unknown_connections.make_room();
    let place = Arc::clone(places).acquire_owned().await;
    place.expect("the semaphore is never closed")
}

async fn next(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            // The client left before it was accepted.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::ConnectionAborted
                        | ErrorKind::ConnectionReset
                        | ErrorKind::ConnectionRefused
                ) => {}
            Err(error) => {
                tracing::error!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve(
    inner: &Inner,
    router: axum::Router,
    mut stream: TcpStream,
    peer: SocketAddr,
    standing: Standing,
) {
    let patience = Duration::from_millis(inner.limits.header_timeout_ms);
    let closing = &inner.closing;
    let greeting = tokio::time::timeout(patience, greeting(&mut stream));
    let Some(Ok(Ok((read, is_http2)))) = closing.run_until_cancelled(greeting).await else {
        return;
    };
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        request.extensions_mut().insert(standing.clone());
        let mut router = router.clone();
        async move {
            Ok::<Response<Body>, Infallible>(match router.call(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            })
        }
    });
    let (reader, writer) = stream.into_split();
    let unread = Duration::from_millis(inner.limits.unread_timeout_ms);
    let writer = Unread::new(writer, unread);
    let io = TokioIo::new(tokio::io::join(Cursor::new(read).chain(reader), writer));
    let builder = builder(inner, patience, is_http2);
    let mut connection = pin!(builder.serve_connection(io, service));
    let mut closed = pin!(closing.cancelled());
    let mut is_closing = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%peer, error, "a connection ended");
                }
                return;
            }
            () = closed.as_mut(), if !is_closing => {
                is_closing = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

/// Reads until it is known which protocol the client speaks; what was read, and whether HTTP/2.
async fn greeting(stream: &mut TcpStream) -> std::io::Result<(Vec<u8>, bool)> {
    let mut read = Vec::with_capacity(PREFACE.len());
    while PREFACE.starts_with(&read) {
        if read.len() == PREFACE.len() {
            return Ok((read, true));
        }
        let missing = PREFACE.len() - read.len();
        let most = u64::try_from(missing).expect("24 bytes at most");
        if stream.take(most).read_buf(&mut read).await? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
    }
    Ok((read, false))
}

fn builder(inner: &Inner, patience: Duration, is_http2: bool) -> Builder<TokioExecutor> {
    let limits = &inner.limits;
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(patience);
    let longest = u32::try_from(limits.max_header_bytes).unwrap_or(u32::MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(longest.saturating_mul(2))
        .max_concurrent_streams(limits.max_streams_per_connection)
        .keep_alive_interval(Duration::from_millis(limits.http2_ping_interval_ms))
        .keep_alive_timeout(Duration::from_millis(limits.http2_ping_timeout_ms));
    if is_http2 {
        builder.http2_only()
    } else {
        builder.http1_only()
    }
}
