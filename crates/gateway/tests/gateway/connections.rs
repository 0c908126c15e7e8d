//! Real connections: clients that are silent or slow, and the headers of answers.

use std::net::SocketAddr;
use std::time::Duration;

use quorate_gateway::{Gateway, GatewayLimits};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::call::Api;
use crate::support::world::{PATIENCE, World};

pub struct Served {
    pub address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

pub async fn serve(gateway: Gateway) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(async move {
        let stopped = async {
            let _ = stopped.await;
        };
        quorate_gateway::serve(&gateway, vec![listener], stopped)
            .await
            .unwrap();
    });
    Served {
        address,
        stop,
        task,
    }
}

impl Served {
    /// Sends these bytes and reads until the server closes.
    pub async fn answer(&self, sent: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(sent).await.unwrap();
        let mut read = Vec::new();
        tokio::time::timeout(PATIENCE, stream.read_to_end(&mut read))
            .await
            .expect("the server closes")
            .unwrap();
        String::from_utf8_lossy(&read).into_owned()
    }

    pub async fn stop(self) {
        self.stop.send(()).unwrap();
        let ended = tokio::time::timeout(PATIENCE, self.task).await;
        ended.expect("it stops").unwrap();
    }
}

fn impatient() -> GatewayLimits {
    GatewayLimits {
        header_timeout_ms: 300,
        body_timeout_ms: 300,
        ..GatewayLimits::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn client_that_is_silent_or_slow__must_lose_its_connection() {
    let world = World::without_nodes(3).await;
    let served = serve(Api::gateway(&world, impatient()).0).await;
    // Nothing; half of the greeting of HTTP/2; half of a request.
    for sent in [
        &b""[..],
        b"PRI * HTTP/2.0\r\n",
        b"GET /health/live HTTP/1.1\r\nHost: ",
    ] {
        let answer = served.answer(sent).await;
        assert!(!answer.contains("200 OK"), "{answer}");
    }
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn body_that_does_not_arrive__must_be_refused_in_time() {
    let world = World::without_nodes(3).await;
    let served = serve(Api::gateway(&world, impatient()).0).await;
    let sent = b"POST /api/v1/sign HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
                 Connection: close\r\nContent-Length: 100\r\n\r\n{";
    let answer = served.answer(sent).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert!(answer.contains("did not arrive within 300 ms"), "{answer}");
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers__must_carry_security_headers_and_no_version() {
    let world = World::without_nodes(3).await;
    let served = serve(Api::gateway(&world, GatewayLimits::default()).0).await;
    for path in ["/health/live", "/metrics", "/api/v1/keys", "/nowhere"] {
        let sent = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let answer = served.answer(sent.as_bytes()).await.to_ascii_lowercase();
        let (head, _) = answer.split_once("\r\n\r\n").unwrap();
        for expected in [
            "cache-control: no-store",
            "content-security-policy: default-src 'none'; frame-ancestors 'none'",
            "referrer-policy: no-referrer",
            "x-content-type-options: nosniff",
        ] {
            assert!(head.contains(expected), "{path}: {head}");
        }
        // Plain HTTP: nothing is promised about TLS.
        assert!(!head.contains("strict-transport-security"), "{head}");
        assert!(!head.contains("\r\nserver:"), "{head}");
    }
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn http2__should_be_found_by_its_greeting_in_parts() {
    let world = World::without_nodes(3).await;
    let served = serve(Api::gateway(&world, GatewayLimits::default()).0).await;
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    // In two parts, then an empty SETTINGS frame.
    stream.write_all(b"PRI * HTTP/2.0\r\n").await.unwrap();
    stream
        .write_all(b"\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .await
        .unwrap();
    let mut frame = [0; 9];
    let read = tokio::time::timeout(PATIENCE, stream.read_exact(&mut frame));
    read.await.expect("it answers").unwrap();
    assert_eq!(
        frame[3], 4,
        "the server's own SETTINGS come first: {frame:?}"
    );
    drop(stream);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections__must_be_limited_and_strangers_give_way() {
    let world = World::without_nodes(3).await;
    let limits = GatewayLimits {
        max_connections: 1,
        // Nobody loses its place for being silent.
        header_timeout_ms: 600_000,
        ..GatewayLimits::default()
    };
    let served = serve(Api::gateway(&world, limits).0).await;
    let asked = b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    // Silent ones, and one that was answered without being authenticated.
    let mut strangers = Vec::new();
    for sent in [
        &b""[..],
        b"",
        b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n",
    ] {
        let mut stranger = TcpStream::connect(served.address).await.unwrap();
        stranger.write_all(sent).await.unwrap();
        if !sent.is_empty() {
            let answered = tokio::time::timeout(PATIENCE, stranger.read_u8()).await;
            answered.expect("it has got a place").unwrap();
        }
        strangers.push(stranger);
    }
    assert!(served.answer(asked).await.contains("200 OK"));
    for mut stranger in strangers {
        let mut rest = Vec::new();
        let ended = tokio::time::timeout(PATIENCE, stranger.read_to_end(&mut rest)).await;
        // Closed or reset.
        let _ = ended.expect("it has given way");
    }
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connection_of_a_known_caller__must_not_give_way() {
    let world = World::without_nodes(3).await;
    let limits = GatewayLimits {
        max_connections: 1,
        ..impatient()
    };
    let (gateway, api) = Api::gateway(&world, limits);
    let served = serve(gateway).await;
    let mut known = TcpStream::connect(served.address).await.unwrap();
    let path = "/api/v1/keys";
    let head = api.request("GET", path, b"").into_parts().0.headers;
    let mut sent = format!("GET {path} HTTP/1.1\r\nHost: x\r\n");
    for (name, value) in &head {
        sent += &format!("{name}: {}\r\n", value.to_str().unwrap());
    }
    sent += "\r\n";
    // Another one waits until the known one has been silent for its time.
    let started = std::time::Instant::now();
    known.write_all(sent.as_bytes()).await.unwrap();
    known.read_u8().await.unwrap();
    let asked = b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assert!(served.answer(asked).await.contains("200 OK"));
    assert!(started.elapsed() >= Duration::from_millis(200));
    served.stop().await;
}
