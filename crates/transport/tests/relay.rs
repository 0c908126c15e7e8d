//! Links through a coordinator that carries them, honestly or not.

#![allow(non_snake_case, reason = "test names are subject__should_result")]
#![allow(missing_docs, reason = "tests")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

#[path = "links/cluster.rs"]
#[allow(dead_code, reason = "shared with other test files")]
mod cluster;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use cluster::{Node, id, node, wait_until};
use quorate_transport::LinkFault;
use quorate_transport::noise::{
    CarrierId, LinkLimits, Links, RelayAttachment, RelayBody, RelayFrame, UnknownEnds, Via,
};
use quorate_types::NodeId;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

fn quick() -> LinkLimits {
    LinkLimits {
        heartbeat_interval: Duration::from_millis(50),
        silence_timeout: Duration::from_secs(4),
        reconnect_min: Duration::from_millis(10),
        reconnect_max: Duration::from_millis(100),
        direct_retry_min: Duration::from_millis(20),
        ..LinkLimits::default()
    }
}

/// What the coordinator does to frames of data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attack {
    None,
    FlipBit,
    Drop,
    Repeat,
    Reorder,
    /// Brings old frames of another stream again.
    Replay,
}

/// A coordinator that carries frames between nodes.
struct Coordinator {
    attack: Arc<parking_lot::Mutex<Attack>>,
    attacking: Arc<AtomicBool>,
    carried: Arc<AtomicU64>,
    _attachments: Vec<RelayAttachment>,
}

impl Coordinator {
    fn connect(nodes: &[(&str, &Links)]) -> Self {
        let mut ports = Vec::new();
        let mut attachments = Vec::new();
        let mut links: BTreeMap<NodeId, (Links, CarrierId)> = BTreeMap::new();
        for (name, links_of) in nodes {
            let (frames, sent) = mpsc::channel::<RelayFrame>(64);
            let attachment = links_of.attach_relay(id("c0"), frames);
            links.insert(id(name), ((*links_of).clone(), attachment.id()));
            attachments.push(attachment);
            ports.push(sent);
        }
        let attack = Arc::new(parking_lot::Mutex::new(Attack::None));
        let (attacking, carried) = (Arc::default(), Arc::default());
        for mut sent in ports {
            let mut hand = Hand {
                links: links.clone(),
                attack: Arc::clone(&attack),
                attacking: Arc::clone(&attacking),
                carried: Arc::clone(&carried),
                held: Vec::new(),
                seen: 0,
            };
            tokio::spawn(async move {
                while let Some(frame) = sent.recv().await {
                    hand.carry(frame);
                }
            });
        }
        Self {
            attack,
            attacking,
            carried,
            _attachments: attachments,
        }
    }

    fn attack(&self, attack: Attack) {
        *self.attack.lock() = attack;
        self.attacking.store(true, Ordering::SeqCst);
    }
}

struct Hand {
    links: BTreeMap<NodeId, (Links, CarrierId)>,
    attack: Arc<parking_lot::Mutex<Attack>>,
    attacking: Arc<AtomicBool>,
    carried: Arc<AtomicU64>,
    held: Vec<RelayFrame>,
    seen: u64,
}

impl Hand {
    fn bring(&self, frame: RelayFrame) {
        if let Some((links, carrier)) = self.links.get(&frame.to) {
            links.relayed(*carrier, frame).unwrap();
        }
    }

    fn carry(&mut self, mut frame: RelayFrame) {
        self.carried.fetch_add(1, Ordering::SeqCst);
        self.seen += 1;
        let is_data = matches!(frame.body, RelayBody::Data(_));
        let attacks = self.attacking.load(Ordering::SeqCst) && is_data;
        if !attacks {
            if is_data {
                // Frames of this stream and of those before it.
                self.held.truncate(63);
                self.held.insert(0, frame.clone());
            }
            return self.bring(frame);
        }
        // Once, and not in every frame: an attack that always hits is only a cut cable.
        self.attacking.store(false, Ordering::SeqCst);
        match *self.attack.lock() {
            Attack::None => self.bring(frame),
            Attack::FlipBit => {
                if let RelayBody::Data(data) = &mut frame.body {
                    let last = data.len() - 1;
                    data[last] ^= 1;
                }
                self.bring(frame);
            }
            Attack::Drop => {}
            Attack::Repeat => {
                self.bring(frame.clone());
                self.bring(frame);
            }
            Attack::Reorder => {
                // The second half before the first one.
                if let RelayBody::Data(data) = frame.body {
                    let (first, second) = data.split_at(data.len() / 2);
                    for part in [second, first] {
                        let body = RelayBody::Data(part.to_vec());
                        self.bring(RelayFrame {
                            from: frame.from.clone(),
                            to: frame.to.clone(),
                            stream: frame.stream,
                            body,
                        });
                    }
                }
            }
            Attack::Replay => {
                for old in std::mem::take(&mut self.held) {
                    self.bring(old);
                }
                self.bring(frame);
            }
        }
    }
}

/// Two nodes that cannot reach each other, and the address at which b would be reached.
async fn apart(limits: LinkLimits) -> (Node, Node, String) {
    let hole = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = hole.local_addr().unwrap().to_string();
    drop(hole);
    let b = node("b").limits(limits.clone()).start().await;
    let a = node("a").limits(limits).peer_at("b", address.clone());
    (a.start().await, b, address)
}

