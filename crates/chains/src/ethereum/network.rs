/// A network that runs Ethereum's rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EthereumNetwork {
    /// `ethereum`, chain id 1.
    Mainnet,
    /// `ethereum-sepolia`, chain id 11155111.
    Sepolia,
    /// `ethereum-holesky`, chain id 17000.
    Holesky,
    /// `ethereum-local`, chain id 31337: Anvil and other test chains on one machine.
    Local,
}

impl EthereumNetwork {
    /// Its id, as in `chain_type`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mainnet => "ethereum",
            Self::Sepolia => "ethereum-sepolia",
            Self::Holesky => "ethereum-holesky",
            Self::Local => "ethereum-local",
        }
    }

    /// The number that transactions for it carry (EIP-155).
    #[must_use]
    pub const fn chain_id(self) -> u64 {
        match self {
            Self::Mainnet => 1,
            Self::Sepolia => 11_155_111,
            Self::Holesky => 17_000,
            Self::Local => 31_337,
        }
    }
}
