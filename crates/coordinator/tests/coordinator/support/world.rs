//! A whole cluster of doubles and the coordinator under test.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ed25519_dalek::SigningKey;
use quorate_api::rest::KeyView;
use quorate_coordinator::config::{LimitsConfig, ProtocolsConfig, StoreConfig, TlsFiles};
use quorate_coordinator::{Arrival, Caller, Coordinator, CoordinatorConfig};
use quorate_intent::{ActKind, Initiator, Manifest, ManifestNode, Owner, SignedManifest};
use quorate_store::{AuditFilter, AuditRecord, PageRequest, SqliteOptions, SqliteStore, Store};
use quorate_transport::tls::PeerIdentity;
use quorate_types::{ClusterId, Digest32, InitiatorId, NodeId, Tenant};

use super::authority::Authority;
use super::client::{Client, random};
use super::double::{Double, Meetings, Secrets};

/// Longest time to wait for anything; only a test that fails waits so long.
pub const PATIENCE: Duration = Duration::from_secs(120);

pub struct World {
    pub folder: tempfile::TempDir,
    pub client: Client,
    pub doubles: Vec<Double>,
    pub config: CoordinatorConfig,
    pub coordinator: Option<Arc<Coordinator>>,
    pub store: Option<Arc<dyn Store>>,
}

impl World {
    /// A cluster of `nodes` honest doubles, all connected.
    pub async fn start(nodes: usize) -> Self {
        let mut world = Self::prepare(nodes, true);
        world.start_coordinator().await;
        world
            .wait_until("all nodes are connected", |w| {
                w.coordinator().cluster_health().connected == nodes
            })
            .await;
        world
    }

    /// A coordinator whose nodes do not exist.
    pub async fn without_nodes(nodes: usize) -> Self {
        let mut world = Self::prepare(nodes, false);
        world.start_coordinator().await;
        world
    }

    fn prepare(nodes: usize, with_doubles: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let client = Client::new("acme");
        let identities: Vec<_> = (1..=nodes)
            .map(|n| {
                let id = NodeId::new(&format!("p{n}")).unwrap();
                (id, SigningKey::from_bytes(&random()))
            })
            .collect();
        let manifest = write_manifest(folder.path(), &client, &identities);
        let authority = Authority::new();
        let files = |who: &PeerIdentity| authority.issue(folder.path(), who);
        let coordinator_id = NodeId::new("c1").unwrap();
        let own = files(&PeerIdentity::coordinator(coordinator_id.clone()));
        let secrets = Arc::new(Secrets {
            identities: identities.clone(),
            keys: parking_lot::Mutex::default(),
            meetings: Meetings::default(),
        });
        let mut addresses = BTreeMap::new();
        let mut doubles = Vec::new();
        for (id, _) in &identities {
            let address = if with_doubles {
                let files = files(&PeerIdentity::participant(id.clone()));
                let double = Double::start(id.clone(), Arc::clone(&secrets), files);
                let address = double.address();
                doubles.push(double);
                address
            } else {
                // Discard: nobody listens there.
                "127.0.0.1:9".to_owned()
            };
            addresses.insert(id.clone(), address);
        }
        let config = CoordinatorConfig {
            coordinator_id,
            data_dir: folder.path().to_owned(),
            manifest,
            nodes: addresses,
            tls: TlsFiles {
                cert_file: own.certificate,
                key_file: own.key,
                ca_file: own.ca,
                crl_file: None,
            },
            store: StoreConfig::default(),
            protocols: ProtocolsConfig::default(),
            limits: quick_limits(),
        };
        Self {
            folder,
            client,
            doubles,
            config,
            coordinator: None,
            store: None,
        }
    }

    pub async fn start_coordinator(&mut self) {
        let path = self.config.store_path();
        let store = SqliteStore::open(&path, &SqliteOptions::default()).unwrap();
        let store: Arc<dyn Store> = Arc::new(store);
        let coordinator = Coordinator::start(&self.config, Arc::clone(&store)).await;
        self.coordinator = Some(Arc::new(coordinator.unwrap()));
        self.store = Some(store);
    }

