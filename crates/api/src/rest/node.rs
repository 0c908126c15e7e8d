use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A node of the cluster, as the coordinator sees it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct NodeView {
    /// Name in the manifest.
    pub node_id: String,
    /// `participant` or `coordinator`.
    pub node_type: String,
    /// Where the coordinator reaches it.
    pub endpoint: String,
    /// Ed25519 identity key of the manifest, hex.
    pub public_key: String,
    /// `online`, `degraded` or `offline`.
    pub status: String,
    /// Why it is not online.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// What is wrong with the connection to it, where it can be named (docs/runbooks/links.md).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// How far its clock is ahead of the coordinator's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_ahead_ms: Option<i64>,
    /// Version of its binary; empty if it was never reached.
    pub version: String,
    /// Protocols that it runs.
    pub capabilities: Vec<String>,
    /// 0 idle to 100 full.
    pub load_factor: u32,
    /// Sessions that it is in.
    pub sessions_active: u32,
    /// Active keys that it holds a share of.
    pub keys_active: u64,
    /// Keys whose share failed a check there.
    pub key_problems: Vec<String>,
    /// Its links to the other participants.
    pub links: Vec<LinkView>,
    /// What it shares with each other participant for DKLs23, for all keys.
    #[serde(default)]
    pub pairs: Vec<PairView>,
    /// CPU time of its process since its start.
    pub cpu_seconds: f64,
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_heartbeat: Option<String>,
    /// Round trip of the last heartbeat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat_micros: Option<u64>,
}

/// A Noise link between two participants.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct LinkView {
    /// The other end.
    pub peer: String,
    /// `up`, `connecting` or `down`.
    pub state: String,
    /// `direct`, or `relay` if the coordinator carries it, while it is up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<String>,
    /// Why the direct link cannot be made, where it can be named (docs/runbooks/links.md).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// Round trip.
    pub rtt_micros: u64,
    /// Why it is not up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// Since its process started.
    pub bytes_sent: u64,
    /// Since its process started.
    pub bytes_received: u64,
}

/// The DKLs23 state of a pair of participants, as one of them says.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PairView {
    /// The other participant.
    pub peer: String,
    /// `ready`, `missing` or `banned`.
    pub state: String,
    /// The generation in use, hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<String>,
    /// Generations, hex, whose ban stands in the way of new state: an owner lifts each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub banned: Vec<String>,
}

/// An owner's intent that lifts the ban of a pair.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LiftBanRequest {
    /// The other node of the pair.
    pub peer: String,
    /// The banned generation, hex.
    pub generation: String,
    /// Canonical bytes of the owner's intent, hex.
    pub intent: String,
    /// The owner's signature over them, hex.
    pub initiator_signature: String,
}

/// A ban that both nodes of the pair lifted: they make new state by themselves.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct LiftedBan {
    /// The two nodes, the lower id first.
    pub nodes: Vec<String>,
    /// The generation that was banned, hex.
    pub generation: String,
}

/// All nodes.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct NodeList {
    /// The nodes, in the order of the manifest.
    pub nodes: Vec<NodeView>,
    /// Cluster name.
    pub cluster: String,
    /// Version of the manifest that the coordinator holds.
    pub manifest_version: u64,
}
