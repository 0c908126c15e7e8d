//! A hostile peer: it holds a key of the manifest and sends what the protocol forbids.

use std::time::Duration;

use quorate_types::{DecodeError, Digest32, NodeId};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use super::super::config::{LinkConfig, Peer};
use super::super::event::{DownReason, LinkEvent, Violation};
use super::super::frame::{Close, Frame};
use super::super::handshake;
use super::super::links::{LinkEvents, Links};
use super::super::record::Sealer;

const DEADLINE: Duration = Duration::from_secs(20);

fn config(me: &str, secret: u8, peer: &str, peer_secret: u8) -> LinkConfig {
    let context = Digest32::from_array([0; 32]);
    let me = NodeId::new(me).unwrap();
    let mut config = LinkConfig::new(me, Zeroizing::new([secret; 32]), context);
    let static_key = PublicKey::from(&StaticSecret::from([peer_secret; 32])).to_bytes();
    let peer_config = Peer {
        address: String::new(),
        static_key,
    };
    config.peers.insert(NodeId::new(peer).unwrap(), peer_config);
    config
}

fn plaintext(frames: &[Frame<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    frames.iter().for_each(|frame| frame.write(&mut bytes));
    bytes
}

/// Links up as node a, sends one record, and returns what b says of it and the messages delivered.
async fn verdict(b: &Links, events: &mut LinkEvents, record: &[u8]) -> (DownReason, usize) {
    let a = config("a", 1, "b", 2);
    let (id, peer) = a.peers.iter().next().unwrap();
    let mut stream = TcpStream::connect(b.local_address()).await.unwrap();
    let agreed = handshake::dial(&mut stream, &a, id, peer, None)
        .await
        .unwrap();
    let mut wire = Vec::new();
    let mut sealer = Sealer::new(agreed.keys, agreed.send_nonce, u64::MAX);
    sealer.seal(record, &mut wire).unwrap();
    stream.write_all(&wire).await.unwrap();
    let mut messages = 0;
    loop {
        match tokio::time::timeout(DEADLINE, events.recv())
            .await
            .unwrap()
            .unwrap()
        {
            LinkEvent::Down { peer, reason } => {
                assert_eq!(peer, a.me);
                return (reason, messages);
            }
            LinkEvent::Message { .. } => messages += 1,
            LinkEvent::Up { .. } => {}
        }
    }
}

#[tokio::test]
async fn inbound__must_end_the_link_at_each_violation_and_blame_the_peer() {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (b, mut events) = Links::start(config("b", 2, "a", 1), socket).unwrap();
    let unknown = Violation::Malformed(DecodeError::Unknown { what: "frame kind" });
    let first = || Frame::First {
        total: 9,
        part: b"abc",
    };
    let cases = [
        (vec![], Violation::EmptyRecord),
        (vec![0], unknown.clone()),
        (vec![99, 1, 2, 3], unknown),
        // No ping has a number this high.
        (plaintext(&[Frame::Pong(1 << 60)]), Violation::StrayPong),
        (plaintext(&[Frame::Pong(0)]), Violation::StrayPong),
        (plaintext(&[Frame::Next(b"abc")]), Violation::StrayFragment),
        (
            plaintext(&[first(), Frame::Message(b"x")]),
            Violation::Interleaved,
        ),
        (
            plaintext(&[first(), Frame::Next(b"")]),
            Violation::EmptyFragment,
        ),
        (
            plaintext(&[first(), Frame::Next(b"1234567")]),
            Violation::FragmentOverflow,
        ),
        (
            plaintext(&[Frame::Close(Close::ShutDown), Frame::Message(b"x")]),
            Violation::AfterClose,
        ),
        (
            plaintext(&[first(), Frame::Close(Close::Rehandshake)]),
            Violation::UnfinishedMessage,
        ),
        (
            plaintext(&[Frame::First {
                total: 1 << 30,
                part: b"abc",
            }]),
            Violation::MessageTooLong {
                length: 1 << 30,
                limit: 1 << 20,
            },
        ),
    ];
    for (record, violation) in cases {
        let (reason, messages) = verdict(&b, &mut events, &record).await;
        assert_eq!(reason, DownReason::Violation(violation));
        assert!(reason.blames_peer());
        assert_eq!(messages, 0);
    }
}

#[tokio::test]
async fn inbound__should_deliver_what_came_before_the_end_in_the_same_record() {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (b, mut events) = Links::start(config("b", 2, "a", 1), socket).unwrap();
    let record = plaintext(&[Frame::Message(b"last words"), Frame::Close(Close::ShutDown)]);
    let verdict = verdict(&b, &mut events, &record).await;
    assert_eq!(verdict, (DownReason::PeerShutDown, 1));
}

#[tokio::test]
async fn inbound__must_end_the_link_when_no_session_follows_a_rehandshake() {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut hasty = config("b", 2, "a", 1);
    hasty.limits.handover_timeout = Duration::from_millis(50);
    let (b, mut events) = Links::start(hasty, socket).unwrap();
    let record = plaintext(&[Frame::Close(Close::Rehandshake)]);
    let verdict = verdict(&b, &mut events, &record).await;
    assert_eq!(verdict, (DownReason::RehandshakeStalled, 0));
}
