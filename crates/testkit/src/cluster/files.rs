//! What a cluster is made of before anything runs: its manifest, and each node's folder and ports.

use std::net::TcpListener;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result, bail};
use ed25519_dalek::SigningKey;
use quorate_intent::{ActKind, Initiator, Manifest, ManifestNode, Owner, SignedManifest};
use quorate_types::{ClusterId, Digest32, InitiatorId, Tenant};

use super::Options;
use crate::credentials::{Identity, NodeKeys, random, write_secret};
use crate::intents::Client;

pub(super) fn manifest(
    keys: &[NodeKeys],
    owner: &SigningKey,
    initiator: &SigningKey,
) -> Result<(SignedManifest, Client)> {
    let owner_id = InitiatorId::new("owner")?;
    let client = Client {
        cluster: ClusterId::new(&format!("test-{}", hex::encode(&random()?[..4])))?,
        tenant: Tenant::new("default")?,
        initiator: InitiatorId::new("client")?,
        key: initiator.clone(),
        lifetime_seconds: 600,
    };
    let node = |keys: &NodeKeys| ManifestNode {
        id: keys.id.clone(),
        identity: keys.identity.verifying_key().to_bytes(),
        noise: x25519_dalek::PublicKey::from(&keys.noise).to_bytes(),
    };
    let manifest = Manifest {
        cluster: client.cluster.clone(),
        version: 1,
        previous: Digest32::from_array([0; 32]),
        owner_quorum: 1,
        owners: vec![Owner {
            id: owner_id.clone(),
            key: owner.verifying_key().to_bytes(),
        }],
        initiators: vec![Initiator {
            id: client.initiator.clone(),
            key: initiator.verifying_key().to_bytes(),
            tenants: vec![client.tenant.clone()],
            acts: vec![ActKind::CreateKey, ActKind::Sign],
        }],
        nodes: keys.iter().map(node).collect(),
    };
    Ok((SignedManifest::sign(manifest, [(&owner_id, owner)]), client))
}

/// Where a node listens, and the Noise ports of all.
pub(super) struct Ports<'a> {
    pub(super) grpc: u16,
    pub(super) metrics: u16,
    pub(super) noise: &'a [u16],
    pub(super) blocked: &'a [(usize, usize)],
}

pub(super) fn write_node(
    home: &Path,
    keys: &NodeKeys,
    tls: &Identity,
    manifest: &Path,
    ports: &Ports<'_>,
    position: usize,
    options: &Options,
) -> Result<()> {
    let Ports {
        grpc,
        metrics,
        noise,
        blocked,
    } = ports;
    let Options {
        limits,
        tls: more_tls,
        ..
    } = options;
    // Discard: nobody listens there.
    let reached = |other: usize, port: u16| {
        let pair = (position.min(other), position.max(other));
        if blocked.contains(&pair) { 9 } else { port }
    };
    write_secret(
        &home.join("identity.key"),
        &hex::encode(keys.identity.to_bytes()),
    )?;
    write_secret(&home.join("noise.key"), &hex::encode(keys.noise.to_bytes()))?;
    write_secret(&home.join("master.key"), &hex::encode(random()?))?;
    let own = noise.get(position).context("a port for each")?;
    let peers: String = noise
        .iter()
        .enumerate()
        .filter(|(other, _)| *other != position)
        .map(|(other, port)| (other, reached(other, *port)))
        .map(|(other, port)| format!("p{} = \"127.0.0.1:{port}\"\n", other + 1))
        .collect();
    let text = format!(
        "node_id = \"{}\"\ndata_dir = \"data\"\nmanifest = \"{}\"\n\
         identity_key_file = \"identity.key\"\nnoise_key_file = \"noise.key\"\n\
         master_key = {{ kind = \"key_file\", path = \"master.key\" }}\n\
         listen = {{ grpc = \"127.0.0.1:{grpc}\", noise = \"127.0.0.1:{own}\", \
         metrics = \"127.0.0.1:{metrics}\" }}\n\
         [peers]\n{peers}[tls]\ncert_file = \"{}\"\nkey_file = \"{}\"\nca_file = \"{}\"\n{more_tls}\
         [limits]\n{limits}",
        keys.id,
        manifest.display(),
        tls.certificate.display(),
        tls.key.display(),
        tls.authority.display(),
    );
    Ok(std::fs::write(home.join("participant.toml"), text)?)
}

/// Ports that are free now, below those that outgoing connections take, and never twice in one
/// process: nobody else should take one before its node listens.
pub(super) fn free_ports(count: usize) -> Result<Vec<u16>> {
    const FIRST: u16 = 10_000;
    const PORTS: u32 = 20_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Processes that test at the same time start at different places.
    let start = std::process::id().wrapping_mul(997);
    let mut ports = Vec::new();
    while ports.len() < count {
        let turn = NEXT.fetch_add(1, Ordering::Relaxed);
        if turn > PORTS {
            bail!("no free ports");
        }
        let offset = u16::try_from(start.wrapping_add(turn) % PORTS)?;
        let port = FIRST + offset;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            ports.push(port);
        }
    }
    Ok(ports)
}
