use quorate_types::{NodeId, UnixMillis};
use serde_json::Value;

use crate::flaw::{Flaw, check_name, check_object, check_time};
use crate::named::named;

/// What a node does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NodeType {
    /// Holds shares.
    Participant,
    /// Drives sessions.
    Coordinator,
}

impl NodeType {
    const ALL: [Self; 2] = [Self::Participant, Self::Coordinator];

    /// Name in APIs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Participant => "participant",
            Self::Coordinator => "coordinator",
        }
    }
}

/// What the coordinator believes of a node. It never decides who is trusted: the manifest does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NodeStatus {
    /// Known from the manifest, never heard of.
    Registered,
    /// Answers its heartbeats.
    Online,
    /// Answers, and reports trouble.
    Degraded,
    /// Does not answer.
    Offline,
    /// Kept out of sessions by a person or by monitoring.
    Isolated,
}

impl NodeStatus {
    const ALL: [Self; 5] = [
        Self::Registered,
        Self::Online,
        Self::Degraded,
        Self::Offline,
        Self::Isolated,
    ];

    /// Name in APIs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Online => "online",
            Self::Degraded => "degraded",
            Self::Offline => "offline",
            Self::Isolated => "isolated",
        }
    }
}

named!(NodeType, "node type");
named!(NodeStatus, "node status");

/// A registered node.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeRow {
    /// The node.
    pub node_id: NodeId,
    /// What it does.
    pub node_type: NodeType,
    /// Where it is reached, `host:port` or a URL.
    pub endpoint: String,
    /// Ed25519 identity key, as in the manifest.
    pub public_key: [u8; 32],
    /// What is believed of it.
    pub status: NodeStatus,
    /// What it can do: protocols, versions, limits.
    pub capabilities: Value,
    /// Free-form object.
    pub metadata: Value,
    /// When it was first registered.
    pub registered_at: UnixMillis,
    /// When it was last heard of.
    pub last_heartbeat: Option<UnixMillis>,
    /// Load in percent, 0 to 100.
    pub load_factor: u8,
}

/// What a heartbeat changes.
#[derive(Debug, Clone)]
pub struct NodeHeartbeat {
    /// The node.
    pub node_id: NodeId,
    /// When it was heard of; kept if `None`, as when monitoring marks a silent node.
    pub heard_at: Option<UnixMillis>,
    /// What is now believed of it.
    pub status: NodeStatus,
    /// Load in percent, 0 to 100.
    pub load_factor: u8,
}

pub(crate) fn check_load(load_factor: u8) -> Result<(), Flaw> {
    Flaw::unless(load_factor <= 100, "load_factor", "more than 100 percent")
}

impl NodeRow {
    /// The rules that hold for every node row, written or read.
    pub(crate) fn check(&self) -> Result<(), Flaw> {
        check_name("endpoint", &self.endpoint)?;
        check_object("capabilities", &self.capabilities)?;
        check_object("metadata", &self.metadata)?;
        check_time("registered_at", self.registered_at)?;
        if let Some(time) = self.last_heartbeat {
            check_time("last_heartbeat", time)?;
        }
        check_load(self.load_factor)
    }
}
