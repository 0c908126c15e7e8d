//! Nodes with known keys: `a`, `b` and `c` are in the manifest of everyone.

use std::collections::BTreeMap;
use std::time::Duration;

use quorate_transport::noise::{
    DownReason, LinkConfig, LinkEvent, LinkEvents, LinkLimits, Links, Peer, VersionRange,
    WIRE_VERSIONS,
};
use quorate_types::{Digest32, NodeId};
use tokio::net::TcpListener;
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

/// No wait in a test is longer; it passes only when something is broken.
const DEADLINE: Duration = Duration::from_secs(120);

pub(crate) fn id(name: &str) -> NodeId {
    NodeId::new(name).unwrap()
}

/// The secret that the manifest's key of a node belongs to.
pub(crate) fn secret(name: &str) -> [u8; 32] {
    *Digest32::of(b"test node", &[name.as_bytes()]).as_bytes()
}

fn public(name: &str) -> [u8; 32] {
    PublicKey::from(&StaticSecret::from(secret(name))).to_bytes()
}

pub(crate) async fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let waited = tokio::time::timeout(DEADLINE, async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    waited
        .await
        .unwrap_or_else(|_| panic!("never true: {what}"));
}

pub(crate) struct NodeBuilder {
    name: &'static str,
    secret: [u8; 32],
    cluster: u8,
    versions: VersionRange,
    limits: LinkLimits,
    addresses: BTreeMap<&'static str, String>,
    listen_on: String,
}

pub(crate) fn node(name: &'static str) -> NodeBuilder {
    NodeBuilder {
        name,
        secret: secret(name),
        cluster: 0,
        versions: WIRE_VERSIONS,
        limits: LinkLimits::default(),
        addresses: BTreeMap::new(),
        listen_on: "127.0.0.1:0".to_owned(),
    }
}

impl NodeBuilder {
    pub(crate) fn with_secret(mut self, secret: [u8; 32]) -> Self {
        self.secret = secret;
        self
    }

    pub(crate) fn cluster(mut self, cluster: u8) -> Self {
        self.cluster = cluster;
        self
    }

    pub(crate) fn versions(mut self, versions: VersionRange) -> Self {
        self.versions = versions;
        self
    }

    pub(crate) fn limits(mut self, limits: LinkLimits) -> Self {
        self.limits = limits;
        self
    }

    pub(crate) fn peer_at(mut self, peer: &'static str, address: String) -> Self {
        self.addresses.insert(peer, address);
        self
    }

    pub(crate) fn listen_on(mut self, address: &str) -> Self {
        self.listen_on = address.to_owned();
        self
    }

    pub(crate) async fn start(self) -> Node {
        let context = Digest32::from_array([self.cluster; 32]);
        let mut config = LinkConfig::new(id(self.name), Zeroizing::new(self.secret), context);
        config.versions = self.versions;
        config.limits = self.limits;
        for peer in ["a", "b", "c"] {
            if peer != self.name {
                // Nobody listens on port 1: a peer without an address is down.
                let nowhere = "127.0.0.1:1".to_owned();
                let address = self.addresses.get(peer).cloned().unwrap_or(nowhere);
                let static_key = public(peer);
                config.peers.insert(
                    id(peer),
                    Peer {
                        address,
                        static_key,
                    },
                );
            }
        }
        let socket = TcpListener::bind(&self.listen_on).await.unwrap();
        let (links, events) = Links::start(config, socket).unwrap();
        Node {
            links,
            events,
            messages_seen: 0,
            continued: 0,
            downs: 0,
        }
    }
}

pub(crate) struct Node {
    pub(crate) links: Links,
    events: LinkEvents,
    /// Messages taken so far.
    pub(crate) messages_seen: usize,
    /// Sessions that continued an earlier one.
    pub(crate) continued: usize,
    /// Links that went down.
    pub(crate) downs: usize,
}

impl Node {
    pub(crate) fn address(&self) -> String {
        self.links.local_address().to_string()
    }

    pub(crate) async fn event(&mut self) -> LinkEvent {
        let event = tokio::time::timeout(DEADLINE, self.events.recv()).await;
        let event = event
            .expect("an event comes in time")
            .expect("the links run");
        match &event {
            LinkEvent::Message { .. } => self.messages_seen += 1,
            LinkEvent::Up {
                continues: Some(_), ..
            } => self.continued += 1,
            LinkEvent::Down { .. } => self.downs += 1,
            _ => {}
        }
        event
    }

    pub(crate) async fn until_up(&mut self, expected: &str) {
        loop {
            if let LinkEvent::Up { peer, .. } = self.event().await {
                assert_eq!(peer, id(expected));
                return;
            }
        }
    }

    pub(crate) async fn until_down(&mut self) -> (NodeId, DownReason) {
        loop {
            if let LinkEvent::Down { peer, reason } = self.event().await {
                return (peer, reason);
            }
        }
    }

    pub(crate) async fn message_from(&mut self, expected: &str) -> Vec<u8> {
        loop {
            if let LinkEvent::Message { from, body } = self.event().await {
                assert_eq!(from, id(expected));
                return body.to_vec();
            }
        }
    }
}
