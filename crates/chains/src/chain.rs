use std::fmt;

use quorate_types::{Algorithm, ChainId, Curve};

use crate::bitcoin::{self, BitcoinNetwork};
use crate::ethereum::{self, EthereumNetwork};
use crate::solana::{self, SolanaNetwork};
use crate::{Decoded, KeyContext, Refusal, Signature, SignedTransaction, SigningTarget};

/// The address kind that every chain has.
pub const DEFAULT_ADDRESS_KIND: &str = "default";

/// A chain that this version knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Chain {
    /// No chain: the key signs raw messages, and has no address.
    None,
    /// Bitcoin and its test networks.
    Bitcoin(BitcoinNetwork),
    /// Ethereum and its test networks.
    Ethereum(EthereumNetwork),
    /// Solana and its test networks.
    Solana(SolanaNetwork),
}

impl Chain {
    /// Every chain, in the order of the documentation.
    pub const ALL: [Self; 13] = [
        Self::Bitcoin(BitcoinNetwork::Mainnet),
        Self::Bitcoin(BitcoinNetwork::Testnet),
        Self::Bitcoin(BitcoinNetwork::Signet),
        Self::Bitcoin(BitcoinNetwork::Regtest),
        Self::Ethereum(EthereumNetwork::Mainnet),
        Self::Ethereum(EthereumNetwork::Sepolia),
        Self::Ethereum(EthereumNetwork::Holesky),
        Self::Ethereum(EthereumNetwork::Local),
        Self::Solana(SolanaNetwork::Mainnet),
        Self::Solana(SolanaNetwork::Devnet),
        Self::Solana(SolanaNetwork::Testnet),
        Self::Solana(SolanaNetwork::Local),
        Self::None,
    ];

