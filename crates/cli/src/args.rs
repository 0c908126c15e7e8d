//! The command line.

mod batch;
mod bench;
mod dev;
mod enroll;
mod key;
mod lift_ban;
mod payload;
mod tx;

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

pub use batch::BatchArgs;
pub use bench::{BenchAction, BenchArgs, LoadArgs};
pub use dev::{DevAction, DevArgs, DevFolder, DevStart};
pub use enroll::{ApproveArgs, EnrollAction, InstallArgs, RequestArgs, RevokeArgs};
pub use key::{CommitteeArgs, CreateArgs, KeyAction, ListArgs, UpdateArgs};
pub use lift_ban::LiftBanArgs;
pub use payload::{PayloadArgs, SignArgs, VerifyArgs};
pub use tx::{TxAction, TxBitcoin, TxEthereum, TxSolana};

use crate::config::Setting;

/// Keys that never exist in one place: create them, sign with them, run the cluster that holds
/// them.
#[derive(Debug, Parser)]
#[command(
    name = "quorate",
    version,
    propagate_version = true,
    arg_required_else_help = true
)]
#[command(
    after_help = "Exit codes: 0 done, 1 failed here, 2 usage, 3 refused by the service, \
                        4 service not reachable, 5 answer not verified."
)]
pub struct Cli {
    #[command(flatten)]
    /// What applies to every command.
    pub global: GlobalArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Flags of every command.
#[derive(Debug, Clone, Default, Args)]
pub struct GlobalArgs {
    /// Print one JSON document on stdout, errors too
    #[arg(long, global = true)]
    pub json: bool,
    /// Configuration file [env: QUORATE_CONFIG; default: ~/.config/quorate/client.toml]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Connection")]
    pub config: Option<PathBuf>,
    /// Base address of the service [env: QUORATE_ENDPOINT]
    #[arg(long, global = true, value_name = "URL", help_heading = "Connection")]
    pub endpoint: Option<String>,
    /// Name of the HMAC credential [env: QUORATE_CREDENTIAL_ID]
    #[arg(long, global = true, value_name = "ID", help_heading = "Connection")]
    pub credential_id: Option<String>,
    /// How it signs calls: hmac or ed25519 [env: QUORATE_CREDENTIAL_KIND]
    #[arg(long, global = true, value_name = "KIND", help_heading = "Connection")]
    pub credential_kind: Option<String>,
    /// File with its secret in hex, mode 600 [env: QUORATE_CREDENTIAL_SECRET_FILE]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Connection")]
    pub credential_secret_file: Option<String>,
    /// Who signs intents, as the manifest names it [env: QUORATE_INITIATOR]
    #[arg(long, global = true, value_name = "ID", help_heading = "Connection")]
    pub initiator: Option<String>,
    /// File with its Ed25519 key in hex, mode 600 [env: QUORATE_INITIATOR_KEY_FILE]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Connection")]
    pub initiator_key_file: Option<String>,
    /// For whom [env: QUORATE_TENANT]
    #[arg(long, global = true, value_name = "ID", help_heading = "Connection")]
    pub tenant: Option<String>,
    /// Signed manifest of the cluster: what answers are checked with [env: QUORATE_MANIFEST]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Connection")]
    pub manifest: Option<String>,
    /// How long one call may take [env: QUORATE_TIMEOUT_MS]
    #[arg(long, global = true, value_name = "MS", help_heading = "Connection")]
    pub timeout_ms: Option<String>,
    /// How long the service may wait for a result before it answers with a session [env:
    /// QUORATE_WAIT_MS]
    #[arg(long, global = true, value_name = "MS", help_heading = "Connection")]
    pub wait_ms: Option<String>,
}

impl GlobalArgs {
    /// Settings that the command line gives.
    #[must_use]
    pub fn settings(&self) -> BTreeMap<Setting, String> {
        let given = [
            (Setting::Endpoint, &self.endpoint),
            (Setting::CredentialId, &self.credential_id),
            (Setting::CredentialKind, &self.credential_kind),
            (Setting::CredentialSecretFile, &self.credential_secret_file),
            (Setting::Initiator, &self.initiator),
            (Setting::InitiatorKeyFile, &self.initiator_key_file),
            (Setting::Tenant, &self.tenant),
            (Setting::Manifest, &self.manifest),
            (Setting::TimeoutMs, &self.timeout_ms),
            (Setting::WaitMs, &self.wait_ms),
        ];
        let given = given.into_iter();
        given
            .filter_map(|(setting, text)| Some((setting, text.clone()?)))
            .collect()
    }
}

/// All commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a whole cluster on this machine
    Dev(DevArgs),
    /// Run a coordinator with its gateway; --config names its coordinator.toml
    Coordinator,
    /// Create and show keys
    #[command(subcommand)]
    Key(KeyAction),
    /// Sign a transaction, a digest or a message, and verify the signature
    Sign(SignArgs),
    /// Sign many transactions with one key in one call, and verify each signature
    SignBatch(BatchArgs),
    /// Verify a signature on this machine
    Verify(VerifyArgs),
    /// Show and cancel sessions
    #[command(subcommand)]
    Session(SessionAction),
    /// Show the nodes of the cluster
    #[command(subcommand)]
    Node(NodeAction),
    /// Build unsigned transactions
    #[command(subcommand)]
    Tx(TxAction),
    /// Build signed intents, for curl
    #[command(subcommand)]
    Intent(IntentAction),
    /// Show the configuration
    #[command(subcommand)]
    Config(ConfigAction),
    /// Look for what is wrong between here and the cluster
    Doctor(DoctorArgs),
    /// Measure signatures or key creations through the public API
    Bench(BenchArgs),
    /// Print a completion script
    Completion {
        /// For which shell
        shell: Shell,
    },
}

