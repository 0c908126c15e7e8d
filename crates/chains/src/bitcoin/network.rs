/// A network that runs Bitcoin's rules. Transactions do not name it: they name coins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BitcoinNetwork {
    /// `bitcoin`.
    Mainnet,
    /// `bitcoin-testnet`: versions 3 and 4, whose addresses are alike.
    Testnet,
    /// `bitcoin-signet`, whose addresses are those of testnet.
    Signet,
    /// `bitcoin-regtest`: test chains on one machine.
    Regtest,
}

impl BitcoinNetwork {
    /// Its id, as in `chain_type`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mainnet => "bitcoin",
            Self::Testnet => "bitcoin-testnet",
            Self::Signet => "bitcoin-signet",
            Self::Regtest => "bitcoin-regtest",
        }
    }

    /// What addresses of witness programs start with (BIP173).
    pub(super) const fn bech32_prefix(self) -> bech32::Hrp {
        match self {
            Self::Mainnet => bech32::hrp::BC,
            Self::Testnet | Self::Signet => bech32::hrp::TB,
            Self::Regtest => bech32::hrp::BCRT,
        }
    }

    /// First byte of an address of a public key's hash.
    pub(super) const fn key_hash_prefix(self) -> u8 {
        match self {
            Self::Mainnet => 0x00,
            _ => 0x6f,
        }
    }

    /// First byte of an address of a script's hash.
    pub(super) const fn script_hash_prefix(self) -> u8 {
        match self {
            Self::Mainnet => 0x05,
            _ => 0xc4,
        }
    }
}
