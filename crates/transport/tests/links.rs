//! Links between real nodes over loopback: what works, and what must be refused.

#![allow(non_snake_case, reason = "test names are subject__should_result")]
#![allow(missing_docs, reason = "tests")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

#[path = "links/cluster.rs"]
mod cluster;
#[path = "links/proxy.rs"]
mod proxy;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cluster::{Node, id, node, secret, wait_until};
use proxy::Proxy;
use quorate_transport::noise::{
    DownReason, LinkEvent, LinkLimits, LinkState, Refusal, SendError, VersionRange, Violation,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Long enough for a loaded machine.
const SILENCE: Duration = Duration::from_secs(4);

/// Two nodes, a dialling b, with the same limits, linked.
async fn linked_pair(limits: LinkLimits) -> (Node, Node) {
    let mut b = node("b").limits(limits.clone()).start().await;
    let mut a = node("a")
        .limits(limits)
        .peer_at("b", b.address())
        .start()
        .await;
    a.until_up("b").await;
    b.until_up("a").await;
    (a, b)
}

fn quick() -> LinkLimits {
    LinkLimits {
        heartbeat_interval: Duration::from_millis(50),
        silence_timeout: SILENCE,
        reconnect_min: Duration::from_millis(10),
        reconnect_max: Duration::from_millis(100),
        ..LinkLimits::default()
    }
}

#[tokio::test]
async fn links__should_carry_messages_both_ways_in_order() {
    let (mut a, mut b) = linked_pair(LinkLimits::default()).await;
    for number in 0..2000u32 {
        a.links
            .send(&id("b"), number.to_be_bytes().to_vec())
            .unwrap();
        b.links
            .send(&id("a"), number.to_be_bytes().to_vec())
            .unwrap();
    }
    for number in 0..2000u32 {
        assert_eq!(b.message_from("a").await, number.to_be_bytes());
        assert_eq!(a.message_from("b").await, number.to_be_bytes());
    }
    let status = &a.links.status()[0];
    assert_eq!((status.state, status.messages_sent), (LinkState::Up, 2000));
    assert!(status.bytes_sent > 8000 && status.bytes_received > 8000);
    wait_until("a round trip was measured", || {
        a.links.status()[0].rtt.is_some()
    })
    .await;
    assert_eq!(a.links.status()[0].link_id, b.links.status()[0].link_id);
}

#[tokio::test]
async fn links__should_carry_messages_of_every_size_up_to_the_limit() {
    let (a, mut b) = linked_pair(LinkLimits::default()).await;
    let sizes = [
        0,
        1,
        65_513,
        65_514,
        65_515,
        65_519,
        65_536,
        131_072,
        200_000,
        1 << 20,
    ];
    for (fill, size) in sizes.into_iter().enumerate() {
        a.links
            .send(&id("b"), vec![u8::try_from(fill).unwrap(); size])
            .unwrap();
    }
    for (fill, size) in sizes.into_iter().enumerate() {
        let body = b.message_from("a").await;
        assert_eq!(body.len(), size);
        assert!(body.iter().all(|byte| usize::from(*byte) == fill));
    }
}

#[tokio::test]
async fn links__must_refuse_to_send_over_the_limit_or_to_strangers_or_without_a_link() {
    let (a, _b) = linked_pair(LinkLimits::default()).await;
    let refused = a.links.send(&id("b"), vec![0; (1 << 20) + 1]);
    assert_eq!(
        refused,
        Err(SendError::TooLong {
            length: (1 << 20) + 1,
            limit: 1 << 20
        })
    );
    let refused = a.links.send(&id("z"), vec![0]);
    assert_eq!(refused, Err(SendError::UnknownPeer { peer: id("z") }));
    let refused = a.links.send(&id("c"), vec![0]);
    assert_eq!(refused, Err(SendError::NotConnected { peer: id("c") }));
    assert!(a.links.connected(&id("b")) && !a.links.connected(&id("c")));
}

#[tokio::test]
async fn links__must_end_and_blame_a_peer_that_sends_over_the_limit() {
    let mut b = node("b")
        .limits(LinkLimits {
            max_message_bytes: 1000,
            ..quick()
        })
        .start()
        .await;
    let mut a = node("a")
        .limits(quick())
        .peer_at("b", b.address())
        .start()
        .await;
    a.until_up("b").await;
    for (length, note) in [(1001, "one frame"), (200_000, "fragments")] {
        b.until_up("a").await;
        wait_until("a can send", || a.links.connected(&id("b"))).await;
        a.links.send(&id("b"), vec![0; length]).unwrap();
        let (peer, reason) = b.until_down().await;
        let expected = DownReason::Violation(Violation::MessageTooLong {
            length,
            limit: 1000,
        });
        assert_eq!((peer, &reason), (id("a"), &expected), "{note}");
        assert!(reason.blames_peer());
    }
}

#[tokio::test]
async fn d12_links__must_refuse_a_node_whose_key_is_not_that_of_the_manifest() {
    let b = node("b").start().await;
    // Claims to be a, which b's manifest knows, with a key that it does not.
    let impostor = node("a")
        .with_secret([66; 32])
        .peer_at("b", b.address())
        .start()
        .await;
    wait_until("b refused", || {
        b.links.refusals().contains_key(&Refusal::WrongKey)
    })
    .await;
    wait_until("the impostor saw nothing but a closed door", || {
        impostor.links.refusals().contains_key(&Refusal::Closed)
    })
    .await;
    assert!(!b.links.connected(&id("a")) && !impostor.links.connected(&id("b")));
    // The real one still gets in.
    let mut a = node("a")
        .limits(quick())
        .peer_at("b", b.address())
        .start()
        .await;
    a.until_up("b").await;
}

#[tokio::test]
async fn d12_links__must_not_link_to_a_listener_without_the_manifest_key() {
    let false_b = node("b").with_secret([66; 32]).start().await;
    let a = node("a")
        .limits(quick())
        .peer_at("b", false_b.address())
        .start()
        .await;
    wait_until("a gave up twice", || {
        a.links
            .refusals()
            .get(&Refusal::Closed)
            .is_some_and(|count| *count >= 2)
    })
    .await;
    assert!(!a.links.connected(&id("b")) && !false_b.links.connected(&id("a")));
    assert!(
        false_b
            .links
            .refusals()
            .contains_key(&Refusal::Undecryptable)
    );
    assert!(a.links.status()[0].last_error.is_some());
}

#[tokio::test]
async fn links__must_refuse_unknown_nodes_and_other_clusters() {
    let b = node("b").start().await;
    let _stranger = node("0")
        .with_secret([99; 32])
        .peer_at("b", b.address())
        .start()
        .await;
    wait_until("the stranger is refused", || {
        b.links.refusals().contains_key(&Refusal::UnknownNode)
    })
    .await;
    let _foreign = node("a").cluster(1).peer_at("b", b.address()).start().await;
    wait_until("the other cluster is refused", || {
        b.links.refusals().contains_key(&Refusal::Undecryptable)
    })
    .await;
    assert!(!b.links.connected(&id("a")));
}

#[tokio::test]
async fn links__must_refuse_nodes_without_a_common_version_and_say_so() {
    let b = node("b")
        .versions(VersionRange { min: 2, max: 3 })
        .start()
        .await;
    let a = node("a").peer_at("b", b.address()).start().await;
    for links in [&a.links, &b.links] {
        wait_until("both name the reason", || {
            links.refusals().contains_key(&Refusal::NoCommonVersion)
        })
        .await;
    }
    assert_eq!(
        a.links.status()[0].last_error.as_deref(),
        Some("no common wire version")
    );
}

#[tokio::test]
async fn links__must_end_when_a_byte_is_flipped_on_the_way() {
    let mut b = node("b").limits(quick()).start().await;
    let proxy = Proxy::start(b.address()).await;
    let mut a = node("a")
        .limits(quick())
        .peer_at("b", proxy.address())
        .start()
        .await;
    a.until_up("b").await;
    b.until_up("a").await;
    proxy.flip_next_byte_to_server();
    a.links.send(&id("b"), b"transfer 1".to_vec()).unwrap();
    let (peer, reason) = b.until_down().await;
    assert_eq!(peer, id("a"));
    // A flipped length is seen as a cut, a silence or a bad record; all end the link.
    assert!(
        !reason.blames_peer(),
        "someone on the path did it, not the peer: {reason}"
    );
    // Nothing altered was delivered, and the nodes find each other again.
    b.until_up("a").await;
    wait_until("a can send", || a.links.connected(&id("b"))).await;
    a.links.send(&id("b"), b"transfer 2".to_vec()).unwrap();
    assert_eq!(b.message_from("a").await, b"transfer 2");
}

#[tokio::test]
async fn links__must_end_when_records_are_repeated() {
    let mut b = node("b").limits(quick()).start().await;
    let proxy = Proxy::start(b.address()).await;
    let mut a = node("a")
        .limits(quick())
        .peer_at("b", proxy.address())
        .start()
        .await;
    a.until_up("b").await;
    b.until_up("a").await;
    proxy.repeat_next_chunk_to_server();
    a.links.send(&id("b"), b"pay once".to_vec()).unwrap();
    let (_, reason) = b.until_down().await;
    assert_eq!(reason, DownReason::NotAuthentic);
    assert!(
        b.messages_seen <= 1,
        "a repeated record must not be delivered twice"
    );
}

#[tokio::test]
async fn links__must_not_lose_the_live_link_to_a_replayed_handshake() {
    let mut b = node("b").limits(quick()).start().await;
    let proxy = Proxy::start(b.address()).await;
    let mut a = node("a")
        .limits(quick())
        .peer_at("b", proxy.address())
        .start()
        .await;
    a.until_up("b").await;
    b.until_up("a").await;
    let live = b.links.status()[0].link_id;
    let mut replay = TcpStream::connect(b.address()).await.unwrap();
    replay.write_all(&proxy.recorded_to_server()).await.unwrap();
    wait_until("the replay is refused", || {
        b.links.refusals().contains_key(&Refusal::Unconfirmed)
    })
    .await;
    assert_eq!(b.links.status()[0].link_id, live);
    a.links.send(&id("b"), b"still here".to_vec()).unwrap();
    assert_eq!(b.message_from("a").await, b"still here");
}

#[tokio::test]
async fn links__should_come_back_after_either_node_restarts() {
    let mut b = node("b").limits(quick()).start().await;
    let address = b.address();
    let mut a = node("a")
        .limits(quick())
        .peer_at("b", address.clone())
        .start()
        .await;
    a.until_up("b").await;
    b.until_up("a").await;
    // The listener restarts.
    b.links.shutdown().await;
    drop(b);
    assert_eq!(a.until_down().await, (id("b"), DownReason::PeerShutDown));
    let refused = a.links.send(&id("b"), vec![1]);
    assert_eq!(refused, Err(SendError::NotConnected { peer: id("b") }));
    let mut b = node("b").limits(quick()).listen_on(&address).start().await;
    a.until_up("b").await;
    b.until_up("a").await;
    // The dialler dies without a word and restarts.
    drop(a);
    b.until_down().await;
    let mut a = node("a")
        .limits(quick())
        .peer_at("b", address)
        .start()
        .await;
    a.until_up("b").await;
    b.until_up("a").await;
    a.links.send(&id("b"), b"again".to_vec()).unwrap();
    assert_eq!(b.message_from("a").await, b"again");
}

#[tokio::test]
async fn links__must_let_a_peer_replace_its_half_dead_connection() {
    // Silence would be noticed only after an hour: replacement must not wait for it.
    let slow = LinkLimits {
        silence_timeout: Duration::from_secs(3600),
        ..quick()
    };
    let mut b = node("b").limits(slow).start().await;
    let proxy = Proxy::start(b.address()).await;
    let mut a = node("a")
        .limits(quick())
        .peer_at("b", proxy.address())
        .start()
        .await;
    a.until_up("b").await;
    b.until_up("a").await;
    // The connection hangs; only a notices, and dials anew.
    proxy.freeze_open_connections();
    a.until_down().await;
    assert_eq!(b.until_down().await, (id("a"), DownReason::Replaced));
    b.until_up("a").await;
}

#[tokio::test]
async fn links__must_detect_an_idle_dead_peer() {
    let mut b = node("b").limits(quick()).start().await;
    let proxy = Proxy::start(b.address()).await;
    let mut a = node("a")
        .limits(quick())
        .peer_at("b", proxy.address())
        .start()
        .await;
    a.until_up("b").await;
    b.until_up("a").await;
    proxy.freeze_for_ever();
    let silent = DownReason::Silent(SILENCE);
    assert_eq!(a.until_down().await, (id("b"), silent.clone()));
    assert_eq!(b.until_down().await, (id("a"), silent));
}

#[tokio::test]
async fn links__must_say_when_a_queue_is_full_and_drop_nothing_that_was_accepted() {
    // b's consumer takes nothing, so that b stops reading and a's queue fills.
    let small = LinkLimits {
        send_queue_messages: 8,
        undelivered_bytes: 1 << 20,
        event_queue: 4,
        write_timeout: Duration::from_secs(60),
        ..LinkLimits::default()
    };
    let (a, mut b) = linked_pair(small).await;
    let mut accepted = 0u32;
    let full = loop {
        let mut body = vec![0; 100_000];
        body[..4].copy_from_slice(&accepted.to_be_bytes());
        match a.links.send(&id("b"), body) {
            Ok(()) => accepted += 1,
            Err(error) => break error,
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(full, SendError::QueueFull { peer: id("b") });
    for number in 0..accepted {
        assert_eq!(b.message_from("a").await[..4], number.to_be_bytes());
    }
}

#[tokio::test]
async fn links__must_say_when_the_bytes_of_a_queue_are_full() {
    let small = LinkLimits {
        send_queue_bytes: 1 << 20,
        ..LinkLimits::default()
    };
    let (a, mut b) = linked_pair(small).await;
    // One task, no await: nothing is taken from the queue meanwhile.
    a.links.send(&id("b"), vec![1; 600_000]).unwrap();
    let full = a.links.send(&id("b"), vec![2; 600_000]);
    assert_eq!(full, Err(SendError::QueueFull { peer: id("b") }));
    assert_eq!(b.message_from("a").await.len(), 600_000);
    a.links.send(&id("b"), vec![3; 600_000]).unwrap();
    assert_eq!(b.message_from("a").await[0], 3);
}

#[tokio::test]
async fn links__must_let_peers_in_while_strangers_hold_all_handshakes() {
    let few = LinkLimits {
        max_handshakes: 4,
        ..LinkLimits::default()
    };
    let mut b = node("b").limits(few).start().await;
    let mut loris = Vec::new();
    for _ in 0..12 {
        let mut stream = TcpStream::connect(b.address()).await.unwrap();
        stream.write_all(&[0]).await.unwrap();
        loris.push(stream);
    }
    wait_until("the oldest strangers are cut off", || {
        b.links
            .refusals()
            .get(&Refusal::Evicted)
            .is_some_and(|count| *count >= 8)
    })
    .await;
    // The first ones were closed by b.
    let mut byte = [0];
    assert!(matches!(loris[0].read(&mut byte).await, Ok(0) | Err(_)));
    // A peer gets in at once, long before the handshake timeout of the strangers.
    let mut a = node("a").peer_at("b", b.address()).start().await;
    a.until_up("b").await;
    b.until_up("a").await;
    assert!(!b.links.refusals().contains_key(&Refusal::TimedOut));
}

#[tokio::test]
async fn links__must_end_handshakes_that_take_too_long() {
    let hasty = LinkLimits {
        handshake_timeout: Duration::from_millis(50),
        ..quick()
    };
    let b = node("b").limits(hasty.clone()).start().await;
    let mut silent = TcpStream::connect(b.address()).await.unwrap();
    let mut byte = [0];
    assert!(matches!(silent.read(&mut byte).await, Ok(0) | Err(_)));
    wait_until("the timeout is counted", || {
        b.links.refusals().contains_key(&Refusal::TimedOut)
    })
    .await;
    // The dialling side has the same limit.
    let mute = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = mute.local_addr().unwrap().to_string();
    let a = node("a").limits(hasty).peer_at("b", address).start().await;
    wait_until("the dialler gives up", || {
        a.links.refusals().contains_key(&Refusal::TimedOut)
    })
    .await;
}

#[tokio::test]
async fn links__should_rehandshake_without_losing_or_reordering_messages() {
    let often = LinkLimits {
        rehandshake_after: Duration::from_millis(30),
        ..LinkLimits::default()
    };
    let (mut a, mut b) = linked_pair(often).await;
    let first_session = a.links.status()[0].link_id;
    let enough = Arc::new(AtomicBool::new(false));
    let sender = |links: quorate_transport::noise::Links, to| {
        let enough = Arc::clone(&enough);
        async move {
            let mut sent = 0u32;
            while !enough.load(Ordering::SeqCst) {
                while links.send(&id(to), sent.to_be_bytes().to_vec()).is_err() {
                    tokio::task::yield_now().await;
                }
                sent += 1;
                if sent.is_multiple_of(10) {
                    tokio::time::sleep(Duration::from_micros(500)).await;
                }
            }
            sent
        }
    };
    let to_b = tokio::spawn(sender(a.links.clone(), "b"));
    let to_a = tokio::spawn(sender(b.links.clone(), "a"));
    // A handshake takes its time on a busy machine; messages flow until there were enough of them.
    let mut received = 0u32;
    while received < 5000 || a.continued < 3 || b.continued < 3 {
        assert_eq!(b.message_from("a").await, received.to_be_bytes());
        assert_eq!(a.message_from("b").await, received.to_be_bytes());
        received += 1;
    }
    enough.store(true, Ordering::SeqCst);
    for number in received..to_b.await.unwrap() {
        assert_eq!(b.message_from("a").await, number.to_be_bytes());
    }
    for number in received..to_a.await.unwrap() {
        assert_eq!(a.message_from("b").await, number.to_be_bytes());
    }
    assert_eq!((a.downs, b.downs), (0, 0));
    assert_ne!(a.links.status()[0].link_id, first_session);
    assert_eq!(a.links.status()[0].messages_lost, 0);
}

#[tokio::test]
async fn links__must_deliver_the_old_session_before_the_new_one() {
    let limits = LinkLimits {
        // Longer than it takes from here to the connection that is held back.
        rehandshake_after: Duration::from_secs(3),
        ..LinkLimits::default()
    };
    let mut b = node("b").limits(limits.clone()).start().await;
    let proxy = Proxy::start(b.address()).await;
    let mut a = node("a")
        .limits(limits)
        .peer_at("b", proxy.address())
        .start()
        .await;
    a.until_up("b").await;
    b.until_up("a").await;
    let old = b.links.status()[0].link_id;
    // The network is slow on the old connection and quick on the new one.
    proxy.hold_open_connections();
    a.links.send(&id("b"), b"first".to_vec()).unwrap();
    wait_until("both use the new session", || {
        let (at_a, at_b) = (a.links.status()[0].link_id, b.links.status()[0].link_id);
        at_a != old && at_a == at_b
    })
    .await;
    a.links.send(&id("b"), b"second".to_vec()).unwrap();
    // The second message is there; this window only gives a wrong delivery time to show.
    let early = tokio::time::timeout(Duration::from_millis(200), b.event()).await;
    assert!(early.is_err(), "{early:?}");
    proxy.release();
    assert_eq!(b.message_from("a").await, b"first");
    assert_eq!(b.message_from("a").await, b"second");
    assert_eq!((b.continued, b.downs), (1, 0));
}

#[tokio::test]
async fn links__must_not_use_one_key_beyond_its_record_limit() {
    let few = LinkLimits {
        max_records: 20,
        ..quick()
    };
    let (mut a, mut b) = linked_pair(few).await;
    let (_, reason) = a.until_down().await;
    assert!(matches!(
        reason,
        DownReason::KeyExhausted | DownReason::Cut | DownReason::Io(_)
    ));
    let (_, reason) = b.until_down().await;
    assert!(matches!(
        reason,
        DownReason::KeyExhausted | DownReason::Cut | DownReason::Io(_)
    ));
    // Under new keys it goes on.
    a.until_up("b").await;
}

#[tokio::test]
async fn links__should_deliver_what_was_accepted_before_a_graceful_shutdown() {
    let (a, mut b) = linked_pair(LinkLimits::default()).await;
    for number in 0..1000u32 {
        a.links
            .send(&id("b"), number.to_be_bytes().to_vec())
            .unwrap();
    }
    a.links.shutdown().await;
    for number in 0..1000u32 {
        assert_eq!(b.message_from("a").await, number.to_be_bytes());
    }
    assert_eq!(b.until_down().await, (id("a"), DownReason::PeerShutDown));
    let refused = a.links.send(&id("b"), vec![1]);
    assert_eq!(refused, Err(SendError::NotConnected { peer: id("b") }));
}

#[tokio::test]
async fn links__should_join_three_nodes_and_show_no_payload_in_debug_output() {
    let c = node("c").start().await;
    let b = node("b").peer_at("c", c.address()).start().await;
    let mut a = node("a")
        .peer_at("b", b.address())
        .peer_at("c", c.address())
        .start()
        .await;
    wait_until("all links are up", || {
        [&a, &b, &c]
            .iter()
            .all(|n| n.links.status().iter().all(|s| s.state == LinkState::Up))
    })
    .await;
    c.links.send(&id("a"), b"a secret share".to_vec()).unwrap();
    let event = loop {
        let event = a.event().await;
        if let LinkEvent::Message { .. } = event {
            break event;
        }
    };
    assert_eq!(format!("{event:?}"), "Message(c, 14 bytes)");
    assert_ne!(secret("a"), secret("b"));
}