/// `quorate session …`
#[derive(Debug, Subcommand)]
pub enum SessionAction {
    /// Show a session: its round, who is awaited, since when
    Show {
        /// ses_…
        session_id: String,
    },
    /// Follow a session until it ends
    Watch {
        /// ses_…
        session_id: String,
    },
    /// List sessions, newest first
    List {
        /// Only of this key
        #[arg(long, value_name = "KEY")]
        key: Option<String>,
        /// Only in this status
        #[arg(long)]
        status: Option<String>,
        /// Only attempts of this intent
        #[arg(long, value_name = "HEX")]
        intent_digest: Option<String>,
        /// Most sessions to show
        #[arg(long, default_value_t = 50)]
        limit: u16,
        /// Where to go on
        #[arg(long)]
        cursor: Option<String>,
    },
    /// End a session before it has a result
    Cancel {
        /// ses_…
        session_id: String,
    },
}

/// `quorate doctor`
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Try the links of one process instead, from its own machine: its coordinator.toml or
    /// participant.toml
    #[arg(long, value_name = "FILE")]
    pub process: Option<PathBuf>,
}

/// `quorate node …`
#[derive(Debug, Subcommand)]
pub enum NodeAction {
    /// List all nodes with their state and links
    List,
    /// Show one node
    Show {
        /// Name in the manifest
        node_id: String,
    },
    /// As an owner, let two nodes make new pair state after a ban
    LiftBan(LiftBanArgs),
    /// Give a new machine its keys and its certificate; no service is needed
    #[command(subcommand)]
    Enroll(EnrollAction),
}

/// `quorate intent …`
#[derive(Debug, Subcommand)]
pub enum IntentAction {
    /// Build an intent, sign it and print the request body for curl
    #[command(subcommand)]
    Build(IntentBuild),
    /// Show what an intent asks for
    Show {
        /// Canonical bytes of the intent
        hex: String,
    },
}

/// `quorate intent build …`
#[derive(Debug, Subcommand)]
pub enum IntentBuild {
    /// Body of POST /api/v1/keys
    CreateKey(Box<CreateArgs>),
    /// Body of POST /api/v1/sign
    Sign(SignArgs),
}

/// `quorate config …`
#[derive(Debug, Subcommand)]
pub enum ConfigAction {
    /// Show every setting and where its value came from
    Show,
}
