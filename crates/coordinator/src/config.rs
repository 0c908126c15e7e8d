//! Settings of a coordinator. Every one is described in `docs/configuration.md`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use quorate_lead::Limits as LeadLimits;
use quorate_types::{NodeId, ProtocolName};
use serde::{Deserialize, Serialize};

/// Settings of a coordinator.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoordinatorConfig {
    /// Name of this coordinator in heartbeats, logs and audit.
    pub coordinator_id: NodeId,
    /// Folder for the database, unless [`StoreConfig::path`] says otherwise.
    pub data_dir: PathBuf,
    /// The signed manifest, JSON.
    pub manifest: PathBuf,
    /// gRPC address of each participant, `host:port`. All of them must be in the manifest.
    pub nodes: BTreeMap<NodeId, String>,
    /// Files for mutual TLS towards the participants.
    pub tls: TlsFiles,
    /// Database.
    #[serde(default)]
    pub store: StoreConfig,
    /// Protocols.
    #[serde(default)]
    pub protocols: ProtocolsConfig,
    /// Limits.
    #[serde(default)]
    pub limits: LimitsConfig,
}

impl CoordinatorConfig {
    /// Where the database is.
    #[must_use]
    pub fn store_path(&self) -> PathBuf {
        let default = || self.data_dir.join("coordinator.sqlite3");
        self.store.path.clone().unwrap_or_else(default)
    }
}

/// Files for mutual TLS, PEM.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsFiles {
    /// Certificate chain of this coordinator.
    pub cert_file: PathBuf,
    /// Its private key, readable for its owner only.
    pub key_file: PathBuf,
    /// Certificate authority of the participants.
    pub ca_file: PathBuf,
    /// Revocation lists of the authority, PEM or DER; without it, revocation is not checked.
    #[serde(default)]
    pub crl_file: Option<PathBuf>,
}

/// Database.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreConfig {
    /// SQLite file; `<data_dir>/coordinator.sqlite3` if absent.
    pub path: Option<PathBuf>,
}

/// Protocols.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProtocolsConfig {
    /// Names of the enabled protocols; all but legacy ones if absent.
    pub enabled: Option<Vec<ProtocolName>>,
}

macro_rules! limits {
    ($($(#[$doc:meta])* $name:ident: $type:ty = $default:expr;)+) => {
        /// Limits. Every one has a default.
        #[derive(Debug, Clone, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct LimitsConfig {
            $($(#[$doc])* pub $name: $type,)+
        }

        impl Default for LimitsConfig {
            fn default() -> Self {
                Self { $($name: $default,)+ }
            }
        }
    };
}

limits! {
    /// Pause between heartbeats to one node.
    heartbeat_interval_ms: u64 = 1_000;
    /// A node that was silent for so long is offline.
    node_dead_after_ms: u64 = 5_000;
    /// How long to wait for a TCP and TLS connection.
    connect_timeout_ms: u64 = 3_000;
    /// First pause before a broken stream is opened again; doubles each time, plus jitter.
    reconnect_min_ms: u64 = 100;
    /// Longest such pause.
    reconnect_max_ms: u64 = 2_000;
    /// Acts (signatures and key creations) that run at one time; more are refused.
    max_open_sessions: usize = 2_048;
    /// Commands that may wait for one node.
    node_queue_length: usize = 4_096;
    /// Bytes of sealed frames of one node that may wait for another one, where they are relayed.
    relay_pair_bytes: usize = 2 * quorate_transport::noise::RELAY_WINDOW;
    /// Reports of nodes that may wait for one act; more are dropped and counted.
    act_queue_length: usize = 256;
    /// Keys whose public facts are kept in memory.
    max_cached_keys: usize = 10_000;
    /// How much younger than "now" an intent may be, for clocks that differ.
    clock_tolerance_seconds: u64 = 30;
    /// How long a signer may take to say that it joined.
    open_timeout_ms: u64 = LeadLimits::default().open_timeout_ms;
    /// How long a signing round may make no progress.
    round_timeout_ms: u64 = LeadLimits::default().round_timeout_ms;
    /// How long one signing attempt may take.
    attempt_timeout_ms: u64 = LeadLimits::default().attempt_timeout_ms;
    /// Signing attempts of one intent.
    max_attempts: u32 = LeadLimits::default().max_attempts;
    /// How long a signature may take, whatever the attempts.
    total_ms: u64 = LeadLimits::default().total_ms;
    /// As `round_timeout_ms`, for key generation.
    create_round_timeout_ms: u64 = LeadLimits::default().create_round_timeout_ms;
    /// As `attempt_timeout_ms`, for key generation.
    create_attempt_timeout_ms: u64 = LeadLimits::default().create_attempt_timeout_ms;
    /// Attempts at key generation.
    max_create_attempts: u32 = LeadLimits::default().max_create_attempts;
    /// As `total_ms`, for key generation.
    create_total_ms: u64 = LeadLimits::default().create_total_ms;
    /// How long to wait for the other nodes' confirmation once a key certificate is held.
    create_settle_ms: u64 = LeadLimits::default().create_settle_ms;
    /// How long too few nodes are waited for before an act fails.
    no_nodes_grace_ms: u64 = LeadLimits::default().no_nodes_grace_ms;
    /// How long to collect the other signers' reports after a first abort.
    abort_settle_ms: u64 = LeadLimits::default().abort_settle_ms;
    /// Pause before an attempt that must use a suspect again; doubles each time.
    retry_delay_ms: u64 = LeadLimits::default().retry_delay_ms;
    /// Pause before each further attempt at key generation; doubles each time.
    create_retry_delay_ms: u64 = LeadLimits::default().create_retry_delay_ms;
    /// Longest pause of either kind.
    max_retry_delay_ms: u64 = LeadLimits::default().max_retry_delay_ms;
}

impl LimitsConfig {
    pub(crate) fn lead(&self) -> LeadLimits {
        LeadLimits {
            open_timeout_ms: self.open_timeout_ms,
            round_timeout_ms: self.round_timeout_ms,
            attempt_timeout_ms: self.attempt_timeout_ms,
            max_attempts: self.max_attempts,
            total_ms: self.total_ms,
            create_round_timeout_ms: self.create_round_timeout_ms,
            create_attempt_timeout_ms: self.create_attempt_timeout_ms,
            max_create_attempts: self.max_create_attempts,
            create_total_ms: self.create_total_ms,
            create_settle_ms: self.create_settle_ms,
            no_nodes_grace_ms: self.no_nodes_grace_ms,
            abort_settle_ms: self.abort_settle_ms,
            retry_delay_ms: self.retry_delay_ms,
            create_retry_delay_ms: self.create_retry_delay_ms,
            max_retry_delay_ms: self.max_retry_delay_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configuration__must_refuse_a_setting_that_it_does_not_know() {
        let known = serde_json::json!({
            "coordinator_id": "c1", "data_dir": "/d", "manifest": "/m", "nodes": {"p1": "h:1"},
            "tls": {"cert_file": "/c", "key_file": "/k", "ca_file": "/a"},
            "limits": {"max_attempts": 2},
        });
        let config: CoordinatorConfig = serde_json::from_value(known.clone()).unwrap();
        assert_eq!(config.limits.max_attempts, 2);
        assert_eq!(config.limits.node_dead_after_ms, 5_000);
        for path in ["", "/limits", "/tls"] {
            let mut wrong = known.clone();
            wrong.pointer_mut(path).unwrap()["max_atempts"] = 3.into();
            assert!(
                serde_json::from_value::<CoordinatorConfig>(wrong).is_err(),
                "{path}"
            );
        }
    }
}