    /// Ends the coordinator and waits until its database is free again.
    pub async fn stop_coordinator(&mut self) {
        self.coordinator = None;
        let store = Arc::downgrade(&self.store.take().unwrap());
        let deadline = Instant::now() + PATIENCE;
        while store.strong_count() > 0 {
            assert!(Instant::now() < deadline, "somebody still holds the store");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub fn coordinator(&self) -> &Arc<Coordinator> {
        self.coordinator.as_ref().unwrap()
    }

    pub fn nodes(&self) -> Vec<NodeId> {
        self.config.nodes.keys().cloned().collect()
    }

    pub fn caller(&self) -> Caller {
        self.caller_of("acme")
    }

    pub fn caller_of(&self, tenant: &str) -> Caller {
        Caller {
            credential: "k1".into(),
            tenant: Tenant::new(tenant).unwrap(),
            request_id: "req_1".into(),
            ip_address: None,
            user_agent: None,
            arrival: Arrival::default(),
        }
    }

    pub async fn create_key(&self, threshold: u64) -> KeyView {
        let request = self.client.create(&self.nodes(), threshold);
        let created = self
            .coordinator()
            .create_key(&self.caller(), request, PATIENCE)
            .await;
        let created = created.unwrap();
        assert!(created.is_complete && created.key.status == "Active");
        created.key
    }

    /// All audit records of a kind, oldest first.
    pub async fn audit(&self, event_type: &str) -> Vec<AuditRecord> {
        let filter = AuditFilter {
            event_type: Some(event_type.into()),
            ..AuditFilter::default()
        };
        let store = self.coordinator().store();
        let mut rows = store
            .audit(filter, PageRequest::first(200))
            .await
            .unwrap()
            .rows;
        rows.reverse();
        store.verify_audit_chain(None).await.unwrap();
        rows
    }

    pub async fn wait_until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !condition(self) {
            assert!(Instant::now() < deadline, "waited too long until {what}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Short times, so that tests of stalls and losses end soon; but no honest node may miss one on a
/// machine that does five other things at the same time.
fn quick_limits() -> LimitsConfig {
    LimitsConfig {
        heartbeat_interval_ms: 50,
        node_dead_after_ms: 10_000,
        reconnect_min_ms: 20,
        reconnect_max_ms: 100,
        open_timeout_ms: 3_000,
        round_timeout_ms: 3_000,
        no_nodes_grace_ms: 300,
        abort_settle_ms: 100,
        total_ms: 60_000,
        ..LimitsConfig::default()
    }
}

fn write_manifest(folder: &Path, client: &Client, identities: &[(NodeId, SigningKey)]) -> PathBuf {
    let owner = SigningKey::from_bytes(&random());
    let owner_id = InitiatorId::new("owner").unwrap();
    let node = |(id, key): &(NodeId, SigningKey)| ManifestNode {
        id: id.clone(),
        identity: key.verifying_key().to_bytes(),
        noise: random(),
    };
    let manifest = Manifest {
        cluster: ClusterId::new("test").unwrap(),
        version: 1,
        previous: Digest32::from_array([0; 32]),
        owner_quorum: 1,
        owners: vec![Owner {
            id: owner_id.clone(),
            key: owner.verifying_key().to_bytes(),
        }],
        initiators: vec![Initiator {
            id: client.initiator.clone(),
            key: client.key.verifying_key().to_bytes(),
            tenants: vec![Tenant::new("acme").unwrap(), Tenant::new("other").unwrap()],
            acts: vec![ActKind::CreateKey, ActKind::Sign],
        }],
        nodes: identities.iter().map(node).collect(),
    };
    let signed = SignedManifest::sign(manifest, [(&owner_id, &owner)]);
    let path = folder.join("manifest.json");
    std::fs::write(&path, signed.to_json().unwrap()).unwrap();
    path
}
