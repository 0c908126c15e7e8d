//! `cluster.json`: what a dev cluster is made of. Written once; configurations are made from it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use quorate_types::NodeId;
use serde::{Deserialize, Serialize};

use crate::error::CliError;

/// Name of the coordinator, of its process and of its folder.
pub(super) const COORDINATOR: &str = "coordinator";

/// The parts of a cluster and their addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cluster {
    pub(super) version: u16,
    /// REST interface.
    pub(super) http: SocketAddr,
    /// Participants, in the order of the manifest.
    pub(super) nodes: Vec<ClusterNode>,
}

/// One participant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClusterNode {
    pub(super) id: NodeId,
    pub(super) grpc: SocketAddr,
    pub(super) noise: SocketAddr,
}

const VERSION: u16 = 1;
const FILE: &str = "cluster.json";

impl Cluster {
    pub(super) const fn new(http: SocketAddr, nodes: Vec<ClusterNode>) -> Self {
        Self {
            version: VERSION,
            http,
            nodes,
        }
    }

    /// Reads the file; none if this folder has no cluster yet.
    pub(super) fn read(dir: &Path) -> Result<Option<Self>, CliError> {
        let path = dir.join(FILE);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(CliError::file(&path, "read", &error)),
        };
        let cluster: Result<Self, _> = serde_json::from_str(&text);
        match cluster {
            Ok(cluster) if cluster.version == VERSION => Ok(Some(cluster)),
            _ => {
                let what = format!("{}: not a cluster of this version", path.display());
                Err(CliError::invalid(what, "use another --dir"))
            }
        }
    }

    /// As [`Self::read`], where there must be one.
    pub(super) fn existing(dir: &Path) -> Result<Self, CliError> {
        Self::read(dir)?.ok_or_else(|| {
            let what = format!("{}: no cluster lives here", dir.display());
            CliError::invalid(
                what,
                "name its folder with --dir, or start one with `quorate dev`",
            )
        })
    }

    pub(super) fn write(&self, dir: &Path) -> Result<(), CliError> {
        let text = serde_json::to_string_pretty(self).expect("names and addresses only");
        replace_file(&dir.join(FILE), &text)
    }

    /// Every process, the coordinator last: participants listen when it looks for them.
    pub(super) fn process_names(&self) -> Vec<&str> {
        let nodes = self.nodes.iter().map(|node| node.id.as_str());
        nodes.chain([COORDINATOR]).collect()
    }

    /// The node of this name.
    pub(super) fn node(&self, name: &str) -> Option<&ClusterNode> {
        self.nodes.iter().find(|node| node.id.as_str() == name)
    }

    /// Base address of the REST interface.
    pub(super) fn endpoint(&self) -> String {
        format!("http://{}", self.http)
    }
}

/// Configuration file of a process.
pub(super) fn config_file(dir: &Path, name: &str) -> PathBuf {
    let file = if name == COORDINATOR {
        "coordinator.toml"
    } else {
        "participant.toml"
    };
    dir.join(name).join(file)
}

/// Log file of a process.
pub(super) fn log_file(dir: &Path, name: &str) -> PathBuf {
    dir.join(name).join("log.jsonl")
}

/// Configuration of clients.
pub(super) fn client_file(dir: &Path) -> PathBuf {
    dir.join("client.toml")
}

/// Writes a file whole or not at all. For what is no secret.
pub(crate) fn replace_file(path: &Path, text: &str) -> Result<(), CliError> {
    let temporary = path.with_extension("new");
    let written = std::fs::write(&temporary, text).and_then(|()| std::fs::rename(&temporary, path));
    written.map_err(|error| CliError::file(path, "written", &error))
}
