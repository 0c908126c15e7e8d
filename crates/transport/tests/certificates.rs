//! Certificates that change, run out or are revoked while processes run.

#![allow(non_snake_case, reason = "test names are subject__should_result")]
#![allow(missing_docs, reason = "tests")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

#[path = "tls/authority.rs"]
mod authority;
#[path = "tls/server.rs"]
mod server;

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use authority::{Authority, Options};
use quorate_transport::LinkFault;
use quorate_transport::tls::{
    ClientTls, PeerIdentity, RELOAD_INTERVAL, RefusedClient, Role, ServerTls, TlsError, TlsFiles,
    TlsLimits,
};
use quorate_types::NodeId;
use server::{Server, ask};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tonic::transport::Channel;

/// More than anything here may take.
const PATIENCE: Duration = Duration::from_secs(120);

fn participant(id: &str) -> PeerIdentity {
    PeerIdentity::participant(NodeId::new(id).unwrap())
}

fn coordinator(id: &str) -> PeerIdentity {
    PeerIdentity::coordinator(NodeId::new(id).unwrap())
}

fn serial(serial: u64) -> Options {
    Options {
        serial,
        ..Options::default()
    }
}

/// Node-1's server, which knows a revocation list, and what it refused.
struct Node {
    authority: Authority,
    list: PathBuf,
    tls: ServerTls,
    server: Server,
    refused: Arc<Mutex<Vec<RefusedClient>>>,
}

impl Node {
    async fn start() -> Self {
        let authority = Authority::new();
        let mut files = authority.issue(&participant("node-1"), serial(1));
        let list = files.certificate.with_extension("crl");
        fs::write(&list, authority.list(&[], 2024, 2124).0).unwrap();
        files.crls = vec![list.clone()];
        let refused = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&refused);
        let tls = ServerTls::from_files(&files, |peer| peer.role == Role::Coordinator)
            .unwrap()
            .observed_by(move |client| seen.lock().unwrap().push(client.clone()));
        let server = Server::start_with(&tls, TlsLimits::default()).await;
        Self {
            authority,
            list,
            tls,
            server,
            refused,
        }
    }

    fn channel(&self, tls: &ClientTls) -> Channel {
        let limits = TlsLimits::default();
        tls.channel(self.server.address(), participant("node-1"), &limits)
            .unwrap()
    }

    fn revoke(&self, serials: &[u64]) {
        fs::write(&self.list, self.authority.list(serials, 2025, 2124).0).unwrap();
    }

    fn last_refused(&self) -> Option<RefusedClient> {
        self.refused.lock().unwrap().last().cloned()
    }
}

fn client(files: &TlsFiles) -> ClientTls {
    ClientTls::from_files(files).unwrap()
}

