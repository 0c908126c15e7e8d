use std::path::PathBuf;

use clap::Args;

/// `quorate node lift-ban`
#[derive(Debug, Args)]
pub struct LiftBanArgs {
    /// One node of the banned pair
    pub node_id: String,
    /// The other
    pub peer: String,
    /// Which owner signs, as the manifest names it
    #[arg(long, value_name = "ID")]
    pub owner: String,
    /// File with the owner's Ed25519 key in hex, mode 600
    #[arg(long, value_name = "FILE")]
    pub owner_key_file: PathBuf,
    /// The banned generation; each that the nodes name if it is not given
    #[arg(long, value_name = "HEX")]
    pub generation: Option<String>,
    /// Seconds until nobody may join the intent any more
    #[arg(long, value_name = "S")]
    pub expires_in: Option<u64>,
}
