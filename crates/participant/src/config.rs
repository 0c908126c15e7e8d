//! `participant.toml`. Every key, its default and its meaning are in `docs/configuration.md`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use quorate_chains::FeeLimits;
use quorate_types::{NodeId, ProtocolName};
use serde::Deserialize;
use thiserror::Error;

/// Why a configuration is not used. The operator acts.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: the configuration cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not valid.
    #[error("{}: {message}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong, with line and column.
        message: String,
    },
}

/// Configuration of one participant.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParticipantConfig {
    /// Name in the manifest.
    pub node_id: NodeId,
    /// Shares, records and audit log.
    #[serde(default = "default_data_dir")]
    pub data_dir: PathBuf,
    /// Manifest version 1: the root of trust.
    pub manifest: PathBuf,
    /// Ed25519 identity key: 32 bytes in hex, owner-only.
    pub identity_key_file: PathBuf,
    /// X25519 key of the Noise links: 32 bytes in hex, owner-only.
    pub noise_key_file: PathBuf,
    /// What protects the shares.
    pub master_key: MasterKeyConfig,
    /// Where it listens.
    pub listen: Listen,
    /// Noise addresses of the other participants, by node id.
    #[serde(default)]
    pub peers: BTreeMap<NodeId, String>,
    /// Certificates of the gRPC service.
    #[serde(default)]
    pub tls: Tls,
    /// Limits of sessions.
    #[serde(default)]
    pub limits: SessionLimits,
    /// Protocols that are switched off here.
    #[serde(default)]
    pub disabled_protocols: Vec<ProtocolName>,
}

/// Addresses that a participant listens on.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    /// gRPC for coordinators.
    pub grpc: SocketAddr,
    /// Noise for participants.
    pub noise: SocketAddr,
    /// Prometheus metrics and liveness over plain HTTP; off if absent.
    #[serde(default)]
    pub metrics: Option<SocketAddr>,
}

/// Mutual TLS towards coordinators.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// Certificate chain, PEM.
    pub cert_file: PathBuf,
    /// Its key, PEM, owner-only.
    pub key_file: PathBuf,
    /// Authorities that coordinators' certificates come from, PEM.
    pub ca_file: PathBuf,
    /// Revocation lists of these authorities, PEM or DER; without it, revocation is not checked.
    pub crl_file: Option<PathBuf>,
}

impl Default for Tls {
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

/// Where the master key's protection comes from.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum MasterKeyConfig {
    /// A passphrase in a file that only its owner can read (a mounted secret).
    PassphraseFile {
        /// The file; a newline at its end is ignored.
        path: PathBuf,
    },
    /// 32 random bytes in hex in a file that only its owner can read.
    KeyFile {
        /// The file.
        path: PathBuf,
    },
}

/// Limits of sessions at one participant.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SessionLimits {
    /// Sessions that run at a time; more are refused with `RATE_LIMITED`.
    pub max_sessions: usize,
    /// How long a round of a signature may wait for its messages.
    pub sign_round_timeout_ms: u64,
    /// How long a round of key generation may wait for its messages.
    pub keygen_round_timeout_ms: u64,
    /// How long a new key may wait for links to all its members before anything is bound.
    pub links_timeout_ms: u64,
    /// How long a round of a set-up of pair state may wait for its message.
    pub pair_round_timeout_ms: u64,
    /// How long a new key may wait for the signatures of all nodes.
    pub certify_timeout_ms: u64,
    /// How far a client's clock may be ahead.
    pub clock_tolerance_seconds: u64,
    /// Opened shares kept in memory.
    pub cached_keys: usize,
    /// Bytes of messages that one peer may send for sessions that are not open here yet.
    pub early_bytes_per_peer: usize,
    /// How long such messages are kept.
    pub early_ttl_ms: u64,
    /// Bytes of messages of one peer that may wait in the queues of all running sessions.
    pub queued_bytes_per_peer: usize,
    /// How often unfinished certificates are asked for.
    pub settle_interval_ms: u64,
    /// How long the queue of results to a coordinator may be full before its stream is dropped.
    pub report_timeout_ms: u64,
    /// How long a node still answers an expired intent with its signature before it forgets it.
    pub remember_expired_seconds: u64,
    /// FROST nonces that this node keeps ahead for one set of signers, and takes of each peer: 4 at
    /// least; 0 switches stocks off.
    pub stocked_nonces_per_set: usize,
    /// Threads for cryptography that takes long: so many always, and so many at most. One always, so
    /// that work gets done where the system gives no more; a further one starts within milliseconds.
    /// The most is the number of cores, unless it is set.
    pub crypto_threads_min: usize,
    /// See `crypto_threads_min`.
    pub crypto_threads_max: usize,
    /// Pieces of such work that may wait. Beyond, keys of many nodes are refused with `RATE_LIMITED`, and
    /// what has begun computes where its message arrived.
    pub crypto_queue_length: usize,
    /// Most that a transaction may pay as a fee.
    pub fees: Fees,
}

/// Most that this node lets a transaction pay as a fee (row D6), in the smallest unit of the chain.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Fees {
    /// Bitcoin, in all.
    pub bitcoin_satoshi: u64,
    /// Bitcoin, for each virtual byte.
    pub bitcoin_satoshi_per_vbyte: u64,
    /// Ethereum, gas limit times price.
    pub ethereum_wei: u64,
    /// Solana, with the priority fee.
    pub solana_lamports: u64,
}

