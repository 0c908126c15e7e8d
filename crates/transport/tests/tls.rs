//! Mutual TLS over loopback: who gets in, and who must not.

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
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use authority::{Authority, Options};
use quorate_transport::tls::{
    ClientTls, ConnectError, PeerIdentity, Role, ServerTls, TlsError, TlsFiles, TlsLimits,
};
use quorate_types::NodeId;
use server::{Server, ask};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::Code;

/// More than anything here may take.
const PATIENCE: Duration = Duration::from_secs(120);

fn participant(id: &str) -> PeerIdentity {
    PeerIdentity::participant(NodeId::new(id).unwrap())
}

fn coordinator(id: &str) -> PeerIdentity {
    PeerIdentity::coordinator(NodeId::new(id).unwrap())
}

/// Node-1's server with files of `authority`, open to coordinators.
async fn node_1(authority: &Authority) -> Server {
    let files = authority.issue(&participant("node-1"), Options::default());
    Server::start(&files, TlsLimits::default()).await
}

/// Asks node-1's server, as the owner of `files`, who is asking.
async fn ask_as(files: &TlsFiles, server: &Server) -> Result<String, tonic::Status> {
    let tls = ClientTls::from_files(files).unwrap();
    let limits = TlsLimits::default();
    let channel = tls
        .channel(server.address(), participant("node-1"), &limits)
        .unwrap();
    ask(channel).await
}

async fn connect(files: &TlsFiles, server: &Server) -> Result<(), ConnectError> {
    let tls = ClientTls::from_files(files).unwrap();
    let limits = TlsLimits::default();
    let connector = tls
        .connector(server.address(), participant("node-1"), &limits)
        .unwrap();
    connector.connect().await.map(drop)
}

#[tokio::test]
async fn tls__should_carry_grpc_and_name_the_client_to_the_server() {
    let authority = Authority::new();
    let server = node_1(&authority).await;
    let files = authority.issue(&coordinator("c0"), Options::default());
    assert_eq!(ask_as(&files, &server).await.unwrap(), "coordinator c0");
    assert_eq!(
        ClientTls::from_files(&files).unwrap().identity(),
        &coordinator("c0")
    );
}

#[tokio::test]
async fn tls__must_refuse_clients_of_the_wrong_role() {
    let authority = Authority::new();
    let server = node_1(&authority).await;
    let files = authority.issue(&participant("node-2"), Options::default());
    refused(ask_as(&files, &server).await);
    assert_eq!(server.requests(), 0);
}

#[tokio::test]
async fn tls__must_refuse_clients_of_another_authority_and_expired_ones() {
    let authority = Authority::new();
    let server = node_1(&authority).await;
    // Signed by another authority, but trusting ours, so that only the server can object.
    let other_authority = Authority::new();
    let mut foreign = other_authority.issue(&coordinator("c0"), Options::default());
    foreign.ca = authority.ca_file();
    refused(ask_as(&foreign, &server).await);
    let expired = Options {
        expired: true,
        ..Options::default()
    };
    refused(ask_as(&authority.issue(&coordinator("c0"), expired), &server).await);
    assert_eq!(server.requests(), 0);
}

#[tokio::test]
async fn tls__must_refuse_clients_whose_certificate_names_no_node_or_several() {
    let authority = Authority::new();
    let server = node_1(&authority).await;
    let two = Options {
        extra_names: vec!["node-2.node.quorate.internal"],
        ..Options::default()
    };
    let files = authority.issue(&coordinator("c0"), two);
    assert!(matches!(
        ClientTls::from_files(&files),
        Err(TlsError::OwnIdentity { .. })
    ));
    // A client that is not ours does not check its own certificate.
    assert!(!server.answers(authority.client_config_of(&files)).await);
    let good = authority.issue(&coordinator("c0"), Options::default());
    assert!(
        server.answers(authority.client_config_of(&good)).await,
        "the test can succeed"
    );
    assert_eq!(server.requests(), 0);
}

#[tokio::test]
async fn tls__must_refuse_clients_without_a_certificate() {
    let authority = Authority::new();
    let server = node_1(&authority).await;
    let config = authority.client_config().with_no_client_auth();
    assert!(!server.answers(config).await);
    assert_eq!(server.requests(), 0);
}

#[tokio::test]
async fn tls__must_refuse_revoked_clients_and_accept_the_others() {
    let authority = Authority::new();
    let mut files = authority.issue(&participant("node-1"), Options::default());
    let revoked = authority.issue(
        &coordinator("c0"),
        Options {
            serial: 77,
            ..Options::default()
        },
    );
    files.crls = vec![authority.revoke(77)];
    let server = Server::start(&files, TlsLimits::default()).await;
    refused(ask_as(&revoked, &server).await);
    let good = authority.issue(
        &coordinator("c1"),
        Options {
            serial: 78,
            ..Options::default()
        },
    );
    assert_eq!(ask_as(&good, &server).await.unwrap(), "coordinator c1");
}

