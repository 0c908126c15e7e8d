use quorate_verify::EcdsaSignature;

/// A signature in the form of its scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signature {
    /// ECDSA over secp256k1, with its recovery id.
    Ecdsa(EcdsaSignature),
}

impl From<EcdsaSignature> for Signature {
    fn from(signature: EcdsaSignature) -> Self {
        Self::Ecdsa(signature)
    }
}

/// A transaction ready to be sent to its chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedTransaction {
    /// What the chain takes, byte for byte.
    pub bytes: Vec<u8>,
    /// Name of the transaction on the chain, as explorers write it.
    pub tx_id: String,
    /// Address that the chain will see as the sender.
    ///
    /// # Security
    /// Recovered from the signature: another signature gives another sender, not an error.
    /// Compare it with the address of the key.
    pub from: String,
}
