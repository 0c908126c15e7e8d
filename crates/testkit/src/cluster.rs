//! Real participant processes in a throwaway folder.

mod files;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use ed25519_dalek::SigningKey;
use quorate_intent::Manifest;
use quorate_transport::tls::PeerIdentity;
use quorate_types::{InitiatorId, NodeId};

use crate::coordinator_double::CoordinatorDouble;
use crate::credentials::{Authority, Identity, NodeKeys, random};
use crate::intents::Client;
use crate::relay_double::RelayDouble;
use files::{Ports, free_ports, manifest, write_node};

/// How long anything may take that must happen. Only a test that fails waits so long; a machine that
/// does five other things at the same time is no reason to fail.
const PATIENCE: Duration = Duration::from_secs(180);

/// Names the script of a test build of the participant; the product ignores it.
const SCRIPT: &str = "QUORATE_DANGER_SCRIPT";

/// Changes files of a cluster before it starts.
pub type BeforeStart = Box<dyn FnOnce(&Cluster) -> Result<()> + Send>;

/// What a cluster is made of.
pub struct Options {
    /// The `quorate-participant` executable.
    pub binary: PathBuf,
    /// Number of participants.
    pub nodes: usize,
    /// Lines for `[limits]` of every participant.toml; [`Options::set_limit`] changes them.
    pub limits: String,
    /// Pairs that cannot reach each other, by index from 0. A coordinator double relays for them.
    pub blocked: Vec<(usize, usize)>,
    /// Lines for `[tls]` of every participant.toml.
    pub tls: String,
    /// Runs when all files are written and nothing is started.
    pub before_start: Option<BeforeStart>,
    /// Further environment of one node: index from 0, name, value.
    pub environment: Vec<(usize, String, String)>,
}

impl Options {
    /// `nodes` honest participants that settle certificates often.
    #[must_use]
    pub fn new(binary: &str, nodes: usize) -> Self {
        let mut options = Self {
            binary: binary.into(),
            nodes,
            limits: String::new(),
            blocked: Vec::new(),
            tls: String::new(),
            before_start: None,
            environment: Vec::new(),
        };
        // Long enough for a round on a machine that does five other things at the same time.
        options.set_limit("sign_round_timeout_ms", 10_000);
        options.set_limit("certify_timeout_ms", 20_000);
        options.set_limit("settle_interval_ms", 200);
        options
    }

    /// Sets a number among the limits of every participant, whatever it was before.
    pub fn set_limit(&mut self, name: &str, value: u64) {
        let before = format!("{name} = ");
        let others = self
            .limits
            .lines()
            .filter(|line| !line.starts_with(&before));
        let mut limits: String = others.map(|line| format!("{line}\n")).collect();
        limits.push_str(&format!("{name} = {value}\n"));
        self.limits = limits;
    }
}

struct Process {
    keys: NodeKeys,
    folder: PathBuf,
    grpc: u16,
    metrics: u16,
    child: Option<Child>,
    environment: Vec<(String, String)>,
}

/// A running cluster. Everything is stopped and removed when it is dropped.
pub struct Cluster {
    folder: tempfile::TempDir,
    binary: PathBuf,
    nodes: Vec<Process>,
    coordinator: Identity,
    relay: Option<RelayDouble>,
    authority: Authority,
    /// Who may ask for anything.
    pub client: Client,
    /// The owner of the manifest.
    pub owner: Client,
    /// The root of trust.
    pub manifest: Manifest,
}

