use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use quorate_intent::{ManifestError, SignedManifest};
use quorate_protocol::registry::{ProtocolError, Registry};
use quorate_store::{Store, StoreError, limits};
use quorate_transport::tls::{ClientTls, TlsError, TlsFiles};
use quorate_types::NodeId;
use thiserror::Error;
use tokio_util::task::AbortOnDropHandle;

use crate::act::{Acts, Arrival};
use crate::admission::Rules;
use crate::clock::now;
use crate::config::{CoordinatorConfig, LimitsConfig};
use crate::key_facts::KeyCache;
use crate::nodes::{Cluster, ClusterHealth, Node, NodeConnector, Routes, Shared, Switchboard};

/// Pause between two sweeps of expired nonces and idempotency records.
const SWEEP_EVERY: Duration = Duration::from_secs(30);

/// Why a coordinator does not start. The operator must act.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The manifest file cannot be read.
    #[error("cannot read the manifest {}", .path.display())]
    ManifestUnreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The manifest is not valid.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The configuration names a node that the manifest does not.
    #[error("node `{0}` of the configuration is not in the manifest")]
    UnknownNode(NodeId),
    /// The manifest names a node whose address is not configured.
    #[error("no address for node `{0}` of the manifest; add it to [coordinator.nodes]")]
    NoAddress(NodeId),
    /// The processor, or whatever emulates it, computes wrongly.
    #[error(
        "this machine computes wrongly on edwards25519, perhaps with wide instructions; signatures cannot be verified here"
    )]
    WrongArithmetic,
    /// No channel to a node can be made.
    #[error("cannot reach node `{node}`: {why}")]
    Channel {
        /// Which node.
        node: NodeId,
        /// Why.
        why: String,
    },
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A protocol of the configuration is not known.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What all acts share.
pub(crate) struct Core {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) cluster: Cluster,
    pub(crate) rules: Rules,
    pub(crate) keys: KeyCache,
    pub(crate) limits: LimitsConfig,
}

/// A coordinator that runs. Dropping it ends its connections; open acts go on after a restart.
pub struct Coordinator {
    pub(crate) core: Arc<Core>,
    pub(crate) acts: Arc<Acts>,
    _sweeper: AbortOnDropHandle<()>,
    /// Certificates and revocation lists are read again when they change.
    _fresh: Option<AbortOnDropHandle<()>>,
}

impl Coordinator {
    /// Starts with mutual TLS from the files of the configuration.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(
        config: &CoordinatorConfig,
        store: Arc<dyn Store>,
    ) -> Result<Self, StartError> {
        let tls = ClientTls::from_files(&TlsFiles {
            certificate: config.tls.cert_file.clone(),
            key: config.tls.key_file.clone(),
            ca: config.tls.ca_file.clone(),
            crls: config.tls.crl_file.iter().cloned().collect(),
        })?;
        let fresh = tls.keep_fresh();
        let mut started = Self::start_with(config, store, Arc::new(tls)).await?;
        started._fresh = Some(fresh);
        Ok(started)
    }

    /// Starts with another way to reach nodes: reads the manifest, registers the nodes, ends the
    /// sessions of the process before, and goes on with its open intents.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start_with(
        config: &CoordinatorConfig,
        store: Arc<dyn Store>,
        connector: Arc<dyn NodeConnector>,
    ) -> Result<Self, StartError> {
        if !quorate_verify::edwards25519_is_right() {
            return Err(StartError::WrongArithmetic);
        }
        let manifest = read_manifest(config)?;
        let nodes = make_nodes(config, &manifest, &connector)?;
        let limits = config.limits.clone();
        let shared = Shared {
            coordinator_id: config.coordinator_id.clone(),
            manifest_version: manifest.version,
            dead_after: Duration::from_millis(limits.node_dead_after_ms),
            limits: limits.clone(),
            routes: Arc::new(Routes::default()),
            store: Arc::clone(&store),
            came_back: Cluster::back_channel(),
            switchboard: Switchboard::new(
                nodes.iter().map(|node| node.id.clone()).collect(),
                limits.relay_pair_bytes,
            ),
        };
        let cluster = Cluster::start(shared, nodes).await?;
        let core = Arc::new(Core {
            rules: Rules {
                manifest,
                protocols: make_registry(config)?,
                clock_tolerance_seconds: limits.clock_tolerance_seconds,
            },
            keys: KeyCache::new(limits.max_cached_keys),
            cluster,
            limits,
            store: Arc::clone(&store),
        });
        let coordinator = Self {
            acts: Arc::new(Acts::new(core.limits.max_open_sessions)),
            _sweeper: AbortOnDropHandle::new(tokio::spawn(sweep(store))),
            _fresh: None,
            core,
        };
        coordinator.replay().await?;
        Ok(coordinator)
    }

    /// Lets a request for a signature in, or not, where so many acts run that a further one would
    /// only wait: refuse it before anything is done for it. Give the arrival to its [`Caller`].
    ///
    /// [`Caller`]: crate::Caller
    #[must_use]
    pub fn arrive(&self) -> Option<Arrival> {
        self.acts.arrive()
    }

    /// What a signature takes where none waits for another, as measured since the start: the limit
    /// on acts at one time follows it. `None` before the first ones.
    #[must_use]
    pub fn signing_pace(&self) -> Option<Duration> {
        self.acts.signing_pace()
    }

    /// How many nodes are how well.
    #[must_use]
    pub fn cluster_health(&self) -> ClusterHealth {
        self.core.cluster.health()
    }

    /// The store, for what the gateway itself keeps there.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.core.store
    }

    /// The protocols of this process, each with whether it is enabled.
    #[must_use]
    pub fn protocols(&self) -> &Registry {
        &self.core.rules.protocols
    }

    /// Name of the cluster and version of the manifest.
    #[must_use]
    pub fn cluster(&self) -> (&quorate_types::ClusterId, u64) {
        let manifest = &self.core.rules.manifest;
        (&manifest.cluster, manifest.version)
    }
}

