//! The links of one process, tried from its own machine with its own keys.
//!
//! Nothing that runs is disturbed: TLS connections end after their first answer, and Noise
//! handshakes stop before they count.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use quorate_intent::{Manifest, SignedManifest};
use quorate_transport::LinkFault;
use quorate_transport::noise::{LinkConfig, Peer, probe};
use quorate_transport::tls::{ClientTls, PeerIdentity, TlsFiles, TlsLimits};
use quorate_types::{Digest32, NodeId, UnixSeconds};
use serde::Deserialize;
use x25519_dalek::{PublicKey, StaticSecret};

use super::Findings;
use crate::clock::now;
use crate::error::CliError;
use crate::secret_file;

/// A certificate that ends sooner is worth a word.
const WARN_DAYS: i64 = 14;

/// `coordinator.toml`, as far as links go.
#[derive(Deserialize)]
struct CoordinatorFile {
    coordinator: CoordinatorPart,
}

#[derive(Deserialize)]
struct CoordinatorPart {
    nodes: BTreeMap<NodeId, String>,
    tls: TlsPart,
}

/// `participant.toml`, as far as links go.
#[derive(Deserialize)]
struct ParticipantFile {
    node_id: NodeId,
    manifest: PathBuf,
    noise_key_file: PathBuf,
    listen: ListenPart,
    #[serde(default)]
    peers: BTreeMap<NodeId, String>,
    #[serde(default)]
    tls: TlsPart,
}

#[derive(Deserialize)]
struct ListenPart {
    grpc: SocketAddr,
    noise: SocketAddr,
}

#[derive(Deserialize)]
#[serde(default)]
struct TlsPart {
    cert_file: PathBuf,
    key_file: PathBuf,
    ca_file: PathBuf,
    crl_file: Option<PathBuf>,
}

impl Default for TlsPart {
    fn default() -> Self {
        let folder = Path::new("/etc/quorate/tls");
        Self {
            cert_file: folder.join("node.crt"),
            key_file: folder.join("node.key"),
            ca_file: folder.join("ca.crt"),
            crl_file: None,
        }
    }
}

impl TlsPart {
    fn files(&self, folder: &Path) -> TlsFiles {
        TlsFiles {
            certificate: folder.join(&self.cert_file),
            key: folder.join(&self.key_file),
            ca: folder.join(&self.ca_file),
            crls: self.crl_file.iter().map(|file| folder.join(file)).collect(),
        }
    }
}

/// Tries every link that the configuration names.
pub(super) async fn look(config: &Path, findings: &mut Findings) -> Result<(), CliError> {
    let text = std::fs::read_to_string(config).map_err(|e| CliError::file(config, "read", &e))?;
    let folder = config.parent().unwrap_or(Path::new("."));
    if let Ok(file) = toml::from_str::<CoordinatorFile>(&text) {
        coordinator(&file.coordinator, folder, findings).await;
        return Ok(());
    }
    let file: ParticipantFile = toml::from_str(&text).map_err(|error| {
        CliError::invalid(
            format!("{}: {error}", config.display()),
            "name a coordinator.toml or a participant.toml",
        )
    })?;
    participant(&file, folder, findings).await;
    Ok(())
}

async fn coordinator(part: &CoordinatorPart, folder: &Path, findings: &mut Findings) {
    let Some(tls) = own_tls(&part.tls.files(folder), findings) else {
        return;
    };
    let limits = TlsLimits::default();
    for (node, address) in &part.nodes {
        let expected = PeerIdentity::participant(node.clone());
        let reached = tls.probe(address.clone(), expected, &limits).await;
        tell(&format!("{node} at {address}"), reached, findings);
    }
}