#[tokio::test]
async fn revocation__must_cut_live_connections_and_refuse_new_ones_without_a_restart() {
    let node = Node::start().await;
    let _fresh = node.tls.keep_fresh();
    let bad = client(&node.authority.issue(&coordinator("c0"), serial(77)));
    let good = client(&node.authority.issue(&coordinator("c1"), serial(78)));
    let (bad_channel, good_channel) = (node.channel(&bad), node.channel(&good));
    ask(bad_channel.clone()).await.unwrap();
    ask(good_channel.clone()).await.unwrap();

    node.revoke(&[77]);
    let since = Instant::now();
    while ask(bad_channel.clone()).await.is_ok() {
        assert!(since.elapsed() < RELOAD_INTERVAL + PATIENCE);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // The channel dials again, and is refused for the reason that both sides can name.
    ask(bad_channel).await.unwrap_err();
    assert_eq!(
        bad.fault(&participant("node-1")),
        Some(LinkFault::OwnRevoked)
    );
    let refused = node.last_refused().unwrap();
    assert_eq!(refused.fault, LinkFault::PeerRevoked);
    assert_eq!(refused.claimed, Some(coordinator("c0")));
    assert_eq!(ask(good_channel).await.unwrap(), "coordinator c1");
}

/// Takes a TLS client so far that only its last flight is not sent yet.
async fn half_a_handshake(
    tls: &mut rustls::ClientConnection,
    socket: &mut tokio::net::TcpStream,
) -> Vec<u8> {
    let mut hello = Vec::new();
    tls.write_tls(&mut hello).unwrap();
    socket.write_all(&hello).await.unwrap();
    while tls.is_handshaking() {
        let mut some = [0; 4096];
        let read = socket.read(&mut some).await.unwrap();
        assert_ne!(read, 0);
        tls.read_tls(&mut &some[..read]).unwrap();
        tls.process_new_packets().unwrap();
    }
    let mut last = Vec::new();
    while tls.wants_write() {
        tls.write_tls(&mut last).unwrap();
    }
    last
}

#[tokio::test]
async fn revocation__must_count_for_a_connection_whose_handshake_began_before() {
    let node = Node::start().await;
    let files = node.authority.issue(&coordinator("c0"), serial(77));
    let mut config = node.authority.client_config_of(&files);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let name = "node-1.node.quorate.internal".try_into().unwrap();
    let mut tls = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut socket = tokio::net::TcpStream::connect(node.server.address())
        .await
        .unwrap();
    let last = half_a_handshake(&mut tls, &mut socket).await;
    node.revoke(&[77]);
    assert!(node.tls.reload().unwrap());
    socket.write_all(&last).await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, socket.read_to_end(&mut answer));
    // A server that lets it in says so and waits.
    let _ = read.await.expect("the connection is closed");
    let refused = node.last_refused().unwrap();
    assert_eq!(refused.fault, LinkFault::PeerRevoked);
    assert_eq!(refused.claimed, Some(coordinator("c0")));
    assert_eq!(node.server.requests(), 0);
}

#[tokio::test]
async fn revocation__must_refuse_two_lists_of_one_authority() {
    let authority = Authority::new();
    let mut files = authority.issue(&participant("node-1"), serial(1));
    let (old, new) = (
        authority.list(&[], 2024, 2124).0,
        authority.list(&[77], 2025, 2124).0,
    );
    let list = files.certificate.with_extension("crl");
    let second = files.certificate.with_extension("crl2");
    fs::write(&second, &new).unwrap();
    fs::write(&list, format!("{old}{new}")).unwrap();
    for lists in [vec![list.clone()], vec![second.clone(), second.clone()]] {
        files.crls = lists;
        let refused = ServerTls::from_files(&files, |_| true);
        assert!(matches!(refused, Err(TlsError::TwoLists { .. })));
    }
    // Nor can an older list in front of the one in use un-revoke anybody while a process runs.
    files.crls = vec![list.clone()];
    fs::write(&list, &new).unwrap();
    let running = ServerTls::from_files(&files, |_| true).unwrap();
    fs::write(&list, format!("{old}{new}")).unwrap();
    assert!(matches!(running.reload(), Err(TlsError::TwoLists { .. })));
}

