use std::path::PathBuf;

use clap::Args;

/// What is signed: exactly one of these.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
pub struct PayloadArgs {
    /// Unsigned transaction
    #[arg(long, value_name = "HEX")]
    pub tx: Option<String>,
    /// File with an unsigned transaction, in hex or as bytes; - is stdin
    #[arg(long, value_name = "FILE")]
    pub tx_file: Option<PathBuf>,
    /// 32-byte digest; needs a key with the right raw_hash
    #[arg(long, value_name = "HEX")]
    pub raw_hash: Option<String>,
    /// Message; needs a key with the right raw_message
    #[arg(long, value_name = "TEXT")]
    pub message: Option<String>,
    /// Message as bytes
    #[arg(long, value_name = "HEX")]
    pub message_hex: Option<String>,
    /// File with a message; - is stdin
    #[arg(long, value_name = "FILE")]
    pub message_file: Option<PathBuf>,
}

/// `quorate sign …`
#[derive(Debug, Clone, Args)]
pub struct SignArgs {
    /// key_…
    #[arg(long, value_name = "KEY")]
    pub key: String,
    #[command(flatten)]
    /// What is signed.
    pub payload: PayloadArgs,
    /// Your own name for this act: repeating it repeats nothing [default: random]
    #[arg(long, value_name = "TEXT")]
    pub idempotency_key: Option<String>,
    /// Seconds until nobody may join it any more
    #[arg(long, value_name = "SECONDS")]
    pub expires_in: Option<u64>,
}

/// `quorate verify …`
#[derive(Debug, Clone, Args)]
pub struct VerifyArgs {
    /// A key of the cluster; its certificate is checked first
    #[arg(long, value_name = "KEY", required_unless_present = "public_key")]
    pub key: Option<String>,
    /// A public key, compressed; nothing is asked of the service then
    #[arg(long, value_name = "HEX", conflicts_with = "key")]
    pub public_key: Option<String>,
    /// ECDSA or EdDSA, for --public-key
    #[arg(long, default_value = "ECDSA")]
    pub algorithm: String,
    /// Chain of the transaction, for --public-key
    #[arg(long, default_value = "none")]
    pub chain: String,
    /// r and s, 64 bytes (or R and S)
    #[arg(long, value_name = "HEX")]
    pub signature: String,
    #[command(flatten)]
    /// What was signed.
    pub payload: PayloadArgs,
}
