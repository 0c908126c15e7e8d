//! Starts a participant: reads its files, opens its keystore, listens.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ed25519_dalek::SigningKey;
use quorate_audit::AuditResult;
use quorate_intent::{Manifest, ManifestError, SignedManifest};
use quorate_keystore::{
    Argon2Cost, Disk, Keystore, KeystoreError, Limits, MasterKey, MasterKeyError, NodeSigner,
    OpenReport, Protection, Storage,
};
use quorate_protocol::registry::Registry;
use quorate_transport::noise::{LinkConfig, Links, Peer};
use quorate_transport::tls::{Role, ServerTls, TlsError, TlsFiles, TlsIncoming, TlsLimits};
use quorate_types::{Digest32, NodeId};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_util::task::AbortOnDropHandle;
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use crate::config::{MasterKeyConfig, ParticipantConfig};
use crate::crypto_pool::{CryptoPool, PoolLimits};
use crate::identity::{Identity, KeyFileError, read_secret};
use crate::links::pump;
use crate::node::{Node, Parts};
use crate::serve::Service;
use crate::{node_audit, refused_callers, share_check};

/// Longest gRPC message, in bytes.
const MAX_MESSAGE: usize = 4 << 20;

/// Share payloads of before pair states: those of 20 nodes hold 19 set-ups of about 51 KB.
const MAX_PAYLOAD: usize = 2 << 20;

