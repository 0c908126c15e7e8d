//! The root of trust of a cluster: who owns it, who may ask, which nodes hold shares.

use std::collections::BTreeSet;

use ed25519_dalek::{Signer as _, SigningKey};
use quorate_types::{
    Canonical, ClusterId, DecodeError, Digest32, InitiatorId, NodeId, Reader, Tenant, Writer,
};
use quorate_verify::verify_ed25519;
use thiserror::Error;

use crate::act::ActKind;

const MAGIC: &str = "quorate manifest";
const FORMAT: u16 = 1;
const MAX_LIST: usize = 1024;

/// Why a manifest is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// The file is not a manifest.
    #[error("the manifest file is malformed: {0}")]
    Malformed(String),
    /// Two entries share an id or a key.
    #[error("the manifest names {what} `{id}` twice, or under two names")]
    Duplicate {
        /// Kind of entry.
        what: &'static str,
        /// Which one.
        id: String,
    },
    /// A public key is not a usable point.
    #[error("the {what} key of `{id}` is not a valid public key")]
    BadKey {
        /// Kind of key.
        what: &'static str,
        /// Whose.
        id: String,
    },
    /// An initiator is granted an act that only owners may ask for.
    #[error("initiator `{id}` is granted `{act}`, which is for owners only")]
    ForOwners {
        /// Which initiator.
        id: String,
        /// Which act.
        act: ActKind,
    },
    /// No owners, or a quorum that the owners cannot reach.
    #[error("the owner quorum must be between 1 and the number of owners")]
    BadQuorum,
    /// Too few owners signed.
    #[error("{valid} owners signed this manifest version, {needed} are needed")]
    NotSigned {
        /// Valid signatures of different owners.
        valid: usize,
        /// Quorum.
        needed: u8,
    },
    /// It does not follow the version that this node has.
    #[error("manifest version {found} does not follow version {known}: {why}")]
    NotSuccessor {
        /// Version offered.
        found: u64,
        /// Version held.
        known: u64,
        /// What does not fit.
        why: &'static str,
    },
}

/// A person or service that signs new manifests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Name.
    pub id: InitiatorId,
    /// Ed25519 public key.
    pub key: [u8; 32],
}

/// A client that may sign intents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Initiator {
    /// Name in intents.
    pub id: InitiatorId,
    /// Ed25519 public key.
    pub key: [u8; 32],
    /// For whom it may act.
    pub tenants: Vec<Tenant>,
    /// What it may ask for.
    pub acts: Vec<ActKind>,
}

/// A participant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestNode {
    /// Name.
    pub id: NodeId,
    /// Ed25519 key that signs its statements and messages.
    pub identity: [u8; 32],
    /// X25519 static key of its Noise links.
    pub noise: [u8; 32],
}

/// One version of the root of trust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Cluster.
    pub cluster: ClusterId,
    /// From 1, one more each version.
    pub version: u64,
    /// Digest of the version before; zero for version 1.
    pub previous: Digest32,
    /// How many owners must sign the next version.
    pub owner_quorum: u8,
    /// Who signs manifests.
    pub owners: Vec<Owner>,
    /// Who signs intents.
    pub initiators: Vec<Initiator>,
    /// Who may hold shares.
    pub nodes: Vec<ManifestNode>,
}

impl Manifest {
    /// Digest that the next version names as `previous`, and that owners sign.
    #[must_use]
    pub fn digest(&self) -> Digest32 {
        Digest32::of(b"quorate manifest digest v1", &[&self.to_bytes()])
    }

    /// The bytes that each owner signs.
    #[must_use]
    pub fn signing_bytes(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.text("quorate manifest signature v1")
            .value(&self.digest());
        out.finish()
    }

    /// The owner of this name.
    #[must_use]
    pub fn owner(&self, id: &InitiatorId) -> Option<&Owner> {
        self.owners.iter().find(|owner| owner.id == *id)
    }

    /// The initiator of this name.
    #[must_use]
    pub fn initiator(&self, id: &InitiatorId) -> Option<&Initiator> {
        self.initiators.iter().find(|initiator| initiator.id == *id)
    }

    /// The node of this name.
    #[must_use]
    pub fn node(&self, id: &NodeId) -> Option<&ManifestNode> {
        self.nodes.iter().find(|node| node.id == *id)
    }

    /// Checks what must hold inside one version: quorum, unique ids and keys, valid keys, no act of
    /// owners granted to an initiator.
    ///
    /// # Errors
    /// [`ManifestError`].
    pub fn check(&self) -> Result<(), ManifestError> {
        if self.owner_quorum == 0 || usize::from(self.owner_quorum) > self.owners.len() {
            return Err(ManifestError::BadQuorum);
        }
        unique("owner", self.owners.iter().map(|o| (o.id.as_str(), &o.key)))?;
        unique(
            "initiator",
            self.initiators.iter().map(|i| (i.id.as_str(), &i.key)),
        )?;
        unique(
            "node",
            self.nodes.iter().map(|n| (n.id.as_str(), &n.identity)),
        )?;
        unique("node", self.nodes.iter().map(|n| (n.id.as_str(), &n.noise)))?;
        for initiator in &self.initiators {
            if let Some(act) = initiator.acts.iter().find(|act| act.is_for_owners()) {
                let (id, act) = (initiator.id.to_string(), *act);
                return Err(ManifestError::ForOwners { id, act });
            }
        }
        let owners = self.owners.iter().map(|o| ("owner", o.id.as_str(), &o.key));
        let initiators = self
            .initiators
            .iter()
            .map(|i| ("initiator", i.id.as_str(), &i.key));
        let nodes = self
            .nodes
            .iter()
            .map(|n| ("node identity", n.id.as_str(), &n.identity));
        for (what, id, key) in owners.chain(initiators).chain(nodes) {
            quorate_verify::check_ed25519_point(key).map_err(|_| ManifestError::BadKey {
                what,
                id: id.to_owned(),
            })?;
        }
        Ok(())
    }
}

