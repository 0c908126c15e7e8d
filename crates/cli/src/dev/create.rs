//! The first run: everything that a cluster needs, made in its own folder.
//!
//! Each secret is written by the process that makes it, once, with mode 600, and never replaced.
//! The authority's key is not kept: whoever wants other certificates makes another cluster.

use std::fs::DirBuilder;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;

use ed25519_dalek::SigningKey;
use quorate_intent::{ActKind, Initiator, Manifest, ManifestNode, Owner, SignedManifest};
use quorate_transport::tls::PeerIdentity;
use quorate_types::{ClusterId, Digest32, InitiatorId, NodeId, Tenant};
use serde::Serialize;
use serde_json::json;
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use super::certificates::Authority;
use super::cluster::{COORDINATOR, Cluster, ClusterNode, client_file, config_file, replace_file};
use super::ports::FreePorts;
use crate::error::CliError;
use crate::secret_file;

const CLUSTER: &str = "dev";
const OWNER: &str = "dev-owner";
const INITIATOR: &str = "dev-client";
const CREDENTIAL: &str = "dev";
const TENANT: &str = "default";

/// Makes a cluster of `count` participants in a folder that is empty or not there.
pub(super) fn cluster(
    dir: &Path,
    count: u8,
    http: Option<SocketAddr>,
) -> Result<Cluster, CliError> {
    own_folder(dir)?;
    refuse_leftovers(dir)?;
    let mut ports = FreePorts::new()?;
    let http = http.map_or_else(|| ports.http(), Ok)?;
    let mut nodes = Vec::new();
    for number in 1..=count {
        let id = NodeId::new(&format!("node-{number}")).expect("a valid name");
        nodes.push(ClusterNode {
            id,
            grpc: ports.take()?,
            noise: ports.take()?,
        });
    }
    let cluster = Cluster::new(http, nodes);
    let authority = Authority::new()?;
    authority.write_certificate(&dir.join("ca.crt"))?;
    let mut members = Vec::new();
    for node in &cluster.nodes {
        members.push(make_participant(dir, node, &authority)?);
    }
    make_manifest(dir, members)?;
    make_coordinator(dir, &authority)?;
    write_configs(dir, &cluster)?;
    // Last: a folder without this file was not finished.
    cluster.write(dir)?;
    Ok(cluster)
}

/// Writes the configurations of clients and processes, from the cluster's own description.
pub(super) fn write_configs(dir: &Path, cluster: &Cluster) -> Result<(), CliError> {
    for node in &cluster.nodes {
        let path = config_file(dir, node.id.as_str());
        replace_file(&path, &to_toml(&participant_config(cluster, node)))?;
    }
    replace_file(
        &config_file(dir, COORDINATOR),
        &to_toml(&coordinator_config(cluster)),
    )?;
    let client = json!({
        "endpoint": cluster.endpoint(),
        "credential_id": CREDENTIAL,
        "credential_secret_file": "client/credential.secret",
        "initiator": INITIATOR,
        "initiator_key_file": "client/initiator.key",
        "tenant": TENANT,
        "manifest": "manifest.json",
        "pids": "pids",
    });
    replace_file(&client_file(dir), &to_toml(&client))
}

fn to_toml(config: &impl Serialize) -> String {
    let text = toml::to_string(config).expect("texts, numbers and tables only");
    format!("# Made by `quorate dev`; see docs/configuration.md.\n{text}")
}

fn participant_config(cluster: &Cluster, node: &ClusterNode) -> serde_json::Value {
    let others = cluster.nodes.iter().filter(|other| other.id != node.id);
    let peers = others.map(|other| (other.id.to_string(), json!(other.noise.to_string())));
    json!({
        "node_id": node.id.as_str(),
        "data_dir": "data",
        "manifest": "../manifest.json",
        "identity_key_file": "identity.key",
        "noise_key_file": "noise.key",
        "master_key": { "kind": "key_file", "path": "master.key" },
        "listen": { "grpc": node.grpc.to_string(), "noise": node.noise.to_string() },
        "peers": peers.collect::<serde_json::Map<_, _>>(),
        "tls": { "cert_file": "tls.crt", "key_file": "tls.key", "ca_file": "../ca.crt" },
    })
}

fn coordinator_config(cluster: &Cluster) -> serde_json::Value {
    let nodes = cluster.nodes.iter();
    let nodes = nodes.map(|node| (node.id.to_string(), json!(node.grpc.to_string())));
    json!({
        "gateway": { "listen": cluster.http.to_string(), "credentials_file": "credentials.json" },
        "coordinator": {
            "coordinator_id": COORDINATOR,
            "data_dir": "data",
            "manifest": "../manifest.json",
            "nodes": nodes.collect::<serde_json::Map<_, _>>(),
            "tls": { "cert_file": "tls.crt", "key_file": "tls.key", "ca_file": "../ca.crt" },
        },
    })
}

