use quorate_types::Curve;
use thiserror::Error;

/// Why bytes are not a public key that may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PointFault {
    /// Not the length of a compressed point.
    #[error("wrong length")]
    Length,
    /// The leading byte is not 02 or 03 (secp256k1).
    #[error("unknown point tag")]
    Tag,
    /// No point of the curve has this coordinate.
    #[error("not on the curve")]
    NotOnCurve,
    /// The neutral element: its secret key is zero.
    #[error("the identity")]
    Identity,
    /// The same point has another, shorter or reduced encoding.
    #[error("not the canonical encoding")]
    NotCanonical,
    /// The point has a component of small order (edwards25519).
    #[error("not in the prime-order subgroup")]
    Torsion,
}

/// Why a key or a signature is refused. `Display` holds no key, message or signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The public key may not be used.
    #[error("invalid {curve} public key: {fault}")]
    InvalidPublicKey {
        /// Curve it should be on.
        curve: Curve,
        /// What is wrong.
        fault: PointFault,
    },
    /// A scalar of the signature is zero, or not below the group order.
    #[error("invalid signature: `{field}` is zero or not below the group order")]
    ScalarOutOfRange {
        /// `r` or `s`.
        field: &'static str,
    },
    /// `s` is above n/2: the mirrored form of a signature, which chains refuse (row C11).
    #[error("invalid signature: `s` is above n/2")]
    HighS,
    /// A recovery id is 0 to 3.
    #[error("invalid recovery id {0}: it is 0 to 3")]
    InvalidRecoveryId(u8),
    /// The recovery id leads to another public key (row C11), or to none.
    #[error("recovery id {0} does not lead to the public key")]
    WrongRecoveryId(u8),
    /// ECDSA and BIP340 sign 32 bytes.
    #[error("a digest has 32 bytes, not {found}")]
    DigestLength {
        /// Length found.
        found: usize,
    },
    /// Not the length that a signature of the scheme has.
    #[error("the signature has {found} bytes, not {needed}")]
    SignatureLength {
        /// Length of the scheme's signatures.
        needed: usize,
        /// Length found.
        found: usize,
    },
    /// This version does not know the scheme.
    #[error("unknown signature scheme")]
    UnknownAlgorithm,
    /// The signature is not of this message by this key.
    #[error("the signature does not verify")]
    Mismatch,
}