#[tokio::test]
async fn revocation__must_cut_connections_to_a_revoked_server() {
    let node = Node::start().await;
    let mut files = node.authority.issue(&coordinator("c0"), serial(5));
    files.crls = vec![node.list.clone()];
    let client = client(&files);
    let _fresh = client.keep_fresh();
    let channel = node.channel(&client);
    ask(channel.clone()).await.unwrap();
    node.revoke(&[1]);
    let since = Instant::now();
    while ask(channel.clone()).await.is_ok() {
        assert!(since.elapsed() < RELOAD_INTERVAL + PATIENCE);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    ask(channel).await.unwrap_err();
    assert_eq!(
        client.fault(&participant("node-1")),
        Some(LinkFault::PeerRevoked)
    );
}

#[tokio::test]
async fn rotation__should_use_the_new_certificate_and_leave_running_connections_alone() {
    let node = Node::start().await;
    let files = node.authority.issue(&coordinator("c0"), serial(77));
    let client = client(&files);
    let running = node.channel(&client);
    ask(running.clone()).await.unwrap();
    let new = node.authority.issue(&coordinator("c0"), serial(79));
    // A certificate without its key is half a rotation: nothing changes yet.
    fs::copy(&new.certificate, &files.certificate).unwrap();
    assert!(matches!(client.reload(), Err(TlsError::Unusable(_))));
    ask(node.channel(&client)).await.unwrap();
    Authority::rotate(&files, &new);
    assert!(client.reload().unwrap());
    assert!(!client.reload().unwrap(), "nothing is new the second time");
    ask(running).await.unwrap();
    // The old certificate counts no more; new connections show the new one.
    node.revoke(&[77]);
    assert!(node.tls.reload().unwrap());
    assert_eq!(ask(node.channel(&client)).await.unwrap(), "coordinator c0");
}

#[tokio::test]
async fn rotation__must_refuse_the_certificate_of_another_node() {
    let node = Node::start().await;
    let files = node.authority.issue(&coordinator("c0"), serial(77));
    let client = client(&files);
    let other = node.authority.issue(&coordinator("c1"), serial(79));
    Authority::rotate(&files, &other);
    assert!(matches!(
        client.reload(),
        Err(TlsError::OtherIdentity { .. })
    ));
    assert_eq!(ask(node.channel(&client)).await.unwrap(), "coordinator c0");
}

#[tokio::test]
async fn revocation__must_keep_the_last_good_list_when_the_new_one_cannot_be_used() {
    let node = Node::start().await;
    let bad = client(&node.authority.issue(&coordinator("c0"), serial(77)));
    node.revoke(&[77]);
    assert!(node.tls.reload().unwrap());
    let stranger = Authority::new();
    let attacks: [(&str, Vec<u8>); 6] = [
        ("malformed", b"garbage".to_vec()),
        ("empty", Vec::new()),
        ("of a stranger", stranger.list(&[], 2026, 2124).1),
        ("overdue", node.authority.list(&[], 2025, 2026).1),
        ("of the future", node.authority.list(&[], 2123, 2124).1),
        ("older", node.authority.list(&[], 2024, 2124).1),
    ];
    for (what, bytes) in attacks {
        fs::write(&node.list, bytes).unwrap();
        let refused = node.tls.reload().unwrap_err();
        let expected = match what {
            "malformed" => matches!(refused, TlsError::BadList { .. }),
            "empty" => matches!(refused, TlsError::BadPem { .. }),
            "of a stranger" => matches!(refused, TlsError::ListNotSigned { .. }),
            "overdue" => matches!(refused, TlsError::ListOverdue { .. }),
            "of the future" => matches!(refused, TlsError::ListNotYetValid { .. }),
            _ => matches!(refused, TlsError::ListOlder { .. }),
        };
        assert!(expected, "{what}: {refused}");
        ask(node.channel(&bad)).await.expect_err(what);
    }
    fs::remove_file(&node.list).unwrap();
    assert!(matches!(
        node.tls.reload(),
        Err(TlsError::Unreadable { .. })
    ));
    ask(node.channel(&bad)).await.unwrap_err();
    // A good list in DER ends it.
    fs::write(&node.list, node.authority.list(&[], 2026, 2124).1).unwrap();
    assert!(node.tls.reload().unwrap());
    ask(node.channel(&bad)).await.unwrap();
}

#[test]
fn revocation__must_not_start_with_a_list_that_cannot_be_used() {
    let authority = Authority::new();
    let mut files = authority.issue(&participant("node-1"), Options::default());
    let list = files.certificate.with_extension("crl");
    files.crls = vec![list.clone()];
    let start = |bytes: &[u8]| {
        fs::write(&list, bytes).unwrap();
        ServerTls::from_files(&files, |_| true).map(drop)
    };
    start(&authority.list(&[], 2024, 2124).1).unwrap();
    let text = |refused: Result<(), TlsError>| refused.unwrap_err().to_string();
    assert!(
        text(start(&authority.list(&[], 2024, 2025).1)).contains("is overdue since 2025-01-01")
    );
    assert!(text(start(&Authority::new().list(&[], 2024, 2124).1)).contains("not signed"));
    let mut changed = authority.list(&[], 2024, 2124).1;
    let last = changed.len() - 1;
    changed[last] ^= 1;
    assert!(matches!(
        start(&changed),
        Err(TlsError::ListNotSigned { .. } | TlsError::BadList { .. })
    ));
}

#[tokio::test]
async fn faults__should_name_what_is_wrong_with_a_client_on_both_sides() {
    let node = Node::start().await;
    let own_authority = |mut files: TlsFiles| {
        files.ca = node.authority.ca_file();
        files
    };
    let expired = Options {
        expired: true,
        ..Options::default()
    };
    let early = Options {
        not_yet_valid: true,
        ..Options::default()
    };
    let issue = |who, options| node.authority.issue(&who, options);
    let stranger = Authority::new();
    let foreign = stranger.issue(&coordinator("c0"), Options::default());
    let cases = [
        (
            issue(coordinator("c0"), expired),
            LinkFault::PeerExpired,
            LinkFault::OwnExpired,
        ),
        (
            issue(coordinator("c0"), early),
            LinkFault::PeerNotYetValid,
            LinkFault::OwnExpired,
        ),
        (
            own_authority(foreign),
            LinkFault::PeerForeign,
            LinkFault::OwnForeign,
        ),
        (
            issue(participant("node-2"), Options::default()),
            LinkFault::PeerNotAccepted,
            LinkFault::OwnNotAccepted,
        ),
    ];
    for (files, theirs, ours) in cases {
        let client = client(&files);
        ask(node.channel(&client)).await.unwrap_err();
        let refused = node.last_refused().unwrap();
        assert_eq!(refused.fault, theirs);
        assert_eq!(
            refused.claimed.as_ref(),
            Some(client.identity()),
            "{theirs}"
        );
        assert_eq!(client.fault(&participant("node-1")), Some(ours));
    }
    let config = node.authority.client_config().with_no_client_auth();
    assert!(!node.server.answers(config).await);
    let refused = node.last_refused().unwrap();
    assert_eq!(
        (refused.fault, refused.claimed),
        (LinkFault::PeerMissing, None)
    );
    assert_eq!(node.server.requests(), 0);
}

#[tokio::test]
async fn faults__should_name_what_is_wrong_with_a_server() {
    let authority = Authority::new();
    let expired = Options {
        expired: true,
        ..Options::default()
    };
    let node_1 = || participant("node-1");
    let foreign = Authority::new();
    let cases = [
        (authority.issue(&node_1(), expired), LinkFault::PeerExpired),
        (
            authority.issue(&participant("node-2"), Options::default()),
            LinkFault::PeerWrongName,
        ),
        (
            foreign.issue(&node_1(), Options::default()),
            LinkFault::PeerForeign,
        ),
    ];
    let client = client(&authority.issue(&coordinator("c0"), Options::default()));
    for (files, fault) in cases {
        let server = Server::start(&files, TlsLimits::default()).await;
        let limits = TlsLimits::default();
        let channel = client.channel(server.address(), node_1(), &limits).unwrap();
        ask(channel).await.unwrap_err();
        assert_eq!(client.fault(&node_1()), Some(fault));
    }
    // Nothing listens at a port that was just free.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let limits = TlsLimits::default();
    let channel = client.channel(address, node_1(), &limits).unwrap();
    ask(channel).await.unwrap_err();
    assert_eq!(client.fault(&node_1()), Some(LinkFault::ConnectionRefused));
    let good = Server::start(
        &authority.issue(&node_1(), Options::default()),
        TlsLimits::default(),
    )
    .await;
    let channel = client.channel(good.address(), node_1(), &limits).unwrap();
    ask(channel).await.unwrap();
    assert_eq!(client.fault(&node_1()), None, "forgotten once let in");
}
