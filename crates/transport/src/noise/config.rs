//! Who this node is and whom it may talk to.

use std::collections::{BTreeMap, BTreeSet};

use quorate_types::{Digest32, NodeId};
use thiserror::Error;
use zeroize::Zeroizing;

use super::limits::LinkLimits;

/// Wire versions that this build speaks: version N reads N − 1.
pub const WIRE_VERSIONS: VersionRange = VersionRange { min: 1, max: 1 };

/// A closed range of wire versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VersionRange {
    /// Oldest version spoken.
    pub min: u16,
    /// Newest version spoken.
    pub max: u16,
}

impl VersionRange {
    /// The highest version that both ranges hold.
    #[must_use]
    pub fn agree(self, other: Self) -> Option<u16> {
        let version = self.max.min(other.max);
        (version >= self.min && version >= other.min).then_some(version)
    }
}

/// A node that may be linked to, as the manifest names it.
#[derive(Debug, Clone)]
pub struct Peer {
    /// `host:port` of its listener. Used only towards peers that this node dials.
    pub address: String,
    /// Its X25519 public key.
    pub static_key: [u8; 32],
}

/// What the links of one node need to know. No `Debug`: it holds a secret.
pub struct LinkConfig {
    /// This node.
    pub me: NodeId,
    /// This node's X25519 secret key.
    pub static_secret: Zeroizing<[u8; 32]>,
    /// What both ends must agree on before they talk: the cluster. Part of the Noise prologue.
    pub context: Digest32,
    /// Wire versions to offer and accept. Normally [`WIRE_VERSIONS`].
    pub versions: VersionRange,
    /// All other nodes of the manifest.
    pub peers: BTreeMap<NodeId, Peer>,
    /// Limits.
    pub limits: LinkLimits,
}

/// Why a configuration cannot be used. The operator or the manifest is to be corrected.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidConfig {
    /// This node is in its own list of peers.
    #[error("node {me} is listed as its own peer")]
    PeerOfItself {
        /// This node.
        me: NodeId,
    },
    /// Two nodes have one key, so that one could pass for the other.
    #[error("peer {peer} has the static key of another node")]
    SharedKey {
        /// The second node with this key.
        peer: NodeId,
    },
    /// A key that is no key.
    #[error("the static key of peer {peer} is all zero")]
    ZeroKey {
        /// Whose key.
        peer: NodeId,
    },
    /// A range of versions with no version in it.
    #[error("wire versions {min} to {max} are no range from 1")]
    Versions {
        /// Oldest.
        min: u16,
        /// Newest.
        max: u16,
    },
    /// A limit out of its range.
    #[error("limit {limit} must be {rule}")]
    Limit {
        /// Name of the limit.
        limit: &'static str,
        /// Its rule.
        rule: &'static str,
    },
}

impl LinkConfig {
    /// A configuration with the default versions and limits.
    #[must_use]
    pub fn new(me: NodeId, static_secret: Zeroizing<[u8; 32]>, context: Digest32) -> Self {
        Self {
            me,
            static_secret,
            context,
            versions: WIRE_VERSIONS,
            peers: BTreeMap::new(),
            limits: LinkLimits::default(),
        }
    }

    /// Spec 1.1: one key per node, and no node is its own peer.
    pub(super) fn check(&self) -> Result<(), InvalidConfig> {
        if self.peers.contains_key(&self.me) {
            return Err(InvalidConfig::PeerOfItself {
                me: self.me.clone(),
            });
        }
        let VersionRange { min, max } = self.versions;
        if min == 0 || min > max {
            return Err(InvalidConfig::Versions { min, max });
        }
        let mut keys = BTreeSet::new();
        for (id, peer) in &self.peers {
            if peer.static_key == [0; 32] {
                return Err(InvalidConfig::ZeroKey { peer: id.clone() });
            }
            if !keys.insert(peer.static_key) {
                return Err(InvalidConfig::SharedKey { peer: id.clone() });
            }
        }
        self.limits.check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> LinkConfig {
        let mut config = LinkConfig::new(
            NodeId::new("a").unwrap(),
            Zeroizing::new([1; 32]),
            Digest32::from_array([0; 32]),
        );
        let peer = |byte| Peer {
            address: String::new(),
            static_key: [byte; 32],
        };
        config.peers.insert(NodeId::new("b").unwrap(), peer(2));
        config.peers.insert(NodeId::new("c").unwrap(), peer(3));
        config
    }

    #[test]
    fn config__must_refuse_shared_zero_and_own_keys() {
        let id = |name| NodeId::new(name).unwrap();
        assert_eq!(config().check(), Ok(()));
        let mut shared = config();
        shared.peers.get_mut(&id("c")).unwrap().static_key = [2; 32];
        assert_eq!(
            shared.check(),
            Err(InvalidConfig::SharedKey { peer: id("c") })
        );
        let mut zero = config();
        zero.peers.get_mut(&id("b")).unwrap().static_key = [0; 32];
        assert_eq!(zero.check(), Err(InvalidConfig::ZeroKey { peer: id("b") }));
        let mut own = config();
        own.me = id("b");
        assert_eq!(
            own.check(),
            Err(InvalidConfig::PeerOfItself { me: id("b") })
        );
    }

    #[test]
    fn config__must_refuse_limits_that_cannot_work_together() {
        let mut short = config();
        short.limits.silence_timeout = short.limits.heartbeat_interval;
        let refused = short.check();
        assert!(matches!(
            refused,
            Err(InvalidConfig::Limit {
                limit: "silence_timeout",
                ..
            })
        ));
        let mut small = config();
        small.limits.send_queue_bytes = 10;
        let refused = small.check();
        assert!(matches!(
            refused,
            Err(InvalidConfig::Limit {
                limit: "send_queue_bytes",
                ..
            })
        ));
    }

    #[test]
    fn versions__should_agree_on_the_highest_common_one() {
        let range = |min, max| VersionRange { min, max };
        assert_eq!(range(1, 2).agree(range(2, 3)), Some(2));
        assert_eq!(range(1, 1).agree(range(1, 2)), Some(1));
        assert_eq!(range(1, 2).agree(range(3, 4)), None);
        assert_eq!(range(3, 4).agree(range(1, 2)), None);
    }
}
