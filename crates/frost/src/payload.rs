use quorate_types::Algorithm;

/// What is signed, and in which scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload<'a> {
    /// Ed25519 as in RFC 8032, without prehash: a message of any length.
    EdDsa(&'a [u8]),
    /// BIP340 of 32 bytes.
    Schnorr {
        /// The 32 bytes.
        digest: [u8; 32],
        /// The key that the signature is to verify under.
        tweak: TaprootTweak,
    },
}

impl Payload<'_> {
    /// Its scheme.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        match self {
            Self::EdDsa(_) => Algorithm::EdDsa,
            Self::Schnorr { .. } => Algorithm::Schnorr,
        }
    }
}

/// Which key a BIP340 signature verifies under.
///
/// # Security
/// Row C16: the tweak itself is a hash of the public key that every signer computes for itself; no
/// scalar can be passed in. Who signs for which key is the same at all signers (step 1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaprootTweak {
    /// The public key as it is.
    None,
    /// The BIP341 output key without a script tree, as BIP86 has it.
    KeyPath,
    /// The BIP341 output key with the script tree of this root.
    ScriptTree([u8; 32]),
}
