use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `quorate dev …`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct DevArgs {
    /// What to do; without one, the cluster is started.
    #[command(subcommand)]
    pub action: Option<DevAction>,
    #[command(flatten)]
    /// How it is started.
    pub start: DevStart,
}

/// Where a cluster lives.
#[derive(Debug, Clone, Args)]
pub struct DevFolder {
    /// Folder of the cluster: keys, certificates, data and logs [default:
    /// ~/.local/share/quorate/dev]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// Starting a cluster.
#[derive(Debug, Clone, Args)]
pub struct DevStart {
    #[command(flatten)]
    /// Where it lives.
    pub folder: DevFolder,
    /// Participants; fixed at the first run [default: 3]
    #[arg(long, value_name = "N")]
    pub nodes: Option<u8>,
    /// Address of the REST interface; loopback only [default: 127.0.0.1:8080 if it is free]
    #[arg(long, value_name = "ADDRESS")]
    pub http: Option<SocketAddr>,
    /// Return when the cluster is ready, and leave it running
    #[arg(long)]
    pub detach: bool,
}

/// `quorate dev ACTION …`
#[derive(Debug, Subcommand)]
pub enum DevAction {
    /// Stop all processes of a cluster
    Stop(DevFolder),
    /// Show the processes, and where each share lies
    Status(DevFolder),
    /// Start one process that is down
    StartNode {
        #[command(flatten)]
        /// Where the cluster lives.
        folder: DevFolder,
        /// node-1 … or coordinator
        name: String,
    },
    /// Stop one process
    StopNode {
        #[command(flatten)]
        /// Where the cluster lives.
        folder: DevFolder,
        /// node-1 … or coordinator
        name: String,
        /// Kill it at once, as a power cut would
        #[arg(long)]
        kill: bool,
    },
    /// Become the leader of a new session, then the program (used by this command itself)
    #[command(hide = true)]
    Exec {
        /// Program and its arguments
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        program: Vec<std::ffi::OsString>,
    },
}