#[tokio::test]
async fn tls__must_refuse_revoked_servers() {
    let authority = Authority::new();
    let serial = Options {
        serial: 77,
        ..Options::default()
    };
    let server_files = authority.issue(&participant("node-1"), serial);
    let server = Server::start(&server_files, TlsLimits::default()).await;
    let mut files = authority.issue(&coordinator("c0"), Options::default());
    connect(&files, &server).await.unwrap();
    files.crls = vec![authority.revoke(77)];
    let refused = connect(&files, &server).await;
    assert!(
        matches!(refused, Err(ConnectError::Handshake { expected, .. })
        if expected == participant("node-1"))
    );
}

#[tokio::test]
async fn tls__must_refuse_a_server_with_another_nodes_certificate() {
    let authority = Authority::new();
    let files = authority.issue(&coordinator("c0"), Options::default());
    for (other, note) in [
        (participant("node-2"), "another node"),
        (coordinator("node-1"), "the same id in another role"),
    ] {
        let server_files = authority.issue(&other, Options::default());
        let server = Server::start(&server_files, TlsLimits::default()).await;
        let refused = connect(&files, &server).await;
        assert!(
            matches!(refused, Err(ConnectError::Handshake { .. })),
            "{note}"
        );
    }
}

#[tokio::test]
async fn tls__must_refuse_a_server_with_a_wildcard_certificate() {
    let authority = Authority::new();
    let files = authority.issue(&coordinator("c0"), Options::default());
    let wild = authority.issue_names(&["*.node.quorate.internal"]);
    assert!(matches!(
        ServerTls::from_files(&wild, |_| true),
        Err(TlsError::OwnIdentity { .. })
    ));
    // A server that is not ours does not check its own certificate.
    let address = authority.foreign_server(&wild).await;
    let tls = ClientTls::from_files(&files).unwrap();
    let connector = tls
        .connector(address, participant("node-1"), &TlsLimits::default())
        .unwrap();
    let refused = connector.connect().await.map(drop);
    assert!(
        matches!(refused, Err(ConnectError::WrongServer { expected })
        if expected == participant("node-1"))
    );
}

#[tokio::test]
async fn tls__must_refuse_a_server_of_another_authority() {
    let authority = Authority::new();
    let server = node_1(&Authority::new()).await;
    let files = authority.issue(&coordinator("c0"), Options::default());
    assert!(matches!(
        connect(&files, &server).await,
        Err(ConnectError::Handshake { .. })
    ));
}

