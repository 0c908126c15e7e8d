//! Groups, polynomials, Feldman commitments, proofs, transcripts and key shares.
//!
//! Everything is generic over [`Group`], so that one implementation serves every curve.
//!
//! Architecture invariant: no clock, no IO, no randomness of its own. No function here turns
//! shares into the secret that they share: interpolation of a secret at zero exists in tests only.

#![cfg_attr(
    test,
    allow(non_snake_case, reason = "test names are subject__should_result")
)]

mod degree;
mod feldman;
mod group;
mod key_share;
mod lagrange;
mod polynomial;
mod proof;
mod public_key_package;
mod scalar;
mod transcript;

pub use degree::has_exact_degree;
pub use feldman::{CommitmentFault, FeldmanCommitment};
pub use group::{Ed25519, Group, Secp256k1};
pub use key_share::{InvalidKeyShare, KeyShare, MAX_KEY_SHARE_BYTES};
pub use lagrange::lagrange_at_zero;
pub use polynomial::Polynomial;
pub use proof::{ProofOfPossession, Statement};
pub use public_key_package::{PublicKeyPackage, PublicSharing, SecretName};
pub use scalar::SecretScalar;
pub use transcript::challenge;