    /// The chain of this id, if it is known.
    #[must_use]
    pub fn parse(id: &ChainId) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|chain| chain.as_str() == id.as_str())
    }

    /// Its id, as in `chain_type`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Bitcoin(network) => network.as_str(),
            Self::Ethereum(network) => network.as_str(),
            Self::Solana(network) => network.as_str(),
        }
    }

    /// The number by which the network itself is named, where it has one (EIP-155).
    #[must_use]
    pub const fn network_chain_id(self) -> Option<u64> {
        match self {
            Self::None | Self::Bitcoin(_) | Self::Solana(_) => None,
            Self::Ethereum(network) => Some(network.chain_id()),
        }
    }

    /// Schemes that it works with.
    #[must_use]
    pub const fn algorithms(self) -> &'static [Algorithm] {
        match self {
            Self::None => &[Algorithm::Ecdsa, Algorithm::EdDsa, Algorithm::Schnorr],
            Self::Bitcoin(_) => &[Algorithm::Ecdsa, Algorithm::Schnorr],
            Self::Ethereum(_) => &[Algorithm::Ecdsa],
            Self::Solana(_) => &[Algorithm::EdDsa],
        }
    }

    /// Kinds of address that a key of this scheme may have, the usual one first.
    ///
    /// [`DEFAULT_ADDRESS_KIND`] stands for the first one everywhere.
    #[must_use]
    pub const fn address_kinds(self, algorithm: Algorithm) -> &'static [&'static str] {
        match (self, algorithm) {
            (Self::Bitcoin(_), Algorithm::Ecdsa) => &["p2wpkh"],
            (Self::Bitcoin(_), Algorithm::Schnorr) => &["p2tr"],
            (Self::Bitcoin(_), _) => &[],
            _ => &[DEFAULT_ADDRESS_KIND],
        }
    }

    /// The name of a kind of address: what [`DEFAULT_ADDRESS_KIND`], or nothing, stands for, or
    /// what was asked for.
    ///
    /// # Errors
    /// [`Refusal::UnknownAddressKind`].
    pub fn named_address_kind(
        self,
        algorithm: Algorithm,
        asked: &str,
    ) -> Result<&'static str, Refusal> {
        let supported = self.address_kinds(algorithm);
        let is_default = asked.is_empty() || asked == DEFAULT_ADDRESS_KIND;
        let mut kinds = supported.iter().copied();
        kinds
            .find(|kind| is_default || *kind == asked)
            .ok_or(Refusal::UnknownAddressKind {
                chain: self.as_str(),
                supported,
            })
    }

    /// Checks that a key of this scheme and curve can be used on this chain.
    ///
    /// # Errors
    /// [`Refusal::WrongCurve`] or [`Refusal::WrongAlgorithm`].
    pub fn check_key(self, algorithm: Algorithm, curve: Curve) -> Result<(), Refusal> {
        let used = |known: &Algorithm| known.curve() == curve;
        if algorithm.curve() != curve || !self.algorithms().iter().any(used) {
            return Err(Refusal::WrongCurve {
                chain: self.as_str(),
                algorithm,
                curve,
                supported: self.algorithms(),
            });
        }
        self.check_algorithm(algorithm)
    }

    /// Checks that the chain works with this scheme.
    ///
    /// # Errors
    /// [`Refusal::WrongAlgorithm`].
    pub fn check_algorithm(self, algorithm: Algorithm) -> Result<(), Refusal> {
        if self.algorithms().contains(&algorithm) {
            return Ok(());
        }
        Err(Refusal::WrongAlgorithm {
            chain: self.as_str(),
            algorithm,
            supported: self.algorithms(),
        })
    }

    /// Checks that a key of this scheme may be created with this kind of address.
    ///
    /// # Errors
    /// [`Refusal::UnknownAddressKind`].
    pub fn check_address_kind(self, algorithm: Algorithm, kind: &str) -> Result<(), Refusal> {
        if kind.is_empty() {
            let supported = self.address_kinds(algorithm);
            let chain = self.as_str();
            return Err(Refusal::UnknownAddressKind { chain, supported });
        }
        self.named_address_kind(algorithm, kind).map(drop)
    }

    /// The address of a public key (compressed), or none where there is no chain.
    ///
    /// # Errors
    /// [`Refusal::UnknownAddressKind`], or [`Refusal::InvalidPublicKey`] where the chain computes
    /// an address.
    pub fn address(
        self,
        algorithm: Algorithm,
        public_key: &[u8],
        kind: &str,
    ) -> Result<Option<String>, Refusal> {
        self.named_address_kind(algorithm, kind)?;
        match self {
            Self::None => Ok(None),
            Self::Bitcoin(network) => {
                let spend = bitcoin::SpendKind::of(algorithm).ok_or(self.no_kind())?;
                bitcoin::address_of(network, spend, public_key).map(Some)
            }
            Self::Ethereum(_) => ethereum::address_of(public_key).map(Some),
            Self::Solana(_) => solana::address_of(public_key).map(Some),
        }
    }

    /// Puts signatures into an unsigned transaction of `key`.
    pub(crate) fn assemble(
        self,
        key: &KeyContext<'_>,
        payload: &[u8],
        signatures: &[Signature],
    ) -> Result<SignedTransaction, Refusal> {
        match self {
            Self::None => Err(self.without_transactions()),
            Self::Bitcoin(network) => bitcoin::assemble(network, key, payload, signatures),
            Self::Ethereum(network) => ethereum::assemble(network, payload, signatures),
            Self::Solana(_) => solana::assemble(key, payload, signatures),
        }
    }

    /// As [`Self::assemble`], for signatures that were verified under the key, recovery id included.
    pub(crate) fn assemble_verified(
        self,
        key: &KeyContext<'_>,
        payload: &[u8],
        signatures: &[Signature],
    ) -> Result<SignedTransaction, Refusal> {
        match self {
            Self::Ethereum(network) => {
                ethereum::assemble_verified(network, key.public_key, payload, signatures)
            }
            other => other.assemble(key, payload, signatures),
        }
    }

    /// What an unsigned transaction does, and what is signed for it.
    pub(crate) fn transaction(
        self,
        key: &KeyContext<'_>,
        payload: &[u8],
    ) -> Result<(Decoded, Vec<SigningTarget>), Refusal> {
        match self {
            Self::None => Err(self.without_transactions()),
            Self::Bitcoin(network) => bitcoin::read(network, key, payload),
            Self::Ethereum(network) => ethereum::read(network, payload),
            Self::Solana(_) => {
                solana::read(key, payload).map(|(decoded, target)| (decoded, vec![target]))
            }
        }
    }

    pub(crate) const fn no_kind(self) -> Refusal {
        Refusal::UnknownAddressKind {
            chain: self.as_str(),
            supported: &[],
        }
    }

    fn without_transactions(self) -> Refusal {
        Refusal::NoTransactions {
            chain: self.as_str(),
        }
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
