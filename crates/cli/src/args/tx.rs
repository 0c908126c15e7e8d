use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::bitcoin_tx::{CoinName, Payment};
use crate::solana_tx::MessageVersion;

/// `quorate tx …`
#[derive(Debug, Subcommand)]
pub enum TxAction {
    /// Build an unsigned EIP-1559 transaction
    Ethereum(TxEthereum),
    /// Build a PSBT that spends coins of one key
    Bitcoin(TxBitcoin),
    /// Build an unsigned transfer of lamports
    Solana(TxSolana),
}

/// `quorate tx ethereum …`
#[derive(Debug, Clone, Args)]
pub struct TxEthereum {
    /// Receiver
    #[arg(long, value_name = "ADDRESS", value_parser = crate::ethereum_tx::parse_address)]
    pub to: [u8; 20],
    /// Amount in wei, or with a unit: 0.1ether, 20gwei
    #[arg(long, default_value = "0", value_parser = crate::ethereum_tx::parse_amount)]
    pub value: u128,
    /// Position in the account's sequence
    #[arg(long)]
    pub nonce: u64,
    /// Most units of gas
    #[arg(long, default_value_t = 21_000)]
    pub gas: u64,
    /// Most per unit of gas, tip included
    #[arg(long, value_name = "AMOUNT", value_parser = crate::ethereum_tx::parse_amount)]
    pub max_fee: u128,
    /// Tip per unit of gas
    #[arg(long, value_name = "AMOUNT", default_value = "1gwei",
          value_parser = crate::ethereum_tx::parse_amount)]
    pub priority_fee: u128,
    /// Network: 1 ethereum, 11155111 ethereum-sepolia, 17000 ethereum-holesky, 31337 ethereum-local
    #[arg(long, value_name = "NUMBER")]
    pub chain_id: u64,
    /// Input of a contract
    #[arg(long, value_name = "HEX", default_value = "")]
    pub data: String,
}

/// `quorate tx bitcoin …`
#[derive(Debug, Clone, Args)]
#[command(group = clap::ArgGroup::new("price").required(true).args(["fee", "fee_rate"]))]
pub struct TxBitcoin {
    /// Public key whose coins are spent, compressed: `quorate key show`
    #[arg(long, value_name = "HEX")]
    pub public_key: String,
    /// Scheme of the key: ECDSA (p2wpkh) or Schnorr (p2tr)
    #[arg(long)]
    pub algorithm: String,
    /// Network: bitcoin, bitcoin-testnet, bitcoin-signet, bitcoin-regtest
    #[arg(long)]
    pub chain: String,
    /// A coin of the key: TXID:INDEX with its transaction in --previous-tx, or TXID:INDEX:AMOUNT,
    /// which is enough for Schnorr; several
    #[arg(long, value_name = "COIN", required = true, value_parser = crate::bitcoin_tx::parse_coin)]
    pub input: Vec<CoinName>,
    /// Whole transaction that made coins; several
    #[arg(long, value_name = "HEX")]
    pub previous_tx: Vec<String>,
    /// File with such transactions, one in hex a line; - is stdin
    #[arg(long, value_name = "FILE")]
    pub previous_tx_file: Option<PathBuf>,
    /// ADDRESS=AMOUNT, in satoshi or with a unit: 0.001btc; several
    #[arg(long, value_name = "PAYMENT", required = true,
          value_parser = crate::bitcoin_tx::parse_payment)]
    pub to: Vec<Payment>,
    /// Where the rest goes [default: back to the key]
    #[arg(long, value_name = "ADDRESS")]
    pub change: Option<String>,
    /// What miners get, in satoshi or with a unit
    #[arg(long, value_name = "AMOUNT", value_parser = crate::bitcoin_tx::parse_amount)]
    pub fee: Option<u64>,
    /// The same, in satoshi for each virtual byte
    #[arg(long, value_name = "SATOSHI")]
    pub fee_rate: Option<u64>,
    /// Do not let the transaction be replaced by one with a greater fee
    #[arg(long)]
    pub no_replacement: bool,
}

/// `quorate tx solana …`
#[derive(Debug, Clone, Args)]
pub struct TxSolana {
    /// Sender, which signs and pays the fee: the key's address
    #[arg(long, value_name = "ADDRESS", value_parser = crate::solana_tx::parse_address)]
    pub from: [u8; 32],
    /// Receiver
    #[arg(long, value_name = "ADDRESS", value_parser = crate::solana_tx::parse_receiver)]
    pub to: [u8; 32],
    /// Amount in lamports, or with a unit: 0.1sol
    #[arg(long, value_name = "AMOUNT", value_parser = crate::solana_tx::parse_amount)]
    pub amount: u64,
    /// Hash of a recent block: the transfer is valid for about a minute after it
    #[arg(long, value_name = "HASH", value_parser = crate::solana_tx::parse_blockhash)]
    pub blockhash: [u8; 32],
    /// Form of the message
    #[arg(long, value_name = "VERSION", value_enum, default_value = "legacy")]
    pub message_version: MessageVersion,
    /// Network: solana, solana-devnet, solana-testnet, solana-local. The message does not name it
    #[arg(long, default_value = "solana")]
    pub chain: String,
}