fn unique<'a>(
    what: &'static str,
    entries: impl Iterator<Item = (&'a str, &'a [u8; 32])>,
) -> Result<(), ManifestError> {
    let (mut ids, mut keys) = (BTreeSet::new(), BTreeSet::new());
    for (id, key) in entries {
        if !ids.insert(id) || !keys.insert(key) {
            return Err(ManifestError::Duplicate {
                what,
                id: id.to_owned(),
            });
        }
    }
    Ok(())
}

/// A manifest with the signatures of owners.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedManifest {
    /// The version.
    pub manifest: Manifest,
    /// Owners' signatures over its digest, by owner id.
    pub signatures: Vec<(InitiatorId, [u8; 64])>,
}

impl SignedManifest {
    /// Signs a version with the keys of owners, by owner id.
    #[must_use]
    pub fn sign<'a>(
        manifest: Manifest,
        keys: impl IntoIterator<Item = (&'a InitiatorId, &'a SigningKey)>,
    ) -> Self {
        let statement = manifest.signing_bytes();
        let signatures = keys
            .into_iter()
            .map(|(owner, key)| (owner.clone(), key.sign(&statement).to_bytes()))
            .collect();
        Self {
            manifest,
            signatures,
        }
    }

    /// Checks version 1, which is in each participant's own configuration: it must be consistent
    /// and signed by the quorum of its own owners.
    ///
    /// # Errors
    /// [`ManifestError`].
    pub fn verify_first(&self) -> Result<&Manifest, ManifestError> {
        self.manifest.check()?;
        if self.manifest.version != 1 || self.manifest.previous != Digest32::from_array([0; 32]) {
            let (found, known) = (self.manifest.version, 0);
            let why = "the first version is 1 and has no previous digest";
            return Err(ManifestError::NotSuccessor { found, known, why });
        }
        self.check_quorum(&self.manifest)?;
        Ok(&self.manifest)
    }

    /// Checks that this version follows `known`: signed by the owner quorum of `known`.
    ///
    /// # Errors
    /// [`ManifestError`].
    pub fn verify_successor(&self, known: &Manifest) -> Result<&Manifest, ManifestError> {
        self.manifest.check()?;
        let refuse = |why| {
            let (found, known) = (self.manifest.version, known.version);
            Err(ManifestError::NotSuccessor { found, known, why })
        };
        if self.manifest.cluster != known.cluster {
            return refuse("it is for another cluster");
        }
        if known.version.checked_add(1) != Some(self.manifest.version) {
            return refuse("versions are taken one after the other");
        }
        if self.manifest.previous != known.digest() {
            return refuse("its previous digest is not that of the version held here");
        }
        self.check_quorum(known)?;
        Ok(&self.manifest)
    }

    fn check_quorum(&self, authority: &Manifest) -> Result<(), ManifestError> {
        let statement = self.manifest.signing_bytes();
        let signed = |owner: &&Owner| {
            let mut of_owner = self.signatures.iter().filter(|(id, _)| *id == owner.id);
            of_owner.any(|(_, signature)| verify_ed25519(&owner.key, &statement, signature).is_ok())
        };
        let valid = authority.owners.iter().filter(signed).count();
        let needed = authority.owner_quorum;
        if valid < usize::from(needed) {
            return Err(ManifestError::NotSigned { valid, needed });
        }
        Ok(())
    }
}

impl Canonical for Owner {
    fn write(&self, out: &mut Writer) {
        out.value(&self.id).fixed(&self.key);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            id: InitiatorId::read(input)?,
            key: input.array("owner key")?,
        })
    }
}

impl Canonical for Initiator {
    fn write(&self, out: &mut Writer) {
        out.value(&self.id).fixed(&self.key);
        out.list(self.tenants.iter()).list(self.acts.iter());
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            id: InitiatorId::read(input)?,
            key: input.array("initiator key")?,
            tenants: input.list("tenants", MAX_LIST)?,
            acts: input.list("acts", MAX_LIST)?,
        })
    }
}

impl Canonical for ManifestNode {
    fn write(&self, out: &mut Writer) {
        out.value(&self.id).fixed(&self.identity).fixed(&self.noise);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            id: NodeId::read(input)?,
            identity: input.array("node identity key")?,
            noise: input.array("node noise key")?,
        })
    }
}

impl Canonical for Manifest {
    fn write(&self, out: &mut Writer) {
        out.text(MAGIC).u16(FORMAT);
        out.value(&self.cluster)
            .u64(self.version)
            .value(&self.previous)
            .u8(self.owner_quorum);
        out.list(self.owners.iter())
            .list(self.initiators.iter())
            .list(self.nodes.iter());
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        if input.text("magic", MAGIC.len())? != MAGIC || input.u16("format")? != FORMAT {
            return Err(DecodeError::Unknown {
                what: "manifest format",
            });
        }
        Ok(Self {
            cluster: ClusterId::read(input)?,
            version: input.u64("version")?,
            previous: Digest32::read(input)?,
            owner_quorum: input.u8("owner quorum")?,
            owners: input.list("owners", MAX_LIST)?,
            initiators: input.list("initiators", MAX_LIST)?,
            nodes: input.list("nodes", MAX_LIST)?,
        })
    }
}