#[tokio::test]
async fn tls__must_refuse_tls_1_2_and_plain_text() {
    let authority = Authority::new();
    let server = node_1(&authority).await;
    // A TLS 1.2 ClientHello (RFC 5246 §7.4.1.2) with ECDHE-ECDSA-AES128-GCM and P-256.
    let mut hello = vec![0x03, 0x03];
    hello.extend_from_slice(&[7; 32]);
    hello.extend_from_slice(&[0, 0, 2, 0xc0, 0x2b, 1, 0]);
    let extensions = [
        &[0, 10, 0, 4, 0, 2, 0, 23][..], // supported_groups: secp256r1
        &[0, 13, 0, 4, 0, 2, 4, 3][..],  // signature_algorithms: ecdsa_secp256r1_sha256
        &[0, 11, 0, 2, 1, 0][..],        // ec_point_formats: uncompressed
    ]
    .concat();
    hello.extend_from_slice(&u16::try_from(extensions.len()).unwrap().to_be_bytes());
    hello.extend_from_slice(&extensions);
    let mut record = vec![22, 3, 1];
    record.extend_from_slice(&u16::try_from(hello.len() + 4).unwrap().to_be_bytes());
    record.extend_from_slice(&[1, 0]);
    record.extend_from_slice(&u16::try_from(hello.len()).unwrap().to_be_bytes());
    record.extend_from_slice(&hello);
    let answer = exchange(&server, &record).await;
    // Alert (21), fatal (2), protocol_version (70).
    assert_eq!(
        (answer[0], &answer[answer.len() - 2..]),
        (21, &[2, 70][..]),
        "{answer:?}"
    );

    let answer = exchange(&server, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    assert!(!answer.windows(4).any(|window| window == b"HTTP"));
    assert_eq!(server.requests(), 0);
}

#[tokio::test]
async fn tls__must_let_peers_in_while_strangers_hold_all_handshakes() {
    let authority = Authority::new();
    let files = authority.issue(&participant("node-1"), Options::default());
    let limits = TlsLimits {
        max_handshakes: 3,
        ..TlsLimits::default()
    };
    let server = Server::start(&files, limits).await;
    let mut silent = Vec::new();
    for _ in 0..9 {
        silent.push(TcpStream::connect(server.address()).await.unwrap());
    }
    let files = authority.issue(&coordinator("c0"), Options::default());
    assert_eq!(ask_as(&files, &server).await.unwrap(), "coordinator c0");
}

#[tokio::test]
async fn tls__must_end_handshakes_that_take_too_long_on_both_sides() {
    let authority = Authority::new();
    let files = authority.issue(&participant("node-1"), Options::default());
    let limits = TlsLimits {
        handshake_timeout: Duration::from_millis(50),
        ..TlsLimits::default()
    };
    let server = Server::start(&files, limits).await;
    assert_eq!(exchange(&server, b"").await, b"");

    let mute = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = mute.local_addr().unwrap().to_string();
    let files = authority.issue(&coordinator("c0"), Options::default());
    let hasty = TlsLimits {
        connect_timeout: Duration::from_millis(50),
        ..TlsLimits::default()
    };
    let tls = ClientTls::from_files(&files).unwrap();
    let connector = tls
        .connector(address, participant("node-1"), &hasty)
        .unwrap();
    let refused = connector.connect().await.map(drop);
    assert!(matches!(refused, Err(ConnectError::TimedOut { .. })));
}

#[tokio::test]
async fn tls__must_limit_open_connections_and_free_places_again() {
    let authority = Authority::new();
    let files = authority.issue(&participant("node-1"), Options::default());
    let limits = TlsLimits {
        max_connections: 1,
        ..TlsLimits::default()
    };
    let server = Server::start(&files, limits).await;
    let tls =
        ClientTls::from_files(&authority.issue(&coordinator("c0"), Options::default())).unwrap();
    let channel = || {
        let limits = TlsLimits::default();
        tls.channel(server.address(), participant("node-1"), &limits)
            .unwrap()
    };
    let first = channel();
    ask(first.clone()).await.unwrap();
    refused(ask(channel()).await);
    drop(first);
    let again = async {
        while ask(channel()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, again)
        .await
        .expect("the place is free again");
}

#[test]
fn tls__must_refuse_key_files_that_others_can_read_and_say_what_to_do() {
    let authority = Authority::new();
    let files = authority.issue(&participant("node-1"), Options::default());
    for mode in [0o640, 0o604, 0o620, 0o601, 0o777] {
        fs::set_permissions(&files.key, fs::Permissions::from_mode(mode)).unwrap();
        let refused = ServerTls::from_files(&files, |_| true)
            .map(drop)
            .unwrap_err();
        assert!(matches!(&refused, TlsError::KeyPermissions { mode: found, .. } if *found == mode));
        let advice = format!("run `chmod 600 {}`", files.key.display());
        assert!(refused.to_string().ends_with(&advice), "{refused}");
    }
    for mode in [0o600, 0o400] {
        fs::set_permissions(&files.key, fs::Permissions::from_mode(mode)).unwrap();
        ServerTls::from_files(&files, |peer| peer.role == Role::Coordinator).unwrap();
    }
}

#[test]
fn tls__must_refuse_files_that_are_missing_empty_or_do_not_belong_together() {
    let authority = Authority::new();
    let files = authority.issue(&participant("node-1"), Options::default());
    let other = authority.issue(&participant("node-2"), Options::default());
    let refused = |files: &TlsFiles| ClientTls::from_files(files).map(drop).unwrap_err();

    let mixed = TlsFiles {
        key: other.key,
        ..files.clone()
    };
    assert!(matches!(refused(&mixed), TlsError::Unusable(_)));
    let missing = TlsFiles {
        ca: files.ca.with_extension("none"),
        ..files.clone()
    };
    assert!(matches!(refused(&missing), TlsError::Unreadable { path, .. } if path == missing.ca));
    let empty = files.ca.with_extension("empty");
    fs::write(&empty, "").unwrap();
    for broken in [
        TlsFiles {
            ca: empty.clone(),
            ..files.clone()
        },
        TlsFiles {
            certificate: empty.clone(),
            ..files.clone()
        },
        TlsFiles {
            crls: vec![empty.clone()],
            ..files.clone()
        },
    ] {
        assert!(matches!(refused(&broken), TlsError::BadPem { path, .. } if path == empty));
    }
}

fn refused(answer: Result<String, tonic::Status>) {
    let status = answer.expect_err("the server must refuse");
    assert!(
        matches!(status.code(), Code::Unavailable | Code::Unknown),
        "{status:?}"
    );
}

/// Sends bytes over plain TCP and reads until the server closes.
async fn exchange(server: &Server, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    let read = tokio::time::timeout(PATIENCE, read).await;
    // A reset after the answer is an end, too.
    let _ = read.expect("the server closes");
    answer
}