impl Drop for Coordinator {
    fn drop(&mut self) {
        self.acts.stop();
    }
}

fn read_manifest(config: &CoordinatorConfig) -> Result<quorate_intent::Manifest, StartError> {
    let path = config.manifest.clone();
    let text = std::fs::read_to_string(&path)
        .map_err(|source| StartError::ManifestUnreadable { path, source })?;
    let signed = SignedManifest::from_json(&text)?;
    Ok(signed.verify_first()?.clone())
}

fn make_nodes(
    config: &CoordinatorConfig,
    manifest: &quorate_intent::Manifest,
    connector: &Arc<dyn NodeConnector>,
) -> Result<Vec<Node>, StartError> {
    if let Some(unknown) = config.nodes.keys().find(|id| manifest.node(id).is_none()) {
        return Err(StartError::UnknownNode(unknown.clone()));
    }
    manifest
        .nodes
        .iter()
        .map(|node| {
            let address = config.nodes.get(&node.id);
            let address = address.ok_or_else(|| StartError::NoAddress(node.id.clone()))?;
            let channel = connector.channel(&node.id, address);
            let channel = channel.map_err(|why| StartError::Channel {
                node: node.id.clone(),
                why,
            })?;
            Ok(Node::new(
                node.id.clone(),
                address.clone(),
                node.identity,
                channel,
                Arc::clone(connector),
            ))
        })
        .collect()
}

fn make_registry(config: &CoordinatorConfig) -> Result<Registry, StartError> {
    let mut registry = Registry::standard();
    let Some(enabled) = &config.protocols.enabled else {
        return Ok(registry);
    };
    let known: Vec<_> = registry.iter().map(|(info, _)| info.name).collect();
    for name in known {
        let name = name.parse().expect("names of the registry are valid");
        registry.set_enabled(&name, enabled.contains(&name))?;
    }
    for name in enabled {
        registry.set_enabled(name, true)?;
    }
    Ok(registry)
}

async fn sweep(store: Arc<dyn Store>) {
    loop {
        tokio::time::sleep(SWEEP_EVERY).await;
        if let Err(error) = prune_all(store.as_ref()).await {
            tracing::error!(%error, "expired rows were not deleted");
        }
    }
}

/// A busy coordinator makes more rows between two sweeps than one step deletes.
async fn prune_all(store: &dyn Store) -> Result<(), StoreError> {
    loop {
        let pruned = store.prune(now()).await?;
        tracing::debug!(?pruned, "expired rows deleted");
        if pruned.nonces.max(pruned.idempotency) < limits::MAX_PRUNED_ROWS {
            return Ok(());
        }
    }
}