/// Folder, keys and certificate of one participant; returns its entry of the manifest.
fn make_participant(
    dir: &Path,
    node: &ClusterNode,
    authority: &Authority,
) -> Result<ManifestNode, CliError> {
    let folder = dir.join(node.id.as_str());
    own_folder(&folder)?;
    let identity = secret_file::generate(&folder.join("identity.key"))?;
    let noise = secret_file::generate(&folder.join("noise.key"))?;
    secret_file::generate(&folder.join("master.key"))?;
    authority.issue(&PeerIdentity::participant(node.id.clone()), &folder)?;
    Ok(ManifestNode {
        id: node.id.clone(),
        identity: SigningKey::from_bytes(&identity).verifying_key().to_bytes(),
        noise: PublicKey::from(&StaticSecret::from(*noise)).to_bytes(),
    })
}

/// Owner and initiator, and the manifest that names them and the nodes.
fn make_manifest(dir: &Path, nodes: Vec<ManifestNode>) -> Result<(), CliError> {
    for folder in ["owner", "client"] {
        own_folder(&dir.join(folder))?;
    }
    let owner = SigningKey::from_bytes(&*secret_file::generate(&dir.join("owner/owner.key"))?);
    let initiator = secret_file::generate(&dir.join("client/initiator.key"))?;
    let initiator = SigningKey::from_bytes(&initiator);
    let owner_id = InitiatorId::new(OWNER).expect("a valid name");
    let manifest = Manifest {
        cluster: ClusterId::new(CLUSTER).expect("a valid name"),
        version: 1,
        previous: Digest32::from_array([0; 32]),
        owner_quorum: 1,
        owners: vec![Owner {
            id: owner_id.clone(),
            key: owner.verifying_key().to_bytes(),
        }],
        initiators: vec![Initiator {
            id: InitiatorId::new(INITIATOR).expect("a valid name"),
            key: initiator.verifying_key().to_bytes(),
            tenants: vec![Tenant::new(TENANT).expect("a valid name")],
            acts: vec![ActKind::CreateKey, ActKind::Sign],
        }],
        nodes,
    };
    let signed = SignedManifest::sign(manifest, [(&owner_id, &owner)]);
    let unusable = |error: quorate_intent::ManifestError| {
        CliError::failed(
            format!("the new manifest is not valid: {error}"),
            "report this defect",
        )
    };
    signed.verify_first().map_err(unusable)?;
    replace_file(
        &dir.join("manifest.json"),
        &signed.to_json().map_err(unusable)?,
    )
}

/// Folder and certificate of the coordinator, and the credential of the client.
fn make_coordinator(dir: &Path, authority: &Authority) -> Result<(), CliError> {
    let folder = dir.join(COORDINATOR);
    own_folder(&folder)?;
    let id = NodeId::new(COORDINATOR).expect("a valid name");
    authority.issue(&PeerIdentity::coordinator(id), &folder)?;
    let secret = secret_file::generate(&dir.join("client/credential.secret"))?;
    let secret = Zeroizing::new(hex::encode(secret.as_slice()));
    let credentials = Zeroizing::new(
        json!([{
            "key": CREDENTIAL,
            "secret": &*secret,
            "tenant": TENANT,
            "name": "client of quorate dev",
        }])
        .to_string(),
    );
    secret_file::write_new(&folder.join("credentials.json"), credentials.as_bytes())
}

/// Makes a folder that only its owner can enter.
pub(crate) fn own_folder(path: &Path) -> Result<(), CliError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| CliError::file(path, "created", &error))?;
    let metadata = std::fs::metadata(path).map_err(|e| CliError::file(path, "read", &e))?;
    if metadata.permissions().mode() & 0o077 != 0 {
        let path = path.display();
        let what = format!("{path}: others may enter the folder that will hold keys");
        return Err(CliError::invalid(
            what,
            format!("chmod 700 {path}, or use another --dir"),
        ));
    }
    Ok(())
}

fn refuse_leftovers(dir: &Path) -> Result<(), CliError> {
    let mut entries = std::fs::read_dir(dir).map_err(|e| CliError::file(dir, "read", &e))?;
    if entries.next().is_none() {
        return Ok(());
    }
    let what = format!("{}: holds files, but no finished cluster", dir.display());
    let remedy = "use another --dir, or remove the folder if nothing in it is needed";
    Err(CliError::invalid(what, remedy))
}

#[cfg(test)]
mod tests;