/// The own certificate, and whether it can be used.
fn own_tls(files: &TlsFiles, findings: &mut Findings) -> Option<ClientTls> {
    let own = match files.own_certificate() {
        Ok(own) => own,
        Err(error) => {
            findings.fail(
                "certificate",
                chain(&error),
                "enroll this machine (`quorate node enroll`)",
            );
            return None;
        }
    };
    let now = i64::try_from(now().0).unwrap_or(i64::MAX);
    let shown = |time: i64| UnixSeconds(u64::try_from(time).unwrap_or(0)).to_rfc3339();
    let renew = "renew it: `quorate node enroll request --renew`";
    let until = format!("{} until {}", own.identity, shown(own.not_after));
    if now >= own.not_after {
        findings.fail("certificate", format!("expired: {until}"), renew);
    } else if now < own.not_before {
        let found = format!("not valid before {}", shown(own.not_before));
        findings.fail("certificate", found, LinkFault::ClockSkew.remedy());
    } else if own.not_after - now < WARN_DAYS * 86_400 {
        findings.warn("certificate", until, renew);
    } else {
        findings.ok("certificate", until);
    }
    match ClientTls::from_files(files) {
        Ok(tls) => {
            findings.ok("TLS files", "key, authority and revocation lists fit");
            Some(tls)
        }
        Err(error) => {
            findings.fail(
                "TLS files",
                chain(&error),
                "correct the file that is named; docs/runbooks/links.md",
            );
            None
        }
    }
}

async fn participant(file: &ParticipantFile, folder: &Path, findings: &mut Findings) {
    own_tls(&file.tls.files(folder), findings);
    for (what, address) in [("gRPC", file.listen.grpc), ("Noise", file.listen.noise)] {
        let listens = tokio::net::TcpStream::connect(address).await;
        let check = format!("own {what} port {address}");
        match listens {
            // Not more than that: who listens is tried from the other side.
            Ok(_) => findings.ok(&check, "somebody listens there"),
            Err(error) => tell(&check, Err(LinkFault::of_io(&error)), findings),
        }
    }
    let manifest = match manifest(&folder.join(&file.manifest)) {
        Ok(manifest) => manifest,
        Err(error) => return findings.fail("manifest", error.to_string(), error.remedy()),
    };
    let secret = match secret_file::read_32(&folder.join(&file.noise_key_file)) {
        Ok(secret) => secret,
        Err(error) => return findings.fail("Noise key", error.to_string(), error.remedy()),
    };
    let public = PublicKey::from(&StaticSecret::from(*secret)).to_bytes();
    match manifest.node(&file.node_id) {
        Some(own) if own.noise == public => findings.ok("Noise key", "the manifest names it"),
        Some(_) => return tell("Noise key", Err(LinkFault::WrongNoiseKey), findings),
        None => return tell("Noise key", Err(LinkFault::NotInManifest), findings),
    }
    let context = Digest32::of(b"quorate links v1", &[manifest.cluster.as_str().as_bytes()]);
    let links = LinkConfig::new(file.node_id.clone(), secret, context);
    for (id, address) in &file.peers {
        let check = format!("{id} at {address}");
        let Some(known) = manifest.node(id) else {
            tell(&check, Err(LinkFault::NotInManifest), findings);
            continue;
        };
        if file.node_id > *id {
            let found = "this node waits for it to dial; ask there";
            findings.ok(&check, found);
            continue;
        }
        let peer = Peer {
            address: address.clone(),
            static_key: known.noise,
        };
        let reached = probe(&links, id, &peer).await;
        tell_peer(&check, reached.map_err(LinkFault::of_refusal), findings);
    }
}

/// As [`tell`]; what ends a handshake without a word may be another node than the one that was meant.
fn tell_peer(check: &str, reached: Result<(), LinkFault>, findings: &mut Findings) {
    let Err(fault @ LinkFault::NoiseClosed) = reached else {
        return tell(check, reached, findings);
    };
    let remedy = format!(
        "{}; make sure that the address is this peer's: another node answers like this",
        fault.remedy()
    );
    findings.fail(check, format!("{fault} ({})", fault.label()), remedy);
}

fn tell(check: &str, reached: Result<(), LinkFault>, findings: &mut Findings) {
    match reached {
        Ok(()) => findings.ok(check, "reached, and it is who it must be"),
        Err(fault) => {
            let found = format!("{fault} ({})", fault.label());
            findings.fail(check, found, fault.remedy());
        }
    }
}

fn manifest(path: &Path) -> Result<Manifest, CliError> {
    let text = std::fs::read_to_string(path).map_err(|e| CliError::file(path, "read", &e))?;
    let unusable = |error: quorate_intent::ManifestError| {
        CliError::invalid(
            format!("{}: {error}", path.display()),
            "use the cluster's signed manifest, from its owner",
        )
    };
    let signed = SignedManifest::from_json(&text).map_err(unusable)?;
    signed.verify_first().map_err(unusable)?;
    Ok(signed.manifest)
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests;
