use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use quorate_api::mpc_v1::ParticipateSigningRequest;
use quorate_api::rest::NodeView;
use quorate_lead::ClusterView;
use quorate_store::{NodeRow, NodeStatus, NodeType, Store, StoreError, Write};
use quorate_types::{KeyId, NodeId};
use serde_json::json;
use tokio::sync::broadcast;
use tokio_util::task::AbortOnDropHandle;

use super::heartbeat::keep_asking;
use super::node::Node;
use super::relay::{Switchboard, keep_relaying};
use super::routes::Routes;
use super::stream::keep_open;
use crate::clock::now;
use crate::config::LimitsConfig;

/// How many "a node is back" notes may wait for an act that is slow to read them; an act that
/// misses one notices at its next tick.
const BACK_NOTES: usize = 64;

/// What the tasks of all nodes share.
pub(crate) struct Shared {
    pub(crate) coordinator_id: NodeId,
    pub(crate) manifest_version: u64,
    pub(crate) limits: LimitsConfig,
    pub(crate) dead_after: Duration,
    pub(crate) routes: Arc<Routes>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) came_back: broadcast::Sender<NodeId>,
    pub(crate) switchboard: Switchboard,
}

/// All participants of the manifest.
pub(crate) struct Cluster {
    shared: Arc<Shared>,
    nodes: BTreeMap<NodeId, Arc<Node>>,
    order: Vec<NodeId>,
    _tasks: Vec<AbortOnDropHandle<()>>,
}

/// How many nodes are how well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClusterHealth {
    /// Nodes of the manifest.
    pub total: usize,
    /// Nodes that sessions can be opened with.
    pub connected: usize,
}

impl Cluster {
    /// Registers the nodes in the store and starts their tasks.
    pub(crate) async fn start(shared: Shared, nodes: Vec<Node>) -> Result<Self, StoreError> {
        let at = now();
        let writes = nodes.iter().map(|node| {
            Write::PutNode(Box::new(NodeRow {
                node_id: node.id.clone(),
                node_type: NodeType::Participant,
                endpoint: node.address.clone(),
                public_key: node.identity,
                status: NodeStatus::Registered,
                capabilities: json!({}),
                metadata: json!({}),
                registered_at: at,
                last_heartbeat: None,
                load_factor: 0,
            }))
        });
        for writes in writes
            .collect::<Vec<_>>()
            .chunks(quorate_store::limits::MAX_WRITES_PER_APPLY)
        {
            shared.store.apply(writes.to_vec()).await?;
        }
        let shared = Arc::new(shared);
        let order = nodes.iter().map(|node| node.id.clone()).collect();
        let nodes: BTreeMap<_, _> = nodes
            .into_iter()
            .map(|node| (node.id.clone(), Arc::new(node)))
            .collect();
        let mut tasks = Vec::new();
        for node in nodes.values() {
            let stream = keep_open(Arc::clone(&shared), Arc::clone(node));
            let heartbeat = keep_asking(Arc::clone(&shared), Arc::clone(node));
            let relay = keep_relaying(Arc::clone(&shared), Arc::clone(node));
            tasks.push(AbortOnDropHandle::new(tokio::spawn(stream)));
            tasks.push(AbortOnDropHandle::new(tokio::spawn(relay)));
            tasks.push(AbortOnDropHandle::new(tokio::spawn(heartbeat)));
        }
        Ok(Self {
            shared,
            nodes,
            order,
            _tasks: tasks,
        })
    }

    /// What a lead of this key chooses by. A ban of a pair for every key counts for a protocol that
    /// has state of pairs.
    pub(crate) fn lead_view(&self, key: &KeyId, has_pair_state: bool) -> ClusterView {
        let mut view = ClusterView::new();
        for node in self.nodes.values() {
            view.set(node.id.clone(), node.lead_view(self.shared.dead_after));
            let state = node.state.lock();
            let Some(heard) = &state.heard else { continue };
            let counts = |banned: &Option<KeyId>| match banned {
                Some(banned) => banned == key,
                None => has_pair_state,
            };
            for (_, other) in heard.bans.iter().filter(|(banned, _)| counts(banned)) {
                view.ban(node.id.clone(), other.clone());
            }
        }
        view
    }

    /// Pairs of these nodes of which one says that it has no state with the other yet.
    pub(crate) fn pairs_not_ready(&self, nodes: &[NodeId]) -> Vec<(NodeId, NodeId)> {
        let mut pairs = BTreeSet::new();
        for node in nodes {
            let Some(known) = self.nodes.get(node) else {
                continue;
            };
            let state = known.state.lock();
            let said = state.heard.iter().flat_map(|heard| &heard.answer.pairs);
            for pair in said.filter(|pair| pair.state == "missing") {
                let peer = nodes.iter().find(|other| other.as_str() == pair.peer);
                let peer = peer.filter(|peer| *peer != node);
                pairs.extend(peer.map(|peer| (node.min(peer).clone(), node.max(peer).clone())));
            }
        }
        pairs.into_iter().collect()
    }

    /// Queues a command for a node; whether there was a stream with room.
    pub(crate) fn command(&self, node: &NodeId, command: ParticipateSigningRequest) -> bool {
        self.nodes
            .get(node)
            .is_some_and(|node| node.command(command))
    }

    pub(crate) fn node(&self, node: &NodeId) -> Option<&Node> {
        self.nodes.get(node).map(Arc::as_ref)
    }

    pub(crate) fn routes(&self) -> &Arc<Routes> {
        &self.shared.routes
    }

    /// Tells of nodes that came back.
    pub(crate) fn watch_back(&self) -> broadcast::Receiver<NodeId> {
        self.shared.came_back.subscribe()
    }

    pub(crate) fn back_channel() -> broadcast::Sender<NodeId> {
        broadcast::channel(BACK_NOTES).0
    }

    /// One node, as the API shows it.
    pub(crate) fn view(&self, node: &NodeId) -> Option<NodeView> {
        let node = self.nodes.get(node)?;
        Some(node.view(self.shared.dead_after, self.shared.manifest_version))
    }

    /// All nodes, in the order of the manifest.
    pub(crate) fn views(&self) -> Vec<NodeView> {
        self.order
            .iter()
            .filter_map(|node| self.view(node))
            .collect()
    }

    /// How many nodes are how well.
    pub(crate) fn health(&self) -> ClusterHealth {
        let connected = |node: &&Arc<Node>| node.state.lock().connected(self.shared.dead_after);
        ClusterHealth {
            total: self.nodes.len(),
            connected: self.nodes.values().filter(connected).count(),
        }
    }
}
