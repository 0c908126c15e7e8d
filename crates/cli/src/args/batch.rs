use std::path::PathBuf;

use clap::Args;

/// `quorate sign-batch …`
#[derive(Debug, Clone, Args)]
pub struct BatchArgs {
    /// key_…
    #[arg(long, value_name = "KEY")]
    pub key: String,
    /// File with one unsigned transaction in hex a line; - is stdin
    #[arg(long, value_name = "FILE")]
    pub tx_file: PathBuf,
    /// Seconds until nobody may join them any more
    #[arg(long, value_name = "SECONDS")]
    pub expires_in: Option<u64>,
}