/// Why a participant does not start. The operator acts on all of these.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// A file cannot be read.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A key file is not usable.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    /// The manifest is not valid.
    #[error("the manifest: {0}")]
    Manifest(#[from] ManifestError),
    /// The manifest names this node with other keys, or not at all.
    #[error("the manifest does not name node `{node}` with the {key} key that this node has")]
    NotInManifest {
        /// This node.
        node: NodeId,
        /// Which key.
        key: &'static str,
    },
    /// A peer of the configuration is not in the manifest.
    #[error("peer `{0}` of the configuration is not in the manifest")]
    UnknownPeer(NodeId),
    /// A protocol of the configuration does not exist.
    #[error(transparent)]
    Protocol(#[from] quorate_protocol::registry::ProtocolError),
    /// The master key cannot be unlocked.
    #[error("the master key: {0}")]
    MasterKey(#[from] MasterKeyError),
    /// The keystore cannot be opened.
    #[error("the keystore: {0}")]
    Keystore(#[from] KeystoreError),
    /// TLS files are not usable.
    #[error("TLS: {0}")]
    Tls(#[from] TlsError),
    /// The Noise links cannot start.
    #[error("links: {0}")]
    Links(#[from] quorate_transport::noise::StartError),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: String,
        /// Why.
        source: std::io::Error,
    },
    /// The operating system gives no threads.
    #[error("threads for cryptography cannot be started: {0}")]
    Threads(std::io::Error),
    /// The processor, or whatever emulates it, computes wrongly.
    #[error(
        "this machine computes wrongly on edwards25519, perhaps with wide instructions; \
        nothing may be signed here"
    )]
    WrongArithmetic,
    /// The operating system gives no randomness.
    #[error("the operating system gives no randomness")]
    Randomness,
}

/// A participant at work.
pub struct Running {
    node: Arc<Node>,
    /// Certificates and revocation lists are read again when they change.
    _fresh: AbortOnDropHandle<()>,
    links: Links,
    stop: oneshot::Sender<()>,
    server: JoinHandle<Result<(), tonic::transport::Error>>,
    pump: JoinHandle<()>,
}

impl Running {
    /// Stops listening, tells the peers, waits for what is in flight to end.
    pub async fn shutdown(self) {
        let _ = self.stop.send(());
        self.links.shutdown().await;
        self.server.abort();
        let _ = self.pump.await;
        let node = self.node;
        let emptied = tokio::task::spawn_blocking(move || node.keystore.empty_journal());
        match emptied.await {
            Ok(Ok(())) => {}
            // Nothing is lost: the next start reads the journal.
            Ok(Err(error)) => tracing::warn!(%error, "the journal of shares was not emptied"),
            Err(error) => tracing::warn!(%error, "the journal of shares was not emptied"),
        }
    }
}

/// Starts a participant and returns when it listens.
///
/// # Errors
/// [`StartError`]; nothing was started then.
pub async fn start(config: ParticipantConfig) -> Result<Running, StartError> {
    if !quorate_verify::edwards25519_is_right() {
        return Err(StartError::WrongArithmetic);
    }
    let manifest = read_manifest(&config.manifest)?;
    let (identity_secret, noise_secret) = (
        read_secret(&config.identity_key_file)?,
        read_secret(&config.noise_key_file)?,
    );
    let identity = Identity::new(&identity_secret);
    check_own_keys(&config.node_id, &manifest, &identity, &noise_secret)?;
    let mut registry = Registry::standard();
    for name in &config.disabled_protocols {
        registry.set_enabled(name, false)?;
    }
    let signer = NodeSigner::new(
        config.node_id.clone(),
        SigningKey::from_bytes(&identity_secret),
    );
    let keystore = open_keystore(&config, Arc::new(signer))?;
    let mut boot_id = [0; 16];
    getrandom::fill(&mut boot_id).map_err(|_| StartError::Randomness)?;
    let links = link_config(&config, &manifest, noise_secret)?;
    let crypto = PoolLimits::of(&config.limits);
    let crypto = CryptoPool::start(crypto).map_err(StartError::Threads)?;
    let node = Arc::new(Node::new(Parts {
        me: config.node_id.clone(),
        identity,
        manifest,
        registry,
        keystore,
        crypto,
        limits: config.limits.clone(),
        boot_id,
    }));
    listen(&config, node, links).await
}

async fn listen(
    config: &ParticipantConfig,
    node: Arc<Node>,
    links: LinkConfig,
) -> Result<Running, StartError> {
    let files = TlsFiles {
        certificate: config.tls.cert_file.clone(),
        key: config.tls.key_file.clone(),
        ca: config.tls.ca_file.clone(),
        crls: config.tls.crl_file.iter().cloned().collect(),
    };
    let tls = ServerTls::from_files(&files, |peer| peer.role == Role::Coordinator)?
        .observed_by(refused_callers::recorder(&node));
    let (grpc, noise) = (
        bind(config.listen.grpc).await?,
        bind(config.listen.noise).await?,
    );
    let incoming = TlsIncoming::start(grpc, &tls, TlsLimits::default()).map_err(|source| {
        StartError::Listen {
            address: config.listen.grpc.to_string(),
            source,
        }
    })?;
    let (links, events) = Links::start(links, noise)?;
    node.attach(links.clone());
    let pump = tokio::spawn(pump(Arc::clone(&node), events));
    let service = quorate_api::mpc_v1::node_service_server::NodeServiceServer::new(Service {
        node: Arc::clone(&node),
    })
    .max_decoding_message_size(MAX_MESSAGE)
    .max_encoding_message_size(MAX_MESSAGE);
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tonic::transport::Server::builder()
        .http2_keepalive_interval(Some(std::time::Duration::from_secs(5)))
        .add_service(service);
    let server = tokio::spawn(server.serve_with_incoming_shutdown(incoming, async {
        let _ = stopped.await;
    }));
    share_check::begin(&node);
    let wide = quorate_dkls23::wide_kernels();
    tracing::info!(
        hash = wide.hash,
        transpose = wide.transpose,
        check_hash = wide.check_hash,
        products = wide.products,
        multiples = wide.multiples,
        known_points = wide.known_points,
        "kernels that use wide instructions, each after its self-test"
    );
    tracing::info!(node = %config.node_id, grpc = %config.listen.grpc, noise = %config.listen.noise, "listening");
    Ok(Running {
        node,
        _fresh: tls.keep_fresh(),
        links,
        stop,
        server,
        pump,
    })
}

async fn bind(address: std::net::SocketAddr) -> Result<TcpListener, StartError> {
    let failed = |source| StartError::Listen {
        address: address.to_string(),
        source,
    };
    TcpListener::bind(address).await.map_err(failed)
}

fn read_manifest(path: &Path) -> Result<Manifest, StartError> {
    let unreadable = |source| StartError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    let signed = SignedManifest::from_json(&text)?;
    signed.verify_first()?;
    Ok(signed.manifest)
}

fn check_own_keys(
    me: &NodeId,
    manifest: &Manifest,
    identity: &Identity,
    noise: &Zeroizing<[u8; 32]>,
) -> Result<(), StartError> {
    let wrong = |key| StartError::NotInManifest {
        node: me.clone(),
        key,
    };
    let own = manifest.node(me).ok_or_else(|| wrong("identity"))?;
    if own.identity != identity.public_key() {
        return Err(wrong("identity"));
    }
    if own.noise != PublicKey::from(&StaticSecret::from(**noise)).to_bytes() {
        return Err(wrong("noise"));
    }
    Ok(())
}

fn link_config(
    config: &ParticipantConfig,
    manifest: &Manifest,
    secret: Zeroizing<[u8; 32]>,
) -> Result<LinkConfig, StartError> {
    if let Some(unknown) = config
        .peers
        .keys()
        .find(|peer| manifest.node(peer).is_none())
    {
        return Err(StartError::UnknownPeer(unknown.clone()));
    }
    let cluster = Digest32::of(b"quorate links v1", &[manifest.cluster.as_str().as_bytes()]);
    let mut links = LinkConfig::new(config.node_id.clone(), secret, cluster);
    let others = manifest
        .nodes
        .iter()
        .filter(|node| node.id != config.node_id);
    links.peers = others
        .filter_map(|node| {
            let address = config.peers.get(&node.id)?.clone();
            Some((
                node.id.clone(),
                Peer {
                    address,
                    static_key: node.noise,
                },
            ))
        })
        .collect::<BTreeMap<_, _>>();
    Ok(links)
}

fn open_keystore(
    config: &ParticipantConfig,
    signer: Arc<NodeSigner>,
) -> Result<Keystore, StartError> {
    let disk: Arc<dyn Storage> = Arc::new(Disk);
    let protection = protection(&config.master_key)?;
    let root = &config.data_dir;
    let master_file = root.join("master.json");
    if !Keystore::exists(&*disk, root)? {
        Keystore::create(&disk, root, &signer)?;
    }
    let exists = master_file.exists();
    let master = if exists {
        MasterKey::unlock(&*disk, &master_file, &protection)?
    } else {
        MasterKey::create(&*disk, &master_file, &protection, Argon2Cost::default())?
    };
    let limits = Limits {
        payload_bytes: MAX_PAYLOAD,
        ..Limits::default()
    };
    let (keystore, report) = Keystore::open(disk, root, Arc::new(master), signer, limits)?;
    tell(&keystore, &report);
    Ok(keystore)
}

/// Logs what opening found, and closes the audit records of acts that a crash cut off.
fn tell(keystore: &Keystore, report: &OpenReport) {
    tracing::info!(
        active = report.active,
        pending = report.pending.len(),
        "keystore open"
    );
    for damage in &report.damaged {
        tracing::error!(%damage, "a share is unusable; other keys are not affected");
    }
    for (path, _) in &report.torn {
        tracing::warn!(path = %path.display(), "an unacknowledged write was cut off by a crash");
    }
    for begun in &report.unfinished {
        node_audit::finish(keystore.audit(), begun, AuditResult::Unknown, Vec::new());
    }
}

fn protection(config: &MasterKeyConfig) -> Result<Protection, StartError> {
    use std::os::unix::fs::MetadataExt as _;
    match config {
        MasterKeyConfig::KeyFile { path } => Ok(Protection::KeyFile(path.clone())),
        MasterKeyConfig::PassphraseFile { path } => {
            let unreadable = |source| StartError::Unreadable {
                path: path.clone(),
                source,
            };
            if std::fs::metadata(path).map_err(unreadable)?.mode() & 0o077 != 0 {
                return Err(KeyFileError::Permissions { path: path.clone() }.into());
            }
            let unreadable = |source| StartError::Unreadable {
                path: path.clone(),
                source,
            };
            let text = Zeroizing::new(std::fs::read_to_string(path).map_err(unreadable)?);
            Ok(Protection::Passphrase(Zeroizing::new(
                text.trim_end_matches('\n').to_owned(),
            )))
        }
    }
}