fn via(node: &Node, peer: &str) -> Option<Via> {
    let statuses = node.links.status();
    statuses.iter().find(|s| s.peer == id(peer)).unwrap().via
}

#[tokio::test]
async fn relay__should_link_nodes_that_cannot_reach_each_other() {
    let (mut a, mut b, _) = apart(quick()).await;
    let coordinator = Coordinator::connect(&[("a", &a.links), ("b", &b.links)]);
    a.until_up("b").await;
    b.until_up("a").await;
    assert_eq!(
        (via(&a, "b"), via(&b, "a")),
        (Some(Via::Relay), Some(Via::Relay))
    );
    let status = a.links.status();
    assert_eq!(status[0].fault, Some(LinkFault::ConnectionRefused));
    // Messages longer than window and pipe, both ways at once.
    let long = |byte| vec![byte; 1 << 20];
    for byte in 0..4 {
        a.links.send(&id("b"), long(byte)).unwrap();
        b.links.send(&id("a"), long(byte + 10)).unwrap();
    }
    for byte in 0..4 {
        assert!(b.message_from("a").await == long(byte));
        assert!(a.message_from("b").await == long(byte + 10));
    }
    assert!(coordinator.carried.load(Ordering::SeqCst) > 0);
}

#[tokio::test]
async fn relay__should_return_to_the_direct_link_without_losing_a_message() {
    let (mut a, mut b, address) = apart(quick()).await;
    let _coordinator = Coordinator::connect(&[("a", &a.links), ("b", &b.links)]);
    a.until_up("b").await;
    b.until_up("a").await;
    assert_eq!(via(&a, "b"), Some(Via::Relay));
    // The way opens: a forwarder to b.
    let door = TcpListener::bind(&address).await.unwrap();
    let behind = b.address();
    tokio::spawn(async move {
        loop {
            let (mut client, _) = door.accept().await.unwrap();
            let mut server = TcpStream::connect(&behind).await.unwrap();
            tokio::spawn(async move {
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    let mut sent = 0u32;
    while via(&a, "b") != Some(Via::Direct) || via(&b, "a") != Some(Via::Direct) {
        // No more than queues hold: nobody takes them before the way has changed.
        if sent < 3_000 {
            a.links.send(&id("b"), sent.to_be_bytes().to_vec()).unwrap();
            sent += 1;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    for number in 0..sent {
        assert_eq!(b.message_from("a").await, number.to_be_bytes());
    }
    // The direct session continued the relayed one.
    while b.continued == 0 {
        b.event().await;
    }
    assert_eq!((a.downs, b.downs), (0, 0));
}

#[tokio::test]
async fn relay__should_wait_for_a_coordinator() {
    let (mut a, b, _) = apart(quick()).await;
    wait_until("a has failed", || a.links.status()[0].last_error.is_some()).await;
    assert!(!a.links.connected(&id("b")));
    let coordinator = Coordinator::connect(&[("a", &a.links), ("b", &b.links)]);
    a.until_up("b").await;
    // Without it, the link ends, and nothing else does.
    drop(coordinator);
    let (_, reason) = a.until_down().await;
    assert!(!reason.blames_peer(), "{reason}");
}

#[tokio::test]
async fn relay_that_changes_repeats_moves_or_drops__must_only_cut_the_link_and_blame_nobody() {
    let (mut a, mut b, _) = apart(quick()).await;
    let coordinator = Coordinator::connect(&[("a", &a.links), ("b", &b.links)]);
    let mut number = 0u32;
    for attack in [
        Attack::None,
        Attack::FlipBit,
        Attack::Drop,
        Attack::Repeat,
        Attack::Reorder,
        Attack::Replay,
    ] {
        a.until_up("b").await;
        b.until_up("a").await;
        a.links
            .send(&id("b"), number.to_be_bytes().to_vec())
            .unwrap();
        assert_eq!(b.message_from("a").await, number.to_be_bytes());
        number += 1;
        // Where nothing goes wrong, the link is ended to make the next round alike.
        let attack = match attack {
            Attack::None => Attack::FlipBit,
            attack => attack,
        };
        coordinator.attack(attack);
        for node in [&mut a, &mut b] {
            let (_, reason) = loop {
                let down = tokio::time::timeout(Duration::from_secs(1), node.until_down());
                if let Ok(down) = down.await {
                    break down;
                }
                // It may have hit a frame of a handshake, which is only tried again.
                coordinator.attack(attack);
            };
            assert!(!reason.blames_peer(), "{attack:?}: {reason}");
        }
        coordinator.attacking.store(false, Ordering::SeqCst);
    }
    a.until_up("b").await;
    assert_eq!(b.messages_seen, usize::try_from(number).unwrap());
}

#[tokio::test]
async fn relay__must_refuse_frames_of_strangers_and_for_others() {
    let (a, _b, _) = apart(quick()).await;
    let (frames, _sent) = mpsc::channel(64);
    let attachment = a.links.attach_relay(id("c1"), frames);
    let carrier = attachment.id();
    let frame = |from: &str, to: &str| RelayFrame {
        from: id(from),
        to: id(to),
        stream: 1,
        body: RelayBody::Data(vec![1]),
    };
    for (from, to) in [("b", "c"), ("x", "a"), ("a", "a"), ("a", "b")] {
        assert_eq!(a.links.relayed(carrier, frame(from, to)), Err(UnknownEnds));
    }
    a.links.relayed(carrier, frame("b", "a")).unwrap();
}