impl Cluster {
    /// Starts participants and waits until all their links are up and all pairs have state.
    ///
    /// # Errors
    /// If anything does not start; the text has the tail of the logs.
    pub async fn start(options: Options) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let authority = Authority::new()?;
        let (owner, initiator) = (
            SigningKey::from_bytes(&random()?),
            SigningKey::from_bytes(&random()?),
        );
        let names = (1..=options.nodes).map(|n| NodeKeys::generate(&format!("p{n}")));
        let keys = names.collect::<Result<Vec<_>>>()?;
        let (signed, client) = manifest(&keys, &owner, &initiator)?;
        let manifest_file = folder.path().join("manifest.json");
        std::fs::write(&manifest_file, signed.to_json()?)?;
        let ports = free_ports(options.nodes * 3)?;
        let (grpc, rest) = ports.split_at(options.nodes);
        let (noise, metrics) = rest.split_at(options.nodes);
        let mut nodes = Vec::new();
        for (position, keys) in keys.into_iter().enumerate() {
            let home = folder.path().join(keys.id.as_str());
            let tls = authority.issue(&home, &PeerIdentity::participant(keys.id.clone()))?;
            let port = *grpc.get(position).context("a port for each")?;
            let metrics = *metrics.get(position).context("a port for each")?;
            let ports = Ports {
                grpc: port,
                metrics,
                noise,
                blocked: &options.blocked,
            };
            write_node(
                &home,
                &keys,
                &tls,
                &manifest_file,
                &ports,
                position,
                &options,
            )?;
            let mine = options
                .environment
                .iter()
                .filter(|(node, ..)| *node == position);
            let environment = mine
                .map(|(_, name, value)| (name.clone(), value.clone()))
                .collect();
            nodes.push(Process {
                keys,
                folder: home,
                grpc: port,
                metrics,
                child: None,
                environment,
            });
        }
        let coordinator = PeerIdentity::coordinator(NodeId::new("c1")?);
        let coordinator = authority.issue(&folder.path().join("c1"), &coordinator)?;
        let manifest = signed.manifest;
        let binary = options.binary.clone();
        let mut cluster = Self {
            folder,
            binary,
            nodes,
            coordinator,
            relay: None,
            authority,
            owner: Client {
                initiator: InitiatorId::new("owner")?,
                key: owner,
                ..client.clone()
            },
            client,
            manifest,
        };
        if let Some(prepare) = options.before_start {
            prepare(&cluster)?;
        }
        for position in 0..cluster.nodes.len() {
            cluster.start_node(position)?;
        }
        if !options.blocked.is_empty() {
            cluster.relay = Some(cluster.start_relay().await?);
        }
        cluster.wait_for_links().await?;
        Ok(cluster)
    }

    /// The coordinator double that relays for the blocked pairs.
    ///
    /// # Errors
    /// If no pair is blocked.
    pub fn relay(&self) -> Result<&RelayDouble> {
        self.relay.as_ref().context("no pair is blocked")
    }

    async fn start_relay(&self) -> Result<RelayDouble> {
        // Connecting waits until each node listens.
        drop(self.connect_all().await?);
        let address = |node: &Process| (node.keys.id.clone(), format!("127.0.0.1:{}", node.grpc));
        let nodes = self.nodes.iter().map(address).collect();
        RelayDouble::connect(&self.coordinator, nodes).await
    }

    /// Revokes the certificate of the coordinator that this cluster's doubles use, or takes it back:
    /// writes `path` as the authority's list.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write_revocations(&self, path: &Path, revoke_coordinator: bool) -> Result<()> {
        self.authority
            .write_list(path, revoke_coordinator.then_some(&self.coordinator))
    }

    /// Names of all participants, in order.
    #[must_use]
    pub fn node_ids(&self) -> Vec<NodeId> {
        self.nodes.iter().map(|node| node.keys.id.clone()).collect()
    }

    /// Folder of one participant's data.
    ///
    /// # Errors
    /// If there is no such node.
    pub fn data_dir(&self, position: usize) -> Result<PathBuf> {
        Ok(self.node(position)?.folder.join("data"))
    }

    /// What one participant has logged.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn log(&self, position: usize) -> Result<String> {
        Ok(std::fs::read_to_string(
            self.node(position)?.folder.join("log.jsonl"),
        )?)
    }

    /// Folder of the whole cluster.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts a stopped participant again.
    ///
    /// # Errors
    /// If the process cannot be started.
    pub fn start_node(&mut self, position: usize) -> Result<()> {
        let binary = self.binary.clone();
        let node = self.nodes.get_mut(position).context("no such node")?;
        let log = File::options()
            .create(true)
            .append(true)
            .open(node.folder.join("log.jsonl"))?;
        let child = Command::new(binary)
            .arg("--config")
            .arg(node.folder.join("participant.toml"))
            .env(SCRIPT, node.folder.join("danger.txt"))
            .envs(node.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()?;
        node.child = Some(child);
        Ok(())
    }

    /// Changes the environment that a participant gets when it is started again.
    ///
    /// # Errors
    /// If there is no such node.
    pub fn set_environment(&mut self, position: usize, name: &str, value: &str) -> Result<()> {
        let node = self.nodes.get_mut(position).context("no such node")?;
        node.environment.retain(|(known, _)| known != name);
        node.environment.push((name.to_owned(), value.to_owned()));
        Ok(())
    }

    /// Says how a test build of the participant shall misbehave from now on, a line for each lie or
    /// place to die; an empty text makes it honest again.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn script(&self, position: usize, lines: &str) -> Result<()> {
        let folder = &self.node(position)?.folder;
        let new = folder.join("danger.new");
        std::fs::write(&new, lines)?;
        Ok(std::fs::rename(new, folder.join("danger.txt"))?)
    }

    /// Folder of one participant: configuration, keys, data and log.
    ///
    /// # Errors
    /// If there is no such node.
    pub fn node_dir(&self, position: usize) -> Result<&Path> {
        Ok(&self.node(position)?.folder)
    }

    /// What one participant shows to Prometheus.
    ///
    /// # Errors
    /// If it cannot be reached.
    pub fn metrics(&self, position: usize) -> Result<String> {
        use std::io::{Read as _, Write as _};
        let address = ("127.0.0.1", self.node(position)?.metrics);
        let mut stream = std::net::TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    }

    /// The audit records of one participant, in order. Bytes that are no record are skipped, so
    /// that this can read the file of a running process.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn audit(&self, position: usize) -> Result<Vec<serde_json::Value>> {
        let bytes = std::fs::read(self.data_dir(position)?.join("audit.log"))?;
        let text = String::from_utf8_lossy(&bytes);
        let starts = text.match_indices("{\"sequence\"");
        let record = |(at, _): (usize, &str)| {
            let mut values = serde_json::Deserializer::from_str(text.get(at..)?).into_iter();
            values.next()?.ok()
        };
        Ok(starts.filter_map(record).collect())
    }

    /// Waits until something holds of this cluster.
    ///
    /// # Errors
    /// If it does not within the deadline.
    pub async fn eventually(
        &self,
        what: &str,
        mut holds: impl FnMut(&Self) -> Result<bool>,
    ) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !holds(self)? {
            if Instant::now() > deadline {
                bail!("not in time: {what}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Kills a participant (SIGKILL) and waits for its end.
    ///
    /// # Errors
    /// If it cannot be killed.
    pub fn kill_node(&mut self, position: usize) -> Result<()> {
        let node = self.nodes.get_mut(position).context("no such node")?;
        if let Some(mut child) = node.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// Asks a participant to stop (SIGTERM) and waits for its end: all that it wrote is in its place
    /// then.
    ///
    /// # Errors
    /// If it does not end within the deadline.
    pub async fn stop_node(&mut self, position: usize) -> Result<()> {
        let node = self.nodes.get(position).context("no such node")?;
        if let Some(child) = &node.child {
            let pid = child.id().to_string();
            let asked = Command::new("kill").args(["-TERM", &pid]).status()?;
            if !asked.success() {
                bail!("the participant cannot be asked to stop");
            }
        }
        self.wait_for_exit(position).await
    }

    /// Waits until a participant ends by itself.
    ///
    /// # Errors
    /// If it does not within the deadline.
    pub async fn wait_for_exit(&mut self, position: usize) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let node = self.nodes.get_mut(position).context("no such node")?;
        while let Some(child) = &mut node.child {
            if child.try_wait()?.is_some() {
                node.child = None;
            } else if Instant::now() > deadline {
                bail!("node {position} did not end");
            } else {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        Ok(())
    }

    /// A connection to one participant, as a coordinator.
    ///
    /// # Errors
    /// If it cannot be reached within the deadline.
    pub async fn connect(&self, position: usize) -> Result<CoordinatorDouble> {
        let node = self.node(position)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let address = format!("127.0.0.1:{}", node.grpc);
            match CoordinatorDouble::connect(&self.coordinator, address, node.keys.id.clone()).await
            {
                Ok(double) => return Ok(double),
                Err(error) if Instant::now() > deadline => {
                    let log = self.log(position).unwrap_or_default();
                    let tail: Vec<&str> = log.lines().rev().take(5).collect();
                    return Err(error.context(format!("log of {}: {tail:#?}", node.keys.id)));
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    /// One try to connect with the certificate of another participant, as if it were a coordinator.
    ///
    /// # Errors
    /// What the participant answers.
    pub async fn connect_as_node(&self, position: usize, as_node: usize) -> Result<()> {
        let (node, home) = (self.node(position)?, self.node_dir(as_node)?);
        let identity = Identity {
            certificate: home.join("tls.crt"),
            key: home.join("tls.key"),
            authority: home.join("ca.crt"),
            serial: 0,
        };
        let address = format!("127.0.0.1:{}", node.grpc);
        let mut double =
            CoordinatorDouble::connect(&identity, address, node.keys.id.clone()).await?;
        double.heartbeat().await.map(drop)
    }

    /// Connections to all participants.
    ///
    /// # Errors
    /// If one cannot be reached.
    pub async fn connect_all(&self) -> Result<Vec<CoordinatorDouble>> {
        let mut all = Vec::new();
        for position in 0..self.nodes.len() {
            all.push(self.connect(position).await?);
        }
        Ok(all)
    }

    /// Waits until every running participant has a link to every other running one, and pair state
    /// with it.
    ///
    /// # Errors
    /// If that does not happen within the deadline.
    pub async fn wait_for_links(&self) -> Result<()> {
        let running: Vec<usize> = (0..self.nodes.len())
            .filter(|p| self.nodes.get(*p).is_some_and(|n| n.child.is_some()))
            .collect();
        let deadline = Instant::now() + PATIENCE;
        for position in &running {
            let mut double = self.connect(*position).await?;
            loop {
                let health = double.heartbeat().await?;
                let up = health
                    .links
                    .iter()
                    .filter(|link| link.state == "up")
                    .count();
                let with_state = health.pairs.iter();
                let with_state = with_state.filter(|pair| pair.state != "missing").count();
                if up + 1 >= running.len() && with_state + 1 >= running.len() {
                    break;
                }
                if Instant::now() > deadline {
                    let (links, pairs) = (health.links, health.pairs);
                    bail!("links of node {position} are not up: {links:?}, {pairs:?}");
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        Ok(())
    }

    fn node(&self, position: usize) -> Result<&Process> {
        self.nodes.get(position).context("no such node")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            if let Some(mut child) = node.child.take() {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
    }
}
