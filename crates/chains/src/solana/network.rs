/// A network that runs Solana's rules. Transactions do not name it: they name a recent block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SolanaNetwork {
    /// `solana`.
    Mainnet,
    /// `solana-devnet`.
    Devnet,
    /// `solana-testnet`.
    Testnet,
    /// `solana-local`: litesvm, solana-test-validator and other test chains on one machine.
    Local,
}

impl SolanaNetwork {
    /// Its id, as in `chain_type`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mainnet => "solana",
            Self::Devnet => "solana-devnet",
            Self::Testnet => "solana-testnet",
            Self::Local => "solana-local",
        }
    }
}
