use std::fmt;

use quorate_types::{Algorithm, ChainId, Curve};

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
    /// Ethereum and its test networks.
    Ethereum(EthereumNetwork),
    /// Solana and its test networks.
    Solana(SolanaNetwork),
}

impl Chain {
    /// Every chain, in the order of the documentation.
    pub const ALL: [Self; 9] = [
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
            Self::Ethereum(network) => network.as_str(),
            Self::Solana(network) => network.as_str(),
        }
    }

    /// The number by which the network itself is named, where it has one (EIP-155).
    #[must_use]
    pub const fn network_chain_id(self) -> Option<u64> {
        match self {
            Self::None | Self::Solana(_) => None,
            Self::Ethereum(network) => Some(network.chain_id()),
        }
    }

    /// Schemes that it works with.
    #[must_use]
    pub const fn algorithms(self) -> &'static [Algorithm] {
        match self {
            Self::None => &[Algorithm::Ecdsa, Algorithm::EdDsa, Algorithm::Schnorr],
            Self::Ethereum(_) => &[Algorithm::Ecdsa],
            Self::Solana(_) => &[Algorithm::EdDsa],
        }
    }

    /// Kinds of address that a key may have, the usual one first.
    #[must_use]
    pub const fn address_kinds(self) -> &'static [&'static str] {
        &[DEFAULT_ADDRESS_KIND]
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

    /// Checks that the chain has this kind of address.
    ///
    /// # Errors
    /// [`Refusal::UnknownAddressKind`].
    pub fn check_address_kind(self, kind: &str) -> Result<(), Refusal> {
        if self.address_kinds().contains(&kind) {
            return Ok(());
        }
        Err(Refusal::UnknownAddressKind {
            chain: self.as_str(),
        })
    }

    /// The address of a public key (compressed), or none where there is no chain.
    ///
    /// # Errors
    /// [`Refusal::UnknownAddressKind`], or [`Refusal::InvalidPublicKey`] where the chain computes
    /// an address.
    pub fn address(self, public_key: &[u8], kind: &str) -> Result<Option<String>, Refusal> {
        self.check_address_kind(kind)?;
        match self {
            Self::None => Ok(None),
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
            Self::Ethereum(network) => ethereum::assemble(network, payload, signatures),
            Self::Solana(_) => solana::assemble(key, payload, signatures),
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
            Self::Ethereum(network) => ethereum::read(network, payload),
            Self::Solana(_) => {
                solana::read(key, payload).map(|(decoded, target)| (decoded, vec![target]))
            }
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
