//! The manifest as a JSON file that people read. Signatures cover the canonical bytes, not the
//! JSON, so spelling and order of the file do not matter.

use quorate_types::{ClusterId, Digest32, InitiatorId, NodeId, Tenant};
use serde::{Deserialize, Serialize};

use crate::act::ActKind;
use crate::manifest::{Initiator, Manifest, ManifestError, ManifestNode, Owner, SignedManifest};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: String,
    cluster: ClusterId,
    version: u64,
    previous: Digest32,
    owner_quorum: u8,
    owners: Vec<FileOwner>,
    initiators: Vec<FileInitiator>,
    nodes: Vec<FileNode>,
    signatures: Vec<FileSignature>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileOwner {
    id: InitiatorId,
    key: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileInitiator {
    id: InitiatorId,
    key: String,
    tenants: Vec<Tenant>,
    acts: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileNode {
    id: NodeId,
    identity: String,
    noise: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileSignature {
    owner: InitiatorId,
    signature: String,
}

const FORMAT: &str = "quorate manifest v1";

impl SignedManifest {
    /// The file's text.
    ///
    /// # Errors
    /// [`ManifestError::Malformed`] if it cannot be written as JSON.
    pub fn to_json(&self) -> Result<String, ManifestError> {
        let m = &self.manifest;
        let initiator = |i: &Initiator| FileInitiator {
            id: i.id.clone(),
            key: hex::encode(i.key),
            tenants: i.tenants.clone(),
            acts: i.acts.iter().map(ToString::to_string).collect(),
        };
        let node = |n: &ManifestNode| FileNode {
            id: n.id.clone(),
            identity: hex::encode(n.identity),
            noise: hex::encode(n.noise),
        };
        let owner = |o: &Owner| FileOwner {
            id: o.id.clone(),
            key: hex::encode(o.key),
        };
        let signature = |(owner, signature): &(InitiatorId, [u8; 64])| FileSignature {
            owner: owner.clone(),
            signature: hex::encode(signature),
        };
        let file = File {
            format: FORMAT.to_owned(),
            cluster: m.cluster.clone(),
            version: m.version,
            previous: m.previous,
            owner_quorum: m.owner_quorum,
            owners: m.owners.iter().map(owner).collect(),
            initiators: m.initiators.iter().map(initiator).collect(),
            nodes: m.nodes.iter().map(node).collect(),
            signatures: self.signatures.iter().map(signature).collect(),
        };
        serde_json::to_string_pretty(&file).map_err(|e| ManifestError::Malformed(e.to_string()))
    }

    /// Reads the file's text. Signatures are not checked here.
    ///
    /// # Errors
    /// [`ManifestError::Malformed`].
    pub fn from_json(text: &str) -> Result<Self, ManifestError> {
        let file: File =
            serde_json::from_str(text).map_err(|e| ManifestError::Malformed(e.to_string()))?;
        if file.format != FORMAT {
            return Err(ManifestError::Malformed(format!(
                "format is not `{FORMAT}`"
            )));
        }
        let signature = |s: &FileSignature| Ok((s.owner.clone(), bytes(&s.signature)?));
        Ok(Self {
            signatures: file
                .signatures
                .iter()
                .map(signature)
                .collect::<Result<_, _>>()?,
            manifest: file.into_manifest()?,
        })
    }
}

impl File {
    fn into_manifest(self) -> Result<Manifest, ManifestError> {
        let owner = |o: FileOwner| {
            Ok(Owner {
                key: bytes(&o.key)?,
                id: o.id,
            })
        };
        let node = |n: FileNode| {
            let (identity, noise) = (bytes(&n.identity)?, bytes(&n.noise)?);
            Ok(ManifestNode {
                id: n.id,
                identity,
                noise,
            })
        };
        Ok(Manifest {
            cluster: self.cluster,
            version: self.version,
            previous: self.previous,
            owner_quorum: self.owner_quorum,
            owners: self
                .owners
                .into_iter()
                .map(owner)
                .collect::<Result<_, ManifestError>>()?,
            initiators: self
                .initiators
                .into_iter()
                .map(FileInitiator::into_initiator)
                .collect::<Result<_, ManifestError>>()?,
            nodes: self
                .nodes
                .into_iter()
                .map(node)
                .collect::<Result<_, ManifestError>>()?,
        })
    }
}

impl FileInitiator {
    fn into_initiator(self) -> Result<Initiator, ManifestError> {
        let act = |name: &String| {
            ActKind::parse(name)
                .ok_or_else(|| ManifestError::Malformed(format!("unknown act `{name}`")))
        };
        let acts = self.acts.iter().map(act).collect::<Result<_, _>>()?;
        Ok(Initiator {
            key: bytes(&self.key)?,
            id: self.id,
            tenants: self.tenants,
            acts,
        })
    }
}

fn bytes<const N: usize>(text: &str) -> Result<[u8; N], ManifestError> {
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes)
        .map_err(|_| ManifestError::Malformed(format!("expected {N} bytes in hex")))?;
    Ok(bytes)
}