impl Default for Fees {
    fn default() -> Self {
        let usual = FeeLimits::default();
        Self {
            bitcoin_satoshi: usual.bitcoin_satoshi,
            bitcoin_satoshi_per_vbyte: usual.bitcoin_satoshi_per_vbyte,
            ethereum_wei: u64::try_from(usual.ethereum_wei).unwrap_or(u64::MAX),
            solana_lamports: usual.solana_lamports,
        }
    }
}

impl Fees {
    /// As the decoders of transactions check them.
    #[must_use]
    pub fn limits(&self) -> FeeLimits {
        FeeLimits {
            bitcoin_satoshi: self.bitcoin_satoshi,
            bitcoin_satoshi_per_vbyte: self.bitcoin_satoshi_per_vbyte,
            ethereum_wei: self.ethereum_wei.into(),
            solana_lamports: self.solana_lamports,
        }
    }
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self {
            max_sessions: 256,
            sign_round_timeout_ms: 3_000,
            keygen_round_timeout_ms: 60_000,
            links_timeout_ms: 6_000,
            pair_round_timeout_ms: 5_000,
            certify_timeout_ms: 15_000,
            clock_tolerance_seconds: 30,
            cached_keys: 64,
            early_bytes_per_peer: 16 << 20,
            early_ttl_ms: 30_000,
            queued_bytes_per_peer: 64 << 20,
            settle_interval_ms: 2_000,
            report_timeout_ms: 5_000,
            remember_expired_seconds: 86_400,
            stocked_nonces_per_set: 128,
            crypto_threads_min: 1,
            crypto_threads_max: cores(),
            crypto_queue_length: 2_048,
            fees: Fees::default(),
        }
    }
}

/// Most threads for cryptography that can be asked for.
const MAX_CRYPTO_THREADS: usize = 1_024;

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

impl SessionLimits {
    fn check(&self) -> Result<(), &'static str> {
        // A first stock has four entries.
        if matches!(self.stocked_nonces_per_set, 1..=3) {
            return Err("limits.stocked_nonces_per_set is 0, or 4 at least");
        }
        let (least, most) = (self.crypto_threads_min, self.crypto_threads_max);
        if least < 1 || most > MAX_CRYPTO_THREADS {
            return Err(
                "limits.crypto_threads_min is 1 at least, limits.crypto_threads_max 1024 at most",
            );
        }
        if least > most {
            return Err(
                "limits.crypto_threads_min is above limits.crypto_threads_max, \
                which is the number of cores unless it is set",
            );
        }
        if self.crypto_queue_length < 1 {
            return Err("limits.crypto_queue_length is 1 at least");
        }
        Ok(())
    }
}

fn default_data_dir() -> PathBuf {
    PathBuf::from("/var/lib/quorate")
}

impl ParticipantConfig {
    /// Reads and checks a file. Relative paths in it start at its own folder.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let unreadable = |source| ConfigError::Unreadable {
            path: path.to_owned(),
            source,
        };
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        let invalid = |e: toml::de::Error| ConfigError::Invalid {
            path: path.to_owned(),
            message: e.to_string(),
        };
        let mut config: Self = toml::from_str(&text).map_err(invalid)?;
        config
            .limits
            .check()
            .map_err(|message| ConfigError::Invalid {
                path: path.to_owned(),
                message: message.to_owned(),
            })?;
        let folder = path.parent().unwrap_or(Path::new("."));
        let files = [
            &mut config.data_dir,
            &mut config.manifest,
            &mut config.identity_key_file,
            &mut config.noise_key_file,
            &mut config.tls.cert_file,
            &mut config.tls.key_file,
            &mut config.tls.ca_file,
        ];
        for file in files.into_iter().chain(&mut config.tls.crl_file) {
            *file = folder.join(&*file);
        }
        match &mut config.master_key {
            MasterKeyConfig::PassphraseFile { path } | MasterKeyConfig::KeyFile { path } => {
                *path = folder.join(&*path);
            }
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stocked_nonces_per_set__should_be_0_or_room_for_a_first_stock() {
        for (stocked_nonces_per_set, is_fine) in [(0, true), (1, false), (3, false), (4, true)] {
            let limits = SessionLimits {
                stocked_nonces_per_set,
                ..SessionLimits::default()
            };
            assert_eq!(limits.check().is_ok(), is_fine, "{stocked_nonces_per_set}");
        }
    }

    #[test]
    fn threads_for_cryptography__should_be_one_at_least_and_in_order() {
        for (least, most, queue, is_fine) in [
            (1, 1, 1, true),
            (4, 1_024, 9, true),
            (0, 4, 9, false),
            (5, 4, 9, false),
            (1, 1_025, 9, false),
            (1, 4, 0, false),
        ] {
            let limits = SessionLimits {
                crypto_threads_min: least,
                crypto_threads_max: most,
                crypto_queue_length: queue,
                ..SessionLimits::default()
            };
            assert_eq!(limits.check().is_ok(), is_fine, "{least} {most} {queue}");
        }
        assert!(SessionLimits::default().check().is_ok());
    }
}
