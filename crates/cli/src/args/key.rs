use clap::{Args, Subcommand};

/// `quorate key …`
#[derive(Debug, Subcommand)]
pub enum KeyAction {
    /// Create a key; show it once all its nodes have certified it
    Create(CreateArgs),
    /// List keys, newest first
    List(ListArgs),
    /// Show a key, checked with the manifest
    Show {
        /// key_…
        key_id: String,
    },
    /// Change description and tags
    Update(UpdateArgs),
}

/// Who holds the shares of a new key.
#[derive(Debug, Clone, Args)]
pub struct CommitteeArgs {
    /// Signers needed
    #[arg(long, default_value_t = 2, value_name = "T")]
    pub threshold: u64,
    /// Shares: the first N nodes of the manifest [default: 3]
    #[arg(long, value_name = "N", conflicts_with = "node")]
    pub nodes: Option<u64>,
    /// A node that holds a share; once for each, in the order of the indices
    #[arg(long, value_name = "NODE")]
    pub node: Vec<String>,
}

/// `quorate key create …`
#[derive(Debug, Clone, Args)]
pub struct CreateArgs {
    /// Chain of the key, or none
    #[arg(long, default_value = "ethereum")]
    pub chain: String,
    #[command(flatten)]
    /// Who holds the shares.
    pub committee: CommitteeArgs,
    /// ECDSA, EdDSA or Schnorr [default: what the chain and the address kind use]
    #[arg(long)]
    pub algorithm: Option<String>,
    /// Protocol that signs with it [default: that of the algorithm]
    #[arg(long)]
    pub protocol: Option<String>,
    /// Kind of address
    #[arg(long, default_value = "default")]
    pub address_kind: String,
    /// A dangerous use that the key shall allow: raw_hash, raw_message, import, export
    #[arg(long, value_name = "RIGHT")]
    pub right: Vec<String>,
    /// For people
    #[arg(long, visible_alias = "name")]
    pub description: Option<String>,
    /// For filters; once for each
    #[arg(long)]
    pub tag: Vec<String>,
    /// Your own name for this act: repeating it repeats nothing [default: random]
    #[arg(long, value_name = "TEXT")]
    pub idempotency_key: Option<String>,
    /// Seconds until nobody may join it any more
    #[arg(long, value_name = "SECONDS")]
    pub expires_in: Option<u64>,
}

/// `quorate key list …`
#[derive(Debug, Clone, Args)]
pub struct ListArgs {
    /// Only in this status
    #[arg(long)]
    pub status: Option<String>,
    /// Only of this chain
    #[arg(long)]
    pub chain: Option<String>,
    /// Only of this scheme
    #[arg(long)]
    pub algorithm: Option<String>,
    /// Only with this tag
    #[arg(long)]
    pub tag: Option<String>,
    /// Only with this address
    #[arg(long)]
    pub address: Option<String>,
    /// Most keys to show
    #[arg(long, default_value_t = 50)]
    pub limit: u16,
    /// Where to go on
    #[arg(long)]
    pub cursor: Option<String>,
}

/// `quorate key update …`
#[derive(Debug, Clone, Args)]
pub struct UpdateArgs {
    /// key_…
    pub key_id: String,
    /// New description
    #[arg(long)]
    pub description: Option<String>,
    /// New tags, in place of the old ones; once for each
    #[arg(long)]
    pub tag: Vec<String>,
    /// Remove all tags
    #[arg(long, conflicts_with = "tag")]
    pub no_tags: bool,
}
